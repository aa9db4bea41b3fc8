"""Plain backups: one dated, verified file per run, its record beside it, and a cleanup that never takes the last good one.

The run (`run.rotate`) is whole; its command is not written yet.
"""

__all__: list[str] = []
