"""JSON bodies, the very texts of the items in them, and whether one was cut short."""

import json
import re
from decimal import Decimal
from json import JSONDecodeError
from typing import Any, Never

_COMMA = re.compile(r"[ \t\r\n]*+,[ \t\r\n]*+")
_BETWEEN = re.compile(r"\}[ \t\r\n]*+,[ \t\r\n]*+\{")
# It starts where white space does, or each blank of a long row would begin another search.
_BREAK = re.compile(r"(?<![ \t])[ \t]*+[\r\n][ \t\r\n]*+")


class NotJSON(ValueError):
    """The body is not JSON. It is `truncated` if more of it could have made it JSON."""

    def __init__(self, problem: str, *, truncated: bool = False) -> None:
        super().__init__(problem)
        self.truncated = truncated


def cut_short(content: bytes) -> bool:
    """Whether a body is not JSON, but could be if there were more of it."""
    try:
        Document(content)
    except NotJSON as error:
        return error.truncated
    return False


class Document:
    """A JSON body: its `data`, as `json.loads` gives it, and the texts of the items in it.

    `content` may be in UTF-8, UTF-16 or UTF-32. With `texts` it has to be JSON to the letter, and
    `texts()` can be asked for. An integer with too many digits for `int` becomes a `Decimal`.

    Raises `NotJSON`.
    """

    def __init__(self, content: bytes, texts: bool = False) -> None:
        self._text = _decoded(content, "strict" if texts else "surrogatepass")
        self._lists: dict[int, tuple[list[Any], int, int]] = {}  # by id, and from where to where
        self._decoder = STRICT
        try:
            self.data: Any = self._read(walk=texts)
        except JSONDecodeError as error:
            raise NotJSON(str(error), truncated=is_cut(self._text)) from None
        except RecursionError:
            raise NotJSON("it is nested too deeply") from None

    def texts(self, items: list[Any]) -> list[str]:
        """The text of each item, as it stands in the body, but in one line.

        White space with a line break in it becomes a blank; nothing else is changed. `items` must
        be a list in `data` itself, and one that no other list holds.
        """
        if id(items) not in self._lists:
            raise ValueError("items must be a list of this document that is in no other list")
        if not items:
            return []
        _, start, end = self._lists[id(items)]
        inner = self._text[start + 1 : end - 1].strip(" \t\r\n")
        if "\n" in inner or "\r" in inner:  # in JSON never within a string
            inner = _BREAK.sub(" ", inner)
        if set(map(type, items)) == {dict}:
            texts = _flat(inner, len(items)) or _BETWEEN.sub("}\n{", inner).split("\n")
            # All that is between two of these looks so. If nothing else does, it is all there is.
            if len(texts) == len(items):
                return texts
        return self._one_by_one(inner)

    def _one_by_one(self, inner: str) -> list[str]:
        texts: list[str] = []
        at = 0
        while True:
            _, end = self._decoder.raw_decode(inner, at)
            texts.append(inner[at:end])
            comma = _COMMA.match(inner, end)
            if not comma:
                return texts
            at = comma.end()

    def _read(self, *, walk: bool) -> Any:
        read = self._walk if walk else self._parse
        try:
            return read()
        except (JSONDecodeError, NotJSON):
            raise
        except ValueError:  # an integer has more digits than Python likes to convert
            self._decoder = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer)
            return read()

    def _parse(self) -> Any:
        return self._decoder.decode(self._text)

    def _walk(self) -> Any:
        """Parse the text, and note where lists are. What is in them is left to the C code."""
        text = self._text
        value, end = self._value(after_space(text, 0))
        end = after_space(text, end)
        if end < len(text):
            raise JSONDecodeError("Extra data", text, end)
        return value

    def _value(self, at: int) -> tuple[Any, int]:
        if self._text.startswith("{", at):
            return self._object(at)
        read: tuple[Any, int] = self._decoder.raw_decode(self._text, at)
        value, end = read
        if issubclass(type(value), list):
            self._lists[id(value)] = (value, at, end)
        return read

    def _object(self, at: int) -> tuple[dict[str, Any], int]:
        text = self._text
        found: dict[str, Any] = {}
        at = after_space(text, at + 1)
        if text.startswith("}", at):
            return found, at + 1
        while True:
            if not text.startswith('"', at):
                raise JSONDecodeError("Expecting a name in double quotes", text, at)
            name, at = self._decoder.raw_decode(text, at)
            at = after_space(text, at)
            if not text.startswith(":", at):
                raise JSONDecodeError("Expecting ':' delimiter", text, at)
            found[name], at = self._value(after_space(text, at + 1))
            at = after_space(text, at)
            if text.startswith("}", at):
                return found, at + 1
            if not text.startswith(",", at):
                raise JSONDecodeError("Expecting ',' delimiter", text, at)
            at = after_space(text, at + 1)


def _flat(inner: str, count: int) -> list[str] | None:
    """The texts of `count` objects, if there are no other braces and all commas look the same."""
    if inner.count("{") != count or not (first := _BETWEEN.search(inner)):
        return None
    texts = inner.replace(first[0], "}\n{").split("\n")
    return texts if len(texts) == count else None


def _decoded(content: bytes, errors: str) -> str:
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding, errors)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(encoding, errors)
        # In UTF-8 half a character can only be in a string; in the others it may be anything.
        more = "\ufffd" if encoding.startswith("utf-8") else ""
        cut = error.end == len(error.object) and error.reason in _CUT_REASONS
        raise NotJSON(str(error), truncated=cut and is_cut(before + more)) from None


_CUT_REASONS = ("unexpected end of data", "truncated data")


def _no_constant(name: str) -> Never:
    raise NotJSON(f"{name} is not JSON")


STRICT = json.JSONDecoder(parse_constant=_no_constant)
"""What reads JSON and nothing else; Python's own takes NaN and Infinity as well."""


def _integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:
        return Decimal(digits)


# -- whether there should be more of it ---------------------------------------------------------

# No group is possessive: before Python 3.11.5 one is not tried again if it fails inside.
_PLAIN = r'[^"\\\x00-\x1f]*+'
_STRING = rf'"{_PLAIN}(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{{4}}){_PLAIN})*'
_DIGITS = r"-?(?:0|[1-9][0-9]*+)"
_FRACTION = r"(?:\.[0-9]++)?"

_TOKEN = re.compile(
    rf"([\[\]{{}},:])|({_STRING}\")"
    rf"|(?:{_DIGITS}{_FRACTION}(?:[eE][+-]?[0-9]++)?(?![.eE])|true|false|null)"
)
_HALF_STRING = re.compile(rf"{_STRING}(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?")
_HALF_VALUE = re.compile(rf"-|{_DIGITS}(?:\.|{_FRACTION}[eE][+-]?)|t|tr|tru|f|fa|fal|fals|n|nu|nul")
_SPACES = re.compile(r"[ \t\r\n]*+")

# What may come next: a mark, a string (`"`), or a number or one of the three words (`v`).
_VALUE = '[{"v'


def is_cut(text: str) -> bool:
    """Whether `text` is the beginning of a JSON text, but not all of one."""
    ends: list[str] = []  # of the lists and objects that are open
    expected, is_name = _VALUE, False
    at = after_space(text, 0)
    while found := _TOKEN.match(text, at):
        kind = found[1] or ('"' if found[2] else "v")
        if kind not in expected:
            return False
        at = after_space(text, found.end())
        if kind in "[{":
            ends.append("]" if kind == "[" else "}")
            expected, is_name = (_VALUE + "]", False) if kind == "[" else ('"}', True)
        elif kind == ":":
            expected, is_name = _VALUE, False
        elif kind == ",":
            is_name = ends[-1] == "}"
            expected = '"' if is_name else _VALUE
        elif is_name and kind == '"':
            expected = ":"
        else:
            if kind in "]}":
                ends.pop()
            expected = "," + ends[-1] if ends else ""
    rest = text[at:]
    if not rest:
        return bool(expected)
    if rest.startswith('"'):
        return '"' in expected and bool(_HALF_STRING.fullmatch(rest))
    return "v" in expected and bool(_HALF_VALUE.fullmatch(rest))


def after_space(text: str, at: int) -> int:
    spaces = _SPACES.match(text, at)
    assert spaces  # there may be none
    return spaces.end()
