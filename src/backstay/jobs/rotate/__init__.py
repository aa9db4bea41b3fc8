"""Plain backups: one dated, verified file per run, its record beside it, and a cleanup that never takes the last good one.

Parts so far: `names`, `record`, `seal`, `places` and `cleanup`. The run itself and its command are not written yet.
"""

__all__: list[str] = []
