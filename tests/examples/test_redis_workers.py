"""examples/workers: an API into a database, by workers one of which is killed."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from redis_server import NEEDED, RedisServer, pending, readers, redis_server
from server import serve

from workers.app import fill, group, lag

pytestmark = [NEEDED, pytest.mark.real_time]

APP = Path(__file__).parents[2] / "examples/workers/app.py"
USERS = 300
LAG = "Lag(behind=0, pending=0, released=0, consumers={}, oldest=0.0)"
LEASE_IS_OVER = """
for _, each in ipairs(redis.call('XPENDING', 'users', 'database', '-', '+', 1000)) do
  redis.call('XCLAIM', 'users', 'database', 'dead', 0, each[1], 'IDLE', 100000, 'JUSTID')
end
"""
"""As if half a minute had gone by."""


@pytest.fixture
def redis_here() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def names(database: Path) -> list[str]:
    try:
        with closing(sqlite3.connect(database)) as connection:
            return [name for (name,) in connection.execute("select name from users")]
    except sqlite3.OperationalError:  # no worker has come so far
        return []


def start(server: RedisServer, database: Path, backend: str) -> "subprocess.Popen[bytes]":
    environment = {"REDIS_URL": server.url, "DATABASE": str(database), "BACKEND": backend}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(APP), "work"], env={**os.environ, **environment}
    )


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # the workers run on both
async def test_every_item_is_in_the_database_once(
    redis_here: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "users.db"
    workers = [start(redis_here, database, backend) for backend in ("asyncio", "trio")]
    try:
        with anyio.fail_after(30):
            while readers(redis_here) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        async with serve() as api:
            await fill(f"{api.url}/next?n={USERS}&size=10", redis_here.url)
        while not names(database):  # noqa: ASYNC110  # other processes are at work
            await anyio.sleep(0.05)
        workers[0].kill()
        workers.pop(0).wait()
        redis_here.ask("EVAL", LEASE_IS_OVER, "1", "users")
        while len(names(database)) < USERS or pending(redis_here, "users", "database"):  # noqa: ASYNC110
            await anyio.sleep(0.05)
        with anyio.move_on_after(0.1):
            await lag(redis_here.url, 0.02)
        workers[0].send_signal(signal.SIGTERM)
        assert await anyio.to_thread.run_sync(workers[0].wait) == 0
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert len(names(database)) == USERS
    assert LAG in capsys.readouterr().out
    assert LAG in APP.parents[1].joinpath("README.md").read_text("utf-8")
    assert (await group(redis_here.url).lag()).pending == 0
