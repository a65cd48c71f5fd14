"""Where the lines go: standard output or a file, in whole lines and without a blocked event loop.

A pipe is written in pieces that it has room for, of whole lines where possible, so that a reader
who takes their time holds up neither signals nor requests: all that it can hold where the system
tells that it is empty, and otherwise `PIPE_BUF` bytes. Files and terminals are written directly.
"""

from __future__ import annotations

import os
import select
import stat
import sys

import anyio

from .endings import UsageError

if sys.platform == "linux":  # pragma: no branch  # where coverage is measured
    import fcntl
    import termios

LOOK = 0.25
"""Seconds between two looks at whether the reader of a pipe is still there."""

PIECE = getattr(select, "PIPE_BUF", 512)
"""How many bytes a pipe takes if it takes any."""


class LineOutput:
    """Standard output, or the file at `path`; to be used in a `with` block.

    With `append` lines are added to the file, behind its last whole line: the rest of a line that
    a kill has cut is dropped if the line is `ours`, and refused if it may be of another program.
    Raises `UsageError` if it cannot be opened.
    """

    def __init__(self, path: str | None, *, append: bool = False, ours: bool = False) -> None:
        self.path = path
        if path is None:
            if sys.stdout is None:
                raise UsageError("standard output is closed")
            self.fd = 1
        else:
            self.fd = open_file(path, append=append, ours=ours)
        mode = os.fstat(self.fd).st_mode
        self.waits = sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))
        self.capacity = capacity(self.fd) if stat.S_ISFIFO(mode) else 0

    def __enter__(self) -> LineOutput:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            os.close(self.fd)

    async def write(self, data: bytes) -> None:
        """Hand all of it to the operating system. `data` should end with a line's end.

        A cancellation comes between two lines, or in one that is longer than a pipe takes at once.
        Raises `BrokenPipeError` when nobody reads any more.
        """
        rest = memoryview(data)
        try:
            while self.waits and rest:
                room = self.room()
                if not room:
                    await anyio.wait_writable(self.fd)
                    room = PIECE
                piece = rest[: whole_lines(data, len(data) - len(rest), room)]
                rest = rest[os.write(self.fd, piece) :]
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except OSError as exc:
            exc.filename = self.path or "standard output"
            raise

    def room(self) -> int:
        """How many bytes can be written without waiting."""
        if self.capacity and is_empty(self.fd):
            return self.capacity
        return PIECE if select.select([], [self.fd], [], 0)[1] else 0

    async def abandoned(self) -> None:
        """Wait until nobody can read any more what would be written."""
        if not self.waits:
            await anyio.sleep_forever()
        poll = select.poll()
        poll.register(self.fd, 0)  # errors are told of in any case
        while not poll.poll(0):  # noqa: ASYNC110 - no event tells of it on every system
            await anyio.sleep(LOOK)

    def silence(self) -> None:
        """Let what may still be written to a closed pipe, at exit say, go nowhere."""
        self.waits = False
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fd)
        os.close(nowhere)


def whole_lines(data: bytes, start: int, room: int) -> int:
    """How many bytes from `start` on to write at once: whole lines, if one is short enough."""
    end = data.rfind(b"\n", start, start + room) + 1
    return end - start if end else room


def capacity(pipe: int) -> int:
    """How many bytes an empty pipe takes, or 0 if the system does not tell."""
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) if sys.platform == "linux" else 0


def is_empty(pipe: int) -> bool:
    unread = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, unread)
    return not any(unread)


def unless_same(path: str | None, other: str | int, what: str) -> None:
    """Raise `UsageError` if the output would replace another file of the run, or grow it."""
    if path is None and sys.stdout is None:
        return
    if identity(1 if path is None else path) == identity(other):
        output = "standard output" if path is None else f"argument -o/--output: {path!r}"
        raise UsageError(f"{output} is also {what}")


def identity(file: str | int) -> object:
    """What all names and descriptors of a regular file have in common."""
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return os.path.realpath(str(file))
    except OSError:  # who opens it will say so
        return object()
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else object()


def open_file(path: str, *, append: bool, ours: bool) -> int:
    flags = os.O_CREAT | getattr(os, "O_BINARY", 0)
    flags |= os.O_RDWR if append else os.O_WRONLY | os.O_TRUNC
    try:
        fd = os.open(path, flags, 0o666)
    except OSError as exc:
        raise UsageError(f"argument -o/--output: {path!r}: {exc.strerror}") from None
    if append and stat.S_ISREG(os.fstat(fd).st_mode):
        cut = drop_partial_line(fd, keep=not ours)
        if cut:
            os.close(fd)
            raise UsageError(
                f"argument -o/--output: {path!r} ends in the middle of a line, so nothing can be"
                " appended"
            )
    return fd


def drop_partial_line(fd: int, *, keep: bool) -> bool:
    """Go behind the last whole line, and cut the file off there unless `keep`.

    Gives whether there is still something behind it.
    """
    size = end = os.lseek(fd, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        os.lseek(fd, start, os.SEEK_SET)
        place = os.read(fd, end - start).rfind(b"\n")
        if place >= 0:
            end = start + place + 1
            break
        end = start
    if end != size and not keep:
        os.ftruncate(fd, end)
        size = end
    os.lseek(fd, size, os.SEEK_SET)
    return end != size
