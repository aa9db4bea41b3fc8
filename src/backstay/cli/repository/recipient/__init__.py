"""`backstay recipient`: who can read a repository's backups.

`list` looks and `test` proves; `add`, `remove` and `rotate` change the trust and need the root key; `rewrap` changes slots alone.
"""
