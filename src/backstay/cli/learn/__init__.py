"""Commands about backstay itself."""

__all__: list[str] = []
