"""The use cases: plan, confirm, act, verify, record. Each reads as an outline of what will happen to somebody's data."""

__all__: list[str] = []
