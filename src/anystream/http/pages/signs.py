"""What in a response may say something of the pages after it, and what its name means.

Signs are read in the headers and in the body at any depth outside of the items, by what their names
mean and not by their spelling.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from .page import (
    TARGETS,
    Header,
    Page,
    elements,
    in_words,
    is_list_of_links,
    is_object,
    whole,
)

DEPTH = 6
"""How many objects deep signs are looked for."""

MOST = 1000
"""How many members of a body are looked at."""

HEADER, APART = -1, -2
"""How near to the items a header is, and an object that is about something else than the list."""


class Meaning(NamedTuple):
    """What the name of a member says, without its value."""

    name: str  # in lower case, without what stands between words
    yes: bool
    no: bool
    next: str | None  # what it says beside next
    in_next: bool
    more_url: bool
    token: bool
    number: str | None  # where a number of this name belongs


class Member(NamedTuple):
    """A member of an object outside of the items, or a header, that may say something."""

    place: str | Header
    means: Meaning
    value: Any
    near: int  # how much of the way to the items leads to it


# -- what is there ------------------------------------------------------------------------------


def members(page: Page[Any]) -> Iterator[Member]:
    """The members of all objects in the body outside of the items, from the top on."""
    home = keys_of(page.data, page.items_path or "")[:-1]
    waiting: deque[tuple[dict[str, Any], tuple[str, ...], str]] = deque()
    if is_object(page.data):
        waiting.append((page.data, (), ""))
    looked = 0
    while waiting and looked < MOST:
        found, keys, under = waiting.popleft()
        near = nearness(keys, home)
        looked += len(found)
        for key, value in found.items():
            means = meaning(squashed(key), under)
            if means is not None:
                yield Member(".".join((*keys, key)), means, value, near)
            if is_object(value):
                inner = (*keys, key)
                if len(keys) < DEPTH and not is_another(value, inner, home, page.records):
                    waiting.append((value, inner, squashed(key)))
            elif value is not page.records and elements(value):
                yield from in_list(".".join((*keys, key)), value, near)


def in_list(path: str, value: Any, near: int) -> Iterator[Member]:
    """The links of a list of such, each under its relation."""
    if not is_list_of_links(value):
        return
    for link in value:
        for relation in ("rel", "relation"):
            for rel in rels(link.get(relation)):
                place = f"{path}[{relation}={rel}]"
                target = next((name for name in TARGETS if isinstance(link.get(name), str)), "")
                own, inner = meaning(squashed(rel), "links"), meaning(target, "next")
                if own is not None:
                    yield Member(place, own, link, near)
                is_next = own is not None and own.next is not None and rest_of(own.next)[1]
                if inner is not None and target and is_next:
                    yield Member(f"{place}.{target}", inner, link[target], near)


def names_next(page: Page[Any]) -> bool:
    """Whether a member says something of what comes next, though its meaning is not known."""
    return any(
        member.means.next is not None
        and not member.means.next.startswith("sync")
        and isinstance(member.value, str | int)
        and bool(member.value)
        for member in members(page)
        if member.near != APART
    )


def rels(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.lower().split()
    return [each for each in elements(value) if isinstance(each, str)]


def is_another(
    value: dict[str, Any], keys: tuple[str, ...], home: tuple[str, ...], records: list[Any]
) -> bool:
    """Whether an object has items of its own, which what it says of more pages is about."""
    if "pageInfo" not in value and nearness(keys, home) != APART:
        return False
    lists = [each for each in map(elements, value.values()) if each and is_object(each[0])]
    ours = any(each is records for each in lists)
    return not ours and any(not is_list_of_links(each) for each in lists)


def keys_of(data: Any, path: str) -> tuple[str, ...]:
    """The keys that a path is made of, which may hold dots themselves."""
    keys: list[str] = []
    while path and is_object(data):
        if path in data:
            return (*keys, path)
        key, _, path = path.partition(".")
        keys.append(key)
        data = data.get(key)
    return tuple(keys)


def nearness(keys: tuple[str, ...], home: tuple[str, ...]) -> int:
    """How much of the way to the items leads to an object that is about the list."""
    near = 0
    for mine, other in zip(keys, home, strict=False):
        if mine != other:
            break
        near += 1
    return near if all(CONTAINER.fullmatch(squashed(key)) for key in keys[near:]) else APART


@lru_cache(maxsize=4096)
def squashed(key: str) -> str:
    """A name without its spelling: `hydra:next`, `next-cursor`, `NextCursor` and `next_cursor`."""
    own = re.split(r"[.:]", key.rstrip(".:"))[-1]
    return re.sub(r"[^a-z0-9]", "", own.lower())


HEADERS = re.compile(r"next|continu|cursor|search-after|total|count|pages|hits|has-more")


@lru_cache(maxsize=1024)
def header(raw: bytes) -> tuple[Header, Meaning] | None:
    """A header that may say something of other pages, and what its name means."""
    name = raw.decode("latin-1")
    means = meaning(squashed(name.lower().removeprefix("x-")), "")
    return None if means is None or not HEADERS.search(name.lower()) else (Header(name), means)


def headers(page: Page[Any]) -> Iterator[Member]:
    """The headers that may say something of other pages."""
    for raw, value in page.response.headers.raw:
        if (found := header(raw)) is not None:
            yield Member(*found, value.decode("latin-1"), HEADER)


# -- what it means ------------------------------------------------------------------------------

_PAGES = (
    "(?:page|result|record|row|item|set|batch|chunk|list|listing|data|collection|query|request)s?"
)
_URL = "(?:url|uri|link|href|path|address|ref)s?"
_TOKEN = (
    "(?:token|cursor|marker|key|id|offset|start|startat|index|number|num|no|position|pos|after|from"
    "|since|until|before|skip|bookmark|anchor|seq|sequence|continuation|state|value|time|timestamp"
    "|partition|row|max|min|param|params|query|range|page|forward|shard|iterator)"
)
NEXT = re.compile(rf"(?:{_PAGES}|{_URL}|paging|pagination|cursor|token|get|uri)?next(.*)")
REST_TARGET = re.compile(rf"(?:{_PAGES})*(?:{_URL})?")
REST_TOKEN = re.compile(rf"(?:{_PAGES})*(?:{_TOKEN})*")
REST_URL = re.compile(rf"(?:{_PAGES})*{_URL}")
MORE_URL = re.compile(rf"(?:more|load|loadmore).*{_URL}|continuation{_URL}")
TOKENS = re.compile(
    "(?:ms)?(?:continuation|continue)(?:token|key)?|(?:end|page|pagination|paging|after)?cursor(?:after)?"
    "|bookmark|scrollid|lastevaluated.*|(?:resumption|pagination|paging|page|skip|resume)token|marker"
    "|endmarker|(?:cmr)?searchafter|startingafter|pag(?:e|ing)state"
)
NOT_NULL = ("marker", "bookmark", "pagetoken")  # which repeat what the request has said
CONTAINERS = re.compile(
    "(?:page|pages|paging|pagination|meta|metadata|data|cursors?|next|pageinfo)?"
)
CONTAINER = re.compile(
    f"(?:{_PAGES}|queries|pagings?|paginations?|pagers?|paginators?|meta|metadata|links?|cursors?|next|more"
    "|prev|previous|info|information|response|search|summary|nav|navigation|header|hits|resumption"
    "|continuation|continue|bookmark|scroll|range|window|view|embedded|envelope|body|payload"
    "|content|able|additional)+"
)
"""Names of objects that say something of the list beside them."""

SURE = re.compile(
    f"(?:has|is|are)?(?:any)?more(?:{_PAGES})?|(?:has)?next.*|.*cursor.*|(?:is)?truncated"
)
"""Names that say so in any other object, too, if it has no items of its own."""

YES = re.compile(
    "(?:is|has|are|there|thereare|can)?(?:load)?(?:any)?more(?:.*)|(?:has|is)next.*|.*hasmore.*|nextpage"
    "|next|hasadditional.*|(?:is|results?)?truncated|exceededtransferlimit"
)
OF_THE_LIST = re.compile(
    f".*?(?:more|next|additional|truncated|limit)(?:{_PAGES}|available|left|in|streams?|to|load)*"
)
"""What of that is about the list: a false value of it ends a run."""

NO = re.compile(
    "(?:is|on|at)?(?:last|final)(?:page)?|endof(?:stream|list|results?|records?|data|pages?|file)?|eof"
    "|isend|(?:is)?done|no(?:more|next).*|(?:is)?exhausted"
)
PAGES = re.compile(
    "(?:wp)?total(?:number)?(?:of)?pages|pages(?:total|count)?|pagecount|(?:num|nb|number|max)(?:of)?pages?"
    "|lastpage(?:number)?|pagetotal"
)
TOTAL = re.compile(
    "(?:wp)?(?:grand)?total(?:number)?(?:of)?(?:count|result|item|record|element|entri|entry|row|hit|object"
    "|match|doc|document|found|size|available|user|data)*(?:e?s)?(?:count|size|number|available)?"
    "|num(?:ber)?(?:found|matched)|cmrhits|allcount"
)
_COUNT = "(?:total|count|size|number|record|row|item|result)s?"
FILTERED = re.compile(f"filter(?:ed)?(?:{_COUNT})+|(?:{_COUNT})+filtered")
"""Numbers of what a filter has let through: that is all there is, whatever the total says."""

COUNT = re.compile(
    "(?:item|record|result|row|object|element|entry|hit|doc|document)?s?count"
    "|num(?:ber)?results|hits|matches"
)
SIZE = re.compile(
    "(?!(?:item|record|result|row)s?per).*(?:pagesize|perpage|limit)|(?:max|num)results|pagelen"
)
"""How many items a page may have."""

SIZE_ASKED = re.compile(f"{SIZE.pattern}|(?:page)?size|count|max|num|rows|take|top")
"""The same as a parameter of a request."""

PAGE_ECHO = re.compile("page|(?:current)?page(?:number|index|no|num)?|currentpage|pg")
OFFSET_ECHO = re.compile("offset|start|startat|skip|from|startindex|resultoffset|firstresult")
PARAMS = {"currentpage": "page", "currentpagenumber": "page"}


class Sign(NamedTuple):
    place: str | Header
    value: Any

    @property
    def key(self) -> str:
        """The name of the member or the header alone."""
        name = self.place.name if isinstance(self.place, Header) else self.place
        return name.rpartition(".")[2]

    @property
    def words(self) -> str:
        value = str(self.value).lower() if isinstance(self.value, bool) else in_words(self.value)
        return f"{named(self.place)} is {value}"


def named(place: str | Header) -> str:
    return f"the header {place.name}" if isinstance(place, Header) else repr(place)


@dataclass
class Signs:
    """What has been found, by its meaning."""

    yes: list[Sign] = field(default_factory=list[Sign])
    no: list[Sign] = field(default_factory=list[Sign])
    urls: list[Sign] = field(default_factory=list[Sign])
    tokens: list[Sign] = field(default_factory=list[Sign])
    nulls: list[Sign] = field(default_factory=list[Sign])
    pages: list[Sign] = field(default_factory=list[Sign])
    totals: list[Sign] = field(default_factory=list[Sign])
    filtered: list[Sign] = field(default_factory=list[Sign])
    counts: list[Sign] = field(default_factory=list[Sign])
    sizes: list[Sign] = field(default_factory=list[Sign])
    page_echoes: list[Sign] = field(default_factory=list[Sign])
    offset_echoes: list[Sign] = field(default_factory=list[Sign])


def read(found: Iterable[Member], page: Page[Any]) -> Signs:
    signs = Signs()
    for member in found:
        sort(member, signs, page)
    signs.totals = signs.filtered or signs.totals
    return signs


def certain(signs: Signs, page: Page[Any]) -> Signs:
    """Those of the signs that count in an object which is about something else than the list.

    It may be one of its own pages or states, so it cannot end the run, nor lead anywhere else.
    """
    here = str(page.response.url)
    return Signs(
        yes=[sign for sign in signs.yes if SURE.fullmatch(squashed(sign.key))],
        urls=[sign for sign in signs.urls if leads_on(str(sign.value), here)],
        tokens=[sign for sign in signs.tokens if SURE.fullmatch(squashed(sign.key))],
    )


NUMBERS = (
    (PAGES, "pages"),
    (FILTERED, "filtered"),
    (TOTAL, "totals"),
    (COUNT, "counts"),
    (PAGE_ECHO, "page_echoes"),
    (OFFSET_ECHO, "offset_echoes"),
    (SIZE, "sizes"),
)


SPECIAL = ("offset", "pagination", "paging", "cursors")
"""Names of which only some values say something."""


@lru_cache(maxsize=4096)
def meaning(name: str, under: str) -> Meaning | None:
    """What the name of a member says, in an object of the name `under`; None if nothing."""
    following, above = NEXT.fullmatch(name), NEXT.fullmatch(under)
    means = Meaning(
        name,
        bool(YES.fullmatch(name)),
        bool(NO.fullmatch(name)),
        None if following is None else following[1],
        above is not None and bool(REST_TARGET.fullmatch(above[1])),
        bool(MORE_URL.fullmatch(name)),
        bool(TOKENS.fullmatch(name)) or (name == "after" and bool(CONTAINERS.fullmatch(under))),
        next((kind for pattern, kind in NUMBERS if pattern.fullmatch(name)), None),
    )
    says = any(means[1:]) or means.next is not None or name in SPECIAL
    return means if says else None


def sort(member: Member, signs: Signs, page: Page[Any]) -> None:
    """Put a member where its name and its value belong, if they mean something."""
    place, means, value, _ = member
    name = means.name
    flag = as_flag(value, name) if means.yes or means.no else None
    if flag is not None:
        if flag == means.yes:
            signs.yes.append(Sign(place, value))
        elif means.no or OF_THE_LIST.fullmatch(name):
            signs.no.append(Sign(place, value))
    elif means.next is not None:
        sort_next(place, means.next, value, signs, page)
    elif means.in_next:
        sort_in_next(place, name, value, signs)
    elif means.more_url and looks_like_url(value):
        signs.urls.append(Sign(place, value))
    elif means.token or (name == "offset" and isinstance(value, str) and whole(value) is None):
        sort_token(place, name, value, signs)
    elif means.number is not None:
        sort_number(place, means.number, value, signs)
    elif name in SPECIAL and value == {}:
        signs.nulls.append(Sign(place, value))


def as_flag(value: Any, name: str) -> bool | None:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, int) and value in (0, 1) and name.startswith(("has", "is", "more")):
        return bool(value)
    return value if isinstance(value, bool) else None


def sort_next(place: str | Header, rest: str, value: Any, signs: Signs, page: Page[Any]) -> None:
    """A member whose name says next; `rest` is what else it says."""
    if rest.startswith("sync"):  # which Google gives with the last page
        return
    fits = rest_of(rest)[2]
    if value in (None, "", False, -1) or (value in ({}, []) and fits):
        if fits:
            signs.nulls.append(Sign(place, value))
    elif isinstance(value, str) and is_target(rest, value, page):
        signs.urls.append(Sign(place, value))
    elif is_object(value) and "method" in value and not set(TARGETS).isdisjoint(value):
        signs.urls.append(Sign(place, value))  # which says how its target is asked for
    elif fits and (isinstance(value, str | int) or rest == "range"):
        signs.tokens.append(Sign(place, value))
    elif rest == "page" and elements(value):  # what to ask for, as Google's search has it
        signs.yes.append(Sign(place, value))


@lru_cache(maxsize=4096)
def rest_of(rest: str) -> tuple[bool, bool, bool]:
    """What a name says beside next: whether it is that of a URL alone, of a target, of a token."""
    is_url = bool(rest) and bool(REST_URL.fullmatch(rest))
    is_target = bool(REST_TARGET.fullmatch(rest))
    return is_url, is_target, is_target or bool(REST_TOKEN.fullmatch(rest))


def is_target(rest: str, value: str, page: Page[Any]) -> bool:
    """Whether a text under a name that says next, and `rest`, is the URL of the next page."""
    is_url, may_be, _ = rest_of(rest)
    if is_url:
        return " " not in value
    return looks_like_url(value) if may_be else leads_on(value, str(page.response.url))


def sort_in_next(place: str | Header, name: str, value: Any, signs: Signs) -> None:
    """A member of an object under a name that says next."""
    if name in TARGETS or name in ("ref", "path") or (name == "id" and looks_like_url(value)):
        if isinstance(value, str) and value:
            where = signs.urls if looks_like_url(value) or name in TARGETS else signs.tokens
            where.append(Sign(place, value))
        elif not value:
            signs.nulls.append(Sign(place, value))
    elif (isinstance(value, str) and value and name not in ("rel", "method", "type", "title")) or (
        whole(value) is not None and (TOKENS.fullmatch(name) or re.fullmatch(_TOKEN, name))
    ):
        signs.tokens.append(Sign(place, value))


def sort_token(place: str | Header, name: str, value: Any, signs: Signs) -> None:
    if isinstance(value, (bool, list)):
        return
    if value in (None, "", {}):
        if name not in NOT_NULL:
            signs.nulls.append(Sign(place, value))
    elif not is_object(value) or name in ("lastevaluatedkey", "continue"):
        signs.tokens.append(Sign(place, value))


def sort_number(place: str | Header, kind: str, value: Any, signs: Signs) -> None:
    if kind == "totals" and is_object(value):  # as Elasticsearch has it
        place, value = f"{place}.value", value.get("value")
    number = whole(value)
    if number is not None and not (isinstance(place, Header) and kind.endswith("echoes")):
        getattr(signs, kind).append(Sign(place, number))


def looks_like_url(value: Any) -> bool:
    return isinstance(value, str) and bool(
        re.match(r"(?i:https?)://|/|\?|\.\.?/", value)
        or re.fullmatch(r"[^\s?#]*\?[^\s?=]+=\S*", value)
    )


def leads_on(value: str, url: str) -> bool:
    """Whether it is a URL of the same path, even if its name says more than next."""
    return looks_like_url(value) and path_of(value) in (path_of(url), "")


def path_of(url: str) -> str:
    return re.sub(r"^(?i:https?)://[^/?#]*|[?#].*$", "", url)


def by_nearness(page: Page[Any]) -> list[Signs]:
    """The signs that are nearest to the items, and so on outwards; then those of the headers.

    Last are those of objects that are about something else.
    """
    rings: dict[int, list[Member]] = {}
    for member in chain(members(page), headers(page)):
        rings.setdefault(member.near, []).append(member)
    apart = rings.pop(APART, None)
    found = [read(rings[near], page) for near in sorted(rings, reverse=True)]
    return found if apart is None else [*found, certain(read(apart, page), page)]
