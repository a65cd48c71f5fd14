"""What the tests over HTTP share: the loopback server, and a client of either library."""

from collections.abc import AsyncGenerator
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest

from anystream._cli.server import Server, serve


@pytest.fixture
async def server() -> AsyncGenerator[Server, None]:
    async with serve() as server:
        yield server


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def client(library: ModuleType) -> AsyncGenerator[Any, None]:
    # Certificates take their time to be loaded, and nothing here has any.
    async with library.AsyncClient(trust_env=False, verify=False) as client:
        yield client
