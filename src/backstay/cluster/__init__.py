"""Real etcd on real machines: the host it runs on, its installation, its processes, and how they are stopped and started.

Called by jobs, doctor and the lab. Knows machines, not backups.
"""

__all__: list[str] = []
