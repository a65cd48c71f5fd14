"""JSON documents and texts out of bytes, whole and in pieces, with any function that reads them."""

import inspect
import json
from typing import Any

import anyio
import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import Case, is_true, told
from splits import Wire, in_chunks, one_by_one

from anystream import http, net
from anystream.net import RecordDataError

DOCUMENTS = {
    "a byte order mark": Case(b'\xef\xbb\xbf{"a": 1}\n2\n', [{"a": 1}, 2]),
    "nothing": Case(b"", []),
    "one for each line": Case(b'{"a": 1}\n[2]\n3', [{"a": 1}, [2], 3]),
    "blank lines": Case(b"\n1\n \t\r\n\r\n2\n\n", [1, 2]),
    "characters that others split at": Case('"a\u2028b\x85"\n'.encode(), ["a\u2028b\x85"]),
    "no JSON": Case(
        b'1\n\n{"a": x}\n2\n',
        [1],
        "line 3: invalid JSON, Expecting value at column 7, in '{\"a\": x}'",
    ),
    "cut short": Case(
        b"1\n[1,", [1], "line 2: invalid JSON, Expecting value at column 4, in '[1,'"
    ),
    "two in one line": Case(b"1 2\n", [], "line 1: invalid JSON, Extra data at column 3, in '1 2'"),
    "white space of other kinds": Case(
        "1\n\xa0\n".encode(),
        [1],
        "line 2: invalid JSON, Expecting value at column 1, in '\\xa0'",
    ),
    "the excerpt is short": Case(
        b"[" + b"1," * 50 + b"x" + b",1" * 50 + b"]",
        [],
        "line 1: invalid JSON, Expecting value at column 102,"
        " in '1,1,1,1,1,1,1,1,1,1,x,1,1,1,1,1,1,1,1,1,'",
    ),
    "no UTF-8": Case(b'1\n"\xff"\n', [1], "line 2: invalid UTF-8 at byte 2"),
}


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf" * 2 + b"1\n", b"\n\xef\xbb\xbf1\n"])
async def test_a_byte_order_mark_elsewhere(data: bytes) -> None:
    with pytest.raises(RecordDataError, match=r"invalid JSON, Expecting value at column 1, in .*1"):
        await net.ndjson([data]).drain()


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_ndjson(name: str) -> None:
    await is_true(DOCUMENTS[name], net.ndjson)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"1" * 5000, "Exceeds the limit"),
        (b"[" * 200_000, "recursion"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
    ],
)
async def test_json_that_python_cannot_read(line: bytes, problem: str) -> None:
    with pytest.raises(RecordDataError, match=f"line 2 .*invalid JSON, .*{problem}") as raised:
        await net.ndjson([b"1\n", line]).drain()
    assert (raised.value.number, raised.value.position) == (2, 1)


values = st.recursive(st.none() | st.integers() | st.text("a\u2028\n\x1e€"), st.lists, max_leaves=5)
documents = st.lists(values.map(lambda value: json.dumps(value, ensure_ascii=False).encode()))


@given(documents.map(b"\n".join).flatmap(in_chunks))
@settings(max_examples=50)
async def test_documents_in_any_chunks(chunks: list[bytes]) -> None:
    texts = b"".join(chunks).split(b"\n")
    assert await net.ndjson(chunks).collect() == [json.loads(text) for text in texts if text]


async def test_the_constants_that_python_knows() -> None:
    data = [b"[Infinity, -Infinity]\n", b"NaN\n"]
    assert str(await net.ndjson(data, loads=json.loads).collect()) == "[[inf, -inf], nan]"
    texts = [b"\x1e[Infinity]\n\x1eNaN\n"]
    assert str(await net.json_seq(texts, loads=json.loads).collect()) == "[[inf], nan]"
    with pytest.raises(RecordDataError, match=r"text 1 .* Infinity is not JSON"):
        await net.json_seq(texts).drain()


@given(
    documents.map(lambda texts: b"".join(b"\x1e" + text + b"\n" for text in texts)).flatmap(
        in_chunks
    )
)
@settings(max_examples=50)
async def test_texts_in_any_chunks(chunks: list[bytes]) -> None:
    texts = b"".join(chunks).split(b"\x1e")[1:]
    assert await net.json_seq(chunks).collect() == [json.loads(text) for text in texts]


BEHIND = "text 1: unexpected text after it, "
SEQUENCES = {
    "nothing": Case(b"", []),
    "some": Case(b'\x1e{"a": 1}\n\x1e[2]\n\x1e3\n', [{"a": 1}, [2], 3]),
    "line feeds inside": Case(b'\x1e{\n"a":\n1\n}\n\x1e[\n]\n', [{"a": 1}, []]),
    "several separators": Case(b"\x1e\x1e\n\x1e1\n\x1e \x1e2\n\x1e", [1, 2]),
    "what ends by itself needs no end": Case(b'\x1e[1]\x1e{}\x1e"a"', [[1], {}, "a"]),
    "white space": Case(b"\r\n\x1e \t1 \n\n\x1e\n2\r\n", [1, 2]),
    "a number that may go on": Case(
        b"\x1e1\n\x1e23", [1], "text 2: nothing follows '23', so it may be cut short"
    ),
    "a number before a separator": Case(
        b"\x1etrue\x1e2\n", [], "text 1: nothing follows 'true', so it may be cut short"
    ),
    "cut short": Case(
        b"\x1e1\n\x1e[1,",
        [1],
        "text 2: invalid JSON, Expecting value at column 4, in '[1,'",
    ),
    "no JSON": Case(
        b"\x1e1\n\x1ex\n\x1e2\n",
        [1],
        "text 2: invalid JSON, Expecting value at column 1, in 'x\\n'",
    ),
    "no separator": Case(b"1\n\x1e2\n", [], "text 1: no record separator (0x1E) before it"),
    "no UTF-8": Case(b'\x1e1\n\x1e"\xff"\n', [1], "text 2: invalid UTF-8 at byte 2"),
    "two lines": Case(b"\x1e1\n2\n\x1e3\n", [1], BEHIND + "'2'"),
    "two in one line": Case(b"\x1e[1] x\n", [[1]], BEHIND + "'x'"),
    "two, and no line feed": Case(b"\x1e[1] x", [[1]], BEHIND + "'x'"),
}


@pytest.mark.parametrize("name", SEQUENCES)
async def test_json_seq(name: str) -> None:
    await is_true(SEQUENCES[name], net.json_seq)


@pytest.mark.parametrize("split", [lambda data: [data], one_by_one])
async def test_where_a_bad_text_is_bad(split: Any) -> None:
    for data, number, position in ((b"\x1e1\n\x1e [2] 3\n", 2, 6), (b"\x1e1\n 2\n", 1, 4)):
        with pytest.raises(RecordDataError) as raised:
            await net.json_seq(split(data)).drain()
        assert (raised.value.number, raised.value.position) == (number, position)


async def test_a_text_is_delivered_at_its_line_feed() -> None:
    wire = Wire([b"\x1e[1,\n", b"2,\n", b"3]\n", b"\x1e4", b"\n"], pause=1)
    start = anyio.current_time()
    async with net.json_seq(wire) as texts:
        assert (await anext(texts), anyio.current_time() - start) == ([1, 2, 3], 3)
        assert (await anext(texts), anyio.current_time() - start) == (4, 5)


@pytest.mark.parametrize("split", [lambda data: [data], one_by_one])
async def test_the_length_of_a_text_is_limited(split: Any) -> None:
    read = net.json_seq(split(b"\x1e[1]\n\x1e[12]\n"), max_text=4)
    assert await told(read) == ([[1]], "text 2: longer than 4 bytes")


async def test_what_stands_behind_a_text_is_limited() -> None:
    read = net.json_seq(one_by_one(b"\x1e[1]\n\n\n\n\n\n"), max_text=4)
    assert await told(read) == ([[1]], "text 1: longer than 4 bytes")


async def test_a_text_in_many_lines_is_not_read_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = 0
    original = inspect.unwrap(net.json_seq).__globals__["text_row"].__globals__["decode"]

    def decode(text: str, start: int) -> Any:
        nonlocal tries
        tries += 1
        return original(text, start)

    monkeypatch.setattr("anystream._records.json.decode", decode)
    lines = [b"1,\n"] * 1000
    assert len(await net.json_seq([b"\x1e[\n", *lines, b"1]\n"]).first()) == 1001
    assert tries < 15


# -- a function of the user's ---------------------------------------------------------------------

LOADS = [
    pytest.param(json.loads, id="json"),
    pytest.param(orjson.loads, id="orjson"),
    pytest.param(msgspec.json.decode, id="msgspec"),
]


TWO = {"two lines", "two in one line", "two, and no line feed"}
"""Where such a function cannot tell the first text from what stands behind it."""


def without_its_words(told: tuple[list[Any], str]) -> tuple[list[Any], str]:
    """Each library has words and places of its own for what is wrong."""
    items, error = told
    return items, error.partition(",")[0]


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("name", sorted(DOCUMENTS.keys() - {"no UTF-8"}))
async def test_ndjson_with_another_function(loads: Any, name: str) -> None:
    case = DOCUMENTS[name]
    for chunks in ([case.data], one_by_one(case.data)):
        found = await told(net.ndjson(chunks, loads=loads))
        assert without_its_words(found) == without_its_words((case.items, case.error))


@pytest.mark.parametrize("loads", LOADS)
@pytest.mark.parametrize("name", sorted(SEQUENCES.keys() - TWO))
async def test_json_seq_with_another_function(loads: Any, name: str) -> None:
    case = SEQUENCES[name]
    for chunks in ([case.data], one_by_one(case.data)):
        found = await told(net.json_seq(chunks, loads=loads))
        assert without_its_words(found) == without_its_words((case.items, case.error))


async def test_two_texts_that_another_function_reads_as_one() -> None:
    read = net.json_seq([b"\x1e1\n\x1e[1] x"], loads=orjson.loads)
    items, error = await told(read)
    assert (items, error.partition(",")[0]) == ([1], "text 2: invalid JSON")


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    """An error about a field quotes its name."""


@pytest.mark.parametrize(("read", "start"), [(net.ndjson, b""), (net.json_seq, b"\x1e")])
async def test_what_another_function_says_does_not_act_on_a_terminal(
    read: Any, start: bytes
) -> None:
    text = json.dumps({"\x1b]0;PWNED\x07\x9b31m\x7f\r\nmore": 1}).encode()
    loads = msgspec.json.Decoder(Thing).decode
    with pytest.raises(RecordDataError, match="Object contains unknown field") as raised:
        await read([start, text, b"\n"], loads=loads).drain()
    assert str(raised.value).isprintable()
    assert r"`\x1b]0;PWNED\x07\x9b31m\x7f more`" in str(raised.value)


@pytest.mark.parametrize("loads", [None, *LOADS])
async def test_the_first_bad_line_of_many(loads: Any) -> None:
    """Blank ones count, and those before it come, wherever a part of a block ends."""
    for bad in (0, 1, 63, 64, 65, 200):
        lines = [b"%d" % number if number % 7 else b" \r" for number in range(300)]
        lines[bad] = b"[x"
        found: list[int] = []
        with pytest.raises(RecordDataError, match=f"line {bad + 1} .*invalid JSON") as raised:
            await net.ndjson([b"\n".join(lines)], loads=loads).for_each(found.append)
        assert found == [number for number in range(bad) if number % 7]
        assert raised.value.number == bad + 1
        assert isinstance(raised.value.__cause__, ValueError)


async def test_each_line_is_read_once_as_bytes() -> None:
    read: list[bytes] = []

    def loads(line: bytes) -> int:
        read.append(line)
        return int(line)

    with pytest.raises(RecordDataError, match=r"line 5 .*invalid JSON, invalid literal .* in 'x'"):
        await net.ndjson([b"1\r\n\n2\n3\nx\n4\n"], loads=loads).drain()
    assert read == [b"1", b"2", b"3", b"x"]


@pytest.mark.parametrize("error", [KeyError("a"), StopIteration(), ZeroDivisionError()])
async def test_an_error_of_the_function_is_one_of_the_line(error: Exception) -> None:
    def loads(line: bytes) -> Any:
        if line == b"2":
            raise error
        return line

    found: list[bytes] = []
    with pytest.raises(RecordDataError, match=r"line 2 of .* at column 1, in '2'") as raised:
        await net.ndjson([b"1\n2\n3\n"], loads=loads).for_each(found.append)
    assert found == [b"1"]
    assert raised.value.__cause__ is error or isinstance(error, StopIteration)


async def test_what_is_no_utf_8_is_shown() -> None:
    with pytest.raises(RecordDataError, match=r"line 2 of .*: invalid UTF-8 at byte 2$") as raised:
        await net.ndjson([b'1\n"\xff"\n'], loads=json.loads).drain()
    assert raised.value.position == 2
    with pytest.raises(RecordDataError, match=r"""line 1 of .* in '"\ufffd"'"""):
        await net.ndjson([b'"\xff"\n'], loads=orjson.loads).drain()


@pytest.mark.parametrize("loads", LOADS)
async def test_limits_hold_for_other_functions(loads: Any) -> None:
    read = net.ndjson([b"[1]\r\n[12]\n"], max_line=3, loads=loads)
    assert await told(read) == ([[1]], "line 2: longer than 3 bytes")
    read = net.json_seq([b"\x1e[1]\n\x1e[12]\n"], max_text=4, loads=loads)
    assert await told(read) == ([[1]], "text 2: longer than 4 bytes")


async def test_few_are_read_before_they_are_asked_for() -> None:
    read: list[bytes] = []

    def loads(line: bytes) -> bytes:
        read.append(line)
        return line

    assert await net.ndjson([b"1\n" * 1000], loads=loads).first() == b"1"
    assert len(read) <= 64


async def later(data: bytes) -> None: ...


@pytest.mark.parametrize("module", [net, http])
@pytest.mark.parametrize("name", ["ndjson", "json_seq"])
@pytest.mark.parametrize("loads", [5, "json", later])
def test_the_function_is_checked(module: Any, name: str, loads: Any) -> None:
    call = getattr(module, name)
    with pytest.raises(TypeError, match="loads must be a plain function from bytes to a value, g"):
        call("http://test/", loads=loads)
    assert repr(call("http://test/", loads=json.loads)).endswith("('http://test/', loads=loads)")
