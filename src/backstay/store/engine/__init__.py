"""The store's engine: requests in, answers and log entries out. No files, no sockets, no threads.

`engine.Engine` is where to begin. Whoever runs it calls from one thread, journals the entries it gets back, in order, and
lets no answer out before they are durable.
"""

from backstay.store.engine.engine import Engine
from backstay.store.engine.options import EngineOptions, Outcome

__all__ = ["Engine", "EngineOptions", "Outcome"]
