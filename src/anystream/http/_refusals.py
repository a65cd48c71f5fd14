"""What a server says when it gives something else than what was asked for."""

import html
import json
import re
from base64 import b64decode
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from anyio import current_time

from .._core.orphans import close_row
from .._core.owner import shielded, until
from .._labels import visible
from ._clients import HARMLESS, place
from ._errors import LIMIT, ErrorResponse, answer, is_named
from ._packing import Packing, chunks_of
from ._urls import is_secret

EMPTY = 1000
"""How many parts of a packed body may unpack to nothing."""

PATIENCE = 5.0
"""Seconds for which a body is read that is not what was asked for."""

LONGEST = 200
"""Characters of a reason."""

SHORT = 3
"""Characters of a value that is not taken for a secret unless its name says so."""


async def read_refusal(response: Any) -> ErrorResponse:
    """What there is of a response, which is closed then."""
    body = bytearray()
    if response.is_stream_consumed:
        with suppress(Exception):  # the stream was read, and its bytes were not kept
            body += response.content[:LIMIT]
    else:
        await read_into(body, response)
    return answer(response, body)


async def read_into(body: bytearray, response: Any) -> None:
    """Add what comes of the body in time, and close the response."""
    chunks: AsyncGenerator[bytes, None] | None = None
    try:
        with suppress(Exception):  # what has come by then tells enough, or nothing does
            chunks, packing = chunks_of(response, place(response))
            await until(current_time() + PATIENCE, partial(fill, body, chunks, packing))
    finally:
        with suppress(Exception):  # an error is propagating already
            await shielded(response.aclose)
        if chunks is not None:
            with suppress(Exception):
                await close_row(chunks, shielded, response)


async def fill(body: bytearray, chunks: AsyncGenerator[bytes, None], packing: Packing) -> None:
    empty = 0
    async for chunk in chunks:
        for piece in packing.feed(chunk):
            body += piece
            empty += not piece
            if len(body) >= LIMIT or empty >= EMPTY:
                return


# -- why ----------------------------------------------------------------------------------------

FIELDS = (
    *("message", "error", "detail", "error_description", "errors", "title", "msg"),
    *("errmsg", "error_message", "errormessage"),
)
"""Where an API says in JSON what is wrong, the best place first."""

DEPTH = 4
"""How many lists and objects deep that may be."""

TAG = re.compile(r"<(title|message)\b[^<>]{0,200}>", re.IGNORECASE)


def reason(response: ErrorResponse, request: Any) -> str:
    """What the server itself says is wrong, in one line without secrets; "" if it does not say.

    `request` is the one that was sent, whose credentials the server may have repeated.
    """
    with suppress(Exception):  # an error is propagating, and no text of a server may replace it
        said = raw_reason(response)
        for secret in sorted(secrets(request), key=len, reverse=True):
            said = said.replace(secret, "***")
        shown = visible(said[: LONGEST * 2])
        return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."
    return ""


def raw_reason(response: ErrorResponse) -> str:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    text = response.text.strip()
    if "json" in kind or text[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            return said_in(json.loads(text)).strip()
    if "html" in kind or "xml" in kind or text[:1] == "<":
        return html.unescape(" ".join(in_tag(text).split()))
    return text.splitlines()[0] if text and kind in ("text/plain", "") else ""


def said_in(value: Any, depth: int = DEPTH) -> str:
    """The reason in a part of a JSON document."""
    inner: Any = value
    if isinstance(value, str):
        return value
    if depth and isinstance(value, list):
        return said_in(inner[0], depth - 1) if inner else ""
    if not depth or not isinstance(value, dict):
        return ""
    given: dict[str, Any] = {name.lower(): part for name, part in inner.items()}
    for name in FIELDS:
        if found := said_in(given.get(name), depth - 1):
            more = given.get("error_description") if name == "error" else None
            where = given.get("loc") if name == "msg" else None  # as FastAPI has it
            found = f"{found}: {more}" if isinstance(more, str) else found
            return f"{dotted(where)}: {found}" if where else found
    return ""


def dotted(path: Any) -> str:
    parts: Any = path
    return ".".join(map(str, parts)) if isinstance(path, list) else str(path)


def in_tag(text: str) -> str:
    """What stands in the first <title>, or in the <Message> of an XML document."""
    found = TAG.search(text)
    if found is None:
        return ""
    end = text.find(f"</{found[1]}", found.end())
    return text[found.end() : end] if end >= 0 else ""


def secrets(request: Any) -> set[str]:
    """Every credential that a request has sent, as it may turn up in an answer."""
    if request is None:
        return set()
    found: set[str] = set()
    for name, value in request.headers.items():
        if name.lower() not in HARMLESS:
            found.update(parts_of(name.lower(), value))
    url = urlsplit(str(request.url))
    for part in url.query.split("&"):
        key, _, value = part.partition("=")
        if is_secret(unquote(key)):
            found.update((value, unquote_plus(value)))
    for part in (named(url.username), url.password or ""):
        found.update((part, unquote(part)))
    return found - {""}


def parts_of(name: str, value: str) -> Iterator[str]:
    """The secrets in the value of a header."""
    value = value.strip()
    if name in ("authorization", "proxy-authorization"):
        scheme, _, rest = value.partition(" ")
        yield from (value, rest.strip())
        if scheme.lower() == "basic":
            with suppress(ValueError):
                user, _, password = b64decode(rest).decode().partition(":")
                yield from (named(user), password)
    elif is_secret(name) and name != "cookie":
        yield value
    else:
        parts = [part.partition("=")[2].strip() for part in value.split(";")]
        yield from map(named, (value, *parts))


def named(value: str | None) -> str:
    """A value that need not be a secret, or "" where it is so short that it is likely a word."""
    return value if value and len(value) > SHORT else ""


# -- whether again ------------------------------------------------------------------------------


def is_certificate_error(error: Exception) -> bool:
    """Whether a connection was refused since the server's certificate is not to be trusted.

    Another attempt would meet the same certificate.
    """
    if not is_named(error, "ConnectError"):
        return False
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if is_named(cause, "SSLCertVerificationError") or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
