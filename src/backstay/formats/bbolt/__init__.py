"""bbolt, the file format of etcd's database: read, check, build.

`layout` specifies the bytes; `pages` decodes single pages; `reader` finds its way through a file; `check` reports
everything that is wrong with one; `build` writes a new one in a single pass.
"""

from backstay.formats.bbolt.build import BuiltFile, build
from backstay.formats.bbolt.check import StructureCheck, check_structure
from backstay.formats.bbolt.layout import Buffer, Meta
from backstay.formats.bbolt.pages import Elements, Leaf
from backstay.formats.bbolt.reader import Bucket, Database, open_database

__all__ = [
    "Bucket",
    "Buffer",
    "BuiltFile",
    "Database",
    "Elements",
    "Leaf",
    "Meta",
    "StructureCheck",
    "build",
    "check_structure",
    "open_database",
]
