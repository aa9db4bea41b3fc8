"""`backstay recipient`: who can read a repository's backups. `list` and `test` look; `add` and `remove` need the root key."""
