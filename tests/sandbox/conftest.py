"""Real sandboxes on loopback, and HTTP clients that talk to them."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest

from reconcile.sandbox.server import Sandbox, SandboxOptions, running_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx makes one for every client otherwise, which is slow

RECORDS = "/api/billing/coworkerinvoicepaymenttokens"


class Clock:
    """Seconds since the epoch that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_736_937_000.75  # 2025-01-15 10:30:00 UTC, and a fraction that must not be printed

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    with ExitStack() as running:
        yield lambda **options: running.enter_context(running_sandbox(SandboxOptions(**options)))


@pytest.fixture
def connect() -> Iterator[Callable[..., httpx.Client]]:
    """A client that signs in with Basic as the demo administrator, unless the test says otherwise."""
    with ExitStack() as opened:

        def open_client(sandbox: Sandbox, **options: object) -> httpx.Client:
            settings = {"auth": (sandbox.username, sandbox.password), "timeout": 10, **options}
            return opened.enter_context(httpx.Client(base_url=sandbox.base_url, verify=_NO_TLS, **settings))

        yield open_client


@pytest.fixture
def sandbox(start: Callable[..., Sandbox], clock: Clock) -> Sandbox:
    return start(clock=clock)


@pytest.fixture
def client(sandbox: Sandbox, connect: Callable[..., httpx.Client]) -> httpx.Client:
    return connect(sandbox)


@pytest.fixture
def records() -> str:
    """The path of the records."""
    return RECORDS
