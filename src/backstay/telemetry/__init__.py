"""What long work tells whoever is watching: progress today; log events and metrics as the parts that need them arrive."""

from backstay.telemetry.progress import Progress, SilentProgress

__all__ = ["Progress", "SilentProgress"]
