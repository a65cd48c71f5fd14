"""A `nats-server` and a PostgreSQL of one's own, and what tests ask them."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import pytest

NATS = shutil.which("nats-server")
# Debian has the programs of the server in a folder that is not on PATH.
FOLDERS = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), *os.get_exec_path()]
POSTGRES = shutil.which("postgres", path=os.pathsep.join(FOLDERS))
NEEDED = {
    "nats": (NATS, "no nats-server here (Debian: apt-get install nats-server)"),
    "postgres": (POSTGRES, "no PostgreSQL here (Debian: apt-get install postgresql)"),
}


def skip_without(name: str) -> None:
    """Skip a test that needs the server `name`, and say what is missing."""
    program, reason = NEEDED[name]
    if program is None:
        pytest.skip(reason)


S = TypeVar("S", bound="BrokerServer")


class BrokerServer(ABC):
    """A process in a folder of its own."""

    at_once: signal.Signals
    """What kills it, with all its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str | Path], **options: Any) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
        )
        while not self.is_up():
            assert self.process.poll() is None, f"{command[0]} does not start"
            time.sleep(0.01)

    @abstractmethod
    def start(self) -> None:
        """Start it, and wait until it is up."""

    @abstractmethod
    def is_up(self) -> bool:
        """Whether it answers."""

    def stop(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


class NatsServer(BrokerServer):
    """One with JetStream, on ports of loopback that stay the same when it is started again."""

    at_once = signal.SIGKILL

    ports = ("-1", "-1")  # for clients, and for those who ask how it is; any that are free

    def start(self) -> None:
        clients, monitoring = self.ports
        ports = ["-p", clients, "-m", monitoring, "--ports_file_dir", self.folder]
        self.run([str(NATS), "-js", "-sd", self.folder, "-a", "127.0.0.1", *ports])
        told = self.listening()
        self.ports = (told["nats"].rpartition(":")[2], told["monitoring"].rpartition(":")[2])

    def is_up(self) -> bool:
        try:
            self.ask("healthz")
        except (OSError, ValueError):  # nobody listens, or nothing tells where
            return False
        return True

    def listening(self) -> dict[str, str]:
        assert self.process is not None
        (told,) = self.folder.glob(f"*_{self.process.pid}.ports")
        return {kind: urls[0] for kind, urls in json.loads(told.read_text()).items()}

    @property
    def url(self) -> str:
        return self.listening()["nats"]

    def ask(self, what: str) -> Any:
        with urlopen(f"{self.listening()['monitoring']}/{what}") as response:
            return json.load(response)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        super().stop(how)


class PostgresServer(BrokerServer):
    """A cluster that keeps nothing from a crash of the machine, on a unix socket."""

    at_once = signal.SIGQUIT

    def start(self) -> None:
        # The server refuses to run as root.
        user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
        if user:
            user |= {"group": "postgres", "extra_groups": []}
        data = self.folder / "data"
        if not data.exists():
            if user:
                shutil.chown(self.folder, "postgres", "postgres")
            initdb = [self.program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-N"]
            subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)
        listening = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", self.folder]
        self.run([self.program("postgres"), "-D", data, *listening], cwd="/", **user)

    def program(self, name: str) -> Path:
        return Path(str(POSTGRES)).with_name(name)

    def is_up(self) -> bool:
        return self.ask("select 1") == "1"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def ask(self, query: str) -> str:
        """What `psql` says."""
        psql = [self.program("psql"), "-qAt", self.url, "-c", query]
        return subprocess.run(psql, capture_output=True, text=True, check=False).stdout.strip()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:  # which ends connections, too
        super().stop(how)


@contextmanager
def running(make: Callable[[Path], S]) -> Iterator[S]:
    """A server that is killed at the end; its folder has a short name, as sockets need it."""
    folder = Path(tempfile.mkdtemp(prefix="br"))
    server = make(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop(server.at_once)
        shutil.rmtree(folder)


def broker_server(name: str) -> AbstractContextManager[Any]:
    return running({"nats": NatsServer, "postgres": PostgresServer}[name])
