"""Pure decisions about backups: facts and the time in, a decision with its reasons out. No files, no clock, no network."""

__all__: list[str] = []
