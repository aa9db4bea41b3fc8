"""How results are drawn: pure functions from values to text, and the progress bar."""

__all__: list[str] = []
