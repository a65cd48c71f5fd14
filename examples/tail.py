"""Follow several files that grow, as `tail -F` does, and print their new lines as one stream.

    python examples/tail.py [asyncio | trio] [FILE ...]

Ctrl-C ends it. Without files it follows two of its own for a moment: a log that is rotated, and
one that is cut to nothing and begins again.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import anyio
from anyio import to_thread

from anystream import Stream, merge, poll


class Follower:
    """Reads what has come to a file since the last time. Its methods are for threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: BinaryIO | None = None
        self.unfinished = b""  # a line whose end has not come yet
        self.file = self.newer_file()
        if self.file is not None:
            self.file.seek(0, os.SEEK_END)

    def new_lines(self) -> list[bytes]:
        newer = self.newer_file()  # before the last look at the old one, so no line is lost
        lines = self.read()
        if newer is not None:
            if self.unfinished:
                lines.append(self.unfinished)
            self.close()
            self.file, self.unfinished = newer, b""
            lines += self.read()
        return lines

    def newer_file(self) -> BinaryIO | None:
        """What the path leads to now, if that is not the file that is open."""
        try:
            found = self.path.stat()
            if self.file is not None and os.path.samestat(found, os.fstat(self.file.fileno())):
                return None
            return self.path.open("rb")
        except FileNotFoundError:  # not yet, or not for the moment
            return None

    def read(self) -> list[bytes]:
        if self.file is None:
            return []
        if os.fstat(self.file.fileno()).st_size < self.file.tell():  # it was cut, and begins again
            self.file.seek(0)
            self.unfinished = b""
        *lines, self.unfinished = (self.unfinished + self.file.read()).split(b"\n")
        return lines

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def follow(path: Path, every: float = 0.1) -> Stream[tuple[str, str]]:
    """The name of a file and each line that comes to it from now on; looks every `every` seconds.

    A file that is not there yet is read from its beginning when it comes.
    """

    async def lines() -> Stream[bytes]:
        follower = await to_thread.run_sync(Follower, path)
        looks = poll(lambda: to_thread.run_sync(follower.new_lines), every)
        return looks.flatten().on_close(follower.close)

    return Stream(lines).map(lambda line: (path.name, line.decode(errors="replace")))


def follow_all(paths: list[Path], every: float = 0.1) -> Stream[tuple[str, str]]:
    return merge(*(follow(path, every) for path in paths))


def show(name: str, line: str) -> None:
    print(f"{name}: {line}")


def write(rotated: Path, cut: Path) -> None:
    """Play the part of two programs that write logs, and of what keeps those small."""
    for turn in ("first", "second"):
        for number in range(3):
            time.sleep(0.1)
            with rotated.open("a") as web, cut.open("a") as database:
                web.write(f"{turn} file, request {number}\n")
                database.write(f"{turn} time, query {number}\n")
        time.sleep(0.1)
        rotated.rename(rotated.with_suffix(".1"))
        cut.write_text("")


async def demonstrate() -> None:
    with TemporaryDirectory() as folder:
        web, database = Path(folder, "web.log"), Path(folder, "database.log")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(to_thread.run_sync, write, web, database)
            await follow_all([web, database]).take_until(1).starmap(show).drain()


async def main(paths: list[Path]) -> None:
    if paths:
        await follow_all(paths).starmap(show).drain()
    else:
        await demonstrate()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        files = [Path(file) for file in sys.argv[2:]]
        anyio.run(main, files, backend=sys.argv[1] if len(sys.argv) > 1 else "asyncio")
