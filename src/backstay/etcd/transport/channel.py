"""Open gRPC channels, and wait until one is usable or surely is not.

Called by `calls.py` and the asynchronous client. A channel is opened per endpoint, never one over several, so that every
answer and every failure has an address.
"""

from __future__ import annotations

import asyncio
import queue
import time
from dataclasses import dataclass

import grpc
import grpc.aio

from backstay.clock import Clock
from backstay.etcd.connection import ConnectionOptions, Endpoint
from backstay.etcd.transport import certificates, diagnosis

_CONNECTIVITY = grpc.ChannelConnectivity


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """Everything to open a channel, synchronous or not. `credentials` is None for plain text."""

    target: str
    credentials: grpc.ChannelCredentials | None
    arguments: tuple[tuple[str, str | int], ...]

    def open(self) -> grpc.Channel:
        """A channel that has not connected yet."""
        if self.credentials is None:
            return grpc.insecure_channel(self.target, options=self.arguments)
        return grpc.secure_channel(self.target, self.credentials, options=self.arguments)

    def open_async(self) -> grpc.aio.Channel:
        """The same for the running event loop."""
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.target, options=self.arguments)
        return grpc.aio.secure_channel(self.target, self.credentials, options=self.arguments)


def plan(endpoint: Endpoint, options: ConnectionOptions, clock: Clock) -> ChannelPlan:
    """Read the certificates and decide the channel's settings.

    Raises `CREDENTIALS_UNREADABLE` or `CREDENTIALS_INVALID`; with `insecure_skip_tls_verify` it makes one handshake and
    can raise what a failed connection raises.
    """
    arguments: list[tuple[str, str | int]] = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.use_local_subchannel_pool", 1),  # or a second client would inherit the first one's failures
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", max(100, int(options.dial_timeout_seconds * 1000))),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.keepalive_time_ms", int(options.keepalive_interval_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", int(options.keepalive_timeout_seconds * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_http_proxy", 0),  # as etcd's client: a proxy between an administrator and etcd is never meant
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_retries", 0),
    ]
    if not endpoint.is_tls:
        return ChannelPlan(endpoint.target, None, tuple(arguments))
    loaded = certificates.load(options.credentials, clock)
    if options.credentials.insecure_skip_tls_verify:
        try:
            loaded = certificates.pin(endpoint, loaded, options.credentials, options.dial_timeout_seconds)
        except OSError as problem:
            raise diagnosis.diagnose(endpoint, options.credentials, str(problem)) from problem
    if loaded.expected_name:
        arguments.append(("grpc.ssl_target_name_override", loaded.expected_name))
    elif endpoint.is_unix:
        arguments.append(("grpc.ssl_target_name_override", "localhost"))
    credentials = grpc.ssl_channel_credentials(loaded.roots, loaded.key, loaded.chain)
    return ChannelPlan(endpoint.target, credentials, tuple(arguments))


def wait_until_ready(channel: grpc.Channel, timeout_seconds: float, *, patient: bool) -> bool:
    """Whether the channel got a connection in time.

    A failed attempt ends the waiting at once unless `patient`, which goes on trying until the time is over (for an
    endpoint that worked before and may be restarting).
    """
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    ends = time.monotonic() + timeout_seconds
    channel.subscribe(states.put, try_to_connect=True)
    try:
        while (left := ends - time.monotonic()) > 0:
            try:
                state = states.get(timeout=left)
            except queue.Empty:
                return False
            if state is _CONNECTIVITY.READY:
                return True
            if state is _CONNECTIVITY.SHUTDOWN or (state is _CONNECTIVITY.TRANSIENT_FAILURE and not patient):
                return False
        return False
    finally:
        channel.unsubscribe(states.put)


async def wait_until_ready_async(channel: grpc.aio.Channel, timeout_seconds: float, *, patient: bool) -> bool:
    """As `wait_until_ready`, for the running event loop."""
    ends_it = (_CONNECTIVITY.READY, _CONNECTIVITY.SHUTDOWN, *(() if patient else (_CONNECTIVITY.TRANSIENT_FAILURE,)))
    try:
        async with asyncio.timeout(timeout_seconds):
            while (state := channel.get_state(try_to_connect=True)) not in ends_it:
                await channel.wait_for_state_change(state)
    except TimeoutError:
        return False
    return state is _CONNECTIVITY.READY
