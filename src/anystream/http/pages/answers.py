"""What a page says by itself of the pages after it: more, the end, or nothing.

The signs nearest to the list of the items count first. An explicit "no" wins over everything, the
URL of the next page over the rest of what says "more", and "more" over what merely looks like an
end.
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, cast

from . import kinds
from .links import links
from .page import Answer, Header, Page, Place, Step, in_words, is_object, lookup, whole
from .schemes import (
    FALSE,
    Countable,
    Cursor,
    GraphQL,
    LinkHeader,
    NextURL,
    Offset,
    PageNumber,
    Scheme,
)
from .signs import PARAMS, SIZE_ASKED, Sign, Signs, by_nearness, names_next, squashed


class Said(NamedTuple):
    """What a page says of those after it."""

    answer: Answer
    sign: str = ""  # in words
    scheme: Scheme | None = None  # by which to continue, if that is known beyond doubt
    step: Step | None = None  # how, by the scheme
    advice: str = ""  # the argument that says how to continue, where no scheme does
    echo: str | None = None  # where the page repeats the number that it was asked for with


def say(page: Page[Any], before: Scheme | None = None) -> Said:
    """What the page says of those after it; the scheme `before` has found those before it."""
    rings = [credible(page, signs, before) for signs in by_nearness(page)]
    if page.origin.step.keys() == {"url"}:  # so links lead on, and no number or cursor beside them
        rings = [Signs(signs.yes, signs.no, signs.urls, nulls=signs.nulls) for signs in rings]
    if (why := kinds.complete(page)) is not None:
        return Said("end", why)
    endings: list[Said] = []
    if (linked := in_link_header(page)) is not None:
        if linked.answer == "more" or linked.sign.endswith("has no results"):
            return against(linked, rings)
        endings.append(linked)
    doubt: Said | None = None
    for signs in rings:
        said = in_ring(page, signs, before)
        if said.step is not None:
            return said
        if doubt is None and said.answer == "more":
            doubt = said  # until a ring around it tells how
        elif doubt is None and said.answer == "end" and (signs.no or signs.nulls):
            return said
        elif said.answer == "end":
            endings.append(said)
    if doubt is not None:
        return doubt
    if (found := by_kind(page)) is not None:
        return found
    if page.response.status_code == 206:
        return Said("more", "the status is 206", advice=advised(page, Signs()))
    if endings:
        return endings[0]
    if not names_next(page) and (why := kinds.ended(page)) is not None:
        return Said("end", f"{why} if there is more")
    echoed = next(filter(None, (in_echo(page, signs, before) for signs in rings)), None)
    if echoed is None:
        return Said("unknown")
    return Said("unknown", "", echoed.scheme, echoed.step, "", echoed.place)


def against(linked: Said, rings: list[Signs]) -> Said:
    """A link, unless the body says explicitly that there is no more."""
    no = next((sign for signs in rings for sign in signs.no if not signs.yes), None)
    return linked if no is None else Said("end", no.words)


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


def in_ring(page: Page[Any], signs: Signs, before: Scheme | None) -> Said:
    if signs.no and not signs.yes:
        return Said("end", signs.no[0].words)
    for sign in sorted(signs.urls, key=lambda sign: str(sign.place).endswith((".path", ".link"))):
        scheme = next_url(page, str(sign.place))
        plain = isinstance(sign.value, str) and scheme.base is None
        step: Step | None = {"url": sign.value} if plain else step_by(scheme, page)
        return followed(page, scheme, step, sign.words)
    more = more_in(page, signs, before)
    if more is not None:
        counted = more in signs.totals or more in signs.counts
        came = f", and {len(page.records)} items have come" if counted else ""
        return undoubted(page, signs, more.words + came, before)
    nulls = signs.nulls
    if signs.page_echoes:  # some APIs name a cursor that is not in use
        nulls = [sign for sign in nulls if "cursor" not in squashed(sign.key)]
    if nulls:
        return Said("end", nulls[0].words)
    told = told_all(page, signs, before)
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
    return Said("more", sign, scheme, step)


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


def more_in(page: Page[Any], signs: Signs, before: Scheme | None) -> Sign | None:
    """What says that there is more."""
    if signs.yes or signs.tokens:
        return (*signs.yes, *signs.tokens)[0]
    for sign in signs.pages:
        number = numbered(page, signs, before)
        if sign.value > (number or 1) and (number is not None or is_first(page)):
            return sign
    came = have_come(page, signs, before)
    return next((sign for sign in (*signs.totals, *signs.counts) if -1 < came < sign.value), None)


def told_all(page: Page[Any], signs: Signs, before: Scheme | None) -> Sign | None:
    """A total that has come, or a number of pages that this is the last one of."""
    for sign in signs.pages:
        number = numbered(page, signs, before)
        if sign.value == (number or 1) and (number is not None or is_first(page)):
            return sign
    came = have_come(page, signs, before)
    return next((sign for sign in signs.totals if sign.value == came), None)


def undoubted(page: Page[Any], signs: Signs, more: str, before: Scheme | None) -> Said:
    """There is more; continue where it is known how."""
    if (found := by_kind(page, more)) is not None:
        return found
    echo = (
        leading(named_position(page, signs))
        or leading(in_echo(page, signs, before))
        or leading(in_echo(page, replace(signs, pages=[], totals=[]), before))  # which tell the end
    )
    if echo is None:
        return Said("more", more, None, None, advised(page, signs))
    return Said("more", more, echo.scheme, echo.step, "", echo.place)


# -- numbers that a response repeats --------------------------------------------------------------


class Echo(NamedTuple):
    """A scheme by the parameter that the response repeats; whether it is one, the next page tells.

    The number in the next response has to be the one that was asked for.
    """

    scheme: Scheme
    step: Step | None
    place: str  # of the number


def leading(echo: Echo | None) -> Echo | None:
    """The same if it leads on."""
    return None if echo is None or echo.step is None else echo


def in_echo(page: Page[Any], signs: Signs, before: Scheme | None) -> Echo | None:
    """What the response repeats of the request."""
    if page.response.request.method != "GET":
        return None
    scheme: Countable
    for sign in signs.page_echoes:
        count = next((each.place for each in signs.pages), None)
        scheme = by_page(parameter(sign), base(page, sign, before), count)
        return Echo(scheme, scheme.after(sign.value, page), str(sign.place))
    for sign in signs.offset_echoes if not is_range(signs) else ():
        total = next((each.place for each in signs.totals), None)
        scheme = by_offset(parameter(sign), base(page, sign, before), total)
        return Echo(scheme, scheme.after(sign.value, page), str(sign.place))
    return None


@lru_cache(maxsize=256)
def by_page(param: str, start: int, total_pages: Place | None) -> PageNumber:
    return PageNumber(param, start, total_pages)


@lru_cache(maxsize=256)
def by_offset(param: str, start: int, total: Place | None) -> Offset:
    return Offset(param, total=total, start=start)


def named_position(page: Page[Any], signs: Signs) -> Echo | None:
    """Where the next page begins, as the server says: it may have passed over some items."""
    if page.response.request.method != "GET" or is_range(signs):
        return None
    for echo in signs.offset_echoes:
        for sign in signs.tokens:
            number = whole(sign.value)
            if isinstance(sign.place, str) and number is not None and number > echo.value:
                scheme = Cursor(sign.place, param=parameter(echo))
                return Echo(scheme, step_by(scheme, page), str(echo.place))
    return None


def parameter(echo: Sign) -> str:
    return PARAMS.get(squashed(echo.key), echo.key.rpartition(":")[2])


def repeated(page: Page[Any]) -> list[str]:
    """The parameters whose numbers the response repeats."""
    rings = by_nearness(page)
    return [parameter(echo) for ring in rings for echo in (*ring.page_echoes, *ring.offset_echoes)]


def is_first(page: Page[Any]) -> bool:
    return not page.origin.step


def is_range(signs: Signs) -> bool:
    """Whether the first offset stands for the first of a range of items, as in Laravel."""
    return bool(signs.offset_echoes) and signs.offset_echoes[0].key == "from"


def base(page: Page[Any], echo: Sign, before: Scheme | None) -> int:
    """The number of the first page or item: 0 if the first page says so.

    Where nothing does it is 1. If it is 0 in fact, one request too many is made at the end, and
    otherwise the last item would be missing.
    """
    if isinstance(before, Countable):
        return before.start
    return 0 if echo.value == 0 and is_first(page) else 1


def numbered(page: Page[Any], signs: Signs, before: Scheme | None) -> int | None:
    """Which page this is, counted from 1, if it says so."""
    return next(
        (max(1, sign.value - base(page, sign, before) + 1) for sign in signs.page_echoes), None
    )


def have_come(page: Page[Any], signs: Signs, before: Scheme | None) -> int:
    """How many items come up to the end of this page, or -1 if it does not tell."""
    if not page.records and not is_first(page):
        return -1  # it lies behind the last item, wherever that is
    for sign in signs.offset_echoes:
        start = 1 if is_range(signs) else base(page, sign, before)
        return max(0, int(sign.value) - start) + len(page.records)
    return len(page.records) if is_first(page) and (numbered(page, signs, before) or 1) == 1 else -1


def credible(page: Page[Any], signs: Signs, before: Scheme | None) -> Signs:
    """The signs without numbers that count something else, as those that are less than has come."""
    if not (signs.pages or signs.totals or signs.counts):
        return signs
    here, came = len(page.records), have_come(page, signs, before)
    number = numbered(page, signs, before) or (1 if page.records else 0)
    from_zero = any(base(page, echo, before) == 0 for echo in signs.page_echoes)
    most = max((sign.value for sign in (*signs.totals, *signs.counts)), default=0)
    of_page = here if is_full(page, signs) else -1  # a total that may be no more than that
    return replace(
        signs,
        pages=[
            sign
            for sign in signs.pages
            if sign.value >= number
            and not (from_zero and LAST.search(squashed(sign.key)))
            and not (sign.value == here and here * here < most)  # it is that of the items here
        ],
        totals=[
            sign
            for sign in signs.totals
            if sign.value != of_page and may_be_all(page, sign, max(here, came))
        ],
        # Mostly the number of items of this page, or of those that were asked for.
        counts=[sign for sign in signs.counts if sign.value > here and sign.value >= came],
    )


def is_full(page: Page[Any], signs: Signs) -> bool:
    """Whether the first page has as many items as were asked for, or as it says it may have."""
    if not is_first(page) or page.response.request.method != "GET":
        return False
    asked = page.response.request.url.params.multi_items()
    sizes = [value for name, value in asked if SIZE_ASKED.fullmatch(squashed(name))]
    return str(len(page.records)) in (*sizes, *(str(sign.value) for sign in signs.sizes))


def may_be_all(page: Page[Any], total: Sign, came: int) -> bool:
    """Whether a total can count all items, of which `came` have come up to here."""
    if total.value < came or kinds.miscounts(page):
        return False
    return total.value > came or not kinds.is_lower_bound(page, total.place)


LAST = re.compile("last|max")
"""Names of the last number, which is that of the pages only where they are counted from 1."""


# -- what to write ------------------------------------------------------------------------------

SENT_AS = (
    (re.compile(r".*(pagetoken|nexttoken|continuationtoken|marker|bookmark)"), ""),
    (re.compile(r".*scrollid"), "scroll_id"),
    (re.compile(r".*lastevaluatedkey"), "ExclusiveStartKey"),
    (re.compile(r".*next(page|pagenumber)"), "page"),
    (re.compile(r".*(start|offset|skip|after)"), ""),
    (re.compile(r".*next(page)?"), "page"),
    (re.compile(r".*cursor"), "cursor"),
)
"""What a name is mostly sent as; "" is as the end of it that is in a group."""


def advised(page: Page[Any], signs: Signs) -> str:
    """The argument to write, as far as the response tells; the parameter is the API's own."""
    if (path := kinds.connection(page)) is not None:
        return f"next={GraphQL(path)!r}"
    for sign in signs.tokens:
        if isinstance(sign.place, Header):
            param = sent_as(re.sub("-+([a-z])", lambda found: found[1].upper(), sign.key.lower()))
            return f"next=HeaderCursor({sign.place.name!r}, {param!r})"
        param = sent_as(sign.key)
        where = "body" if page.response.request.method == "POST" else "param"
        flag = more_by(signs)
        more = "" if flag is None else f", more={flag!r}"  # a cursor may stay where it does not
        return f"next=Cursor({sign.place!r}, {where}={param!r}{more})"
    for sign in signs.pages:
        return f"next=PageNumber(total_pages={sign.place!r})"
    for sign in (*signs.totals, *signs.counts):
        return f"next=Offset(total={sign.place!r})"
    flag = more_by(signs)
    if flag is not None and has_ids(page.records):
        return f"next=LastItem('id', 'after', more={flag!r})"
    return "next=Offset()"


def more_by(signs: Signs) -> str | None:
    """The place of the flag that says whether there is more, as `more=` takes it."""
    for sign in signs.yes:
        if isinstance(sign.place, str) and not isinstance(sign.value, list):
            return f"!{sign.place}" if sign.value in FALSE else sign.place
    return None


def sent_as(key: str) -> str:
    """The likeliest parameter for what is under a key, spelled as the key is."""
    for pattern, param in SENT_AS:
        if found := pattern.fullmatch(squashed(key)):
            return param or end_of(key, found[1])
    return end_of(key, re.sub("^next", "", squashed(key))) or "cursor"


def end_of(key: str, name: str) -> str:
    """The end of a key that means `name`, as `pageToken` in `nextPageToken`."""
    ends = (key[at:] for at in reversed(range(len(key))))
    end = next((end for end in ends if squashed(end) == name), "")
    return end[:1].lower() + end[1:] if key[:1].islower() else end


def has_ids(records: list[Any]) -> bool:
    return bool(records) and all(is_object(item) and "id" in item for item in records)


def total_of(page: Page[Any]) -> int | None:
    """The number of all items, if the page tells it beyond doubt."""
    if page.data is None and not page.response.headers:
        return None
    for signs in reversed(by_nearness(page)):
        for sign in signs.totals:
            if may_be_all(page, sign, len(page.records)):
                return whole(sign.value)
    return None
