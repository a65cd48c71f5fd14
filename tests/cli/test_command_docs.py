"""What the README and docs/command.md show is what comes out."""

import re
import shlex
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from server import Server

from anystream._cli import main
from anystream._cli.server import serve

from .running import at_home, server

__all__ = ["at_home", "server"]  # fixtures

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "README.md", ROOT / "docs" / "command.md")


def shown() -> Iterator[tuple[str, str]]:
    """Each block of commands that has its output behind it, and that."""
    pattern = r"```sh\n((?:(?!```).)*)```\n\n```text\n((?:(?!```).)*)```"
    for page in DOCS:
        for match in re.finditer(pattern, page.read_text(encoding="utf-8"), re.DOTALL):
            yield match[1], match[2]


@pytest.fixture(scope="module")
def demo() -> Generator[str, None, None]:
    """The address of what `anystream demo --serve` serves."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve()) as server:
        yield server.url


@pytest.mark.parametrize(("commands", "output"), [*shown()])
def test_the_docs(
    server: Server,
    demo: str,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    commands: str,
    output: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    real = {"http://127.0.0.1:8000": demo, "https://api.example.com": server.url}
    for line in commands.replace("\\\n", " ").splitlines():
        if line.endswith("&"):  # the server, which is here already
            continue
        name, *arguments = shlex.split(replaced(line, real))
        assert name == "anystream"
        assert main(arguments) == 0
    out, err = capfd.readouterr()
    assert not err
    assert replaced(out, {here: shown for shown, here in real.items()}) == output


def replaced(text: str, words: dict[str, str]) -> str:
    for word, other in words.items():
        text = text.replace(word, other)
    return text


def test_there_are_many() -> None:
    assert len([*shown()]) > 12
