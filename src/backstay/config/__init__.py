"""The file `backstay.toml`: which clusters there are, where their copies go, and what each is promised.

`configuration` holds the values, `reading` makes them of text and reports every mistake at once, `search` says which file
counts, `promise` puts together what one cluster is promised. The environment is never read here: the command line hands
in what is needed. No secret has a place in the file.
"""

from __future__ import annotations

from backstay.config.configuration import Cluster, Configuration, Form, RepositoryEntry
from backstay.config.mistakes import Mistake
from backstay.config.promise import Copy, Promise, promise_of
from backstay.config.reading import Reading, load, read
from backstay.config.search import candidates, find

__all__ = [
    "Cluster", "Configuration", "Copy", "Form", "Mistake", "Promise", "Reading", "RepositoryEntry", "candidates", "find",
    "load", "promise_of", "read",
]  # fmt: skip
