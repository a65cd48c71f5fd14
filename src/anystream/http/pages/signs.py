"""What a response says by itself of the pages after it: more, the end, or nothing.

Signs are read in the headers and in the body at any depth outside of the items, by what their names
mean and not by their spelling. Those nearest to the list of the items count first. An explicit "no"
wins over everything, the URL of the next page over the rest of what says "more", and "more" over
what merely looks like an end.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, cast

from . import kinds
from .links import links
from .page import (
    TARGETS,
    Answer,
    Header,
    Page,
    Step,
    elements,
    in_words,
    is_list_of_links,
    is_object,
    lookup,
    whole,
)
from .schemes import (
    FALSE,
    GraphQL,
    LinkHeader,
    NextURL,
    Offset,
    PageNumber,
    Scheme,
)

DEPTH = 6
"""How many objects deep signs are looked for."""

MOST = 1000
"""How many members of a body are looked at."""


class Said(NamedTuple):
    """What a page says of those after it."""

    answer: Answer
    sign: str = ""  # in words
    scheme: Scheme | None = None  # by which to go on, if that is known beyond doubt
    step: Step | None = None  # how, by the scheme
    advice: str = ""  # the argument that says how to go on
    echo: str | None = None  # where the page repeats the number that it was asked for with


class Meaning(NamedTuple):
    """What the name of a member says, whatever its value."""

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
        near = shared(keys, home)
        looked += len(found)
        for key, value in found.items():
            means = meaning(squashed(key), under)
            if means is not None:
                yield Member(".".join((*keys, key)), means, value, near)
            if is_object(value):
                if len(keys) < DEPTH and not is_another(value, page.records):
                    waiting.append((value, (*keys, key), squashed(key)))
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
                if inner is not None and target and rel == "next":
                    yield Member(f"{place}.{target}", inner, link[target], near)


def rels(value: Any) -> list[str]:
    if isinstance(value, str):
        return value.lower().split()
    return [each for each in elements(value) if isinstance(each, str)]


def is_another(value: dict[str, Any], records: list[Any]) -> bool:
    """Whether an object is a connection of GraphQL with items of its own."""
    lists = [value.get("nodes"), value.get("edges")]
    own = any(isinstance(each, list) and each is not records for each in lists)
    return own and "pageInfo" in value and all(each is not records for each in lists)


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


def shared(keys: tuple[str, ...], home: tuple[str, ...]) -> int:
    count = 0
    for mine, other in zip(keys, home, strict=False):
        if mine != other:
            break
        count += 1
    return count


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
            yield Member(*found, value.decode("latin-1"), -1)


# -- what it means ------------------------------------------------------------------------------

_PAGES = (
    "(?:page|result|record|row|item|set|batch|chunk|list|listing|data|collection|query|request)s?"
)
_URL = "(?:url|uri|link|href|path|address|ref)s?"
_TOKEN = (
    "(?:token|cursor|marker|key|id|offset|start|startat|index|number|num|no|position|pos|after|from"
    "|since|until|before|skip|bookmark|anchor|seq|sequence|continuation|state|value|time|timestamp"
    "|partition|row|max|min|param|params|query|range|page)"
)
NEXT = re.compile(rf"(?:{_PAGES}|{_URL}|paging|pagination|cursor|token|get|uri)?next(.*)")
REST_TARGET = re.compile(rf"(?:{_PAGES})*(?:{_URL})?")
REST_TOKEN = re.compile(rf"(?:{_PAGES})*(?:{_TOKEN})*")
REST_URL = re.compile(rf"(?:{_PAGES})*{_URL}")
MORE_URL = re.compile(rf"(?:more|load|loadmore).*{_URL}|continuation{_URL}")
TOKENS = re.compile(
    "(?:ms)?(?:continuation|continue)(?:token|key)?|(?:end|page|pagination|paging|after)?cursor(?:after)?"
    "|bookmark|scrollid|lastevaluatedkey|(?:resumption|pagination|paging|skip|resume)token|marker"
    "|endmarker|(?:cmr)?searchafter|startingafter|pag(?:e|ing)state"
)
NOT_NULL = ("marker", "bookmark")  # which repeat what the request has said
CONTAINERS = re.compile(
    "(?:page|pages|paging|pagination|meta|metadata|data|cursors?|next|pageinfo)?"
)
YES = re.compile(
    "(?:is|has|are|there|thereare|can)?(?:load)?(?:any)?more(?:.*)|(?:has|is)next.*|.*hasmore.*|nextpage"
    "|next|hasadditional.*|(?:is|results?)?truncated|exceededtransferlimit"
)
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
    "|num(?:ber)?(?:found|matched|results)|(?:cmr)?hits|matches|allcount"
)
COUNT = re.compile("(?:item|record|result|row|object|element|entry|hit|doc|document)?s?count")
PAGE_ECHO = re.compile("page|(?:current)?page(?:number|index|no|num)?|currentpage|pg")
OFFSET_ECHO = re.compile("offset|start|startat|skip|from|startindex|resultoffset|firstresult")
PARAMS = {"currentpage": "page", "currentpagenumber": "page"}


class Sign(NamedTuple):
    place: str | Header
    value: Any
    scheme: Scheme | None = None

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
    counts: list[Sign] = field(default_factory=list[Sign])
    page_echoes: list[Sign] = field(default_factory=list[Sign])
    offset_echoes: list[Sign] = field(default_factory=list[Sign])


def read(found: Iterable[Member], page: Page[Any]) -> Signs:
    signs = Signs()
    for member in found:
        sort(member, signs, page)
    return signs


NUMBERS = (
    (PAGES, "pages"),
    (TOTAL, "totals"),
    (COUNT, "counts"),
    (PAGE_ECHO, "page_echoes"),
    (OFFSET_ECHO, "offset_echoes"),
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
        (signs.yes if flag == means.yes else signs.no).append(Sign(place, value))
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
    if value in (None, "", False) or (value in ({}, []) and fits):
        if fits:
            signs.nulls.append(Sign(place, value))
    elif isinstance(value, str) and is_target(rest, value, page):
        signs.urls.append(Sign(place, value))
    elif is_object(value) and "method" in value and not set(TARGETS).isdisjoint(value):
        signs.urls.append(Sign(place, value))  # which says how its target is asked for
    elif fits and (isinstance(value, str | int) or rest == "range"):
        signs.tokens.append(Sign(place, value))


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
    if name in TARGETS or name in ("ref", "path"):
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
        re.match(r"https?://|/|\?|\.\.?/", value) or re.fullmatch(r"[^\s?#]*\?[^\s?=]+=\S*", value)
    )


def leads_on(value: str, url: str) -> bool:
    """Whether it is a URL of the same path, whatever its name says beside next."""
    path = re.sub(r"^https?://[^/?#]*|[?#].*$", "", url)
    return looks_like_url(value) and re.sub(r"^https?://[^/?#]*|[?#].*$", "", value) in (path, "")


# -- what follows from it -----------------------------------------------------------------------


def say(page: Page[Any]) -> Said:
    """What the page says of those after it."""
    first = not page.origin.step
    rings = by_nearness(page)
    if page.origin.step.keys() == {"url"}:  # so links lead on, and a cursor beside them may stay
        rings = [replace(signs, tokens=[]) for signs in rings]
    endings: list[Said] = []
    if (linked := in_link_header(page)) is not None:
        if linked.answer == "more" or linked.sign.endswith("has no results"):
            return against(linked, rings)
        endings.append(linked)
    for signs in rings:
        said = in_ring(page, signs, first)
        if said.answer == "more" or (said.answer == "end" and (signs.no or signs.nulls)):
            return said
        if said.answer == "end":
            endings.append(said)
    if (found := by_kind(page)) is not None:
        return found
    if page.response.status_code == 206:
        return Said("more", "the status is 206", advice=advised(page, Signs()))
    if endings:
        return endings[0]
    if (why := kinds.ended(page)) is not None:
        return Said("end", f"{why} if there is more")
    echoed = in_echo(page, rings)
    if echoed is None:
        return Said("unknown")
    return Said("unknown", "", echoed[0], step_by(echoed[0], page), "", echoed[1])


def against(linked: Said, rings: list[Signs]) -> Said:
    """A link, unless the body says explicitly that there is no more."""
    no = next((sign for signs in rings for sign in signs.no if not signs.yes), None)
    return linked if no is None else Said("end", no.words)


def by_nearness(page: Page[Any]) -> list[Signs]:
    """The signs that are nearest to the items, and so on outwards; those of the headers last."""
    rings: dict[int, list[Member]] = {}
    for member in members(page):
        rings.setdefault(member.near, []).append(member)
    found = [read(rings[near], page) for near in sorted(rings, reverse=True)]
    return [*found, read(headers(page), page)]


BY_LINK = LinkHeader()


def in_link_header(page: Page[Any]) -> Said | None:
    given = page.response.headers.get_list("link")
    if not given:
        return None
    rels: set[str] = set()
    for target, params in links(given, str(page.response.url)):
        own = set(params.get("rel", "").lower().split())
        if "next" in own and params.get("results", "").lower() == "false":
            return Said("end", "the page that the Link header names has no results")
        if "next" in own:
            step: Step = {"url": target}
            return followed(page, BY_LINK, step, f"the Link header names {in_words(target)}")
        rels |= own
    if rels & {"prev", "previous", "first", "last"}:
        return Said("end", "the Link header has no next page")
    return None


def in_ring(page: Page[Any], signs: Signs, first: bool) -> Said:
    if signs.no and not signs.yes:
        return Said("end", signs.no[0].words)
    for sign in sorted(signs.urls, key=lambda sign: str(sign.place).endswith((".path", ".link"))):
        scheme = next_url(page, str(sign.place))
        plain = isinstance(sign.value, str) and scheme.base is None
        step: Step | None = {"url": sign.value} if plain else step_by(scheme, page)
        return followed(page, scheme, step, sign.words)
    more = more_in(page, signs, first)
    if more is not None:
        counted = more in signs.totals or more in signs.counts
        came = f", and {len(page.records)} items have come" if counted else ""
        return undoubted(page, signs, more.words + came)
    if signs.nulls:
        return Said("end", signs.nulls[0].words)
    told = told_all(page, signs, first)
    return Said("unknown") if told is None else Said("end", told.words)


def followed(page: Page[Any], scheme: Scheme, step: Step | None, sign: str) -> Said:
    """By a link, which is for GET unless it says otherwise."""
    if page.response.request.method in ("GET", "HEAD") or (step and "method" in step):
        return Said("more", sign, scheme, step)
    if (found := by_kind(page, sign)) is not None:
        return found
    advice = f"next={scheme!r}"
    if isinstance(scheme, NextURL):
        advice = f"next={replace(scheme, method='GET')!r}"
    return Said("more", f"{sign}, which is for GET", None, None, advice)


def by_kind(page: Page[Any], sign: str | None = None) -> Said | None:
    """By what is known of the kind of API, if that leads on."""
    found = kinds.known(page)
    step = None if found is None else step_by(found[1], page)
    if found is None or step is None:
        return None
    name, scheme = found
    sign = f"it is a response of {name}" if sign is None else sign
    return Said("more", sign, scheme, step, f"next={scheme!r}")


def step_by(scheme: Scheme, page: Page[Any]) -> Step | None:
    return cast("Step | None", scheme.next(page))


@lru_cache(maxsize=256)
def url_at(path: str) -> NextURL:
    return NextURL(path)


def next_url(page: Page[Any], path: str) -> NextURL:
    """The scheme; Confluence's links are relative to what stands beside them."""
    if not path.endswith("_links.next"):
        return url_at(path)
    base = f"{path.rpartition('.')[0]}.base"
    root, target = lookup(page.data, base), lookup(page.data, path)
    if isinstance(root, str) and str(target).startswith("/"):
        prefix = re.sub(r"^https?://[^/]*", "", root).rstrip("/")
        if prefix and not str(target).startswith(f"{prefix}/"):
            return NextURL(path, base=base)
    return url_at(path)


def more_in(page: Page[Any], signs: Signs, first: bool) -> Sign | None:
    """What says that there is more."""
    if signs.yes:
        return signs.yes[0]
    done = told_all(page, signs, first)
    if signs.tokens and done is None:
        return signs.tokens[0]
    if done is None or done not in signs.pages:
        for sign in signs.pages:
            if sign.value > 1 and not is_last_number(signs, sign) and (first or signs.page_echoes):
                return sign
    for sign in (*signs.totals, *signs.counts):
        if remains(page, signs, sign, first):
            return sign
    return None


def is_last_number(signs: Signs, count: Sign) -> bool:
    """Whether this is the last page of as many, by the number that it gives itself."""
    number = next((each.value for each in signs.page_echoes), None)
    return number is not None and number + (number == 0) >= count.value + (count.value == 0)


def remains(page: Page[Any], signs: Signs, total: Sign, first: bool) -> bool:
    """Whether there are more items than have come; on a later page the offset tells of those."""
    if signs.offset_echoes and not is_range(signs):
        start = signs.offset_echoes[0].value
        one = squashed(str(signs.offset_echoes[0].place)) == "startindex"
        return whole(total.value) is not None and start - one + len(page.records) < total.value
    return first and int(total.value) > len(page.records)


def told_all(page: Page[Any], signs: Signs, first: bool) -> Sign | None:
    """A total that has come, or a number of pages that this is the last one of."""
    for sign in signs.pages:
        if is_last_number(signs, sign) or (
            first and int(sign.value) <= 1 and not signs.page_echoes
        ):
            return sign
    for sign in signs.totals:
        if (first or signs.offset_echoes) and not remains(page, signs, sign, first):
            return sign
    return None


def undoubted(page: Page[Any], signs: Signs, more: str) -> Said:
    """There is more; go on where it is known how."""
    if (found := by_kind(page, more)) is not None:
        return found
    if (echoed := in_echo(page, [signs])) is not None:
        scheme, place = echoed
        return Said("more", more, scheme, step_by(scheme, page), f"next={scheme!r}", place)
    return Said("more", more, None, None, advised(page, signs))


# -- numbers that a response repeats --------------------------------------------------------------


def in_echo(page: Page[Any], rings: list[Signs]) -> tuple[Scheme, str] | None:
    """A scheme by the parameter that the response repeats; whether it is one, the next page tells.

    The number in the next response has to be the one that was asked for.
    """
    if page.response.request.method != "GET":
        return None
    for signs in rings:
        pages = next(iter(signs.pages), None)
        total = next(iter((*signs.totals, *signs.counts)), None)
        for sign in signs.page_echoes:
            name = str(sign.place).rpartition(".")[2]
            param = PARAMS.get(squashed(name), name)
            count = None if pages is None else pages.place
            return PageNumber(param, min(1, sign.value), total_pages=count), str(sign.place)
        for sign in signs.offset_echoes if not is_range(signs) else ():
            name = str(sign.place).rpartition(".")[2]
            start = 1 if squashed(name) == "startindex" else 0
            size = Offset.size
            place = None if total is None else total.place
            return Offset(name, size, total=place, start=start), str(sign.place)
    return None


def is_range(signs: Signs) -> bool:
    """Whether the first offset stands for the first of a range of items, as in Laravel."""
    name = str(signs.offset_echoes[0].place).rpartition(".")[2] if signs.offset_echoes else ""
    return name == "from"


# -- what to write ------------------------------------------------------------------------------

SENT_AS = (
    (re.compile(r".*(pagetoken)$"), "pageToken"),
    (re.compile(r".*nexttoken$"), "next_token"),
    (re.compile(r".*(continuationtoken)$"), "continuationToken"),
    (re.compile(r".*(marker)$"), "marker"),
    (re.compile(r".*(bookmark)$"), "bookmark"),
    (re.compile(r".*scrollid$"), "scroll_id"),
    (re.compile(r".*lastevaluatedkey$"), "ExclusiveStartKey"),
    (re.compile(r".*next(page|pagenumber)$"), "page"),
    (re.compile(r".*(start|offset|skip|after)$"), r"\1"),
    (re.compile(r".*next(page)?$"), "page"),
    (re.compile(r".*cursor$"), "cursor"),
)


def advised(page: Page[Any], signs: Signs) -> str:
    """The argument to write, as far as the response tells; the parameter is the API's own."""
    if (path := kinds.connection(page)) is not None:
        return f"next={GraphQL(path)!r}"
    for sign in signs.tokens:
        name = squashed(str(getattr(sign.place, "name", sign.place)).rpartition(".")[2])
        param = sent_as(name, str(getattr(sign.place, "name", sign.place)).rpartition(".")[2])
        if isinstance(sign.place, Header):
            return f"next=HeaderCursor({sign.place.name!r}, {param!r})"
        where = "body" if page.response.request.method == "POST" else "param"
        return f"next=Cursor({sign.place!r}, {where}={param!r})"
    number = "PageNumber(total_pages="
    for sign in signs.pages:
        return f"next={number}{sign.place!r})"
    for sign in (*signs.totals, *signs.counts):
        return f"next=Offset(total={sign.place!r})"
    for sign in signs.yes:
        if has_ids(page.records) and isinstance(sign.place, str):
            more = f"!{sign.place}" if sign.value in FALSE else sign.place
            return f"next=LastItem('id', 'after', more={more!r})"
    return "next=Offset()"


def sent_as(name: str, key: str) -> str:
    for pattern, param in SENT_AS:
        if found := pattern.fullmatch(name):
            return found.expand(param)
    return re.sub(r"^next[-_]?", "", key) or "cursor"


def has_ids(records: list[Any]) -> bool:
    return bool(records) and all(is_object(item) and "id" in item for item in records)


def total_of(page: Page[Any]) -> int | None:
    """The number of all items, if the page tells it beyond doubt."""
    if page.data is None and not page.response.headers:
        return None
    for signs in reversed(by_nearness(page)):
        for sign in signs.totals:
            return whole(sign.value)
    return None
