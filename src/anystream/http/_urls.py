"""URLs: their origins, and how they may be shown."""

import re
from collections.abc import Collection
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from .._labels import whole

PORTS = {"http": 80, "https": 443}

SECRET = re.compile(
    r"(^|[-_]|(?-i:(?<=[a-z])(?=[A-Z])))"
    r"(assertion|auth|authorization|bearer|cookie|credentials?|hmac|jwt|(api)?key|otp"
    r"|pass(phrase|word|wd)?|pwd|(client)?secret|session([-_]?id)?|sid|sig(nature)?"
    r"|(access|auth|id|refresh)?token)$|^(auth(orization)?[-_]?)?code$|access[-_]?key[-_]?id$",
    re.IGNORECASE,
)
"""Headers and parameters of the query whose values are credentials, by their usual names."""

NO_SECRET = re.compile(
    r"(page|cursor|next|sort|order|group|primary|continuation)[-_]?(key|token)$", re.IGNORECASE
)
"""Names that look the same, and say which page is meant."""


class URL(Protocol):
    """As httpx has it."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...


Origin = tuple[str, str, int | None]


def origin(url: URL) -> Origin:
    return url.scheme, url.host, url.port or PORTS.get(url.scheme)


def checked_origins(allow_origins: Any) -> frozenset[Origin]:
    if not are_texts(allow_origins):
        raise TypeError(
            f"allow_origins must be a collection of origins, got {whole(allow_origins)}"
        )
    return frozenset(map(checked_origin, allow_origins))


def are_texts(value: Any) -> bool:
    """Whether it is a collection of texts, and not a text itself."""
    given: Any = value
    is_one = isinstance(value, str) or not isinstance(value, Collection)
    return not is_one and all(isinstance(each, str) for each in given)


def checked_origin(value: str) -> Origin:
    """The origin of a text such as "https://api.example.com"."""
    try:
        parts = urlsplit(value)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError as error:
        raise ValueError(f"allow_origins must hold origins, got {whole(value)} ({error})") from None
    if not parts.scheme or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError(
            f"allow_origins must hold origins such as 'https://api.example.com', got {whole(value)}"
        )
    return parts.scheme, parts.hostname, port


def same(there: Origin, here: Origin) -> bool:
    """Whether what is sent `here` may be sent `there`: https in the place of http is safer."""
    upgrade = (here[0], there[0]) == ("http", "https") and there[2] == 443 and here[2] == 80
    return there == here or (upgrade and there[1] == here[1])


def in_words(origin: Origin) -> str:
    scheme, host, port = origin
    named = f"[{host}]" if ":" in host else host  # an address of IPv6
    return f"{scheme}://{named}" + ("" if port in (None, PORTS.get(scheme)) else f":{port}")


def safe(url: str) -> str:
    """`url` without what it may hold of names, passwords and tokens."""
    scheme, slashes, rest = url.partition("#")[0].partition("://")
    if slashes:
        authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
        rest = authority.rpartition("@")[2] + rest[len(authority) :]
    head, mark, query = (scheme + slashes + rest).partition("?")
    return head + mark + "&".join(hidden(part) for part in query.split("&"))


def hidden(parameter: str) -> str:
    name, sign, value = parameter.partition("=")
    return f"{name}{sign}***" if value and is_secret(unquote(name)) else parameter


def is_secret(name: str) -> bool:
    return bool(SECRET.search(name)) and not NO_SECRET.search(name)
