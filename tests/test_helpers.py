"""The modules that tests share: their asserts tell the values, as those of tests do."""

import ast
import importlib
from pathlib import Path

import pytest
from rows import in_order

HERE = Path(__file__).parent


def name_of(path: Path) -> str:
    """What tests import it by: pytest puts the folder on the path that is in no package."""
    names = [path.stem]
    while (path := path.parent).joinpath("__init__.py").exists():
        names.insert(0, path.name)
    return ".".join(names).removesuffix(".__init__")


ASSERTING = {
    name_of(path): path
    for path in sorted(HERE.glob("**/*.py"))
    if not path.name.startswith(("test_", "conftest")) and HERE / "typing" not in path.parents
    if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text("utf-8"))))
}


def test_an_assert_in_a_helper_tells_the_values() -> None:
    with pytest.raises(AssertionError, match=r"^assert \[1, 7\] == \[1, 2\]"):
        in_order([1, 7], [1, 2, 3], False)


@pytest.mark.parametrize("name", ASSERTING)
def test_pytest_has_rewritten_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE / "http")
    assert "@pytest_ar" in vars(importlib.import_module(name))
