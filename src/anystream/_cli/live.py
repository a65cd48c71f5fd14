"""`anystream sse` and `anystream lines`: what comes bit by bit, written as it comes."""

from __future__ import annotations

import json
import os
import stat
from abc import ABC, abstractmethod
from argparse import Namespace
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio
import anyio.lowlevel

from .. import Retry
from . import clients, shown
from .endings import CommandError, UsageError
from .resume import Resume, open_output
from .secrets import Secrets, credentials, without_user
from .session import Session
from .values import hidden, is_url, no_constant

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

# Only whether it is JSON matters, and digits may be too many for a number.
CHECK = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=no_constant).decode

FIRST = 1.0
"""Seconds of the first pause before a connection is made again, if the server names none."""


def run(options: Namespace) -> int:
    """Run the command, and give its exit code."""
    secrets = Secrets()
    session = Session(secrets, verbose=options.verbose)
    kind = Events if options.command == "sse" else Lines
    try:
        with ExitStack() as stack:
            code = kind(options, session, stack).run()
    except CommandError as exc:
        return session.tell(exc)
    return session.end(code)


class Live(ABC, Generic[T]):
    """Where the lines come from, and what becomes of them."""

    noun: str
    resume: Resume | None = None

    def __init__(self, options: Namespace, session: Session, stack: ExitStack) -> None:
        self.options = options
        self.session = session
        self.stack = stack
        self.count = shown.Count()

    def run(self) -> int:
        self.prepare()
        self.out = open_output(self.stack, self.options.output, self.resume)
        return self.session.run(self.write, self.out, self.options.backend)

    @abstractmethod
    def prepare(self) -> None:
        """Complain now of what cannot work, before a file is touched."""

    @abstractmethod
    def stream(self, client: Any) -> Stream[T]:
        """The items; `client` is None if no URL is read."""

    @abstractmethod
    def line(self, item: T) -> str:
        """What is written for an item."""

    def save(self, items: Sequence[T]) -> None:
        """These have been written."""

    # -- the request ------------------------------------------------------------------------

    def request(self, url: str) -> None:
        options = self.options
        self.headers = clients.headers(options, credentials(options, url, self.session.secrets))
        self.url = clients.with_query(without_user(url), options.query)

    async def write(self) -> None:
        async with AsyncExitStack() as stack:
            client = None
            if hasattr(self, "url"):
                client = await stack.enter_async_context(clients.client(self.options.timeout))
            batches = self.stream(client).batched(AT_ONCE, within=DELAY)
            if shown.wanted(self.options.progress, self.options.output):
                batches = shown.line(batches, self.session, self.count, self.noun)
            async for items in await stack.enter_async_context(batches):
                data = "".join([f"{self.line(item)}\n" for item in items]).encode()
                self.count.items += len(items)
                await self.session.write(self.out, data, lambda: self.save(items))  # noqa: B023


class Events(Live["Event"]):
    """`anystream sse`."""

    noun = "events"

    def prepare(self) -> None:
        options = self.options
        self.request(options.url)
        if options.resume:
            self.resume = Resume(options.resume, "sse", options.url, options.query)

    def stream(self, client: Any) -> Stream[Event]:
        from ..http import sse

        options = self.options
        last = options.last_event_id
        if self.resume is not None and self.resume.state is not None:
            last = self.resume.state
        retry = Retry(times=options.retries, first=FIRST, hook=self.count_retry)
        events = sse(
            self.url,
            client=client,
            headers=self.headers,
            last_event_id=last,
            read_timeout=options.read_timeout,
            retry=None if options.no_reconnect else retry,
        )
        return events if options.max_events is None else events.take(options.max_events)

    def count_retry(self, number: int, error: Exception, pause: float) -> None:
        self.count.retried(pause)
        self.session.tell_retry(number, error, pause)

    def line(self, item: Event) -> str:
        if self.options.data_only:
            return item.data
        content = {"type": item.type, "data": item.data, "id": item.id}
        return json.dumps(content, ensure_ascii=False)

    def save(self, items: Sequence[Event]) -> None:
        if self.resume is not None:
            self.resume.save(items[-1].id)


class Lines(Live[str]):
    """`anystream lines`."""

    noun = "lines"

    def prepare(self) -> None:
        options = self.options
        if is_url(options.source):
            self.request(options.source)
            return
        for name in ("header", "query", "user", "bearer_env", "netrc", "netrc_file"):
            if getattr(options, name):
                raise UsageError(f"argument --{name.replace('_', '-')}: only for a URL")
        self.fd = 0 if options.source == "-" else self.opened(options.source)

    def opened(self, path: str) -> int:
        try:
            return self.stack.enter_context(open(path, "rb", buffering=0)).fileno()
        except OSError as exc:
            raise UsageError(f"{path!r} cannot be read: {exc.strerror}") from None

    def stream(self, client: Any) -> Stream[str]:
        from .. import http, net

        options = self.options
        name = "standard input" if options.source == "-" else hidden(options.source)
        if client is None:

            def source() -> AsyncGenerator[bytes, None]:
                return chunks(self.fd)

            source.__qualname__ = name  # which errors call it by
            lines = net.lines(source, max_line=options.max_line)
        else:
            lines = http.lines(
                self.url,
                client=client,
                headers=self.headers,
                read_timeout=options.read_timeout,
                max_line=options.max_line,
            )
        if not options.ndjson:
            return lines
        documents = lines.enumerate(1).starmap(lambda number, line: checked(number, line, name))
        return documents.filter(None)

    def line(self, item: str) -> str:
        return item


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


def checked(number: int, line: str, name: str) -> str:
    """The line if it is a JSON document, nothing if it is blank."""
    if not line.strip(" \t\r"):
        return ""
    try:
        CHECK(line)
    except ValueError as exc:
        raise CommandError(f"line {number} of {name} is not JSON: {exc}") from None
    except RecursionError:
        raise CommandError(f"line {number} of {name} is nested too deeply to check") from None
    return line
