"""What looking at the clock costs."""

from collections.abc import AsyncIterable
from datetime import timedelta
from functools import partial
from typing import Any

from measure import BY_HAND, Work

from . import byhand, guarded
from .table import KINDS, TOTAL, Fold, Makes, Row, Rows, cases, waiting
from .tasks import by_hand, rendezvous_total

SECOND = timedelta(seconds=1)


async def batch_total(batches: AsyncIterable[Any]) -> int:
    result = 0
    async for batch in batches:
        result += sum(batch)
    return result


def clock(
    name: str,
    what: str,
    makes: Makes,
    fold: Fold = TOTAL,
    hand: Work | None = None,
    **options: Any,
) -> Rows:
    """`hand` is what one writes by hand for a source that waits."""

    def row(kind: str) -> Row:
        words, of = KINDS[kind]
        return Row(f"clock-{name}{kind}", what + words, 2_000, 500, of, fold, held=True, **options)

    slow = makes if hand is None else {**makes, BY_HAND: hand}
    return {row(""): makes, row("-waiting"): slow}


CLOCKS: Rows = {
    **clock(
        "rate-limit",
        "rate_limit, far from its limit",
        {
            "anystream": lambda s, _, __: s.rate_limit(10**9),
            "generators": lambda s, m, _: m.spaced(1e-9, s),
            "aiostream": lambda s, a, _: a.spaceout(s, 1e-9),
            "streamable": lambda s, _, __: s.throttle(10**9, per=SECOND),
            "fpstreams": lambda s, _, __: s.throttle(10**9, per=1),
        },
        hand=by_hand(lambda n: guarded.Alone(lambda: byhand.spaced(1e-9, waiting(n)))),
        limits={"streamable": (0.85, 0.85, 1.15)},
    ),
    **clock(
        "batched",
        "batched(100, within=1)",
        {
            "anystream": lambda s, _, __: s.batched(100, within=1),
            "streamable": lambda s, _, __: s.group(100, within=SECOND),
            "fpstreams": lambda s, _, __: s.buffer_timeout(100, 1),
        },
        Fold(batch_total),
    ),
    **clock(
        "timeout",
        "timeout(1)",
        {
            "anystream, fpstreams": lambda s, _, __: s.timeout(1),
            "generators": lambda s, m, _: m.within(1, s),
            "aiostream": lambda s, a, _: a.timeout(s, 1),
        },
        hand=rendezvous_total(waiting, partial(byhand.in_time, 1)),
        limits={"aiostream": 1.0},
    ),
}

CASES = cases("timing", CLOCKS)
