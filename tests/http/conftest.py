"""What the tests over HTTP share: the loopback server, and a client of either library."""

from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from clients import client_of
from server import Server, serve


@pytest.fixture
async def server() -> AsyncGenerator[Server, None]:
    async with serve() as server:
        yield server


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def client(library: ModuleType) -> AsyncGenerator[Any, None]:
    async with client_of(library) as client:
        yield client


@pytest.fixture
def own_clients(monkeypatch: pytest.MonkeyPatch) -> list[httpx.AsyncClient]:
    """The clients that the streams open for themselves."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    made: list[httpx.AsyncClient] = []
    original = httpx.AsyncClient

    def make(**options: Any) -> httpx.AsyncClient:
        made.append(original(verify=False, **options))
        return made[-1]

    monkeypatch.setattr(httpx, "AsyncClient", make)
    return made
