"""What to write instead: the names that other libraries have, and attributes in the wrong place."""

from collections.abc import Iterable
from inspect import getattr_static

FOREIGN = {
    "action": "tap(fn)",
    "amb": "race(other)",
    "append": "chain([item])",
    "as_completed": "map(fn, concurrency=n, ordered=False)",
    "as_generated": "merge(other)",
    "bucket": "group_by(fn)",
    "buffer_with_count": "batched(n)",
    "buffer_with_time_or_count": "batched(n, within=seconds)",
    "chunk": "batched(n)",
    "chunked": "batched(n)",
    "chunks": "batched(n)",
    "combinelatest": "combine_latest(other)",
    "concat": "chain(other)",
    "concat_map": "flat_map(fn)",
    "concatmap": "flat_map(fn)",
    "constrained_batches": "batched(weight=fn, max_weight=n)",
    "consume": "drain()",
    "contains": "map(fn).any()",
    "cycle": "repeat()",
    "distinct_until_changed": "dedupe()",
    "do": "tap(fn)",
    "do_action": "tap(fn)",
    "drop": "skip(n)",
    "dropwhile": "skip_while(fn)",
    "element_at": "skip(n).first()",
    "filterfalse": "filter(lambda item: not fn(item))",
    "finally_action": "on_close(fn)",
    "first_true": "filter(fn).first()",
    "flat_map_latest": "switch_map(fn)",
    "flatmap": "flat_map(fn)",
    "fold": "reduce(fn, initial)",
    "foreach": "for_each(fn)",
    "from_iterable": "flatten()",
    "getitem": "skip(n).first()",
    "group": "batched(n)",
    "groupby": "group_by(fn)",
    "ilen": "count()",
    "islice": "take(n)",
    "limit": "take(n)",
    "list": "collect()",
    "map_except": 'map(fn, on_error="skip")',
    "nth": "skip(n).first()",
    "observe": "progress(description)",
    "prefetch": "buffer(n)",
    "print": "tap(print)",
    "publish": "share()",
    "ref_count": "share()",
    "replay": "share(replay=n)",
    "scan": "accumulate(fn)",
    "set": "collect(set)",
    "side_effect": "tap(fn)",
    "skiplast": "window(n + 1).map(lambda items: items[0])",
    "sliding_window": "window(n, step)",
    "some": "map(fn).any()",
    "spaceout": "spaced(seconds)",
    "start_with": "chain([item], stream)",
    "subscribe": "for_each(fn)",
    "switch": "switch_map(fn)",
    "switch_latest": "switch_map(fn)",
    "switchmap": "switch_map(fn)",
    "takelast": "collect(lambda items: deque(items, n))",
    "takewhile": "take_while(fn)",
    "tee": "share()",
    "throttle_first": "throttle(seconds)",
    "throttle_with_timeout": "debounce(seconds)",
    "time_interval": "elapsed()",
    "to_dict": "collect(dict)",
    "to_future": "last()",
    "to_list": "collect()",
    "to_set": "collect(set)",
    "tuple": "collect(tuple)",
    "unique": "distinct()",
    "unique_everseen": "distinct()",
    "unique_justseen": "dedupe()",
    "until": "take_while(lambda item: not fn(item))",
    "window_with_count": "window(n, step)",
    "windowed": "window(n, step)",
    "ziplatest": "combine_latest(other)",
}
"""The names of others, and what a stream has instead; the guide to migration has all of them."""

METHODS = set[str]()
"""What a stream has, told by its module: this one knows nothing of streams."""

RUNS = list[type]()
"""The class of runs, told by its module."""


def tell(methods: Iterable[str]) -> None:
    """Note down what a stream has, and answer it, and the foreign names, in a run.

    A `__getattr__` of a run would cost each of its steps: CPython looks up every attribute more
    slowly then [range].
    """
    METHODS.update(methods)
    for run in RUNS:
        for method in vars(run).values():
            # Evaluated now. Python 3.14 evaluates them at their first use otherwise, with the names
            # of the class: then `list` would be the one that is set here.
            getattr(method, "__annotations__", None)
        for name in (METHODS | FOREIGN.keys()) - {*dir(run)}:
            setattr(run, name, Elsewhere(name))


class Elsewhere:
    """In the place of an attribute: it is not there, and the error says where it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, run: object, kind: type) -> object:
        raise missing(kind if run is None else run, self.name, of_run(self.name))


def without_elsewhere(run: object, names: Iterable[str]) -> list[str]:
    """What `dir` shows of a run."""
    return [name for name in names if not isinstance(getattr_static(run, name), Elsewhere)]


def of_stream(name: str) -> str:
    """What to write for an attribute that a stream does not have."""
    return f"here it is {FOREIGN[name]}" if name in FOREIGN else ""


def of_run(name: str) -> str:
    """The same for a run, in which operators come too late."""
    ours = FOREIGN.get(name, f"{name}()")
    return f"a run only gives items; {ours} belongs to the stream, before `async with`"


def of_holder(name: str) -> str:
    """The same for what gives streams when it is entered."""
    if name not in METHODS and name not in FOREIGN:
        return ""
    return "open it with `async with`, which gives the streams"


def missing(thing: object, name: str, hint: str) -> AttributeError:
    """The error of an attribute that is not there, as Python has it, and with a hint."""
    text = f"{type(thing).__name__!r} object has no attribute {name!r}"
    return AttributeError(f"{text}: {hint}" if hint else text, name=name, obj=thing)


def not_sync(thing: object) -> TypeError:
    return TypeError(f"{thing!r} is opened with `async with`, not with `with`")
