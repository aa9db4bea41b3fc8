"""The HTTP side of a store: gateway, health, version, metrics."""

from backstay.server.durations import Durations, doubling
from backstay.server.http.service import HttpOptions, HttpService
from backstay.server.http.statistics import Statistics

__all__ = ["Durations", "HttpOptions", "HttpService", "Statistics", "doubling"]
