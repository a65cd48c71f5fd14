"""The data of the pages: items with a number and a name."""

from anystream._cli.server.http import Request

VALUES = (
    "12345678901234567890123",
    "1.10",
    "1e400",
    "-0.0",
    r'"\u00e9\ud83d\ude00"',
    r'"\ud800"',
    '1, "value": 2',  # a key twice
    '"\\/"  ,\t"more" :[ 1 ,2 ]',
    '{\n  "lines": [\r\n    1\n  ]\n}',
)
"""JSON texts that are not the same any more when they have been parsed and written again."""


def text_of(number: int, *, verbatim: bool = False) -> str:
    """The item `number` as JSON, with one of `VALUES` if it is for a test of verbatim texts."""
    start = f'{{"id": {number}, "name": "item {number}"'
    return f'{start}, "value": {VALUES[number % len(VALUES)]}}}' if verbatim else start + "}"


def texts_of(numbers: range, request: Request) -> list[str]:
    """These items, in the form that the request asks for."""
    verbatim = request.query.get("verbatim") == "1"
    return [text_of(number, verbatim=verbatim) for number in numbers]


def count_of(request: Request) -> int:
    """How many items there are."""
    return request.number("n", 25)
