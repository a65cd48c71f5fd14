"""Whether a text that is not JSON could be if there were more of it."""

import re

_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+'
_DIGITS = r"-?(?:0|[1-9][0-9]*+)"
_FRACTION = r"(?:\.[0-9]++)?+"

_TOKEN = re.compile(
    rf"([\[\]{{}},:])|({_STRING}\")"
    rf"|(?:{_DIGITS}{_FRACTION}(?:[eE][+-]?[0-9]++)?+(?![.eE])|true|false|null)"
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
