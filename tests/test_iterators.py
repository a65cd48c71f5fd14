"""Plain and async iterators that are less, or more, than those of the builtins."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import pytest

from anystream import Stream, chain, merge, zip


class Rewound:
    """An iterator that begins anew after its end, as the loaders of several libraries do."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.at = 0
        self.ends = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if self.at == self.size:
            self.at = 0
            self.ends += 1
            raise StopIteration
        self.at += 1
        return self.at


class Bare:
    """An iterable whose iterator has `__next__` and nothing else, which is enough for `for`."""

    def __iter__(self) -> Iterator[int]:
        rewound = Rewound(3)

        class Stepping:
            def __next__(self) -> int:
                return next(rewound)

        return cast("Iterator[int]", Stepping())


READERS: dict[str, Callable[[Iterable[int]], Stream[Any]]] = {
    "alone": Stream,
    "made": lambda items: Stream(lambda: items),
    "map": lambda items: Stream(items).map(int),
    "tasks": lambda items: Stream(items).map(int, concurrency=2),
    "buffer": lambda items: Stream(items).buffer(2),
    "on demand": lambda items: Stream(items).buffer(0),
    "flatten": lambda items: Stream([items]).flatten(),
    "flat_map": lambda items: Stream([0]).flat_map(lambda _: items),
    "switch_map": lambda items: Stream([0]).switch_map(lambda _: items),
    "inner tasks": lambda items: Stream([0]).flat_map(lambda _: items, concurrency=2),
    "chain": lambda items: chain([], items),
    "merge": lambda items: merge([], items),
    "zip": lambda items: zip(items, strict=True).starmap(int),
    "timeout": lambda items: Stream(items).timeout(1),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("size", [*range(6), 1000])
async def test_an_iterator_is_not_asked_again_after_its_end(name: str, size: int) -> None:
    items = Rewound(size)
    assert await READERS[name](items).collect() == [*range(1, size + 1)]
    assert items.ends == 1


@pytest.mark.parametrize("name", READERS)
async def test_an_iterator_needs_no_more_than_next(name: str) -> None:
    assert await READERS[name](Bare()).collect() == [1, 2, 3]


async def test_an_error_of_an_iterator_is_told_from_that_of_a_function_in_c() -> None:
    class Failing(Rewound):
        def __next__(self) -> int:
            if self.at:
                raise ValueError
            return super().__next__()

        def __repr__(self) -> str:
            return "Failing"

    stream = Stream(Failing(3)).map(abs)
    with pytest.raises(ValueError) as info:  # noqa: PT011
        await stream.collect()
    assert info.value.__notes__ == ["in Stream(Failing), the source"]
