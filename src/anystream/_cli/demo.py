"""The scenarios of `anystream demo`, the five streams and the ways they can end, and their run.

A scenario gives what it reads to `log`, one item after the other, and returns how that ended.
"""

import gc
import math
import warnings
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any, TypeAlias

import anyio

from .. import Stream, async_range, stream_data, ticker
from ..http import PageStatusError, fetch_all_pages
from ..testing import LeakWatch
from .server import Server, serve

PATIENCE = 0.05
"""Seconds that a scenario waits for what will never come."""

SETTLE = 3.0
"""Seconds in which the server has to see that its connections were closed."""


class Ending(StrEnum):
    """How the reading of a stream can end."""

    EXHAUSTED = "exhausted"
    LEFT_EARLY = "left early"
    FAILED = "failed"
    TIMED_OUT = "timed out"


Log: TypeAlias = Callable[[object], None]
Play: TypeAlias = Callable[[Server, Log], Awaitable[Ending]]


@dataclass(frozen=True)
class Scenario:
    """A stream, what happens to it in a few words, and how it has to end."""

    stream: str
    words: str
    ending: Ending
    play: Play
    error: type[Exception] | None = None

    @property
    def how(self) -> str:
        return f"{self.ending} ({self.error.__name__})" if self.error else self.ending


@dataclass(frozen=True)
class Outcome:
    """What a scenario did on one backend. `error` is the name of a type."""

    yielded: list[str]
    ended: Ending
    error: str | None
    message: str | None
    open: list[str]

    @property
    def how(self) -> str:
        return f"{self.ended} ({self.error})" if self.error else self.ended


@dataclass(frozen=True)
class Result:
    """What a scenario did on each backend."""

    scenario: Scenario
    outcomes: dict[str, Outcome]

    @property
    def agree(self) -> bool:
        first, *others = ((each.yielded, each.how) for each in self.outcomes.values())
        return all(first == other for other in others)

    @property
    def problems(self) -> list[str]:
        """What is not as it should be, in sentences."""
        found = [] if self.agree else ["The backends do not agree."]
        for backend, outcome in self.outcomes.items():
            if outcome.how != self.scenario.how:
                why = f": {outcome.message}" if outcome.message else ""
                found.append(f"On {backend}: {outcome.how}, not {self.scenario.how}{why}.")
            if outcome.open:
                found.append(f"Open on {backend}: {'; '.join(outcome.open)}.")
        return found


def run_all(scenarios: Sequence[Scenario], backends: Sequence[str]) -> list[Result]:
    """Play the scenarios on one backend after the other."""
    outcomes = {
        backend: anyio.run(play_all, scenarios, backend, backend=backend) for backend in backends
    }
    return [
        Result(scenario, {backend: played[place] for backend, played in outcomes.items()})
        for place, scenario in enumerate(scenarios)
    ]


async def play_all(scenarios: Sequence[Scenario], backend: str) -> list[Outcome]:
    def text(number: int, _: float) -> str:
        scenario = scenarios[max(0, number - 1)]
        return f"{backend}: {number}/{len(scenarios)} {scenario.stream}, {scenario.words}"

    async with serve() as server:
        await anyio.wait_all_tasks_blocked()  # the server has its own tasks running now
        async with Stream(scenarios).progress(text) as shown:
            return [await play(scenario, server) async for scenario in shown]


async def play(scenario: Scenario, server: Server) -> Outcome:
    yielded: list[str] = []
    error = message = None
    with watching(server) as leftovers:
        try:
            ended = await scenario.play(server, lambda item: yielded.append(str(item)))
        except Exception as exc:
            if type(exc) is TimeoutError:  # a subclass of it is a failure of its own
                ended = Ending.TIMED_OUT
            else:
                ended, error, message = Ending.FAILED, type(exc).__name__, str(exc)
        left = await leftovers()
    return Outcome(yielded, ended, error, message, left)


@contextmanager
def watching(server: Server) -> Generator[Callable[[], Awaitable[list[str]]], None, None]:
    """While this is open, the function given lists what has been left open, and warned of."""
    before = server.open_connections

    async def leftovers() -> list[str]:
        gc.collect()
        await server.settled(SETTLE, before)
        return [
            *["a connection to the server"] * (server.open_connections - before),
            *map(str, await watch.leaks()),
            *(f"{each.category.__name__}: {each.message}" for each in warned),
        ]

    with warnings.catch_warnings(record=True) as warned, LeakWatch() as watch:
        warnings.simplefilter("ignore")  # a deprecation, say, leaves nothing open
        warnings.simplefilter("always", ResourceWarning)
        warnings.simplefilter("always", RuntimeWarning)  # "was never awaited"
        yield leftovers


# -- what is read -------------------------------------------------------------------------------


def reading(
    source: Callable[[Server], Stream[Any]], until: object = None, within: float = math.inf
) -> Play:
    """Read that stream, to its end or up to an item, for at most `within` seconds."""

    async def play(server: Server, log: Log) -> Ending:
        with anyio.fail_after(within):
            async with source(server) as items:
                return await read(items, log, until)

    return play


async def read(items: AsyncIterable[object], log: Log, until: object = None) -> Ending:
    async for item in items:
        log(item)
        if item == until:
            return Ending.LEFT_EARLY
    return Ending.EXHAUSTED


def making(whole: Callable[[Server], Awaitable[object]]) -> Play:
    """Make all of it, by a comprehension."""

    async def play(server: Server, log: Log) -> Ending:
        log(await whole(server))
        return Ending.EXHAUSTED

    return play


def few(server: Server) -> Stream[int]:
    return async_range(5, delay=0.01)


def many(server: Server) -> Stream[int]:
    return async_range(1_000_000)


def names(server: Server, path: str = "/users") -> Stream[str]:
    users = fetch_all_pages(server.url + path, retry=None)
    return users.map(itemgetter("name"))


def broken_names(server: Server) -> Stream[str]:
    return names(server, "/users/broken")


def no_names(server: Server) -> Stream[str]:
    return names(server, "/users/slow?delay=inf")


async def nested(server: Server) -> object:
    return [10 * n + m async for n in async_range(4) async for m in async_range(n) if m % 2 == 0]


async def initials(server: Server) -> object:
    return "".join(sorted({name[0] async for name in names(server)}))


async def numbered(server: Server) -> object:
    return {number: "tick" async for number, _ in ticker(0.01, 2).enumerate(1)}


async def broken_list(server: Server) -> object:
    return [name async for name in broken_names(server)]


async def shouted(server: Server, log: Log) -> Ending:
    async with names(server) as users, aclosing(name.upper() async for name in users) as loud:
        return await read(loud, log, until="BARBARA")


def words(server: Server) -> Stream[str]:
    """The data of the plain socket in words, since pieces may arrive as one."""
    connection = stream_data(lambda: anyio.connect_tcp("127.0.0.1", server.data_port))
    return connection.flat_map(lambda data: data.decode().split())


def silence(server: Server) -> Stream[bytes]:
    """The HTTP side says nothing until it is asked."""
    return stream_data(lambda: anyio.connect_tcp("127.0.0.1", server.port))


async def refused(server: Server, log: Log) -> Ending:
    def picky(word: object) -> None:
        log(word)
        if word == "in":
            raise ValueError("no more of this")

    async with words(server) as received:
        return await read(received, picky)


def ticks(interval: float, count: int | None = None) -> Stream[str]:
    return ticker(interval, count).enumerate(1).map(lambda tick: f"tick-{tick[0]}")


async def late(server: Server, log: Log) -> Ending:
    async with ticks(0.01, count=2).chain(ticks(3600)) as slower:
        await read(slower, log, until="tick-2")
        with anyio.fail_after(PATIENCE):
            return await read(slower, log)


EXHAUSTED, LEFT_EARLY, FAILED, TIMED_OUT = Ending

RANGE, PAGES, MADE = "async_range", "fetch_all_pages", "comprehensions"
DATA, TICKER = "stream_data", "ticker"

SCENARIOS = (
    Scenario(RANGE, "5 numbers, with a delay", EXHAUSTED, reading(few)),
    Scenario(RANGE, "break at 3", LEFT_EARLY, reading(many, until=3)),
    Scenario(PAGES, "5 pages of 3 users", EXHAUSTED, reading(names)),
    Scenario(PAGES, "break on page 3", LEFT_EARLY, reading(names, until="Radia")),
    Scenario(PAGES, "page 3 answers 500", FAILED, reading(broken_names), PageStatusError),
    Scenario(PAGES, "no answer, fail_after", TIMED_OUT, reading(no_names, within=PATIENCE)),
    Scenario(MADE, "list, nested, with if", EXHAUSTED, making(nested)),
    Scenario(MADE, "set, over the pages", EXHAUSTED, making(initials)),
    Scenario(MADE, "dict, over ticks", EXHAUSTED, making(numbered)),
    Scenario(MADE, "generator, break", LEFT_EARLY, shouted),
    Scenario(MADE, "list, page 3 fails", FAILED, making(broken_list), PageStatusError),
    Scenario(DATA, "a socket, to its end", EXHAUSTED, reading(words)),
    Scenario(DATA, "break after 2 words", LEFT_EARLY, reading(words, until="arrive")),
    Scenario(DATA, "the loop's body raises", FAILED, refused, ValueError),
    Scenario(DATA, "silence, fail_after", TIMED_OUT, reading(silence, within=PATIENCE)),
    Scenario(TICKER, "3 ticks", EXHAUSTED, reading(lambda _: ticks(0.02, count=3))),
    Scenario(TICKER, "break at tick 3", LEFT_EARLY, reading(lambda _: ticks(0.02), until="tick-3")),
    Scenario(TICKER, "hourly, fail_after", TIMED_OUT, late),
)
