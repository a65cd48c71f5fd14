"""The scenarios of `anystream demo`, the five streams and the ways they can end, and their run.

A scenario gives what it reads to `log`, one item after the other, and returns how that ended.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import TypeAlias

import anyio

from .. import Stream, async_range, stream_data, ticker
from ..http import PageStatusError, fetch_all_pages
from .server import Server, serve
from .watch import watching

Log: TypeAlias = Callable[[object], None]


PATIENCE = 0.05
"""Seconds that a scenario waits for what will never come."""


class Ending(StrEnum):
    """How the reading of a stream can end."""

    EXHAUSTED = "exhausted"
    LEFT_EARLY = "left early"
    FAILED = "failed"
    TIMED_OUT = "timed out"


@dataclass(frozen=True)
class Scenario:
    """A stream, what happens to it in a few words, and how it has to end."""

    stream: str
    words: str
    ending: Ending
    play: Callable[[Server, Log], Awaitable[Ending]]
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


def run_all(
    scenarios: Sequence[Scenario], backends: Sequence[str], step: Callable[[str], None]
) -> list[Result]:
    """Play the scenarios on one backend after the other; `step` hears of each beforehand."""
    outcomes = {
        backend: anyio.run(play_all, scenarios, backend, step, backend=backend)
        for backend in backends
    }
    return [
        Result(scenario, {backend: played[place] for backend, played in outcomes.items()})
        for place, scenario in enumerate(scenarios)
    ]


async def play_all(
    scenarios: Sequence[Scenario], backend: str, step: Callable[[str], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with serve() as server:
        await anyio.wait_all_tasks_blocked()  # the server has its own tasks running now
        for scenario in scenarios:
            step(f"{backend}: {scenario.stream}, {scenario.words}")
            outcomes.append(await play(scenario, server))
    return outcomes


async def play(scenario: Scenario, server: Server) -> Outcome:
    yielded: list[str] = []
    error = message = None
    with watching(server) as watch:
        try:
            ended = await scenario.play(server, lambda item: yielded.append(str(item)))
        except Exception as exc:
            if type(exc) is TimeoutError:  # a subclass of it is a failure of its own
                ended = Ending.TIMED_OUT
            else:
                ended, error, message = Ending.FAILED, type(exc).__name__, str(exc)
        left = await watch.leftovers()
    return Outcome(yielded, ended, error, message, left)


# -- what the scenarios share -------------------------------------------------------------------


async def read(items: AsyncIterable[object], log: Log, until: object = None) -> Ending:
    async for item in items:
        log(item)
        if item == until:
            return Ending.LEFT_EARLY
    return Ending.EXHAUSTED


def whole(comprehension: object, log: Log) -> Ending:
    log(comprehension)
    return Ending.EXHAUSTED


def names(server: Server, path: str = "/users") -> Stream[str]:
    users = fetch_all_pages(server.url + path, retry=None)
    return users.map(itemgetter("name"))


def words(server: Server) -> Stream[str]:
    """The data of the plain socket in words, since pieces may arrive as one."""
    connection = stream_data(lambda: anyio.connect_tcp("127.0.0.1", server.data_port))
    return connection.flat_map(lambda data: data.decode().split())


def ticks(interval: float, count: int | None = None) -> Stream[str]:
    return ticker(interval, count).enumerate(1).map(lambda tick: f"tick-{tick[0]}")


# -- async_range --------------------------------------------------------------------------------


async def range_exhausted(server: Server, log: Log) -> Ending:
    return await read(async_range(5, delay=0.01), log)


async def range_left_early(server: Server, log: Log) -> Ending:
    async with async_range(1_000_000) as numbers:
        return await read(numbers, log, until=3)


# -- fetch_all_pages ----------------------------------------------------------------------------


async def pages_exhausted(server: Server, log: Log) -> Ending:
    async with names(server) as users:
        return await read(users, log)


async def pages_left_early(server: Server, log: Log) -> Ending:
    async with names(server) as users:
        return await read(users, log, until="Radia")


async def pages_failed(server: Server, log: Log) -> Ending:
    async with names(server, "/users/broken") as users:
        return await read(users, log)


async def pages_timed_out(server: Server, log: Log) -> Ending:
    with anyio.fail_after(PATIENCE):
        async with names(server, "/users/slow?delay=inf") as users:
            return await read(users, log)


# -- comprehensions -----------------------------------------------------------------------------


async def comprehension_list(server: Server, log: Log) -> Ending:
    return whole(
        [10 * n + m async for n in async_range(4) async for m in async_range(n) if m % 2 == 0], log
    )


async def comprehension_set(server: Server, log: Log) -> Ending:
    return whole("".join(sorted({name[0] async for name in names(server)})), log)


async def comprehension_dict(server: Server, log: Log) -> Ending:
    return whole({number: "tick" async for number, _ in ticker(0.01, 2).enumerate(1)}, log)


async def comprehension_left_early(server: Server, log: Log) -> Ending:
    async with (
        names(server) as users,
        aclosing(name.upper() async for name in users) as shouted,
    ):
        return await read(shouted, log, until="BARBARA")


async def comprehension_failed(server: Server, log: Log) -> Ending:
    return whole([name async for name in names(server, "/users/broken")], log)


# -- stream_data --------------------------------------------------------------------------------


async def data_exhausted(server: Server, log: Log) -> Ending:
    async with words(server) as received:
        return await read(received, log)


async def data_left_early(server: Server, log: Log) -> Ending:
    async with words(server) as received:
        return await read(received, log, until="arrive")


async def data_failed(server: Server, log: Log) -> Ending:
    def picky(word: object) -> None:
        log(word)
        if word == "in":
            raise ValueError("no more of this")

    async with words(server) as received:
        return await read(received, picky)


async def data_timed_out(server: Server, log: Log) -> Ending:
    with anyio.fail_after(PATIENCE):
        # The HTTP side says nothing until it is asked.
        async with stream_data(lambda: anyio.connect_tcp("127.0.0.1", server.port)) as received:
            return await read(received, log)


# -- ticker -------------------------------------------------------------------------------------


async def ticker_exhausted(server: Server, log: Log) -> Ending:
    return await read(ticks(0.02, count=3), log)


async def ticker_left_early(server: Server, log: Log) -> Ending:
    async with ticks(0.02) as endless:
        return await read(endless, log, until="tick-3")


async def ticker_timed_out(server: Server, log: Log) -> Ending:
    async with ticks(0.01, count=2).chain(ticks(3600)) as slower:
        await read(slower, log, until="tick-2")
        with anyio.fail_after(PATIENCE):
            return await read(slower, log)


EXHAUSTED, LEFT_EARLY, FAILED, TIMED_OUT = Ending

SCENARIOS = (
    Scenario("async_range", "5 numbers, with a delay", EXHAUSTED, range_exhausted),
    Scenario("async_range", "break at 3", LEFT_EARLY, range_left_early),
    Scenario("fetch_all_pages", "5 pages of 3 users", EXHAUSTED, pages_exhausted),
    Scenario("fetch_all_pages", "break on page 3", LEFT_EARLY, pages_left_early),
    Scenario("fetch_all_pages", "page 3 answers 500", FAILED, pages_failed, PageStatusError),
    Scenario("fetch_all_pages", "no answer, fail_after", TIMED_OUT, pages_timed_out),
    Scenario("comprehensions", "list, nested, with if", EXHAUSTED, comprehension_list),
    Scenario("comprehensions", "set, over the pages", EXHAUSTED, comprehension_set),
    Scenario("comprehensions", "dict, over ticks", EXHAUSTED, comprehension_dict),
    Scenario("comprehensions", "generator, break", LEFT_EARLY, comprehension_left_early),
    Scenario("comprehensions", "list, page 3 fails", FAILED, comprehension_failed, PageStatusError),
    Scenario("stream_data", "a socket, to its end", EXHAUSTED, data_exhausted),
    Scenario("stream_data", "break after 2 words", LEFT_EARLY, data_left_early),
    Scenario("stream_data", "the loop's body raises", FAILED, data_failed, ValueError),
    Scenario("stream_data", "silence, fail_after", TIMED_OUT, data_timed_out),
    Scenario("ticker", "3 ticks", EXHAUSTED, ticker_exhausted),
    Scenario("ticker", "break at tick 3", LEFT_EARLY, ticker_left_early),
    Scenario("ticker", "hourly, fail_after", TIMED_OUT, ticker_timed_out),
)
