"""Bytes on somebody's disk to values, and back. Pure: no files, no clock, no logging; callers hand in a buffer.

Every module opens with the layout it reads and writes, and one example in hex. Hostile input never crashes, hangs or
allocates without bound: it yields findings, or a `FormatError` that names the offset. The facts come from etcd's files
as described in docs/formats/etcd-files.md.
"""
