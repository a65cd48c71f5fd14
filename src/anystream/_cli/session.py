"""What the commands share while they run: messages, signals, the closed pipe, the ending."""

from __future__ import annotations

import signal
import sys
import traceback
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from .._errors import StreamError
from . import signals
from .endings import Code, CommandError, causes, code_of, is_network, leaves, message, printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .output import LineOutput
    from .secrets import Secrets

PATIENCE = 1.0
"""Seconds that a write may still take after a signal."""

PROXY_WANTS_PASSWORD = 407


class Session:
    """One run of a command: `run` plays it, `say` tells the user, `write` gives out lines."""

    reading: anyio.CancelScope  # around all of it
    writing: anyio.CancelScope  # around a write, which a signal does not interrupt at once

    def __init__(self, secrets: Secrets, *, verbose: bool = False) -> None:
        self.secrets = secrets
        self.verbose = verbose
        self.show: Callable[[str], None] = to_stderr  # a progress line puts its own in here
        self.proxy: Callable[[], str] = str  # gives its URL
        self.signal: int | None = None
        self.pipe_closed = False
        self.errors: list[BaseException] = []

    def say(self, text: str) -> None:
        self.show(f"anystream: {self.clean(text)}")

    def clean(self, text: str) -> str:
        """What may be shown of a text: no credential, and nothing that a terminal would obey."""
        return printable(self.secrets.clean(text))

    def detail(self, text: str) -> None:
        """Say it if that much is wanted."""
        if self.verbose:
            self.say(text)

    # -- while it runs --------------------------------------------------------------------------

    def run(self, work: Callable[[], Awaitable[None]], output: LineOutput, backend: str) -> int:
        """Run `work` to its end, and give the exit code; `end` has to be called with it."""
        try:
            anyio.run(self.play, work, output, backend=backend)
        except* KeyboardInterrupt:  # when nobody was there to receive it
            self.signal = signal.SIGINT
        codes = [self.tell(error) for error in self.errors]
        if self.pipe_closed and self.signal is None:
            output.silence()
            return Code.CLOSED_PIPE
        return codes[0] if codes else Code.DONE

    async def play(self, work: Callable[[], Awaitable[None]], output: LineOutput) -> None:
        self.reading = self.writing = anyio.CancelScope()
        wanted = [number for number in signals.SIGNALS if not signals.ignored(number)]
        receiver = anyio.open_signal_receiver(*wanted) if wanted else nullcontext()
        with receiver as received:
            async with anyio.create_task_group() as tasks:
                if received is not None:
                    tasks.start_soon(self.heed_signals, received)
                tasks.start_soon(self.heed_pipe, output)
                with self.reading:
                    await self.work(work)
                tasks.cancel_scope.cancel()

    async def work(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as exc:
            errors = [*leaves(exc)]
            self.errors = [each for each in errors if not isinstance(each, BrokenPipeError)]
            self.pipe_closed |= len(self.errors) < len(errors)

    async def write(self, output: LineOutput, data: bytes, saved: Callable[[], None]) -> None:
        """Write `data`, then call `saved`: both or, if the reader hangs after a signal, neither."""
        await anyio.lowlevel.checkpoint_if_cancelled()  # a signal has come: no further page
        with anyio.CancelScope(shield=True) as self.writing:
            await output.write(data)
            saved()

    async def heed_signals(self, received: AsyncIterator[signal.Signals]) -> None:
        async for number in received:
            late = self.signal is not None
            self.signal = number
            self.reading.cancel()
            self.writing.deadline = anyio.current_time() + (0 if late else PATIENCE)

    async def heed_pipe(self, output: LineOutput) -> None:
        await output.abandoned()
        self.pipe_closed = True
        self.reading.cancel()

    def end(self, code: int) -> int:
        """The exit code, when all is put away that a signal's end would leave as it is."""
        return code if self.signal is None else signals.interrupted(self.signal)

    # -- after it -------------------------------------------------------------------------------

    def tell(self, error: BaseException) -> int:
        """Say what went wrong, and give the exit code."""
        self.say(self.message(error))
        for cause in causes(error):
            self.detail(f"  because of {message(cause)}")
        if not (isinstance(error, (CommandError, StreamError, OSError)) or is_network(error)):
            self.detail("".join(traceback.format_exception(error)))  # it may be a bug of ours
        return code_of(error)

    def tell_retry(self, number: int, error: Exception, pause: float) -> None:
        self.detail(f"{self.message(error)}; attempt {number + 1} in {pause:.1f} s")

    def message(self, error: BaseException) -> str:
        by_proxy = is_network(error) or getattr(error, "status", None) == PROXY_WANTS_PASSWORD
        proxy = self.proxy() if by_proxy else ""
        return message(error) + (f" (through the proxy {proxy})" if proxy else "")


def to_stderr(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):  # its reader has closed it, and needs no message
            print(line, file=sys.stderr, flush=True)
