"""etcd's JSON gateway."""

from backstay.server.http.gateway.gateway import Gateway

__all__ = ["Gateway"]
