"""What options are read from: files, and standard input."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._records.strict import no_constant
from .values import FromFile, one_header

if TYPE_CHECKING:
    import ssl

    from .values import Pair

STDIN = "-"


class Inputs:
    """The files of one command line, each with the option that it is for.

    A pipe has nothing more for the next one who reads it.
    """

    def __init__(self) -> None:
        self.files: list[tuple[str, str]] = []
        self.has_body: bool = False

    def header(self, text: str) -> list[Pair]:
        """`NAME: VALUE`, or `@FILE` with a header in each line."""
        if not text.startswith("@"):
            return [one_header(text, "it")]
        lines = self.read("-H/--header", text[1:]).decode("latin-1").splitlines()
        return [one_header(line, f"a line of {text[1:]}") for line in lines if line.strip()]

    def query(self, text: str) -> Pair:
        """`NAME=VALUE`, `NAME=@FILE` with the value in a file, or `NAME=@@...` for `@...`."""
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ArgumentTypeError(f"{text!r} must be NAME=VALUE or NAME=@FILE")
        if not value.startswith("@"):
            return name, value
        if value.startswith("@@"):
            return name, value[1:]
        content = self.read("-q/--query", value[1:])
        try:
            return name, FromFile(re.sub(r"\r?\n\Z", "", content.decode()))
        except UnicodeDecodeError:
            raise ArgumentTypeError(f"{value[1:]!r} is not UTF-8") from None

    def body(self, text: str) -> Any:
        """JSON: the text itself, of `@FILE`, or of standard input for `-`."""
        if self.has_body:
            raise ArgumentTypeError("it is given twice, but a request has one body")
        self.has_body = True
        content: str | bytes = text
        if text == STDIN or text.startswith("@"):
            content = self.read("-d/--data", text.removeprefix("@"))
        try:
            return json.loads(content, parse_constant=no_constant)
        except ValueError as exc:
            raise ArgumentTypeError(f"the body must be JSON: {exc}") from None

    def ca_file(self, text: str) -> ssl.SSLContext:
        """The context that trusts the certificates in that file, and no others."""
        import ssl

        self.take("--cacert", text)
        try:
            return ssl.create_default_context(cafile=text)
        except ssl.SSLError:
            raise ArgumentTypeError(
                f"{text!r} contains no certificates in the PEM format"
            ) from None
        except OSError as exc:
            raise ArgumentTypeError(f"{text!r} cannot be read: {exc.strerror}") from None

    def netrc_file(self, text: str) -> str:
        """The name alone: it is read if it is needed."""
        self.take("--netrc-file", text)
        return text

    def read(self, option: str, name: str) -> bytes:
        """What is in a file, or in standard input for `-`."""
        if name == STDIN and sys.stdin is None:
            raise ArgumentTypeError("standard input is closed")
        self.take(option, name)
        try:
            return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        except OSError as exc:
            raise ArgumentTypeError(f"{name!r} cannot be read: {exc.strerror}") from None

    def take(self, option: str, name: str) -> None:
        """Keep the file for this option; raises if another one has read all there is in it."""
        for other, taken in self.files:
            if (name == taken == STDIN) or is_same_pipe(name, taken):
                what = "standard input" if STDIN in (name, taken) else repr(name)
                raise ArgumentTypeError(f"{what} is read by {other} already, and has no more")
        self.files.append((option, name))


def is_same_pipe(name: str, other: str) -> bool:
    """Whether both are names of what can be read only once."""
    try:
        found, taken = (os.stat(0 if each == STDIN else each) for each in (name, other))
    except OSError:  # who reads it will say so
        return False
    passing = stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode)
    return passing and os.path.samestat(found, taken)
