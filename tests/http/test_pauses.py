"""For how long a server asks to be left alone: the headers of the APIs that there are."""

from typing import Any

import pytest

from anystream.http._pauses import is_spent, wanted_pause

NOW = 1_750_000_000.0
HERE = "Sun, 15 Jun 2025 15:06:40 GMT"  # the same
LATER = "Sun, 15 Jun 2025 15:07:10 GMT"

AFTER: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after": "5"}, 5),
    ({"Retry-After": " 5 "}, 5),
    ({"retry-after": "0"}, 0),
    ({"retry-after": "0.25"}, 0.25),
    ({"retry-after": LATER}, 30),
    ({"retry-after": "Sun, 15 Jun 2025 15:07:10 -0000"}, 30),
    ({"retry-after": "2025-06-15T15:07:10Z"}, 30),
    ({"retry-after": LATER, "date": "Sun, 15 Jun 2025 15:07:00 GMT"}, 10),
    ({"retry-after": LATER, "date": "whenever"}, 30),
    ({"retry-after": HERE, "date": LATER}, 0),
    ({"retry-after": "9" * 400}, 1e12 - NOW),
    ({"retry-after": f"{NOW + 30:.0f}"}, 30),
    ({"retry-after": f"{NOW - 30:.0f}"}, 0),
    ({"retry-after": f"{NOW * 1000 + 1500:.0f}"}, 1.5),
    ({"x-ms-retry-after-ms": "1500"}, 1.5),
    ({"x-ms-retry-after-ms": "1500", "retry-after": "2"}, 1.5),
    ({"retry-after": "-5"}, None),
    ({"retry-after": "1e3"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "٣"}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "5, 5"}, 5),
    ({"retry-after": "5 ,30,7"}, 30),
    ({"retry-after": "5, soon"}, None),
    ({"retry-after-ms": "1500, 500"}, 1.5),
    ({"retry-after": "Sun, 99 Jun 2025 15:07:10 GMT"}, None),
    ({"retry-after": "Sun, 15 Jun 99999 15:07:10 GMT"}, None),
    ({"retry-after-ms": "1500"}, 1.5),
    ({"retry-after-ms": "1500.5", "retry-after": "2"}, 1.5005),
    ({"retry-after-ms": "x", "retry-after": "2"}, 2),
]


@pytest.mark.parametrize(("headers", "pause"), AFTER)
def test_retry_after(headers: dict[str, str], pause: float | None) -> None:
    assert wanted_pause(headers, NOW) == pause
    assert not is_spent(headers)


def limits(prefix: str, remaining: str, reset: str, first: str = "", last: str = "") -> Any:
    return {f"{prefix}{first}remaining{last}": remaining, f"{prefix}{first}reset{last}": reset}


SPENT: list[tuple[str, dict[str, str], float | None]] = [
    ("GitHub", limits("x-ratelimit-", "0", "1750000030"), 30),
    ("GitHub, as it is written", limits("X-RateLimit-", "0", "1750000030"), 30),
    ("X", limits("x-rate-limit-", "0", "1750000900"), 900),
    ("GitLab", limits("RateLimit-", "0", "1750000060"), 60),
    ("the first drafts of the IETF", limits("ratelimit-", "0", "50"), 50),
    ("with its window", limits("ratelimit-", "0;w=60", "50;w=60"), 50),
    ("milliseconds", limits("x-ratelimit-", "0", "1750000030500"), 30.5),
    ("Reddit", limits("x-ratelimit-", "0.0", "312"), 312),
    (
        "Discord",
        limits("x-ratelimit-", "0", "1750000001.25") | {"x-ratelimit-reset-after": "1.2"},
        1.2,
    ),
    ("Anthropic", limits("anthropic-ratelimit-requests-", "0", "2025-06-15T15:07:10Z"), 30),
    ("OpenAI", limits("x-ratelimit-", "0", "6m0s", last="-requests"), 360),
    ("OpenAI, soon", limits("x-ratelimit-", "0", "20ms", last="-tokens"), 0.02),
    ("all units", limits("x-ratelimit-", "0", "1d2h3m4.5s6ms7us8µs9ns"), 93784.506015009),
    ("a date", limits("x-ratelimit-", "0", LATER), 30),
    ("less than nothing", limits("x-ratelimit-", "-1", "30"), 30),
    ("it has begun again already", limits("x-ratelimit-", "0", "1749999990"), 0),
    ("two windows", limits("x-ratelimit-", "7, 0", "30"), 30),
    (
        "one for all windows",
        {"x-ratelimit-remaining-minute": "0", "ratelimit-reset": "30"},
        30,
    ),
    (
        "the longest of those that are used up",
        {
            **limits("x-ratelimit-", "0", "6s", last="-requests"),
            **limits("x-ratelimit-", "0", "9s", last="-tokens"),
            **limits("x-ratelimit-", "5", "1d", last="-images"),
        },
        9,
    ),
    ("a list of limits", {"RateLimit": '"default";r=0;t=30'}, 30),
    ("several", {"ratelimit": '"a, b";r=5;t=90, "day";r=0;t=30'}, 30),
    ("the form before", {"RateLimit": "limit=100, remaining=0, reset=50"}, 50),
    ("with a policy", {"ratelimit": "limit=9, remaining=0, reset=5", "ratelimit-policy": "9"}, 5),
    ("it does not say until when", {"x-ratelimit-remaining": "0"}, None),
    ("nor here", {"ratelimit": '"default";r=0'}, None),
    ("nor here, in the form before", {"ratelimit": "limit=100, remaining=0"}, None),
    ("in no form that is known", limits("x-ratelimit-", "0", "next week"), None),
    ("no number", limits("x-ratelimit-", "0", "1.2.3"), None),
    ("far too long", limits("x-ratelimit-", "0", "9" * 400), 1e12 - NOW),
    ("as a duration", limits("x-ratelimit-", "0", "9" * 400 + "s"), 1e12),
]


@pytest.mark.parametrize(
    ("headers", "pause"), [case[1:] for case in SPENT], ids=[c[0] for c in SPENT]
)
def test_a_limit_that_is_used_up(headers: dict[str, str], pause: float | None) -> None:
    assert is_spent(headers)
    assert wanted_pause(headers, NOW) == (None if pause is None else pytest.approx(pause))
    assert wanted_pause(headers | {"retry-after": "7"}, NOW) == 7


def test_the_time_is_that_of_the_server() -> None:
    headers = limits("x-ratelimit-", "0", "1750000030")
    assert wanted_pause(headers | {"date": "Sun, 15 Jun 2025 15:07:00 GMT"}, NOW) == 10


def test_the_time_is_that_of_the_clock_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW + 5)
    assert wanted_pause({"retry-after": LATER}) == 25


@pytest.mark.parametrize(
    "headers",
    [
        limits("x-ratelimit-", "1", "30"),
        limits("x-ratelimit-", "0.5", "30"),
        limits("x-ratelimit-", "none", "30"),
        limits("x-ratelimit-", "", "30"),
        {"x-ratelimit-used": "0", "x-ratelimit-reset": "30"},
        {"x-ratelimit-limit": "0"},
        {"ratelimit": '"default";r=1;t=30'},
        {"ratelimit": "limit=100, remaining=5, reset=50"},
        {"ratelimit": '"r=0;t=5"'},
        {"ratelimit": "r=...;t=5"},
        {"ratelimit": ""},
        {"x-remaining": "0", "x-reset": "30"},
    ],
)
def test_a_limit_that_is_not_used_up(headers: dict[str, str]) -> None:
    assert not is_spent(headers)
    assert wanted_pause(headers, NOW) is None
