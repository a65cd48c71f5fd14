"""For how long a server asks to be left alone, in whichever of the usual ways it says so."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
COUNT = re.compile(r"\s*(-?[0-9]+(?:\.[0-9]+)?)\s*(?:$|[;,])", re.ASCII)
DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|us|µs|ns|[dhms]))+", re.ASCII)
PART = re.compile(r"([0-9.]+)(ms|us|µs|ns|[dhms])", re.ASCII)
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
MEMBER = re.compile(r"([a-z]+)\s*=\s*(-?[0-9.]+)", re.IGNORECASE | re.ASCII)

MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
ASKING = ("retry-after", *MILLISECONDS)
"""Headers that ask for a pause whatever the status."""

AGES = 1e12
"""Seconds; what is longer is no longer than that."""


def wanted_pause(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds for which a server asks to be left alone, if it does.

    It may do so in `Retry-After`, or by a rate limit that is used up and says when it begins
    again. `now` is the time since 1970, unless the server says what it takes for it.
    """
    given = lowered(headers)
    date = timestamp(given.get("date", ""))  # by the server's own clock, if it tells the time
    here = date if date is not None else time.time() if now is None else now
    for name in MILLISECONDS:
        milliseconds = longest(given.get(name, ""))
        if milliseconds is not None:
            return milliseconds / 1000
    after = given.get("retry-after", "")
    seconds = longest(after)
    if seconds is not None:
        return from_now(seconds, here)
    moment = timestamp(after)
    if moment is not None:
        return max(0.0, moment - here)
    pauses = [seconds_until(reset, here) for reset in resets(given)]
    return max((pause for pause in pauses if pause is not None), default=None)


def longest(value: str) -> float | None:
    """The number in a header, which a proxy may have added once more; None if it holds others."""
    parts = [part.strip() for part in value.split(",")]
    return min(max(map(float, parts)), AGES * 1e3) if all(map(SECONDS.fullmatch, parts)) else None


def is_spent(headers: Mapping[str, str]) -> bool:
    """Whether the headers tell of a rate limit that is used up."""
    return next(resets(lowered(headers)), None) is not None


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def resets(headers: Mapping[str, str]) -> Iterator[str]:
    """When each of the limits that are used up begins again, as it is written; "" if nowhere."""
    for name, value in headers.items():
        if "ratelimit" not in name.replace("-", ""):
            continue
        if name.endswith(("ratelimit", "rate-limit")):
            yield from structured(value)
        elif "remaining" in name and is_zero(value):
            yield next((headers[other] for other in partners(name) if other in headers), "")


def partners(name: str) -> Iterable[str]:
    """The headers that may say when what `name` counts begins again."""
    own = name.replace("remaining", "reset")
    plain = own.partition("reset")[0] + "reset"  # of all that are counted
    return f"{own}-after", own, f"{plain}-after", plain, plain.removeprefix("x-")


def structured(value: str) -> Iterator[str]:
    """The same of a `RateLimit` header, in the form with `r` and `t` or in the one before."""
    bare = re.sub(r'"[^"]*"', "", value)
    if re.search(r"\bremaining\b", bare, re.IGNORECASE):
        members = dict(MEMBER.findall(bare.lower()))
        if is_zero(members.get("remaining", "")):
            yield members.get("reset", "")
        return
    for item in bare.split(","):
        members = dict(MEMBER.findall(item.lower()))
        if is_zero(members.get("r", "")):
            yield members.get("t", "")


def is_zero(value: str) -> bool:
    counts = [COUNT.match(part) for part in value.split(",")]
    return any(count is not None and float(count[1]) <= 0 for count in counts)


def seconds_until(reset: str, now: float) -> float | None:
    """How long it is until a reset: a number, a duration or a date."""
    reset = reset.strip()
    number = COUNT.match(reset)
    if number is not None:
        return from_now(min(float(number[1]), AGES * 1e3), now)
    if DURATION.fullmatch(reset):
        parts = PART.findall(reset)
        return min(sum(float(amount) * UNITS[unit] for amount, unit in parts), AGES)
    moment = timestamp(reset)
    return None if moment is None else max(0.0, moment - now)


def from_now(number: float, now: float) -> float:
    """The seconds that are meant; a large number counts them, or milliseconds, since 1970."""
    if number < 1e9:
        return max(0.0, number)
    return max(0.0, (number / 1000 if number >= 1e12 else number) - now)


def timestamp(date: str) -> float | None:
    """The seconds since 1970 of a date as HTTP or RFC 3339 writes it."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError, IndexError, TypeError, OverflowError):
            moment = parse(date.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None
