"""Runs: sorted, immutable, sealed files of records. `rows` is the content of a frame, `footer` the index, `writer`, `reader`."""
