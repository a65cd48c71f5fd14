"""The rows of what looks at the clock, or waits for a trigger."""

from .row import Row, in_batches, second_of, some

CLOCKED = (
    Row("timeout", lambda s, f: s.timeout(1000), tasks=True),
    Row("deadline", lambda s, f: s.deadline(100_000), tasks=True),
    Row("heartbeat", lambda s, f: s.heartbeat(100_000, None), tasks=True),
    Row("delay", lambda s, f: s.delay(0.5, buffer=2), tasks=True, ahead=2),
    Row("delay 0", lambda s, f: s.delay(0), tasks=True, ahead=1024),
    Row("spaced", lambda s, f: s.spaced(0.5)),
    Row("rate_limit", lambda s, f: s.rate_limit(2, burst=2)),
    Row("throttle", lambda s, f: s.throttle(0.03), tasks=True, check=some(first=True), ahead=None),
    Row(
        "throttle trailing",
        lambda s, f: s.throttle(0.03, "trailing"),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row(
        "throttle both",
        lambda s, f: s.throttle(0.03, "both"),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row("debounce", lambda s, f: s.debounce(0.03), tasks=True, check=some(last=True), ahead=None),
    Row(
        "debounce max_wait",
        lambda s, f: s.debounce(0.03, max_wait=0.05),
        tasks=True,
        check=some(last=True),
        ahead=None,
    ),
    Row("sample", lambda s, f: s.sample(0.03), tasks=True, check=some(last=True), ahead=None),
    Row(
        "batched weight",
        lambda s, f: s.batched(weight=lambda n: 1, max_weight=2),
        lambda xs: in_batches(xs, 2),
        ahead=1,
    ),
    Row(
        "batched within",
        lambda s, f: s.batched(3, within=0.25).flatten(),
        tasks=True,
        ahead=None,
    ),
    Row("timestamp", lambda s, f: s.timestamp().map(second_of)),
    Row("elapsed", lambda s, f: s.elapsed().map(second_of)),
    Row(
        "take_until",
        lambda s, f: s.take_until(100_000),
        tasks=True,
        joins=lambda s, t: s.take_until(t.filter(None).skip(100)),
    ),
    Row(
        "skip_until",
        lambda s, f: s.skip_until(0),
        tasks=True,
        joins=lambda s, t: s.skip_until(t),
    ),
    Row(
        "pause_while",
        lambda s, f: s.pause_while([True, False]),
        tasks=True,
        joins=lambda s, t: s.pause_while(t),
    ),
)
