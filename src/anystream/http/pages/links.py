"""The header `Link`, as RFC 8288 has it: links to other pages, and what they are to this one."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import urljoin

# No part of a header is looked at more than a few times, however odd it is: each of these matches
# at a given place, and gives nothing back.
_INSIDE = r'[^"\\]*+(?:\\.[^"\\]*+)*'
_TARGET = re.compile(r"\s*+<([^>]*+)>")
_NAME = re.compile(r"\s*+;\s*+([^\s=;,]*+)\s*+(=?+)\s*+")
_QUOTED = re.compile(rf'"({_INSIDE})"?+', re.DOTALL)  # or up to the end
_TOKEN = re.compile(r"[^;,]*+")
_JUNK = re.compile(rf'(?:[^,"]++|"{_INSIDE}"?+)*', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def link(values: Iterable[str], rel: str = "next", url: str = "") -> str | None:
    """The target of the first link with this relation, as it is written, or `None`.

    `values` are those of all `Link` headers of the response from `url`. A link to a page without
    results, as Sentry marks it, leads to nothing.
    """
    for target, params in links(values, url):
        if rel.lower() in params.get("rel", "").lower().split():
            return None if params.get("results", "").lower() == "false" else target
    return None


def links(values: Iterable[str], url: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The links that start at the page itself, with their parameters.

    A link that is said to start elsewhere (`anchor`) does not count, and what is not a link is
    passed over.
    """
    for value in values:
        for target, params in _links(value):
            if "anchor" not in params or starts_at(params["anchor"], url):
                yield target, params


def starts_at(anchor: str, url: str) -> bool:
    """Whether a link with this anchor is one from the page at `url` (RFC 8288, section 3.2)."""
    with suppress(ValueError):
        return urljoin(url, anchor) == url
    return False


def _links(value: str) -> Iterator[tuple[str, dict[str, str]]]:
    at = 0
    while at < len(value):
        if found := _TARGET.match(value, at):
            params, at = _params(value, found.end())
            yield found[1].strip(), params
        elif value.find(">", at) < 0:
            return  # or each "<" would look for it
        junk = _JUNK.match(value, at)
        assert junk  # it may be empty
        at = junk.end() + 1


def _params(value: str, at: int) -> tuple[dict[str, str], int]:
    """The parameters from there on, by their names in lower case, and where they end."""
    params: dict[str, str] = {}
    while found := _NAME.match(value, at):
        at = found.end()
        text = ""
        if found[2]:
            quoted = _QUOTED.match(value, at)
            token = quoted or _TOKEN.match(value, at)
            assert token  # it may be empty
            at = token.end()
            text = _ESCAPED.sub(r"\1", quoted[1]) if quoted else token[0]
        params.setdefault(found[1].lower(), text)  # the first one counts
    return params, at
