"""What gives bytes: files, processes, and everything else that items may come from."""

import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from anyio import AsyncFile, to_thread, wait_readable
from anyio.abc import Process
from anyio.lowlevel import checkpoint

from .. import _labels as label
from .._core.contracts import Owner, Source, SourceDefaults
from .._errors import CleanupTimeoutError, StreamError
from .._sources.of_asyncio import CHUNK, end_process, in_bytes, is_process, reader_of
from .._sources.origins import Deferred, FromAsync, OneShot, has_refused, is_maker, opener_of

POSIX = os.name == "posix"


class ProcessExitError(StreamError):
    """A process came to the end of its output, and exited with a `returncode` other than 0."""

    __module__ = "anystream.net"

    def __init__(self, process: Any, returncode: int) -> None:
        super().__init__(f"process {process.pid} exited with code {returncode}")
        self.returncode = returncode


def chunks(source: Any) -> Callable[[Owner], Source]:
    """A function that opens what gives bytes for a run."""
    if is_maker(source):
        return lambda owner: Made(source, owner)
    if not has_bytes(source):
        return opener_of(source)
    if isinstance(source, (str, os.PathLike)):
        return lambda owner: as_chunks(source, owner)
    return OneShot(source, as_chunks)


def has_bytes(source: Any) -> bool:
    """Whether it is read in a way of its own, and not as the chunks that it gives.

    Raises `TypeError` for what is no source of bytes.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        raise TypeError(
            "source must yield bytes; wrap in-memory data in a list, e.g. lines([data]):"
            f" got {label.value(source)}"
        )
    process = isinstance(source, Process) or is_process(source)
    if process and source.stdout is None:
        raise TypeError("source must be a process whose stdout is a pipe, got one without")
    return (
        process
        or isinstance(source, (str, os.PathLike, AsyncFile))
        or reader_of(source) is not None
    )


def as_chunks(value: Any, owner: Owner) -> Source:
    """A source of the bytes of a path, a file, a process or a reader of asyncio's."""
    given = value  # which the checks narrow to types that are only half known
    if isinstance(value, (str, os.PathLike)):
        return File(partial(opened, given))
    if isinstance(value, AsyncFile):
        return File(lambda: None, given.wrapped)
    if (reader := reader_of(given)) is not None:
        return FromAsync(reader, owner)
    return Output(value, owner)


class Made(Deferred):
    """A function that makes what gives bytes; it is called when the first batch is asked for."""

    def source_of(self, made: Any, owner: Owner) -> Source:
        try:
            own = has_bytes(made)
        except BaseException:
            has_refused(made, owner)
            raise
        return as_chunks(made, owner) if own else super().source_of(made, owner)


class Output(FromAsync):
    """What a process writes to its standard output."""

    def __init__(self, process: Any, owner: Owner) -> None:
        super().__init__(in_bytes(process.stdout), owner)
        self.process = process
        self._aclose = self.end

    async def batch(self) -> Iterator[Any] | None:
        batch = await super().batch()
        if batch is None:
            code = await self.process.wait()
            if code:
                raise ProcessExitError(self.process, code)
        return batch

    async def end(self) -> None:
        """Ask the process to end, and wait; if that takes too long, anyio kills it."""
        if is_process(self.process):
            await end_process(self.process)
            return
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.terminate()
        await self.process.aclose()

    async def close(self, owner: Owner) -> None:
        """A process that had to be killed has ended all the same."""
        before = len(owner.errors)
        await super().close(owner)
        new = owner.errors[before:]
        for error in (each for each in new if isinstance(each, CleanupTimeoutError)):
            error.complete = self.process.returncode is not None


class File(SourceDefaults):
    """A file, which is opened, read and closed in threads; each batch is one read.

    What is read is kept here by the thread itself, so that a step which is cancelled while the
    thread is at work, as asyncio's own cancellation can do, loses nothing.
    """

    closes = True
    any_task = False

    def __init__(self, open_it: Callable[[], Any], handed_over: Any = None) -> None:
        self.open_it = open_it
        self.file = handed_over
        self.ready = threading.Lock()
        self.chunks: deque[Any] = deque()
        self.over = False

    @property
    def holds(self) -> bool:
        return self.file is not None

    async def batch(self) -> Iterator[Any] | None:
        await checkpoint()
        while not self.chunks:
            if self.over:
                return None
            if self.file is not None and is_pipe(self.file):
                await wait_readable(self.file)
            await to_thread.run_sync(self.read)
        return iter((self.chunks.popleft(),))

    def read(self) -> None:
        with self.ready:
            if self.over:
                return
            if self.file is None:
                self.file = self.open_it()
                if is_pipe(self.file):  # the event loop waits for the first bytes, too
                    return
            read = getattr(self.file, "read1", self.file.read)
            chunk = read(CHUNK)
            if chunk:
                self.chunks.append(chunk)
            elif chunk is not None:  # which is what a file that does not block gives for "not yet"
                self.over = True

    def shut(self) -> None:
        with self.ready:
            file, self.file = self.file, None
            if file is not None:
                file.close()

    async def close(self, owner: Owner) -> None:
        self.over = True
        if self.holds or self.ready.locked():  # by a thread that was left alone
            await owner.release(lambda: to_thread.run_sync(self.shut))


def opened(path: "str | os.PathLike[str]") -> Any:
    """A file by its path; `open` itself takes a mock for a number, which is that of the output."""
    return open(os.fspath(path), "rb", buffering=0, opener=opened_at_once)


def opened_at_once(path: str, flags: int) -> int:
    """Open a file; a FIFO without waiting for its first writer, as the event loop can do that.

    It does not block later either, when another process has taken the bytes that were there.
    """
    if POSIX and stat.S_ISFIFO(os.stat(path).st_mode):
        flags |= os.O_NONBLOCK
    return os.open(path, flags)


def is_pipe(file: Any) -> bool:
    """Whether to wait for `file` is something that the event loop can do.

    A thread that sits in `read()` can be neither cancelled nor left behind when the program ends.
    """
    if not POSIX:
        return False
    try:
        mode = os.fstat(file.fileno()).st_mode
    except (AttributeError, OSError):  # it is not one of the kernel's
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty()
