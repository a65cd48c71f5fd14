"""`anystream sse` and `anystream lines`: what comes bit by bit, written as it comes."""

from __future__ import annotations

import json
import os
import stat
import sys
from abc import abstractmethod
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from .. import http, net
from . import clients
from .columns import DECODER, lines_of
from .command import Command
from .endings import UNPRINTABLE, UsageError
from .output import unless_same
from .values import as_option, hidden, is_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from .. import Stream
    from ..http import Event

T = TypeVar("T")

AT_ONCE = 1000
"""How many lines are written at once, at most."""

DELAY = 0.01
"""Seconds for which a line may wait for others."""

READ = 65536
"""How many bytes are read at once."""

IDEMPOTENT = ("GET", "HEAD")


class LiveCommand(Command, Generic[T]):
    """Where the lines come from, and what becomes of them."""

    first = 1.0  # if the server names none
    longest = 30.0

    @abstractmethod
    def stream(self, client: Any) -> Stream[T]:
        """The items; `client` is None if no URL is read."""

    @abstractmethod
    def lines(self, items: Sequence[T]) -> Sequence[str]:
        """What is written for them."""

    def save(self, items: Sequence[T]) -> None:
        """These have been written."""

    async def write(self) -> None:
        async with AsyncExitStack() as stack:
            client = None
            if self.url:
                client = await stack.enter_async_context(clients.client(self.options))
            batches = self.shown(self.stream(client).batched(AT_ONCE, within=DELAY))
            async for items in await stack.enter_async_context(batches):
                data = "".join([f"{line}\n" for line in self.lines(items)]).encode()
                self.count.items += len(items)
                await self.session.write(self.out, data, lambda: self.save(items))  # noqa: B023


class EventsCommand(LiveCommand["Event"]):
    """`anystream sse`."""

    noun = "events"

    def prepare(self) -> None:
        options = self.options
        self.request(options.url)
        self.resume = self.resumption(options.method, options.data)

    def stream(self, client: Any) -> Stream[Event]:
        options = self.options
        last = options.last_event_id
        if self.resume is not None and self.resume.state is not None:
            last = self.resume.state
        events = http.sse(
            self.url,
            client=client,
            method=options.method,
            headers=self.headers,
            json=options.data,
            last_event_id=last,
            read_timeout=options.read_timeout,
            retry=self.retry() if self.reconnects else None,
        )
        return events if options.max_events is None else events.take(options.max_events)

    @property
    def reconnects(self) -> bool:
        """A request that may change something is sent again only if that is asked for."""
        options = self.options
        asked: bool | None = options.reconnect
        if asked is None:
            return options.method in IDEMPOTENT or options.retries is not None
        return asked

    def lines(self, items: Sequence[Event]) -> list[str]:
        return [item.data if self.options.data_only else as_json(item) for item in items]

    def save(self, items: Sequence[Event]) -> None:
        if self.resume is not None:
            self.resume.save(items[-1].id)


class LinesCommand(LiveCommand[str]):
    """`anystream lines`."""

    noun = "lines"

    def prepare(self) -> None:
        options = self.options
        self.lines_of = lines_of(options.select, as_csv=options.csv)
        for name in ("select", "csv"):
            if getattr(options, name) and not options.ndjson:
                raise UsageError(f"argument --{name}: only with --ndjson")
        if is_url(options.source):
            self.request(options.source)
            return
        for name in ONLY_FOR_URLS:
            if getattr(options, name):
                raise UsageError(f"argument {as_option(name)}: only for a URL")
        self.fd = standard_input() if options.source == "-" else self.opened(options.source)
        unless_same(options.output, self.fd, "the file that is read")

    def opened(self, path: str) -> int:
        try:
            return self.stack.enter_context(open(path, "rb", buffering=0)).fileno()
        except OSError as exc:
            raise UsageError(f"{path!r} cannot be read: {exc.strerror}") from None

    def stream(self, client: Any) -> Stream[str]:
        options = self.options
        given: dict[str, Any] = {"max_line": options.max_line}
        if options.ndjson:
            given["loads"] = document
        if self.url:
            return (http.ndjson if options.ndjson else http.lines)(
                self.url,
                client=client,
                method=options.method,
                headers=self.headers,
                json=options.data,
                read_timeout=options.read_timeout,
                **given,
            )

        def source() -> AsyncGenerator[bytes, None]:
            return chunks(self.fd)

        # Errors call it by this name.
        source.__qualname__ = "standard input" if options.source == "-" else hidden(options.source)
        return (net.ndjson if options.ndjson else net.lines)(source, **given)

    def lines(self, items: Sequence[str]) -> Sequence[str]:
        return self.lines_of(items)


ONLY_FOR_URLS = (
    "header",
    "query",
    "method",
    "data",
    "user",
    "bearer_env",
    "netrc",
    "netrc_file",
    "cacert",
    "insecure",
    "proxy",
    "read_timeout",
)


def as_json(event: Event) -> str:
    """A line that holds nothing that a terminal would obey."""
    content = {"type": event.type, "data": event.data, "id": event.id}
    text = json.dumps(content, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def standard_input() -> int:
    """Its descriptor; once it is closed, that is the number of the next file that is opened."""
    if sys.stdin is None:
        raise UsageError("standard input is closed")
    return 0


async def chunks(fd: int) -> AsyncGenerator[bytes, None]:
    """What can be read from a file, a pipe or a terminal, without holding up the event loop."""
    mode = os.fstat(fd).st_mode
    waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)
    while True:
        await (anyio.wait_readable(fd) if waits else anyio.lowlevel.checkpoint())
        data = os.read(fd, READ)
        if not data:
            return
        yield data


def document(line: bytes) -> str:
    """The line itself, if it is a JSON document."""
    text = line.decode()
    DECODER.decode(text)
    return text
