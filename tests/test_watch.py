"""`anystream.watch`: what is shown of the open pipelines, and to whom."""

import datetime
import gc
import json
import logging
import math
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from rich.console import Console
from starlette.applications import Starlette
from starlette.routing import Mount

from anystream import Retry, Stream, async_range, merge, stream, ticker, to_sync, watch
from anystream.http import sse
from anystream.watch.runs import WATCH, RunPicture
from anystream.watch.serving import local
from anystream.watch.terminal import fitting
from anystream.watch.web import MOST, news

CHROMIUM = shutil.which("chromium")


async def slow(item: int) -> int:
    await anyio.sleep(1)
    return item


def pictures() -> list[RunPicture]:
    return WATCH.runs.pictures()


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://example.com")


# -- what is shown --------------------------------------------------------------------------


async def test_a_pipeline_in_numbers() -> None:
    with watch.watching():
        pipeline = async_range(100).buffer(2).map(slow, concurrency=2).named("work").buffer(4)
        async with pipeline as items:
            pictures()
            for _ in range(9):
                await anext(items)
            (run,) = pictures()
            assert (
                run.name == "async_range(100).buffer(2).map(slow, concurrency=2).named(…).buffer(4)"
            )
            assert [stage.name for stage in run.stages] == ["buffer(4)", "work", "buffer(2)"]
            assert [stage.depth for stage in run.stages] == [0, 1, 2]
            assert [stage.slow for stage in run.stages] == [False, True, False]
            assert run.stages[1].rate == pytest.approx(2, abs=0.5)
            await anyio.sleep(0.5)
            (run,) = pictures()
            assert (run.stages[2].waiting, run.stages[2].bound) == (2, 2)
        assert pictures() == []


async def test_there_is_no_rate_before_the_second_look() -> None:
    with watch.watching():
        async with async_range(100).buffer(2) as items:
            await anyio.sleep(1)
            assert pictures()[0].stages[0].rate is None
            await anext(items)
            assert pictures()[0].stages[0].rate is None
            await anyio.sleep(1)
            assert pictures()[0].stages[0].rate == 1


@pytest.mark.parametrize("times", [1, 3])
async def test_a_stage_that_is_opened_again_has_a_rate_of_its_own(times: int) -> None:
    """It begins with no items, and so would seem to lose those of the one before."""
    lengths = iter([*[8] * times, 1000])

    async def failing() -> AsyncIterator[int]:
        for number in range(next(lengths)):
            await anyio.sleep(0.1)
            yield number
        raise ValueError

    with watch.watching():
        rates: list[float | None] = []
        async with Stream(failing).buffer(5).retry(Retry(times=4, first=0.001)) as items:
            for _ in range(8 * times + 20):
                await anext(items)
                rates += [stage.rate for stage in pictures()[0].stages]
    assert all(rate is None or rate == pytest.approx(10, rel=0.2) for rate in rates)
    assert rates.count(None) > times


async def test_inner_streams_have_rates_of_their_own() -> None:
    async def ten(number: int) -> AsyncIterator[int]:
        for _ in range(9 - number):
            await anyio.sleep(0.1)
            yield number

    with watch.watching():
        inner = async_range(8).flat_map(lambda n: Stream(ten(n)).buffer(2), concurrency=2)
        async with inner as items:
            rates = [
                stage.rate async for _ in items for stage in pictures()[0].stages if stage.rate
            ]
    assert rates
    assert min(rates) > 0


async def test_what_is_dropped_is_shown() -> None:
    with watch.watching():
        async with async_range(9).buffer(2, overflow="drop_oldest") as items:
            await anext(items)
            assert pictures()[0].stages[0].dropped == 7


async def test_a_handle_that_was_dropped_is_gone() -> None:
    with watch.watching():
        async for _ in async_range(3):
            assert len(pictures()) == 1
            break
        gc.collect()
        assert pictures() == []


async def test_nothing_is_kept_unless_it_is_watched() -> None:
    async with async_range(3):
        assert pictures() == []
        with watch.watching(), watch.watching():
            assert pictures() == []
            async with async_range(4):
                assert len(pictures()) == 1
    assert WATCH.runs.open == {}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.real_time
def test_another_event_loop_looks_for_itself(backend: str) -> None:
    with watch.watching(), to_sync(async_range(9).buffer(3), backend=backend) as items:
        next(items)
        while not pictures():
            pass
        assert pictures()[0].name == "async_range(9).buffer(3)"


def test_a_run_that_is_closed_meanwhile_is_not_looked_at() -> None:
    async def program() -> None:
        async with async_range(3):
            (watched,) = WATCH.runs.open.values()
        watched.look()
        assert watched.picture is None

    with watch.watching():
        anyio.run(program)


async def numbered(*numbers: Any) -> AsyncIterator[Any]:
    for number in numbers:
        yield number


class Token:
    """What looks like code in its `repr`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class Called(Token):
    def __call__(self) -> list[int]:
        return [1]


NUMBERS = async_range(9)

SHOWN = [
    (Stream(["a", "b"]).map(str), "Stream(…).map(str)"),
    (Stream("it's").buffer(3, overflow="wait"), "Stream(…).buffer(3)"),
    (Stream(b"ab").map(slow), "Stream(…).map(slow)"),
    (Stream([1]).map(lambda n: n), "Stream(…).map(<lambda>)"),
    (merge(Stream([1, (2)]), {"a": 1}, NUMBERS.map(str)), "merge(..., …, ...)"),
    (NUMBERS.map(partial(slow, item=3), concurrency=2), "map(partial…, concurrency=2)"),
    (NUMBERS.buffer(3).named("mine").map(str), "buffer(3).named(…).map(str)"),
    (NUMBERS.map(str, concurrency=2, ordered=False), "map(str, concurrency=2, ordered=False)"),
    (ticker(0.25), "ticker(0.25)"),
    *(
        (NUMBERS.default_if_empty(value), f"default_if_empty({shown})")
        for value, shown in [
            (None, "None"),
            (999_999, "999999"),
            (1_000_000, "…"),
            (-4111111111111111, "…"),
            (10**5000, "…"),
            (52.520008, "…"),
            (math.nan, "…"),
            (math.inf, "…"),
            (type("Number", (int,), {"__repr__": lambda _: "s3cret"})(3), "…"),
            (Decimal(4711), "…"),
            (datetime.date(2000, 1, 2), "…"),
            (re.compile("s3cret"), "…"),
            (Path("s3cret"), "…"),
            (Token("tok-s3cret"), "…"),
            (Token("s3cret)"), "…"),
            (Token("f(s3cret"), "…"),
            (Called("s3cret"), "…"),
            ([[["s3cret"]]], "…"),
        ]
    ),
    (Stream(Called("s3cret")), "Stream(…)"),
    (stream(partial(numbered, 3))(4), "…(4)"),
    (stream(numbered)("s3cret"), "numbered(…)"),
]


@pytest.mark.parametrize(("made", "shown"), SHOWN, ids=range(len(SHOWN)))
async def test_no_value_is_shown(made: Stream[Any], shown: str) -> None:
    """Whatever its `repr` looks like."""
    with watch.watching():
        async with made:
            assert pictures()[0].name.removeprefix("async_range(9).") == shown
        async with made.buffer(1).map(str):
            assert (
                pictures()[0].name.removeprefix("async_range(9).") == f"{shown}.buffer(1).map(str)"
            )


async def test_no_value_is_shown_of_a_stage() -> None:
    with watch.watching():
        held = merge(["a"], NUMBERS).map(partial(slow), concurrency=2)
        async with merge(held, Stream([Token("s3cret")])).buffer(2, overflow="wait"):
            stages = [stage.name for stage in pictures()[0].stages]
    assert stages == [
        "buffer(2, overflow=…)",
        "merge(...)",
        "map(partial…, concurrency=2)",
        "merge(…, ...)",
    ]


async def test_the_channel_between_the_tasks_of_a_call_is_named_after_that() -> None:
    with watch.watching():
        async with NUMBERS.switch_map(async_range):
            stages = [stage.name for stage in pictures()[0].stages]
    assert stages == ["switch_map(async_range)", "switch_map(async_range) source"]


async def test_what_is_under_a_key() -> None:
    with watch.watching():
        async with NUMBERS.partition(bool) as (left, right), left, right.named("right"):
            names = [run.name for run in pictures()[-2:]]
        async with Stream(["s3cret"]).group_by(str) as groups:
            _, group = await anext(groups)
            async with group.map(str):
                names.append(pictures()[-1].name)
    assert names == [
        "async_range(9).partition(bool)[0]",
        "right",
        "Stream(…).group_by(str)[…].map(str)",
    ]


async def test_no_value_is_shown_of_a_text_that_is_cut_off() -> None:
    """Wherever that is cut."""
    with watch.watching():
        for length in range(1, 160):
            before = async_range(9).map(slow).map(slow).named("n" * length)
            hidden = before.intersperse("hidden " * 8).map(str).intersperse("x").map(str)
            async with hidden:
                (run,) = pictures()
            assert "hid" not in run.name
            assert len(run.name) <= 200


@pytest.mark.parametrize("name", ["mine", "it's", 'say "hi"', "orders [eu]", "a, (b (c))", "é"])
async def test_a_name_is_shown_as_it_is(name: str) -> None:
    with watch.watching():
        async with async_range(9).buffer(3).named(name):
            (run,) = pictures()
            assert run.name == run.stages[0].name == name


async def test_what_acts_on_a_terminal_is_not_shown() -> None:
    with watch.watching():
        async with async_range(9).buffer(3).named("\x1b[31mred\r\n"):
            (run,) = pictures()
            assert run.name == run.stages[0].name == "\\x1b[31mred\\r\\n"


# -- the terminal ---------------------------------------------------------------------------


async def test_the_table() -> None:
    with watch.watching():
        pipeline = ticker(0.1).map(slow, concurrency=2).buffer(4, overflow="drop_oldest")
        async with pipeline as items:
            pictures()
            for _ in range(5):
                await anext(items)
            await anyio.sleep(5)
            console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: ASYNC230, SIM115
            console.print(watch.table())
            console.file.close()
    lines = console.export_text().splitlines()
    assert lines[1].split() == [
        "ticker(0.1).map(slow,",
        "concurrency=2).buffer(4,",
        "…)",
        "8",
        "s",
    ]
    assert lines[2].split()[:2] == ["buffer(4,", "overflow=…)"]
    assert "(slow)" in lines[3]
    assert lines[3].split()[:2] == ["map(slow,", "concurrency=2)"]


async def test_the_table_tells_what_was_dealt_with() -> None:
    def fail(n: int) -> int:
        if n % 2:
            raise ValueError
        return n

    with watch.watching():
        outcomes = iter([ValueError, ValueError])

        def flaky() -> Iterable[int]:
            for error in outcomes:
                raise error
            return iter(range(9))

        retried = Stream(flaky).retry(Retry(first=0.1)).buffer(1)
        async with retried.map(fail, on_error="skip") as items:
            assert [await anext(items) for _ in range(3)] == [0, 2, 4]
            names = list(watch.table().columns[0].cells)
    assert [str(name).split("  ")[-1] for name in names] == ["2 caught", "2 retried"]


async def test_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with watch.terminal():
        async with async_range(9).buffer(3) as items:
            await anext(items)
            assert len(pictures()) == 1
    assert capsys.readouterr().out == ""


# -- the page -------------------------------------------------------------------------------


async def test_the_page_needs_no_other_host() -> None:
    async with client(watch.app) as browser:
        page = await browser.get("/")
        assert (await browser.head("/")).status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    assert "access-control-allow-origin" not in page.headers
    links = page.text.replace("http://www.w3.org/2000/svg", "")
    assert "//" not in links.replace("// Sources", "")


async def test_other_paths_and_methods() -> None:
    async with client(watch.app) as browser:
        assert (await browser.get("/other")).status_code == 404
        assert (await browser.post("/")).status_code == 405


async def test_it_can_be_mounted() -> None:
    app = Starlette(routes=[Mount("/pipelines", watch.app)])
    async with client(app) as browser:
        assert "Open pipelines" in (await browser.get("/pipelines/")).text
        assert (await browser.get("/pipelines/other")).status_code == 404


async def test_other_scopes_are_refused() -> None:
    with pytest.raises(ValueError, match="of the type 'websocket'"):
        await watch.app({"type": "websocket", "path": "/"}, anyio.sleep_forever, print)  # type: ignore[arg-type]


class Reader:
    """What a server would be."""

    def __init__(self) -> None:
        self.news: list[Any] = []

    async def read(self, until: int) -> None:
        scope = {"type": "http", "method": "GET", "path": "/events", "headers": []}
        self.until = until
        with anyio.CancelScope() as self.scope:
            await watch.app(scope, self.receive, self.send)

    async def receive(self) -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: Any) -> None:
        body = message.get("body", b"")
        if body.startswith(b"data: "):
            self.news.append(json.loads(body.removeprefix(b"data: ")))
        if len(self.news) >= self.until:
            self.scope.cancel()


async def test_what_the_page_is_sent() -> None:
    reader = Reader()
    with watch.watching():
        async with merge(["secret"], async_range(100)).buffer(4) as items:
            await anext(items)
            await reader.read(3)
    first, *_, last = reader.news
    assert (first["watching"], len(first["runs"])) == (True, 1)  # and not what sends it
    assert [stage["name"] for stage in last["runs"][0]["stages"]] == ["buffer(4)", "merge(…, ...)"]
    assert "secret" not in json.dumps(reader.news)
    await Reader().read(1)


async def test_of_very_many_the_oldest_are_shown() -> None:
    reader = Reader()
    async with AsyncExitStack() as stack:
        stack.enter_context(watch.watching())
        for _ in range(MOST + 9):
            await stack.enter_async_context(async_range(3).buffer(1))
        await reader.read(1)
        height = 20
        assert height < fitting(height).row_count < 3 * height
    (news,) = reader.news
    assert (news["open"], len(news["runs"])) == (MOST + 9, MOST)


async def test_nothing_is_watched() -> None:
    reader = Reader()
    await reader.read(1)
    assert reader.news == [{"watching": False, "open": 0, "runs": []}]


# -- the server -----------------------------------------------------------------------------


async def pipeline() -> None:
    async with ticker(0.01).map(slow, concurrency=2).buffer(4) as items:
        async for _ in items:
            pass


def loggers() -> list[tuple[int, bool, list[logging.Handler]]]:
    """Of the servers, which are those of the whole process."""
    names = ("uvicorn.error", "uvicorn.access", "uvicorn.asgi", "hypercorn.error")
    found = [logging.getLogger(name) for name in names]
    return [(each.level, each.propagate, [*each.handlers]) for each in found]


@pytest.mark.real_time
async def test_a_server_leaves_the_loggers_of_others_alone() -> None:
    before = loggers()
    async with anyio.create_task_group() as tasks:
        await tasks.start(watch.serve, 0)
        assert loggers() == before
        tasks.cancel_scope.cancel()
    assert loggers() == before


@pytest.mark.real_time
async def test_it_is_served_on_this_machine() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipeline)
        await anyio.sleep(0.01)  # trio runs tasks in any order
        url: str = await tasks.start(watch.serve, 0)
        tasks.start_soon(pipeline)
        assert url.startswith("http://127.0.0.1:")
        async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
            assert "Open pipelines" in (await browser.get("/")).text
            name = url.removesuffix("/").removeprefix("http://").replace("127.0.0.1", "localhost")
            for host, status in ((name, 200), ("[::1]:1", 200), ("evil.example", 421), ("[", 421)):
                assert (await browser.get("/", headers={"host": host})).status_code == status
            async with sse(f"{url}events", client=browser) as events:
                news = json.loads((await anext(events)).data)
                names = [stage["name"] for run in news["runs"] for stage in run["stages"]]
                assert names.count("buffer(4)") == 1  # the other one was open before
        tasks.cancel_scope.cancel()
    assert WATCH.users == 0


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        ([b"localhost"], 200),
        ([b"LOCALHOST:1"], 200),
        ([b"[::1]:80"], 200),
        ([b"127.0.0.1"], 200),
        ([], 421),
        ([b""], 421),
        ([b"localhost", b"localhost"], 421),
        ([b"["], 421),
        ([b"]"], 421),
        ([b"[::1"], 421),
        ([b"[x]"], 421),
        ([b"[::1]x"], 421),
        ([b"a\xe2\x84\x80b"], 421),
        ([b"\xe9"], 421),
        ([b"localhost:"], 200),
        ([b"localhost:x"], 421),
        ([b"localhost\n"], 421),
        ([b"localhost/x"], 421),
        ([b"localhost@evil.example"], 421),
        ([b"evil.example@localhost"], 421),
        ([b"localhost.evil.example"], 421),
        ([b"evil.example"], 421),
    ],
)
async def test_hosts_that_are_answered(hosts: list[bytes], status: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "path": "/"}
    scope["headers"] = [(b"Host", host) for host in hosts]
    await local(scope, anyio.sleep_forever, send)
    assert sent[0]["status"] == status


@pytest.mark.real_time
async def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await watch.serve(taken.getsockname()[1])
    assert WATCH.users == 0


@pytest.mark.parametrize("port", [-1, 65536, "8765", None])
async def test_what_is_no_port(port: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^port must be .*, got {port!r}$"):
        await watch.serve(port)


async def test_a_server_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uvicorn", "hypercorn", "hypercorn.trio", "hypercorn.config"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ImportError, match=r"^anystream.watch.serve needs (\w+) here: pip install \1$"
    ):
        await watch.serve(0)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.real_time
async def test_a_browser_draws_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock stands still while it reads, so it draws until the server ends, and then tells."""
    sent = 0
    seen = anyio.Event()

    def counted(tick: float) -> Any:
        nonlocal sent
        sent += 1
        if sent == 5:
            seen.set()
        return news(tick)

    monkeypatch.setattr("anystream.watch.web.news", counted)
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--virtual-time-budget=1000"]
    async with anyio.create_task_group() as longer:
        async with anyio.create_task_group() as tasks:
            url: str = await tasks.start(watch.serve, 0)
            longer.start_soon(pipeline)  # which is in the last picture, too
            drawn = await anyio.open_process([*command, url], stderr=subprocess.DEVNULL)
            await seen.wait()
            tasks.cancel_scope.cancel()
        longer.cancel_scope.cancel()
    async with drawn:
        assert drawn.stdout is not None
        page = b"".join([part async for part in drawn.stdout]).decode()
    assert 'class="name">buffer(4)</text>' in page
    assert "the slow stage" in page
