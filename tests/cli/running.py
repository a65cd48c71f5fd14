"""What the tests of the commands share: a server in a thread, and the command in a process."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from server import Server, serve

BACKENDS = ("asyncio", "trio")

HOSTILE = "\x1b]0;PWNED\x07\x9b31m\x7f"
"""What a server may send to a terminal: a title, a colour, and the key that deletes."""

OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""What a terminal obeys, but for the end of a line."""


@pytest.fixture(scope="module")
def server() -> Generator[Server, None, None]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve()) as server:
        yield server


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, short pauses, and no certificates, which take longer to load than most tests."""
    for command in ("pages.PagesCommand", "live.LiveCommand"):
        monkeypatch.setattr(f"anystream._cli.{command}.first", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-m", "anystream", *arguments]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**streams, **options})


def run(*arguments: str, **options: Any) -> tuple[int, bytes, str]:
    """Run it to its end: exit code, output, errors."""
    with start(*arguments, **options) as process:
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err.decode()


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, **changes}
