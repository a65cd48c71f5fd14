"""The operators with a clock against a few lines over lists of times and items."""

import ast
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, get_args

import anyio
import pytest
from contract import the
from hypothesis import given
from hypothesis import strategies as st
from rows.clock import CLOCKED, ClockRow
from rows.timelines import GAPS, Outcome, timeline

from anystream import Stream
from anystream._operators import batching, pacing, timing, triggers
from anystream.testing import backend

WITH_A_CLOCK = (batching, pacing, timing, triggers)
COMPARED = [row for row in CLOCKED if row.reference is not None]


async def spread(gaps: list[float]) -> AsyncIterator[int]:
    for number, gap in enumerate(gaps[:-1]):
        await anyio.sleep(gap)
        yield number
    await anyio.sleep(gaps[-1])


def seen(name: str, gaps: list[float], apply: Callable[[Stream[int]], Stream[Any]]) -> Outcome:
    """The items of the operator with their times, and the time of the end."""

    async def main() -> Outcome:
        async with apply(Stream(lambda: spread(gaps))) as items:
            start = anyio.current_time()
            got = [(anyio.current_time() - start, item) async for item in items]
            return got, anyio.current_time() - start

    backend_name, options = backend(name)
    return anyio.run(main, backend=backend_name, backend_options=options)


@the(COMPARED)
def test_times(row: ClockRow) -> None:
    reference = row.reference
    assert reference is not None

    @given(GAPS, st.tuples(*reference.arguments))
    def agree(gaps: list[float], arguments: tuple[Any, ...]) -> None:
        wanted, end = reference.wanted(*timeline(gaps), *arguments)
        for name in ("asyncio", "trio"):
            got, ended = seen(name, gaps, lambda s: reference.apply(s, *arguments))
            assert [item for _, item in got] == [item for _, item in wanted]
            times = [*(time for time, _ in wanted), end]
            assert [*(time for time, _ in got), ended] == pytest.approx(times, rel=0, abs=1e-9)

    agree()


# -- the table ------------------------------------------------------------------------------


def operators_with_a_clock() -> Iterator[str]:
    """The methods of `Stream` that make what one of the modules with a clock has."""
    names = {module.__name__.rpartition(".")[2] for module in WITH_A_CLOCK}
    (stream,) = ast.parse(inspect.getsource(Stream)).body
    assert isinstance(stream, ast.ClassDef)
    for method in stream.body:
        if isinstance(method, ast.FunctionDef) and method.name[0] != "_":
            used = {node.id for node in ast.walk(method) if isinstance(node, ast.Name)}
            if used & names:
                yield method.name


OPERATORS = {*operators_with_a_clock()}


def arguments_of(kind: type) -> set[tuple[str, str]]:
    """Those of the operators that are of a type, or may be."""
    return {
        (name, argument.name)
        for name in OPERATORS
        for argument in inspect.signature(getattr(Stream, name)).parameters.values()
        if kind in (argument.annotation, *get_args(argument.annotation))
    }


def test_every_operator_with_a_clock_has_a_row_and_a_reference() -> None:
    assert {row.operator for row in CLOCKED} == OPERATORS
    assert {row.operator for row in COMPARED} == OPERATORS
    assert {row.operator for row in CLOCKED if row.written} == OPERATORS


def test_every_number_that_they_take_is_in_a_row() -> None:
    seconds = {(row.operator, row.seconds.name) for row in CLOCKED if row.seconds is not None}
    assert seconds | {("batched", "max_weight")} == arguments_of(float)
    counts = {(row.operator, name) for row in CLOCKED for name, _ in row.counts}
    assert counts == arguments_of(int)
