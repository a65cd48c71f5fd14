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
from .page import Answer, Header, Page, Step, in_words, is_object, lookup, whole
from .schemes import FALSE, GraphQL, LinkHeader, NextURL, Offset, PageNumber, Scheme
from .signs import PARAMS, Sign, Signs, by_nearness, squashed


class Said(NamedTuple):
    """What a page says of those after it."""

    answer: Answer
    sign: str = ""  # in words
    scheme: Scheme | None = None  # by which to continue, if that is known beyond doubt
    step: Step | None = None  # how, by the scheme
    advice: str = ""  # the argument that says how to continue
    echo: str | None = None  # where the page repeats the number that it was asked for with


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
        offset = signs.offset_echoes[0]
        before = int(offset.value) - counts_from_one(offset)
        return before + len(page.records) < int(total.value)
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
    """There is more; continue where it is known how."""
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
            param = PARAMS.get(squashed(sign.key), sign.key)
            count = None if pages is None else pages.place
            return PageNumber(param, min(1, sign.value), total_pages=count), str(sign.place)
        for sign in signs.offset_echoes if not is_range(signs) else ():
            start = 1 if counts_from_one(sign) else 0
            place = None if total is None else total.place
            return Offset(sign.key, total=place, start=start), str(sign.place)
    return None


def is_range(signs: Signs) -> bool:
    """Whether the first offset stands for the first of a range of items, as in Laravel."""
    return bool(signs.offset_echoes) and signs.offset_echoes[0].key == "from"


def counts_from_one(offset: Sign) -> bool:
    return squashed(offset.key) == "startindex"


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
        param = sent_as(sign.key)
        if isinstance(sign.place, Header):
            return f"next=HeaderCursor({sign.place.name!r}, {param!r})"
        where = "body" if page.response.request.method == "POST" else "param"
        return f"next=Cursor({sign.place!r}, {where}={param!r})"
    for sign in signs.pages:
        return f"next=PageNumber(total_pages={sign.place!r})"
    for sign in (*signs.totals, *signs.counts):
        return f"next=Offset(total={sign.place!r})"
    for sign in signs.yes:
        if has_ids(page.records) and isinstance(sign.place, str):
            more = f"!{sign.place}" if sign.value in FALSE else sign.place
            return f"next=LastItem('id', 'after', more={more!r})"
    return "next=Offset()"


def sent_as(key: str) -> str:
    for pattern, param in SENT_AS:
        if found := pattern.fullmatch(squashed(key)):
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
