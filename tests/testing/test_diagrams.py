"""Marble diagrams: the syntax, streams from them, and what is written down of a stream."""

import re
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystream import Stream, async_range, merge, stream, ticker, zip
from anystream.testing import MarbleError, assert_marbles, marbles, recorded
from anystream.testing.diagrams import Mark, drawn, parsed

# -- diagrams, by construction ------------------------------------------------------------------


class Drawing(NamedTuple):
    """A diagram as somebody may write it, its plain form, and what it means."""

    text: str
    plain: str
    marks: list[Mark]


@st.composite
def drawings(draw: st.DrawFn, finals: str = "|#!") -> Drawing:
    """With spaces and groups of one; a group stands behind its place in time, not before it.

    Without finals the diagram has no end, and its last character is an item.
    """
    final = draw(st.sampled_from(finals)) if finals else ""
    names = st.text("abcXYZ019.^é", min_size=1, max_size=3)
    groups = draw(st.lists(names, max_size=5, min_size=0 if final else 1))
    if final and final != "!" and groups and draw(st.booleans()):
        groups[-1] += final
    elif final:
        groups.append(final)
    text = plain = ""
    marks: list[Mark] = []
    frame = 0
    for group in groups:
        pause = draw(st.integers(0, 3))
        alone = len(group) == 1
        frame += pause
        marks += [Mark(frame, symbol) for symbol in group]
        bare = alone and (group == "!" or draw(st.booleans()))
        piece = group if bare else f"({group})"
        text += "-" * pause + piece
        plain = plain.ljust(frame, "-") + (group if alone else piece)
        frame += len(piece)
    return Drawing("".join(char + " " * draw(st.integers(0, 1)) for char in text), plain, marks)


@given(drawings())
def test_what_is_parsed_is_what_has_been_drawn(drawing: Drawing) -> None:
    marks, length = parsed(drawing.text)
    assert marks == drawing.marks
    assert length == len(drawing.text.replace(" ", ""))
    assert drawn(marks, 1.0) == drawing.plain
    assert parsed(drawn(marks, 1.0))[0] == marks


@pytest.mark.parametrize(
    ("diagram", "place", "fault"),
    [
        ("a-(b(c))", 4, "a group in a group; it holds items, and | or # as the last one"),
        ("a-(b-)", 4, "a frame in a group, but no time passes there; it holds items"),
        ("(a!)", 2, "! in a group; a reader leaves before anything else in that instant"),
        ("a)", 1, "no group to close; ( opens one"),
        ("a-()", 3, "an empty group"),
        ("a ( )", 4, "an empty group"),
        ("a-(b", 2, "a group that is not closed; it ends with )"),
        ("a-(b|", 2, "a group that is not closed; it ends with )"),
        ("a|-", 2, "only spaces may follow |"),
        ("a# b", 3, "only spaces may follow #"),
        ("a!|", 2, "only spaces may follow !"),
        ("(a|)-", 4, "only spaces may follow |"),
        ("(a#b)", 3, "only the ) of the group may follow #"),
        ("a|)", 2, "only spaces may follow |"),
        ("-\tb", 1, "'\\t' cannot be printed; an item is one printable character"),
        ("", 0, "no frames; - is a frame in which nothing happens"),
        ("  ", 0, "no frames; - is a frame in which nothing happens"),
    ],
)
async def test_a_wrong_diagram_says_where(diagram: str, place: int, fault: str) -> None:
    shown = f"wrong marble diagram: {fault}"
    pointed = "\n  " + diagram.replace("\t", "?") + "\n  " + " " * place + "^"
    with pytest.raises(ValueError, match=re.escape(shown)) as error:
        await assert_marbles(Stream("a"), diagram)
    assert str(error.value).endswith(pointed)
    if "!" not in diagram:
        with pytest.raises(ValueError, match=re.escape(shown)) as error:
            marbles(diagram)
        assert str(error.value).endswith(pointed)


@pytest.mark.parametrize(("diagram", "place"), [("a-!", 2), ("!", 0), ("(a!)", 2)])
def test_a_source_knows_of_no_leaving(diagram: str, place: int) -> None:
    with pytest.raises(
        ValueError, match="! is where a reader leaves, and a source has none"
    ) as error:
        marbles(diagram)
    assert str(error.value).endswith(f"\n  {diagram}\n  {' ' * place}^")


@pytest.mark.parametrize("symbol", ["", "ab", "-", "|", "#", "!", "(", ")", " ", "\n", 1, None])
async def test_a_symbol_is_one_printable_character(symbol: Any) -> None:
    rule = "each symbol in values must be one printable character, and none of - ( ) | # !"
    fault = f"{rule}, got {symbol!r}"
    with pytest.raises(ValueError, match=re.escape(fault)):
        marbles("a", values={symbol: 1})
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(Stream("a"), values={symbol: 1})
    with pytest.raises(ValueError, match=re.escape(fault)):
        await assert_marbles(Stream("a"), "(a|)", values={symbol: 1})


async def test_wrong_arguments() -> None:
    for frame in (0, -1, float("inf")):
        with pytest.raises(ValueError, match="frame must be finite and more than 0 seconds"):
            marbles("a", frame=frame)
        with pytest.raises(ValueError, match="frame must be finite and more than 0 seconds"):
            await recorded(Stream("a"), frame=frame)
        with pytest.raises(ValueError, match="frame must be finite and more than 0 seconds"):
            await assert_marbles(Stream("a"), "a", frame=frame)
    with pytest.raises(ValueError, match="busy must be finite and at least 0 seconds"):
        await recorded(Stream("a"), busy=-1)
    with pytest.raises(ValueError, match="busy must be finite and at least 0 seconds"):
        await assert_marbles(Stream("a"), "a", busy=-1)
    with pytest.raises(ValueError, match="until must be finite and at least 0 seconds"):
        await recorded(Stream("a"), until=-1)
    wrong: Any = ValueError
    with pytest.raises(TypeError, match="error must be an exception, got <class 'ValueError'>"):
        marbles("a", error=wrong)
    with pytest.raises(TypeError, match=r"diagram must be a str, got Stream\('a'\)"):
        await assert_marbles(Stream("a"), Stream("a"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="diagram must be a str, got 5"):
        marbles(5)  # type: ignore[arg-type]
    for other in ("a", None):
        wrong = other
        with pytest.raises(TypeError, match=f"stream must be a Stream, got {other!r}"):
            await assert_marbles(wrong, "a")
        with pytest.raises(TypeError, match=f"stream must be a Stream, got {other!r}"):
            await recorded(wrong)
    wrong = ["a"]
    with pytest.raises(TypeError, match=r"values must be a mapping of symbols to items, got \['a'"):
        marbles("a", values=wrong)


# -- marbles ------------------------------------------------------------------------------------


async def timed(items: AsyncIterator[Any]) -> list[tuple[float, Any]]:
    start = anyio.current_time()
    return [(round(anyio.current_time() - start, 6), item) async for item in items]


async def test_each_item_comes_at_its_frame() -> None:
    async with marbles("a-(bc)--d|", frame=0.5, values={"c": (1, 2)}) as items:
        assert await timed(items) == [(0, "a"), (1, "b"), (1, (1, 2)), (4, "d")]


async def test_time_begins_with_the_first_step_of_each_opening() -> None:
    source = marbles("-a-b|")
    async with source as first, source as second:
        await anyio.sleep(5)
        assert await timed(first) == [(1, "a"), (3, "b")]
        assert await timed(second) == [(1, "a"), (3, "b")]


async def test_a_late_consumer_gets_everything_and_then_is_on_time() -> None:
    start = anyio.current_time()
    got: list[tuple[float, str]] = []
    async with marbles("abc-d-e|") as items:
        async for item in items:
            got.append((anyio.current_time() - start, item))
            await anyio.sleep(3.5 if item == "a" else 0)
    assert got == [(0, "a"), (3.5, "b"), (3.5, "c"), (4, "d"), (6, "e")]


@given(drawings(finals="|"), st.floats(0.4, 3))
async def test_a_cancelled_step_loses_nothing_and_moves_nothing(
    drawing: Drawing, patience: float
) -> None:
    """Each step is given up again and again; what comes is when the next step sees it."""
    start = anyio.current_time()
    got: list[Mark] = []
    async with marbles(drawing.text) as items:
        while True:
            with anyio.move_on_after(patience):
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    break
                got.append(Mark(round(anyio.current_time() - start), item))
    assert [*got, Mark(round(anyio.current_time() - start), "|")] == drawing.marks


async def test_without_an_end_it_never_ends() -> None:
    async with marbles("a-") as items:
        assert await anext(items) == "a"
        for _ in range(2):
            with anyio.move_on_after(1000) as scope:
                await anext(items)
            assert scope.cancelled_caught


async def test_its_error() -> None:
    with pytest.raises(MarbleError):
        await marbles("a#").collect()
    error = KeyError("x")
    source = marbles("a#", error=error)
    for _ in range(2):
        with pytest.raises(KeyError) as raised:
            await source.collect()
        assert raised.value is error


async def test_several_line_up() -> None:
    await assert_marbles(merge(marbles("a--c|"), marbles("-b-|")), "ab-c|")
    pairs = zip(marbles("a-b-|"), marbles("--xy|"))
    await assert_marbles(pairs, "--pq|", values={"p": ("a", "x"), "q": ("b", "y")})
    await assert_marbles(marbles("a-|").chain(marbles("b-|")), "a-b-|")


async def test_values_are_those_of_the_call() -> None:
    values = {"a": 1}
    source = marbles("(ab|)", values=values)
    values["a"] = 2
    assert await source.collect() == [1, "b"]


def test_its_repr() -> None:
    assert repr(marbles("a-|", frame=1)) == "marbles('a-|')"
    whole = marbles("a-|", frame=0.5, values={"a": 1}, error=KeyError())
    assert repr(whole) == "marbles('a-|', frame=0.5, values={'a': 1}, error=KeyError())"


# -- recorded -----------------------------------------------------------------------------------


@given(drawings(finals="|#"), st.sampled_from([0.001, 0.1, 1 / 3, 1.0, 60.0]))
async def test_what_is_recorded_is_what_has_been_drawn(drawing: Drawing, frame: float) -> None:
    assert await recorded(marbles(drawing.text, frame=frame), frame=frame) == drawing.plain
    await assert_marbles(marbles(drawing.plain, frame=frame), drawing.text, frame=frame)


@given(drawings(finals=""), st.integers(0, 3))
async def test_without_an_end_the_reader_leaves(drawing: Drawing, wait: int) -> None:
    length = parsed(drawing.plain)[1]
    wanted = drawing.plain + "-" * wait + "!"
    assert await recorded(marbles(drawing.text), until=length + wait) == wanted
    await assert_marbles(marbles(drawing.text), wanted)
    await assert_marbles(marbles(drawing.text), drawing.text)


@given(drawings(finals="|"), st.integers(1, 4))
async def test_a_busy_reader_gets_an_item_when_it_asks(drawing: Drawing, busy: int) -> None:
    wanted: list[Mark] = []
    free = 0
    for due, symbol in drawing.marks:
        wanted.append(Mark(max(due, free), symbol))
        free = wanted[-1].frame + busy
    await assert_marbles(marbles(drawing.text), drawn(wanted, 1.0), busy=busy)
    assert await recorded(marbles(drawing.text), busy=busy) == drawn(wanted, 1.0)


@pytest.mark.parametrize("final", ["", "|", "#", "c"])
async def test_the_reader_leaves_before_anything_else_of_the_instant(final: str) -> None:
    source = marbles("a-b-" + final) if final else marbles("a-b-")
    assert await recorded(source, until=4) == "a-b-!"
    assert await recorded(source, until=2) == "a-!"
    assert await recorded(source, until=0) == "!"
    await assert_marbles(source, "a-!")


async def test_a_reader_that_is_busy_leaves_as_well() -> None:
    assert await recorded(marbles("a-b-|"), busy=10, until=5) == "a----!"


async def test_the_leaving_is_a_cancellation_at_its_instant() -> None:
    log: list[str] = []
    start = anyio.current_time()

    @stream
    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep(10)
        except anyio.get_cancelled_exc_class():
            log.append(f"cancelled at {anyio.current_time() - start:g}")
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
            log.append(f"closed at {anyio.current_time() - start:g}")

    assert await recorded(source(), until=3) == "a--!"
    assert log == ["cancelled at 3", "closed at 3.5"]


async def test_a_scope_of_the_source_may_be_open_until_its_close() -> None:
    @stream
    async def source() -> AsyncIterator[str]:
        with anyio.CancelScope():
            yield "a"
            await anyio.sleep(10)

    assert await recorded(source(), until=3) == "a--!"
    assert await recorded(source(), until=3, busy=5) == "a--!"


async def test_items_are_named() -> None:
    assert await recorded(async_range(3)) == "(012|)"
    values = {"x": [0], "a": 1, "n": None, "m": None}
    assert await recorded(Stream([1, None, "b", [0]]), values=values) == "(anbx|)"


@pytest.mark.parametrize("item", ["ab", "", "-", "!", " ", "a", None])
async def test_an_item_without_a_symbol(item: object) -> None:
    """`a` is one already, of something else."""
    fault = (
        f"{item!r} came at frame 2 (1 s), and has no symbol; pass values={{'x': {item!r}}} to give"
    )
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(marbles("--o|", frame=0.5).map(lambda _: item), frame=0.5, values={"a": 1})


async def test_something_between_two_frames() -> None:
    fault = "'b' came at frame 1.5 (1.5 s), between two frames; pass a smaller frame"
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(marbles("a--b|", frame=0.5))
    fault = "the end came at frame 1.25 (2.5 s), between two frames"
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(marbles("a----|", frame=0.5), frame=2)
    fault = "the error came at frame 0.5 (1 s), between two frames"
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(marbles("a#"), frame=2)
    fault = "the reader left at frame 0.5 (0.5 s), between two frames"
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(marbles("a"), until=0.5)


async def test_a_little_beside_a_frame_is_in_it() -> None:
    """As a real clock always is."""
    assert await recorded(async_range(3, delay=1.03)) == "-01(2|)"
    assert await recorded(async_range(3, delay=0.98), until=2.09) == "-0!"


@given(drawings(finals="|"), st.integers(1, 6))
async def test_what_is_too_dense_to_draw_says_which_frame_has_room(
    drawing: Drawing, density: int
) -> None:
    """One frame of the drawing is no more than a part of a second."""
    dense = [
        Mark(frame, mark.symbol)
        for frame, (_, together) in enumerate(groupby(drawing.marks, lambda mark: mark.frame))
        for mark in together
    ]
    try:
        text = drawn(dense, density)
    except ValueError as error:
        found = re.search(r"covers frame \d+, .* pass frame=(\S+) to make room", str(error))
        assert found
        parts = round(density / float(found[1]))
        wider = [Mark(frame * parts, symbol) for frame, symbol in dense]
        assert parsed(drawn(wider, 1.0))[0] == wider
        with pytest.raises(ValueError, match="to make room"):
            drawn([Mark(frame * (parts - 1), symbol) for frame, symbol in dense], 1.0)
    else:
        assert parsed(text)[0] == dense


async def test_what_is_behind_a_group() -> None:
    dense = Stream("ab").chain(marbles("-c|"))
    fault = "(ab) at frame 0 covers frame 1, in which something else happens; pass frame=0.25"
    with pytest.raises(ValueError, match=re.escape(fault)):
        await recorded(dense)
    assert await recorded(dense, frame=0.25) == "(ab)c---|"


async def test_errors_that_are_expected() -> None:
    given = KeyError("x")
    assert await recorded(marbles("a#", error=given), error=given) == "a#"
    assert await recorded(marbles("a#", error=KeyError("x")), error=given) == "a#"
    assert await recorded(marbles("a#")) == "a#"
    await assert_marbles(marbles("a#", error=KeyError("x")), "a#", error=given)


@pytest.mark.parametrize("error", [KeyError("y"), LookupError("x"), MarbleError(), None])
async def test_other_errors_come_out(error: Exception | None) -> None:
    source = marbles("a#", error=error)
    with pytest.raises(type(error or MarbleError())):
        await recorded(source, error=KeyError("x"))
    with pytest.raises(type(error or MarbleError())):
        await assert_marbles(source, "a#", error=KeyError("x"))


async def test_an_error_of_a_narrower_type_is_another_one() -> None:
    with pytest.raises(KeyError):
        await recorded(marbles("a#", error=KeyError("x")), error=LookupError("x"))


async def test_an_error_that_nobody_has_named_comes_out() -> None:
    with pytest.raises(KeyError):
        await recorded(marbles("a#", error=KeyError("x")))


async def test_an_error_of_the_cleanup_comes_out_and_is_no_event() -> None:
    def fail() -> None:
        raise MarbleError("in cleanup")

    for diagram in ("a-|", "a-"):
        with pytest.raises(MarbleError, match="in cleanup"):
            await recorded(marbles(diagram).on_close(fail), until=9)


# -- assert_marbles -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "diagram", "came", "difference"),
    [
        (
            "a-b-|",
            "a--b|",
            "a-b-|",
            "expected 'b' at frame 3 (1.5 s), but 'b' came at frame 2 (1 s)",
        ),
        (
            "a-c-|",
            "a-b-|",
            "a-c-|",
            "expected 'b' at frame 2 (1 s), but 'c' came at frame 2 (1 s)",
        ),
        (
            "(ab)-|",
            "(ba)-|",
            "(ab)-|",
            "expected 'b' at frame 0 (0 s), but 'a' came at frame 0 (0 s)",
        ),
        (
            "a-|",
            "a-#",
            "a-|",
            "expected the error at frame 2 (1 s), but the end came at frame 2 (1 s)",
        ),
        (
            "a-#",
            "a-|",
            "a-#",
            "expected the end at frame 2 (1 s), but the error came at frame 2 (1 s)",
        ),
        (
            "a--b",
            "a--|",
            "a--b!",
            "expected the end at frame 3 (1.5 s), but 'b' came at frame 3 (1.5 s)",
        ),
        (
            "a---",
            "a-b|",
            "a---!",
            "expected 'b' at frame 2 (1 s), but the reader left at frame 4 (2 s)",
        ),
        (
            "a-b-|",
            "a--!",
            "a-b!",
            "expected nothing before the reader leaves at frame 3 (1.5 s),"
            " but 'b' came at frame 2 (1 s)",
        ),
    ],
)
async def test_a_failure_shows_both_diagrams_and_the_first_difference(
    source: str, diagram: str, came: str, difference: str
) -> None:
    with pytest.raises(AssertionError) as failure:
        await assert_marbles(marbles(source, frame=0.5), diagram, frame=0.5)
    assert str(failure.value) == (
        f"marbles('{source}', frame=0.5) differs from its diagram,"
        " with frames of 0.5 s\n"
        f"  expected  {diagram}\n"
        f"  got       {came}\n"
        f"{difference}"
    )


async def test_the_expected_diagram_is_drawn_as_the_other_one() -> None:
    with pytest.raises(AssertionError, match=re.escape("  expected  a--b!\n  got       a--|\n")):
        await assert_marbles(marbles("a--|"), "(a) b")


async def test_a_failure_shows_items_without_a_symbol() -> None:
    pairs = marbles("a-bc-|").pairwise()
    with pytest.raises(AssertionError) as failure:
        await assert_marbles(pairs, "--xy-|", values={"x": ("a", "b"), "y": ("b", "b")})
    assert "\n  expected  --xy-|\n  got       --x?-|\n" in str(failure.value)
    wanted = "expected ('b', 'b') at frame 3 (3 s), but ('b', 'c') came at frame 3 (3 s)"
    assert str(failure.value).endswith(wanted)


async def test_a_failure_shows_in_words_what_cannot_be_drawn() -> None:
    with pytest.raises(AssertionError) as failure:
        await assert_marbles(marbles("a--b|", frame=0.5), "a-b|")
    came = (
        "  got       'a' came at frame 0 (0 s), 'b' came at frame 1.5 (1.5 s),"
        " the end came at frame 2 (2 s)\n"
    )
    assert came in str(failure.value)


async def test_a_stream_that_goes_on_for_ever_fails() -> None:
    with pytest.raises(AssertionError, match=r"expected the end at frame 1 \(1 s\), but 'x' came"):
        await assert_marbles(ticker(1).map(lambda _: "x"), "-|")


async def test_it_is_the_events_that_are_compared() -> None:
    await assert_marbles(marbles("(a)--(b)|"), "a -- -- b--|")
    await assert_marbles(Stream([1, "1", 2]), "(112|)")
    with pytest.raises(AssertionError, match="expected 1 at frame 0"):
        await assert_marbles(Stream(["1"]), "(1|)", values={"1": 1})


@pytest.mark.parametrize("item", ["|", "#"])
async def test_an_item_that_looks_like_syntax_is_an_item(item: str) -> None:
    with pytest.raises(AssertionError, match="came at frame 0") as failure:
        await assert_marbles(Stream([item]), item)
    assert "\n  got       (?|)\n" in str(failure.value)
    await assert_marbles(Stream([item]), "(x|)", values={"x": item})


async def test_two_symbols_may_have_equal_values() -> None:
    await assert_marbles(Stream([7]), "(y|)", values={"x": 7, "y": 7})
