"""`--select` and `--csv`: parts of items, as they were written."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anystream._cli import main
from anystream._cli.columns import Table, lines_of, members, value_at
from anystream._cli.endings import CommandError

from .running import at_home
from .small import Small, serving

__all__ = ["at_home"]  # a fixture

Capture = pytest.CaptureFixture[str]

ITEM = (
    '{"id": 12345678901234567890123, "price" : 1.10,"a.b": {"c": null}, "a": {"b": "no"},'
    ' "tags": ["x" , [1e400, {"deep": -0.0}]], "name": "\\u00e9 \\"x\\"", "twice": 1, "twice": 2,'
    ' "empty": {}, "": "blank"}'
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("id", "12345678901234567890123"),
        ("price", "1.10"),
        ("a.b", '{"c": null}'),
        ("a.b.c", ""),  # a longer key goes before, and there is no way back
        ("tags.0", '"x"'),
        ("tags.1.0", "1e400"),
        ("tags.1", '[1e400, {"deep": -0.0}]'),
        ("tags.1.1.deep", "-0.0"),
        ("tags.2", ""),
        ("tags.x", ""),
        ("name", '"\\u00e9 \\"x\\""'),
        ("name.x", ""),
        ("twice", "2"),
        ("empty", "{}"),
        ("empty.x", ""),
        ("", '"blank"'),
        ("nowhere", ""),
    ],
)
def test_what_is_at_a_path(path: str, text: str) -> None:
    assert value_at(members(f" {ITEM}"), path) == text


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")  # which the reader refuses

TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('ab:,{}[]" ', max_size=3), inner),
    max_leaves=20,
)


@given(TREES, st.sampled_from([None, 1]))
def test_every_part_of_every_item_is_found(tree: Any, indent: int | None) -> None:
    text = json.dumps(tree, indent=indent)
    keys = (
        [*tree] if isinstance(tree, dict) else [*range(len(tree))] if isinstance(tree, list) else []
    )
    for key in keys:
        assert json.loads(value_at(members(text), str(key))) == tree[key]
    assert value_at(members(text), "nowhere") == ""


def test_one_path_gives_values_and_several_give_objects() -> None:
    items = ['{"a": 1.0, "b": {"c": [1]}}', '{"a": null}', "[7]"]
    assert lines_of([], as_csv=False)(items) is items
    assert lines_of(["b.c"], as_csv=False)(items) == ["[1]", "null", "null"]
    assert lines_of(["a", "é"], as_csv=False)(items) == [
        '{"a": 1.0, "é": null}',
        '{"a": null, "é": null}',
        '{"a": null, "é": null}',
    ]


@given(st.lists(st.fixed_dictionaries({"a": st.text(CHARACTERS), "b,": st.integers()}), min_size=1))
def test_csv_is_what_a_reader_reads(items: list[dict[str, Any]]) -> None:
    lines = lines_of([], as_csv=True)([json.dumps(item) for item in items])
    found = [*csv.DictReader(io.StringIO("".join(f"{line}\n" for line in lines), newline=""))]
    assert found == [{"a": item["a"], "b,": str(item["b,"])} for item in items]


def rows(paths: list[str], *items: str) -> list[str]:
    return Table(paths).lines(items)


def test_the_keys_of_the_first_item_are_the_header() -> None:
    assert rows([], '{"a": 1, "b, c": "x\\ny"}', '{"b, c": null}', '{"a": [1, "z"]}') == [
        'a,"b, c"',
        '1,"x\ny"',
        ",",
        '"[1, ""z""]",',
    ]
    assert rows([]) == []


def test_the_paths_are_the_header() -> None:
    assert rows(["a.b", "n"], '{"a": {"b": true}, "n": 1.10, "more": 1}', "7") == [
        "a.b,n",
        "true,1.10",
        ",",
    ]


def test_half_a_character_stays_as_it_was_written() -> None:
    assert rows([], '{"\\ud800": "x \\udc00"}') == ['"""\\ud800"""', '"""x \\udc00"""']


def test_what_has_no_column_is_an_error() -> None:
    table = Table([])
    with pytest.raises(CommandError, match=r"^item 2 has 'a'"):
        rows([], "{}", '{"a": 1}')
    assert table.lines(['{"a": 1}']) == ["a", "1"]
    with pytest.raises(CommandError) as raised:
        table.lines(['{"a": 1, "z": 2}'])
    assert str(raised.value) == (
        "item 2 has 'z', which the first item does not have: name the columns with --select"
    )
    with pytest.raises(
        CommandError, match=r"^item 3 is not an object, so it has no columns: \[1\]$"
    ):
        table.lines(["[1]"])


def test_what_is_nested_too_deeply() -> None:
    with pytest.raises(CommandError, match="an item is nested too deeply: "):
        members('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")


# -- in the commands ----------------------------------------------------------------------------

ITEMS = (
    b'{"next": null, "items": [{"id": 1.10, "who": {"name": "\xc3\xa9"}}, {"id": 2, "who": null}]}'
)

real_time = pytest.mark.real_time


@real_time
@pytest.mark.parametrize(
    ("options", "written"),
    [
        ("--select who.name", '"é"\nnull\n'),
        ("--select id --slurp", "[\n1.10\n,2\n]\n"),
        (
            "--select id --select who",
            '{"id": 1.10, "who": {"name": "é"}}\n{"id": 2, "who": null}\n',
        ),
        ("--csv", 'id,who\n1.10,"{""name"": ""é""}"\n2,\n'),
        ("--csv --select who.name,id", "who.name,id\né,1.10\n,2\n"),
    ],
)
def test_parts_of_the_items_of_pages(capfd: Capture, options: str, written: str) -> None:
    with serving(Small(ITEMS)) as small:
        assert main(["pages", small.url, *options.split()]) == 0
    assert capfd.readouterr() == (written, "")


@real_time
def test_an_item_without_a_column_ends_the_command(capfd: Capture) -> None:
    with serving(Small(b'[{"a": 1}, {"b": 2}]')) as small:
        assert main(["pages", small.url, "--csv"]) == 1
    out, err = capfd.readouterr()
    assert not out
    assert err.startswith("anystream: item 2 has 'b', ")


@real_time
def test_parts_of_documents(capfd: Capture, tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text('{"a": 1.0}\n\n {"a": [2]}\n')
    for options, written in (("--select a", "1.0\n[2]\n"), ("--csv", "a\n1.0\n[2]\n")):
        assert main(["lines", str(path), "--ndjson", *options.split()]) == 0
        assert capfd.readouterr() == (written, "")
    for option in ("--select=a", "--csv"):
        assert main(["lines", str(path), option]) == 2
        message = f"anystream: argument {option.partition('=')[0]}: only with --ndjson\n"
        assert capfd.readouterr() == ("", message)
