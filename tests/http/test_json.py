"""JSON bodies, and the texts of the items in them."""

import codecs
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anystream.http.pages.document import Document, NotJSON

GOOD = r"""
0
-0
-1
10
1.5
-0.0
1.10
1e3
1E+3
1e-3
0e1
0.1e1
123456789012345678901234567890
1e400
-1e-400
true
false
null
""
"a"
" "
"\""
"\\"
"\/"
"\b\f\n\r\t"
"\u0000"
"\u00e9"
"\ud83d\ude00"
"\ud800"
"\uDEAD\uD800"
"é€😀"
"\\u12"
"[}],:"
[]
[ ]
[[]]
[1]
[1,2]
[ 1 , 2 ]
["a",true,null,{}]
[[[[]],[]]]
{}
{ }
{"":0}
{"a":1}
{"a":1,"a":2}
{ "a" : { "b" : [ ] } , "c" : null }
{"a":"}, {","b":[{},{}]}
{"\u0061":[1]}
{"a":{"a":{"a":[{"a":[]}]}}}
""".strip().split("\n")

BAD = r"""
01
-01
00
1.e1
.5
+1
1e
1ex
1.5.5
--1
-x
0x10
1_000
True
nul0
truefalse
nulll
'a'
a
"a" "b"
"\x"
"\u12G4"
"\u123"x
"\
]
}
,
:
[,
[,1]
[1,]
[1,,2]
[1 2]
[1:2]
[1}
[1]]
[]x
[[],}
["a" 1]
{,}
{"a"}
{"a",1}
{"a":}
{"a":1,}
{"a":1,,}
{"a":1 "b":2}
{"a" 1}
{a:1}
{1:1}
{null:1}
{[]:1}
{"a":1]
{"a":1}}
{"a"::1}
{"a":1}{
/* */1
1//
[1]#
{"a":[1}
""".strip().split("\n")

TRUNCATED = r"""
[
[1
[1.
[1e
[1e+
[1.5E-
[-
-
1.
1e
[1,
[ 1 ,
["
["a
["a\
["a\u
["a\u00e
["a"
[tru
[n
t
fals
{
{"
{"a
{"a"
{"a":
{"a": [
{"a":1
{"a":1,
{"a":{"b":[{}
[[[[
""".strip("\n").split("\n")  # fmt: skip

MODES = pytest.mark.parametrize("texts", [False, True])


def refusal(content: bytes, *, texts: bool) -> NotJSON:
    with pytest.raises(NotJSON) as caught:
        Document(content, texts)
    return caught.value


@MODES
@pytest.mark.parametrize("text", GOOD)
def test_what_is_json(text: str, texts: bool) -> None:
    for body in (text, f"\t\r\n {text}\n"):
        assert same(Document(body.encode(), texts).data, json.loads(text))
    listed = f"[{text}]"
    if texts:
        document = Document(listed.encode(), texts)
        assert document.texts(document.data) == ([text.strip()] if text.strip() else [])
    nested = Document(f'{{"a":{{"b" : {listed} }}}}'.encode(), texts)
    assert same(nested.data["a"]["b"], json.loads(listed))


def same(left: Any, right: Any) -> bool:
    return repr(left) == repr(right)  # which tells -0.0 from 0.0 and 1 from 1.0


@MODES
@pytest.mark.parametrize("text", BAD)
def test_what_is_not(text: str, texts: bool) -> None:
    for body in (text, f'[{text}, "x"]', f'{{"a": {{"b": {text}}}}}'):
        assert refusal(body.encode(), texts=texts).truncated is is_beginning(body)


@MODES
@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_what_only_python_takes_for_json(name: str, texts: bool) -> None:
    error = refusal(f'{{"a": [{name}]}}'.encode(), texts=texts)
    assert (str(error), error.truncated) == (f"{name} is not JSON", False)


def is_beginning(text: str) -> bool:
    """The same by trial: is there a JSON text that goes on like this?"""
    return any(loads(text + end) for end in ENDS)


def loads(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda name: [][0])
    except (ValueError, IndexError):
        return False
    return True


WORDS = ["rue", "ue", "e", "alse", "lse", "se", "ull", "ll", "l"]
STRINGS = ['"', *("0" * n + '"' for n in range(1, 5)), '\\"']
INNER = ["", "0", *WORDS, *STRINGS, *(f"{end}:0" for end in STRINGS), ":0", '"":0']
ENDS = [inner + outer for inner in INNER for outer in ["", "]", "}", "]}", "}}", "}]}", "]]]]"]]


@MODES
@pytest.mark.parametrize("text", ["", " \n", *TRUNCATED])
def test_what_was_cut(text: str, texts: bool) -> None:
    assert refusal(text.encode(), texts=texts).truncated
    assert not refusal(text.encode() + b"\x01", texts=texts).truncated


@pytest.mark.parametrize("text", [text for text in GOOD if not text[-1].isdigit() and text != "-"])
def test_every_beginning_was_cut(text: str) -> None:
    """And so was half a character, if it stood in a string."""
    content = f'{{"k\u20ac": [{text}, "\U0001f600"]}}'.encode()
    for end in range(len(content)):
        assert refusal(content[:end], texts=True).truncated, content[:end]


@MODES
@pytest.mark.parametrize(
    ("content", "truncated"),
    [
        (b'["\xff', False),
        (b'["\xff"]', False),
        (b"[\xe2\x82", False),
        (b'["\xe2\x82', True),
        (b'["\xe2\x82 "]', False),
        ('["a"'.encode("utf-16") + b"]", True),
        ('["a"]'.encode("utf-16") + b" ", False),
    ],
)
def test_what_is_no_text(content: bytes, truncated: bool, texts: bool) -> None:
    assert refusal(content, texts=texts).truncated is truncated


@MODES
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_every_encoding(encoding: str, texts: bool) -> None:
    document = Document('{"a": ["\u00e9\U0001f600"]}'.encode(encoding), texts)
    assert document.data == {"a": ["\u00e9\U0001f600"]}
    if texts:
        assert document.texts(document.data["a"]) == ['"\u00e9\U0001f600"']


def test_a_surrogate_in_utf_8_is_no_text() -> None:
    content = b'["\xed\xa0\x80"]'
    assert Document(content).data == ["\ud800"] == json.loads(content)
    assert not refusal(content, texts=True).truncated
    assert refusal(codecs.BOM_UTF8 * 2 + b"1", texts=False).args


@MODES
def test_integers_that_int_refuses(texts: bool) -> None:
    digits = "1" * 5000
    document = Document(f'{{"a": [-{digits}, 7], "b": 8}}'.encode(), texts)
    assert document.data == {"a": [Decimal(f"-{digits}"), 7], "b": 8}
    assert type(document.data["b"]) is int
    if texts:
        assert document.texts(document.data["a"]) == [f"-{digits}", "7"]
    assert refusal(f"[{digits},".encode(), texts=texts).truncated


@MODES
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply(begin: str, end: str, texts: bool) -> None:
    error = refusal((begin * 100_000 + "1" + end * 100_000).encode(), texts=texts)
    assert str(error) == "it is nested too deeply"


def texts_of(body: str, *path: str) -> list[str]:
    document = Document(body.encode(), texts=True)
    items = document.data
    for name in path:
        items = items[name]
    return document.texts(items)


def test_texts_are_in_one_line() -> None:
    assert texts_of('{"a": [\n  {\n    "b":  1,\r\n\t"c": "x  y"  \n  },\n  {} \n ]}', "a") == [
        '{ "b":  1, "c": "x  y" }',
        "{}",
    ]
    assert texts_of('[1 ,\n"\u2028 ,", [ 1,\n\n2 ] ]') == ["1", '"\u2028 ,"', "[ 1, 2 ]"]


@pytest.mark.parametrize(
    "items",
    [
        ['{"a": "}, {"}'],
        ['{"a": "},{"}', "{}"],
        ["{}", '{"a": [{}, {}]}', "{}"],
        ['{"a": [{}, {}]}', "1"],
        ['{"a":1}', '{"a":{"b":{}}}', '{"c":[]}'],
        ["{ }", '{"a" : 1 }'],
        ["[]", "[[], {}]"],
        ["{}", "0"],
        [],
    ],
)
@pytest.mark.parametrize("comma", [",", " , ", "\n,"])
def test_items_are_told_from_what_is_in_them(items: list[str], comma: str) -> None:
    assert texts_of(f"[{comma.join(items)}]") == items
    assert (
        texts_of(f'{{"x": [{{}}, {{}}], "a": {{"b": [ {comma.join(items)} ]}}}}', "a", "b") == items
    )


def test_only_lists_of_the_document_have_texts() -> None:
    document = Document(b'{"a": [1], "a": [[2], 3], "b": {"c": []}}', texts=True)
    assert document.texts(document.data["a"]) == ["[2]", "3"]
    assert document.texts(document.data["b"]["c"]) == []
    for items in ([1], document.data["a"][0]):
        with pytest.raises(ValueError, match="items must be a list of this document"):
            document.texts(items)
    plain = Document(b"[1]")
    with pytest.raises(ValueError, match="items must be"):
        plain.texts(plain.data)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.sampled_from('{}[],:"\\ \n\u00e9a'), max_size=6)
    | st.sampled_from(["}, {", "},{"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab{"), inner, max_size=3)
    ),
    max_leaves=8,
)
space = st.text(" \n\t\r", max_size=2)


def spread(value: Any, draw: st.DrawFn) -> str:
    """This as JSON, with any white space where there may be some."""
    before, behind = draw(space), draw(space)
    if isinstance(value, dict):
        pairs = [
            f"{draw(space)}{json.dumps(name)}{draw(space)}:{spread(item, draw)}"
            for name, item in value.items()
        ]
        return f"{before}{{{','.join(pairs) or draw(space)}}}{behind}"
    if isinstance(value, list):
        return f"{before}[{','.join(spread(item, draw) for item in value)}]{behind}"
    return before + json.dumps(value, ensure_ascii=draw(st.booleans())) + behind


@settings(max_examples=150)
@given(
    st.lists(values, max_size=4) | st.lists(st.dictionaries(st.sampled_from("ab"), values)),
    st.data(),
)
def test_any_items_in_any_spacing(items: list[Any], data: st.DataObject) -> None:
    inner = [spread(item, data.draw) for item in items]
    texts = texts_of(f'{{"k": [{",".join(inner)}]}}', "k")
    assert [json.loads(text) for text in texts] == items
    for text, original in zip(texts, inner, strict=True):
        assert "\n" not in text
        assert "\r" not in text
        assert text == re.sub(r"[ \t]*[\r\n][ \t\r\n]*", " ", original.strip())


@settings(max_examples=150)
@given(st.text(st.sampled_from('{}[],:"\\ \n01-.eEtruefalsn'), max_size=12))
def test_any_text_is_read_as_json_reads_it(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        for texts in (False, True):
            error = refusal(text.encode(), texts=texts)
            assert error.truncated or not is_beginning(text)
    else:
        assert same(Document(text.encode(), True).data, expected)
