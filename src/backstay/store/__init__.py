"""The multi-version store: its state in memory over an immutable base, and what one log entry does to it.

Pure: no files, no clock, no network. Reading a data directory's log tail stands on it, and so does the embedded store.
"""
