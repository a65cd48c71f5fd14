"""Operators that let some of the items through: filter, take, skip, take_while, skip_while."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from .._batches import Operator, Segment
from .calls import Call


class Filter(Call):
    def plain(self, batch: Iterator[Any]) -> Iterator[Any]:
        return filter(self.fn, batch)

    def emit(self, item: Any, result: Any) -> Iterable[Any]:
        return (item,) if result else ()


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


class Take(Operator):
    def __init__(self, count: int) -> None:
        self.left = count

    def bind(self, segment: Segment, place: int) -> None:
        super().bind(segment, place)
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
    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, batch: Iterator[Any]) -> Iterator[Any]:
        return self.skip(batch) if self.left else batch

    def skip(self, batch: Iterator[Any]) -> Iterator[Any]:
        for _ in islice(batch, self.left):
            self.left -= 1
        yield from batch
