"""The file of `--resume`: where to continue, replaced as a whole after each write.

It holds what was asked for, so that it is not used for something else, and may hold tokens in a
next URL, so only its owner may read it. It is not forced to the disk: a crash of the machine, other
than one of the process, can lose the newest states, and so repeat the items after the one that is
left.
"""

import hashlib
import json
import os
import stat
import tempfile
from contextlib import ExitStack
from typing import Any

from ..http._urls import safe
from .endings import CommandError, UsageError
from .output import LineOutput

VERSION = 1


class Resume:
    """The state of a run in the file at `path`; `asked` is what identifies the run, as JSON."""

    def __init__(self, path: str, command: str, url: str, asked: object) -> None:
        self.path = os.path.realpath(path)  # to replace what a link points to, not the link
        text = json.dumps(asked, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.head = {"anystream": command, "version": VERSION, "url": safe(url), "request": digest}
        self.state: Any = None
        self.done = False
        self.exists = self.load()

    def load(self) -> bool:
        try:
            with open(self.path, "rb", opener=at_once) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise self.unusable("it is not a regular file")
                found = json.loads(file.read())
        except FileNotFoundError:
            return False
        except OSError as exc:
            raise self.unusable(str(exc.strerror)) from None
        except (ValueError, RecursionError):
            raise self.unusable("it is not a state written by anystream") from None
        self.check(found)
        self.state, self.done = found["state"], found["done"]
        return True

    def check(self, found: Any) -> None:
        if not isinstance(found, dict) or not {*self.head, "state", "done"} <= {*found}:
            raise self.unusable("it is not a state written by anystream")
        command, version, url, request = self.head
        if found[version] != VERSION:
            raise self.unusable(f"it was written by another version, {found[version]!r}")
        if found[command] != self.head[command]:
            raise self.unusable(f"it belongs to `anystream {found[command]}`")
        if found[url] != self.head[url]:
            raise self.unusable(f"it belongs to another URL, {found[url]}")
        if found[request] != self.head[request]:
            raise self.unusable(
                "it belongs to this URL, but to other options, which change the requests"
            )

    def save(self, state: Any, *, done: bool = False) -> None:
        """Put this state in the place of the last one, at once or not at all."""
        content = {**self.head, "done": done, "state": state}
        try:
            self.replace(json.dumps(content) + "\n")
        except OSError as exc:
            raise CommandError(f"{self.path}: the state cannot be saved: {exc.strerror}") from exc
        self.state, self.done = state, done

    def replace(self, text: str) -> None:
        folder, name = os.path.split(self.path)
        fd, unfinished = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(unfinished, self.path)
        except BaseException:
            os.unlink(unfinished)
            raise

    def unusable(self, why: str) -> UsageError:
        return UsageError(f"argument --resume: {self.path!r}: {why}")


def at_once(path: str, flags: int) -> int:
    """Open a file without waiting for who writes to it, as a named pipe would."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_output(stack: ExitStack, path: str | None, resume: Resume | None) -> LineOutput:
    """Standard output or the file at `path`, to continue after what an earlier run has written."""
    output = LineOutput(path, append=resume is not None, ours=resume is not None and resume.exists)
    stack.enter_context(output)
    if resume is not None and not resume.exists:
        resume.save(None)  # from now on a line without an end in the file is ours
    return output
