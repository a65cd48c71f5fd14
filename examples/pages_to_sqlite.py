"""Copy a paginated API into a SQLite database, and continue after a crash where it stopped.

    python examples/pages_to_sqlite.py [asyncio | trio]

copies an API that is played here, whose page 8 fails once, so that it takes two runs. The items and
the state to continue from are written in one transaction, so nothing is lost and nothing comes
twice, however a run ends: by an error, by Ctrl-C, or with the machine.
"""

import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
from anyio import to_thread

from anystream.http import Page, PageStatusError, fetch_all_pages

TABLES = """
create table if not exists items (id integer primary key, name text not null);
create table if not exists progress (url text primary key, state text not null);
"""

# Each of these is called in a thread, and opens the database for itself: a connection of sqlite3
# belongs to the thread that has made it, and the next call may be made by another one.


def begin(database: Path, url: str) -> Any:
    """Make the tables, and say where to continue: None is the beginning."""
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(TABLES)
        row = connection.execute("select state from progress where url = ?", [url]).fetchone()
    return None if row is None else json.loads(row[0])


def store(database: Path, url: str, pages: Sequence[Page[Any]]) -> None:
    """Write the items of these pages, and where to continue after them: both or none."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for page in pages:
            # Pages may shift while they are read, and then an item comes twice.
            connection.executemany("insert or replace into items values (:id, :name)", page.items)
        state = json.dumps(pages[-1].state)
        connection.execute("insert or replace into progress values (?, ?)", [url, state])


async def copy(url: str, database: Path, client: httpx.AsyncClient) -> None:
    """Copy all items that are not in the database yet, ten pages in a transaction.

    A transaction does not wait for long, though: after half a second it has what is there. When
    the API fails, the pages before are written before the error is raised.
    """
    state = await to_thread.run_sync(begin, database, url)
    pages = fetch_all_pages(url, client=client, resume_from=state).by_page()

    async def write(batch: Sequence[Page[Any]]) -> None:
        await to_thread.run_sync(store, database, url, batch)

    # The pages are fetched by a task of their own, one batch ahead of the disk.
    await pages.batched(10, within=0.5).for_each(write)


def count(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        row: tuple[int] = connection.execute("select count(*) from items").fetchone()
    return row[0]


class API:
    """Play the part of a paginated API, without a network: 20 pages of 50 items."""

    failed = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("page", 1))
        if page == 8 and not self.failed:
            self.failed = True
            return httpx.Response(403, json={"error": "not now"})
        items = [{"id": n, "name": f"item {n}"} for n in range(50 * page - 49, 50 * page + 1)]
        following = f"/items?page={page + 1}" if page < 20 else None
        return httpx.Response(200, json={"items": items, "next": following})


async def main() -> None:
    url = "http://example.test/items"
    with TemporaryDirectory() as folder:
        database = Path(folder, "items.db")
        transport = httpx.MockTransport(API().answer)
        async with httpx.AsyncClient(transport=transport) as client:
            for attempt in (1, 2):
                try:
                    await copy(url, database, client)
                except PageStatusError as error:
                    print(f"run {attempt} fails: {error}")
                rows = await to_thread.run_sync(count, database)
                print(f"after run {attempt} the database has {rows} items")


if __name__ == "__main__":
    anyio.run(main, backend=sys.argv[1] if len(sys.argv) > 1 else "asyncio")
