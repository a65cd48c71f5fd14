"""A `redis-server` of one's own, and what tests ask it."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anystream.redis.errors import StreamPlace
from anystream.redis.links import ServerURL

NEEDED = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="no redis-server here (Debian: apt-get install redis-server)",
)


class RedisServer:
    """A process on a unix socket, in a folder of its own."""

    def __init__(self, folder: Path, *options: str, before: Sequence[str] = ()) -> None:
        self.before = before
        self.socket = folder / "s"
        self.options = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder)]
        self.options += ["--save", "", *options]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*self.before, "redis-server", *self.options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while self.ask("PING")[:6] not in ("PONG", "NOAUTH"):
            assert self.process.poll() is None, "redis-server does not start"
            time.sleep(0.01)

    def ask(self, *command: str) -> str:
        """What `redis-cli` says."""
        cli = ["redis-cli", "-s", str(self.socket), *command]
        return subprocess.run(cli, capture_output=True, text=True, check=False).stdout.strip()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def connect(self, number: int = 1) -> Any:
        """A connection beside those that are tested."""
        return ServerURL(self.url).connector(StreamPlace("here", "none"))(number)


@contextmanager
def redis_server(*options: str, before: Sequence[str] = ()) -> Iterator[RedisServer]:
    """A server that is killed at the end; its folder has a short name, as sockets need it."""
    folder = Path(tempfile.mkdtemp(prefix="rd"))
    server = RedisServer(folder, *options, before=before)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder)


def readers(server: RedisServer) -> int:
    """How many workers wait for messages, and so hear of signals."""
    return server.ask("CLIENT", "LIST").count("cmd=xreadgroup")


def pending(server: RedisServer, stream: str, group: str) -> int:
    return int(server.ask("XPENDING", stream, group).split("\n")[0] or 0)
