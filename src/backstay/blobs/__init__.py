"""Objects by name, wherever they are kept: a port (`contract`), its drivers, and small wrappers of the same shape.

`open_store` turns a location as people write it into a store. Drivers import their client when they are used, so that a
base installation and a fast start need none of them. Nothing here knows what the objects mean.
"""

from backstay.blobs.contract import Answer, Blob, BlobStore, Content, Features, file_content, read_all
from backstay.blobs.location import Location, open_store, parse_location

__all__ = [
    "Answer",
    "Blob",
    "BlobStore",
    "Content",
    "Features",
    "Location",
    "file_content",
    "open_store",
    "parse_location",
    "read_all",
]
