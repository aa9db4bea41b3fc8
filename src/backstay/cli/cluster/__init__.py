"""`backstay cluster ...`: one module per command."""

__all__: list[str] = []
