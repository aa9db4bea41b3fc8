"""Backups of many moments in little space: immutable sealed runs of records, and signed manifests that name them.

docs/formats/repository.md is the specification. Knows records and elements of buckets, by their bytes; knows neither bbolt
nor Kubernetes. `writing` makes a point, `reading` gives one back, `catalogue` says which there are, `checking` whether
they are sound.
"""
