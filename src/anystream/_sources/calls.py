"""`calls`: the results of a function that is called again and again, as `iter(fn, sentinel)`."""

from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Any, TypeAlias, TypeVar, overload

from .. import _args as check
from .._core.contracts import MISSING
from .._core.driver import is_awaitable, resolved
from .._operators.calls import instead_of
from .._operators.select import TakeWhile
from .._operators.transform import MapOr
from .._recipe import Recipe, named_call
from .._retry import exception_types
from .._stream import Stream
from .origins import FromIterable

T = TypeVar("T")
Ends: TypeAlias = type[Exception] | tuple[type[Exception], ...]


@overload
def calls(
    fn: Callable[[], Awaitable[T]], *, until: object = MISSING, end_on: Ends = ()
) -> Stream[T]: ...
@overload
def calls(fn: Callable[[], T], *, until: object = MISSING, end_on: Ends = ()) -> Stream[T]: ...
@named_call
def calls(fn: Callable[[], Any], *, until: object = MISSING, end_on: Ends = ()) -> Stream[Any]:
    """The results of `fn()`, which is called again whenever an item is asked for.

    `fn` is plain or async. A result that equals `until`, or is None if that is, is the end and does
    not come, as in `iter(fn, sentinel)`. So is an error of one of the types `end_on`; any other
    error is one of the stream. Without both there is no end.

    Calls never overlap. A call that is cancelled is made again by the next step, so no item is lost
    if `fn` takes none before it returns, as `asyncio.Queue.get` and the methods of sockets. With
    `calls(fn).buffer(0)` a cancelled step leaves the call alone.

    Raises `TypeError` if `fn` is not a function, or `end_on` neither a class below `Exception` nor
    a tuple of them.

    >>> async def main():
    ...     pieces = iter([b"one", b"two", b""])
    ...     print(await calls(lambda: next(pieces), until=b"").collect())
    >>> anyio.run(main)
    [b'one', b'two']
    """
    check.result_function("fn", fn)
    exception_types("end_on", end_on)

    async def awaited(result: Awaitable[Any]) -> Any:
        try:
            return await resolved(result)
        except end_on:
            return OVER

    def call(_: None) -> Any:
        try:
            result = fn()
        except end_on:
            return OVER
        return awaited(result) if is_awaitable(result) else result

    def goes_on(result: Any) -> bool:
        if result is OVER or result is until:
            return False
        return until is MISSING or until is None or not bool(until == result)

    return Stream(
        Recipe.source(
            lambda owner: FromIterable(repeat(None), owner),
            lambda _: MapOr(instead_of(fn, call)),
            lambda _: TakeWhile(goes_on),
        )
    )


OVER = object()
