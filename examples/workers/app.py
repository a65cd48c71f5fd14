"""The items of a paginated API into a database, by workers on any number of machines.

    python examples/workers/app.py fill URL   # the pages into a stream of Redis
    python examples/workers/app.py work       # from there into SQLite; as often as you like
    python examples/workers/app.py lag        # how far the workers are behind

`REDIS_URL` is the server, `DATABASE` the file, and `BACKEND` asyncio or trio. A worker may be
killed at any time: what it had not written is written by another one, and what it had written but
not acknowledged is not written again, since the id of a message is the key of its row. SIGTERM ends
a worker in order. With `anystream watch app:work` in this folder a page shows its streams.
"""

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import anyio
from anyio import to_thread

from anystream import redis, signals, ticker
from anystream.http import fetch_all_pages

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379")
DATABASE = os.environ.get("DATABASE", "users.db")
TABLE = "create table if not exists users (message text primary key, name text not null)"


async def fill(api: str, url: str = REDIS_URL) -> None:
    """All items of the API into the stream, each as JSON; about a million are kept there."""
    users = fetch_all_pages(api).map(lambda user: {"json": json.dumps(user)})
    await users.into(redis.sink("users", url=url, maxlen=1_000_000))


def group(url: str = REDIS_URL) -> redis.GroupStream[Any]:
    return redis.group(
        "users", group="database", url=url, decode=lambda fields: json.loads(fields[b"json"])
    )


async def work(url: str = REDIS_URL, database: str = DATABASE) -> None:
    """Write messages in batches, and acknowledge those that are written."""
    batches = group(url).take_until(signals(signal.SIGTERM)).batched(50, within=0.5)
    await batches.tap(partial(write, database)).for_each(redis.ack)


async def write(database: str, messages: Sequence[redis.Message[Any]]) -> None:
    await to_thread.run_sync(store, database, messages)


def store(database: str, messages: Sequence[redis.Message[Any]]) -> None:
    """One transaction for a batch; a message that was written before changes nothing."""
    rows = [(message.id, message.value["name"]) for message in messages]
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        connection.execute(TABLE)
        connection.executemany("insert or ignore into users values (?, ?)", rows)


async def lag(url: str = REDIS_URL, seconds: float = 2) -> None:
    """Print how far the workers are behind, as long as it runs."""
    await ticker(seconds).map(lambda _: group(url).lag()).for_each(partial(print, flush=True))


if __name__ == "__main__":
    commands: dict[str, Callable[..., Awaitable[None]]] = {"fill": fill, "work": work, "lag": lag}
    name, *arguments = sys.argv[1:] or [""]
    if name not in commands:
        sys.exit(__doc__)
    anyio.run(commands[name], *arguments, backend=os.environ.get("BACKEND", "asyncio"))
