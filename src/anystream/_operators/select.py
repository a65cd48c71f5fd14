"""Operators that let some of the items through: filter, take, skip, distinct, dedupe, and kin."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

from .._core.contracts import MISSING, Operator, Row
from .calls import Call


class Filter(Call):
    at_most_one = True
    in_c = True

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        return filter(self.fn, batch)

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return (item,) if result else ()


class Kept(Operator):
    """The items of pairs of a result and an item whose result is true."""

    at_most_one = True
    leaves_frame = False

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        kept: Iterator[tuple[Any, Any]] = filter(itemgetter(0), batch)
        return map(itemgetter(1), kept)


class TakeWhile(Call):
    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            if not self.fn(item):
                self.ended()
                return
            yield item

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        self.done = not result
        return () if self.done else (item,)


class SkipWhile(Call):
    at_most_one = True
    leaves_frame = False

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return batch if self.done else super().__call__(batch)

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            if not self.fn(item):
                self.done = True
                yield item
                yield from batch
                return

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        self.done = not result
        return (item,) if self.done else ()

    def rest(self, batch: Iterator[Any]) -> Iterable[Any]:
        return batch


class New(Call):
    """The items whose key, which a function gives, is new to a memory."""

    at_most_one = True

    def __init__(self, fn: Callable[[Any], Any], new: Callable[[Any], bool]) -> None:
        super().__init__(fn)
        self.new = new

    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            if self.new(self.fn(item)):
                yield item

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return (item,) if self.new(result) else ()


class SetMemory:
    """A memory of all keys."""

    def __init__(self) -> None:
        self.keys = set[Any]()

    def new(self, key: Any) -> bool:
        before = len(self.keys)
        self.keys.add(key)
        return len(self.keys) > before


class LruMemory:
    """A memory of a number of keys, those that were seen last."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.keys = OrderedDict[Any, None]()

    def new(self, key: Any) -> bool:
        keys = self.keys
        if key in keys:
            keys.move_to_end(key)
            return False
        keys[key] = None
        if len(keys) > self.bound:
            keys.popitem(last=False)
        return True


def memory(bound: int | None) -> SetMemory | LruMemory:
    return SetMemory() if bound is None else LruMemory(bound)


class LastKey:
    """A memory of one key, which need not be hashable."""

    def __init__(self) -> None:
        self.key = MISSING

    def new(self, key: Any) -> bool:
        before, self.key = self.key, key
        return before is MISSING or not (key is before or key == before)


class Dedupe(Operator):
    """The items that differ from the one before them."""

    at_most_one = True

    def __init__(self) -> None:
        self.last = MISSING

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        last = self.last
        for item in batch:
            if last is MISSING or not (item is last or item == last):
                self.last = last = item
                yield item


class DefaultIfEmpty(Operator):
    leaves_frame = False

    def __init__(self, value: Any) -> None:
        self.value = value
        self.empty = True

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return self.first(batch) if self.empty else batch

    def first(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            self.empty = False
            yield item
            yield from batch
            return

    def tail(self) -> Iterable[Any]:
        return (self.value,) if self.empty else ()


class Take(Operator):
    def __init__(self, count: int) -> None:
        self.left = count

    def bind(self, row: Row, place: int) -> None:
        super().bind(row, place)
        if not self.left:
            self.ended()

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        for item in batch:
            self.left -= 1
            yield item
            if not self.left:
                self.ended()
                return


class Skip(Operator):
    at_most_one = True
    leaves_frame = False

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return self.skip(batch) if self.left else batch

    def skip(self, batch: Iterator[Any]) -> Iterator[Any]:
        for _ in islice(batch, self.left):
            self.left -= 1
        yield from batch
