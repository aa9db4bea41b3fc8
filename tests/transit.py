"""HashiCorp's Transit engine on this machine's loopback, with one key and two tokens: who may encrypt, and who may decrypt too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.blob_servers import LoopbackServer


class TransitServer(LoopbackServer):
    """The engine alone, keys in memory; begins with `with`, ends with it."""

    AGENT, OPERATOR, KEY = "agents-token", "operators-token", "backstay"

    def command(self) -> Sequence[str | Path]:
        tokens = ("-encrypt", self.AGENT, "-decrypt", self.OPERATOR)
        return (self.tool.program, "-listen", f"127.0.0.1:{self.port}", *tokens, "-key", self.KEY)

    @property
    def public(self) -> str:
        """The recipient."""
        return f"vault:http://127.0.0.1:{self.port}/transit/{self.KEY}"
