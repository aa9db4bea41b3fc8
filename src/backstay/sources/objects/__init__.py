"""The Kubernetes objects of a source: a snapshot file, a data directory, a point of a repository, a living etcd.

    with open_objects(source) as objects:
        for each in objects.objects(Choice(objects.find("pods"), "default")):
            print(each.identity.name, each.json["status"])

`cluster` is that door; `evidence` looks at a source to tell its prefixes and its release. Nothing here writes.
"""

from backstay.sources.objects.cluster import Choice, Objects, Past, Settings, open_objects

__all__ = ["Choice", "Objects", "Past", "Settings", "open_objects"]
