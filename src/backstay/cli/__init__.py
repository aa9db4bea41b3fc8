"""The command line: the only part of backstay, beside the console, that prints or reads the environment."""

__all__: list[str] = []
