"""A `redis-server` of one's own, and what tests ask it."""

import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
from broker_servers import BrokerServer, running

from anystream.redis.errors import StreamPlace
from anystream.redis.links import ServerURL

NEEDED = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="no redis-server here (Debian: apt-get install redis-server)",
)


def free_port() -> int:
    """One that no connection of a client is given by chance while the server is down."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port


class RedisServer(BrokerServer):
    """A process in a folder of its own, on a port of loopback and on a unix socket.

    Over unix sockets, anyio tells asyncio's exception handler of a read that is cancelled as data
    comes, which fails a test.
    """

    at_once = signal.SIGKILL

    def __init__(self, folder: Path, *options: str, before: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self.before = before
        self.socket = folder / "s"
        self.port = free_port()
        self.options = ["--bind", "127.0.0.1", "--port", str(self.port)]
        self.options += ["--unixsocket", str(self.socket), "--dir", str(folder), "--save", ""]
        self.options += options

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        self.run([*self.before, "redis-server", *self.options])

    def is_up(self) -> bool:
        return self.ask("PING")[:6] in ("PONG", "NOAUTH")

    def ask(self, *command: str) -> str:
        """What `redis-cli` says."""
        cli = ["redis-cli", "-s", str(self.socket), *command]
        return subprocess.run(cli, capture_output=True, text=True, check=False).stdout.strip()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        super().stop(how)

    def connect(self, number: int = 1) -> Any:
        """A connection beside those that are tested."""
        return ServerURL(self.url).connector(StreamPlace("here", "none"))(number)


def redis_server(*options: str, before: Sequence[str] = ()) -> AbstractContextManager[RedisServer]:
    return running(lambda folder: RedisServer(folder, *options, before=before))


def readers(server: RedisServer) -> int:
    """How many workers wait for messages, and so hear of signals."""
    return server.ask("CLIENT", "LIST").count("cmd=xreadgroup")


def pending(server: RedisServer, stream: str, group: str) -> int:
    return int(server.ask("XPENDING", stream, group).split("\n")[0] or 0)
