"""Backups into a repository: `founding` makes one, `state` is what this host remembers, `run` makes a point."""
