"""examples/pages_to_sqlite.py: what is in the database after runs that come to a bad end."""

import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest
from server import Server, serve

import pages_to_sqlite
from anystream.http import PageStatusError
from pages_to_sqlite import begin, copy, store

pytestmark = pytest.mark.real_time

SIZE = 3  # of a page
PAGES = 32  # so that the last of four batches is a short one

PROGRAM = """
import sys
from pathlib import Path
import anyio
import httpx
import pages_to_sqlite
url, database, backend = sys.argv[1:]
client = httpx.AsyncClient(trust_env=False, verify=False)
anyio.run(pages_to_sqlite.copy, url, Path(database), client, backend=backend)
"""


@pytest.fixture
async def server() -> AsyncGenerator[Server, None]:
    async with serve() as server:
        yield server


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        yield client


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "items.db"


def rows(database: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("select * from items order by id").fetchall()


def items(pages: int) -> list[tuple[int, str]]:
    return [(number, f"item {number}") for number in range(1, SIZE * pages + 1)]


def url_of(server: Server, fault: str = "") -> str:
    return f"{server.url}/next?n={SIZE * PAGES}&size={SIZE}{fault}"


async def test_all_items_are_copied(
    server: Server, client: httpx.AsyncClient, database: Path
) -> None:
    await copy(url_of(server), database, client)
    assert rows(database) == items(PAGES)
    assert len(server.requests) == PAGES


async def test_what_is_complete_is_not_asked_for_again(
    server: Server, client: httpx.AsyncClient, database: Path
) -> None:
    for _ in range(2):
        await copy(url_of(server), database, client)
    assert rows(database) == items(PAGES)
    assert len(server.requests) == PAGES


@pytest.mark.parametrize("at", [1, 2, 10, 11, 12, PAGES])
async def test_a_run_goes_on_where_the_one_before_has_failed(
    server: Server, client: httpx.AsyncClient, database: Path, at: int
) -> None:
    url = url_of(server, f"&fault=403&at={at}")
    with pytest.raises(PageStatusError, match=f"page {at} "):
        await copy(url, database, client)
    assert rows(database) == items(at - 1)
    await copy(url, database, client)
    assert rows(database) == items(PAGES)
    assert len(server.requests) == PAGES + 1


async def test_a_run_goes_on_where_the_one_before_was_killed(
    server: Server, client: httpx.AsyncClient, database: Path, anyio_backend_name: str
) -> None:
    url = url_of(server, "&fault=slow&delay=3600&at=12")
    begin(database, url)  # so that there is a table to look at
    command = [sys.executable, "-c", PROGRAM, url, str(database), anyio_backend_name]
    async with await anyio.open_process(command, cwd=Path(pages_to_sqlite.__file__).parent) as run:
        while not rows(database):  # noqa: ASYNC110  # another process writes them
            await anyio.sleep(0.02)
        run.kill()
    assert rows(database) in (items(10), items(11))
    await copy(url, database, client)
    assert rows(database) == items(PAGES)


def test_items_and_state_are_written_together_or_not_at_all(database: Path) -> None:
    good = SimpleNamespace(items=[{"id": 1, "name": "item 1"}], state={"page": 2})
    bad = SimpleNamespace(items=[{"id": 3}], state={"page": 4})
    other = SimpleNamespace(items=[{"id": 2, "name": "item 2"}], state={"page": 3})
    assert begin(database, "http://example.test/") is None
    store(database, "http://example.test/", [good])
    with pytest.raises(sqlite3.ProgrammingError):
        store(database, "http://example.test/", [other, bad])
    assert rows(database) == [(1, "item 1")]
    assert begin(database, "http://example.test/") == {"page": 2}
    assert begin(database, "http://example.test/others") is None
