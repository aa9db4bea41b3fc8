"""The commands below `backstay pki`."""

__all__: list[str] = []
