"""Every Python block of the README and of docs/ runs, on both backends, and prints what is shown.

The blocks of a page run in their order, and later ones know the names of earlier ones. `await`,
`async for` and `async with` may stand outside of functions, each block has an event loop of its
own, and `anyio.run` uses the backend of the test. A `text`, `mermaid` or `lifeline` block behind a
block is what it prints.

What readers need not see stands in comments, which neither GitHub nor the site shows:

    <!-- setup
    code that runs in this place; `fixture(name)` gives a fixture of pytest
    -->
    <!-- real time: why the clock of the page is not a virtual one -->
    <!-- asyncio: why the page does not run on trio -->
    <!-- leaks: why nothing is said about generators that are left to the garbage collector -->
    <!-- not run: why the block below, or with "(page)" no block of the page, runs here -->
"""

import ast
import shutil
import warnings
from collections.abc import Generator, Iterator
from functools import partial
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType
from typing import Any, cast

import anyio
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from blocks import Block, Page
from broker_servers import broker_server, skip_without
from redis_server import redis_server
from server import Request, Server, serve

from anystream._cli.server.routes import users
from anystream.testing import backend

ROOT = Path(__file__).parents[1]
# Not those of the site in docs/_build, which are the same once more.
PAGES = sorted(path for place in ("", "docs/", "docs/[!_]*/") for path in ROOT.glob(f"{place}*.md"))


def compiled(page: Page, block: Block) -> CodeType:
    above = "\n" * (block.line - 1)  # so that a traceback names the line of the page
    return compile(above + block.code, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def pages() -> Iterator[Any]:
    for path in PAGES:
        name = path.relative_to(ROOT).as_posix()
        page = Page(path.read_text("utf-8"), name)
        if page.blocks:
            yield pytest.param(page, id=name)


@pytest.fixture(scope="module")
def server() -> Generator[Server, None, None]:
    """An API with every kind of pages."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve()) as server:
        yield server


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of a server of Redis, for pages that need one."""
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server here (Debian: apt-get install redis-server)")
    with redis_server() as server:
        yield server.url


@pytest.fixture
def nats_url() -> Iterator[str]:
    """The URL of a server of NATS with JetStream, for pages that need one."""
    skip_without("nats")
    with broker_server("nats") as server:
        yield server.url


@pytest.fixture
def postgres_dsn() -> Iterator[str]:
    """How to connect to a PostgreSQL, for pages that need one."""
    skip_without("postgres")
    with broker_server("postgres") as server:
        yield server.url


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients reach what `anystream demo --serve` answers, and need no time for it."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = Request(request.method, request.url.raw_path.decode(), {}, b"")
        return httpx.Response(200, content=cast("bytes", users(asked).body))

    client, transport = httpx.AsyncClient, httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: client(transport=transport))


def run(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    monkeypatch = request.getfixturevalue("monkeypatch")
    output = request.getfixturevalue("capsys")
    monkeypatch.chdir(request.getfixturevalue("tmp_path"))
    original = anyio.run
    names: dict[str, Any] = {"__name__": "__main__", "fixture": request.getfixturevalue}
    for block in page.blocks:
        chosen, options = backend(name, real_time="real time" in page.notes)
        on_backend = partial(original, backend=chosen, backend_options=options)
        monkeypatch.setattr(anyio, "run", on_backend)
        code = compiled(page, block)
        if code.co_flags & CO_COROUTINE:
            on_backend(eval, code, names)
        else:
            exec(code, names)
        printed = output.readouterr().out
        if block.output is not None:
            assert printed == block.output, f"{page.name}:{block.line}"


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
@pytest.mark.parametrize("page", [*pages()])
def test_page(page: Page, backend_name: str, request: pytest.FixtureRequest) -> None:
    if backend_name == "trio" and "asyncio" in page.notes:
        pytest.skip("the page is about asyncio")
    with warnings.catch_warnings():
        if "leaks" in page.notes:
            warnings.simplefilter("ignore", ResourceWarning)
        run(page, backend_name, request)


# -- the format ---------------------------------------------------------------------------------

PAGE = """
<!-- setup
words = ["a", "b"]
-->

```python
from anystream import Stream

print(await Stream(words).collect())
```

```text
['a', 'b']
```

<!-- not run: nobody has such a database -->
```python
import our_database
```

```python
import anyio

anyio.run(Stream(words).for_each, print)
```
"""


def test_a_page_is_read(request: pytest.FixtureRequest) -> None:
    page = Page(PAGE, "page.md")
    assert [block.line for block in page.blocks] == [3, 7, 22]
    run(page, "trio", request)


@pytest.mark.parametrize(
    ("true", "untrue", "fault"),
    [
        ("['a', 'b']", "['a']", "page.md:7"),
        ("words = ", "word = ", "words"),
        ("from anystream", "from anystreams", "anystreams"),
        ("<!-- not run: nobody has such a database -->", "", "database"),
        ("<!-- not run: nobody has such a database -->", "<!-- not run: -->", "database"),
        ("<!-- setup\n", "<!-- prepare\n", "words"),
    ],
)
def test_a_page_that_is_not_true_fails(
    true: str, untrue: str, fault: str, request: pytest.FixtureRequest
) -> None:
    page = Page(PAGE.replace(true, untrue), "page.md")
    with pytest.raises((AssertionError, ImportError, NameError), match=fault):
        run(page, "trio", request)


def test_no_block_is_passed_over() -> None:
    with pytest.raises(AssertionError, match="only 0 of 1 Python blocks are read"):
        Page("- a list\n\n  ```python\n  print()\n  ```\n", "page.md")
