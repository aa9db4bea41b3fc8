"""The store's calls over grpcio's event loop server."""

from backstay.server.grpcio.options import Identity, Listener, TlsFiles, TransportOptions
from backstay.server.grpcio.transport import GrpcTransport

__all__ = ["GrpcTransport", "Identity", "Listener", "TlsFiles", "TransportOptions"]
