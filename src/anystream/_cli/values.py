"""What stands behind an option, checked while the command line is read.

Each function takes the text and gives the value, or raises `ArgumentTypeError` with what was given
and what is allowed; `argparse` adds the option's name.
"""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

Pair: TypeAlias = tuple[str, str]

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A name as HTTP has it, of a header or a method: RFC 9110, section 5.6.2."""

UNITS = {"s": 1, "m": 60, "h": 3600}

SIZES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

PROXIES = ("http", "https", "socks5", "socks5h")


class FromFile(str):
    """A value that stands in a file: a secret, even if the name of its parameter is harmless."""

    __slots__ = ()


def web_url(text: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme.lower() in schemes and bool(parts.hostname)
        _ = parts.port  # which is checked when it is read
    except ValueError as exc:
        raise ArgumentTypeError(f"{hidden(text)!r} is not a URL: {exc}") from None
    if not usable or re.search(r"[\x00-\x20\x7f]", text):
        *others, last = (f"{scheme}://" for scheme in schemes)
        raise ArgumentTypeError(
            f"{hidden(text)!r} must be a URL that begins with {', '.join(others)} or {last}"
            " and contains no spaces"
        )
    return text


def proxy(text: str) -> str:
    return web_url(text, PROXIES)


def as_option(name: str) -> str:
    """An option as it is written, by the name that `argparse` gives it."""
    return f"--{name.replace('_', '-')}"


def hidden(url: str) -> str:
    """A URL without its user and password, for messages; another text may hold these, too."""
    return re.sub(r"^([^/?#]*//)?[^/?#]*@", r"\1***@", url)


def origin(text: str) -> str:
    web_url(text)
    parts = urlsplit(text)
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ArgumentTypeError(
            f"{hidden(text)!r} must be an origin alone, such as https://api.example.com"
        )
    return f"{parts.scheme}://{parts.netloc}"


def is_url(text: str) -> bool:
    return re.match(r"https?://", text, re.IGNORECASE) is not None


def source(text: str) -> str:
    return web_url(text) if is_url(text) else text


def one_header(text: str, what: str) -> Pair:
    """The value is in no message: it may be a token."""
    name, colon, value = text.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise ArgumentTypeError(f"{what} must be NAME: VALUE or @FILE")
    value = value.strip(" \t")
    if not re.fullmatch(r"[\t\x20-\x7e]*", value):
        raise ArgumentTypeError(f"the value of {name} must be printable ASCII")
    return name, value


def method(text: str) -> str:
    if not TOKEN.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not an HTTP method, such as GET or POST")
    return text.upper()


def user(text: str) -> tuple[str, str | None]:
    """The name, and the password if it was given as well."""
    name, colon, password = text.partition(":")
    if not name:
        raise ArgumentTypeError("it must be NAME, or NAME:PASSWORD")
    return name, password if colon else None


def integer(least: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < least:
            raise ArgumentTypeError(f"{text!r} must be a whole number of at least {least}")
        return int(text)

    return count


def port(text: str) -> int:
    number = integer(0)(text)
    if number >= 2**16:
        raise ArgumentTypeError(f"{text!r} is not a port: the highest is 65535")
    return number


def seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text!r} must be a number of seconds, more than 0")
    return number


def size(text: str) -> int:
    """A number of bytes: `N`, or in units of 1024, 1024² or 1024³ bytes `NK`, `NM` or `NG`."""
    match = re.fullmatch(r"([0-9]{1,12})([KMG]?)", text, re.IGNORECASE)
    if not match or not int(match[1]):
        raise ArgumentTypeError(
            f"{text!r} must be a number of bytes, at least 1: 5000, 500K, 64M or 1G"
        )
    return int(match[1]) * SIZES[match[2].upper()]


def paths(text: str) -> list[str]:
    """Paths with commas between them."""
    found = text.split(",")
    if not all(found):
        raise ArgumentTypeError(f"{text!r} must be PATH or PATH,PATH,...")
    return found


def template(text: str) -> str:
    if text.count("{}") != 1:
        raise ArgumentTypeError(f"{text!r} must contain {{}} once, where the number goes")
    return text


def status(text: str) -> int:
    if not re.fullmatch(r"[1-5][0-9][0-9]", text):
        raise ArgumentTypeError(f"{text!r} is not an HTTP status, such as 404")
    return int(text)


def rate(text: str) -> tuple[int, int]:
    """A number of requests, and in how many seconds."""
    match = re.fullmatch(r"([0-9]{1,9})/([smh])", text)
    if not match or not int(match[1]):
        raise ArgumentTypeError(
            f"{text!r} must be a number of requests per second, minute or hour:"
            " 5/s, 100/m or 1000/h"
        )
    return int(match[1]), UNITS[match[2]]


def page_size(text: str) -> tuple[str | None, int]:
    """`N` or `PARAM=N`."""
    name, _, number = text.rpartition("=")
    if "=" in text and not name:
        raise ArgumentTypeError(f"{text!r} must be N or PARAM=N")
    return name or None, integer(1)(number)
