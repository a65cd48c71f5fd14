"""The examples of docs/http.md run, on both backends, against the API that they speak of."""

import ast
import re
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from anystream._cli.server import Server

pytestmark = pytest.mark.real_time

DOCS = Path(__file__).parents[2] / "docs" / "http.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def compiled(block: str) -> CodeType:
    return compile(block, str(DOCS), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_the_docs(server: Server, client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, since later ones use the names of earlier ones."""
    names: dict[str, Any] = {"url": server.url, "client": client}
    for block in blocks():
        running = eval(compiled(block), names)
        if running is not None:
            await running
    assert capsys.readouterr().out.splitlines()[-1] == "3 5 None"
