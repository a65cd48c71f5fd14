"""The promises of `anystream.redis` at full size: `nox -s redis`, or this with the names of proofs.

    kills   three workers on mixed backends, killed ten times with SIGKILL at random points
    server  the server stopped and killed, as it comes
    cut     two hosts, as network namespaces, and the link between them cut for 12 seconds

Each prints a line of counts, and the program fails if one of them breaks a promise.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
from redis_server import RedisServer, pending, readers, redis_server

from anystream import async_range, redis

HERE = Path(__file__).parent
PREFETCH = 64
LEASE = 2.0
BACKENDS = ("asyncio", "trio")


class Trial:
    """Messages, the workers that handle them, and what came of it."""

    def __init__(self, server: RedisServer, messages: int, seconds: float) -> None:
        self.server = server
        self.url = server.socket_url  # which is reached from outside its namespace, too
        self.messages = messages
        self.seconds = seconds
        self.folder = Path(tempfile.mkdtemp(prefix="rd"))
        self.workers: list[subprocess.Popen[bytes]] = []
        self.names: list[str] = []
        self.most = 0  # that were pending for one consumer at a time
        self.numbers = iter(range(1000))
        anyio.run(self.fill)

    async def fill(self) -> None:
        items = async_range(self.messages).map(lambda n: {"n": n})
        await items.into(redis.sink("orders", url=self.url))

    def start(self, *, url: str = "", before: tuple[str, ...] = (), name: str = "") -> None:
        number = next(self.numbers)
        arguments = [BACKENDS[number % 2], url or self.url, "orders"]
        self.names.append(name or f"w{number}")
        arguments += [str(self.folder / f"{number}.log"), self.names[-1], str(PREFETCH)]
        arguments += [str(LEASE), str(self.seconds)]
        command = [*before, sys.executable, str(HERE / "redis_worker.py"), *arguments]
        self.workers.append(subprocess.Popen(command))

    def kill(self, at: int) -> str:
        """Kill a worker, and give the name that it had."""
        killed = self.workers.pop(at)
        killed.kill()
        killed.wait()
        return self.names.pop(at)

    def handled(self) -> Counter[int]:
        texts = [log.read_text() for log in self.folder.glob("*.log")]
        return Counter(int(each) for text in texts for each in text.split())

    def until(self, is_so: Callable[[], bool], patience: float = 300) -> None:
        end = time.monotonic() + patience
        while not is_so():
            assert time.monotonic() < end, self.counts()
            assert all(each.poll() is None for each in self.workers), "a worker has failed"
            self.sample()
            time.sleep(0.02)

    def sample(self) -> None:
        lines = self.server.ask("XPENDING", "orders", "g").split("\n")[3:]
        for name, number in zip(lines[::2], lines[1::2], strict=False):
            if name != "anystream:released":
                self.most = max(self.most, int(number))

    def published(self) -> int:
        return int(self.server.ask("XLEN", "orders:out") or 0)

    def is_done(self) -> bool:
        return self.published() >= self.messages

    def counts(self) -> dict[str, int]:
        handled = self.handled()
        out = self.server.ask("XRANGE", "orders:out", "-", "+").split("\n")[2::3]
        return {
            "messages": self.messages,
            "lost": self.messages - len(handled),
            "handled twice": sum(handled.values()) - len(handled),
            "results": len(out),
            "double results": len(out) - len(set(out)),
            "pending": pending(self.server, "orders", "g"),
            "most of a consumer": self.most,
        }

    def end(self, name: str, twice: int) -> None:
        """Print the counts, and see to the promises; at most `twice` may be handled twice."""
        self.until(lambda: readers(self.server) >= len(self.workers))  # the newest has begun, too
        for each in self.workers:
            each.terminate()
        assert [each.wait(10) for each in self.workers] == [0] * len(self.workers)
        counts = self.counts()
        print(f"{name}: {counts}, at most {twice} twice", flush=True)
        assert counts["lost"] == counts["double results"] == counts["pending"] == 0, counts
        assert counts["results"] == self.messages, counts
        assert counts["handled twice"] <= twice, counts
        assert counts["most of a consumer"] <= PREFETCH, counts

    def close(self) -> None:
        for each in self.workers:
            each.kill()
            each.wait()
        shutil.rmtree(self.folder)


@contextmanager
def trial(server: RedisServer, messages: int, seconds: float) -> Iterator[Trial]:
    made = Trial(server, messages, seconds)
    try:
        yield made
    finally:
        made.close()


def kills(messages: int = 20_000, times: int = 10) -> None:
    with redis_server("--appendonly", "yes") as server, trial(server, messages, 0.004) as proof:
        for _ in range(3):
            proof.start()
        for point in sorted(random.sample(range(messages // 50, messages * 9 // 10), times)):
            proof.until(lambda point=point: proof.published() >= point)  # type: ignore[misc]
            name = proof.kill(random.randrange(3))
            proof.start(name=random.choice([name, ""]))  # of another one, or the same again
        proof.until(proof.is_done)
        proof.end(f"kill -9 of {times} workers", times * PREFETCH)


def server(messages: int = 20_000) -> None:
    options = ("--appendonly", "yes", "--appendfsync", "always")
    with redis_server(*options) as there, trial(there, messages, 0.004) as proof:
        for _ in range(3):
            proof.start()
        for number, how in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
            proof.until(lambda number=number: proof.published() > messages * number // 4)  # type: ignore[misc]
            there.stop(how)
            time.sleep(0.7)
            there.start()
        proof.until(proof.is_done)
        proof.end("the server stopped and killed", 2 * 3 * PREFETCH)


def sh(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """A network namespace for each, with a link between them; the names of both."""
    here, there = f"rd{os.getpid()}a", f"rd{os.getpid()}b"
    try:
        sh("ip", "netns", "add", here)
        sh("ip", "netns", "add", there)
        link = ("type", "veth", "peer", "name", "wire", "netns", there)
        sh("ip", "-n", here, "link", "add", "wire", *link)
        for host, address in ((here, "10.99.0.1/24"), (there, "10.99.0.2/24")):
            sh("ip", "-n", host, "addr", "add", address, "dev", "wire")
            sh("ip", "-n", host, "link", "set", "wire", "up")
            sh("ip", "-n", host, "link", "set", "lo", "up")
        yield here, there
    finally:
        for host in (here, there):
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def cut(messages: int = 20_000, seconds: float = 12.0) -> None:
    """Two workers behind the link, and one beside the server."""
    with ExitStack() as stack:
        try:
            hosts = stack.enter_context(two_hosts())
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"cut: not run, since no network namespaces can be made here ({error})")
        else:
            run_cut(*hosts, messages, seconds)


def run_cut(here: str, there: str, messages: int, seconds: float) -> None:
    options = ("--port", "6379", "--bind", "10.99.0.1", "--protected-mode", "no")
    inside = ("ip", "netns", "exec")
    with (
        redis_server(*options, before=(*inside, here)) as server,
        trial(server, messages, 0.015) as proof,
    ):
        proof.start()
        for _ in range(2):
            proof.start(url="redis://10.99.0.1:6379", before=(*inside, there))
        proof.until(lambda: proof.published() > messages // 4)
        sh("ip", "-n", here, "link", "set", "wire", "down")
        end = time.monotonic() + seconds
        proof.until(lambda: time.monotonic() > end)
        before = proof.published()
        sh("ip", "-n", here, "link", "set", "wire", "up")
        proof.until(proof.is_done)
        proof.end(f"link cut for {seconds:g} s, back at {before} results", 2 * PREFETCH)


PROOFS: dict[str, Callable[[], None]] = {"kills": kills, "server": server, "cut": cut}

if __name__ == "__main__":
    if shutil.which("redis-server") is None:
        sys.exit("no redis-server here (Debian: apt-get install redis-server)")
    for name in sys.argv[1:] or PROOFS:
        PROOFS[name]()
