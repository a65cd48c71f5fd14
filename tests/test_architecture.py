"""The layers of the package: who imports whom, at whichever level and for whichever purpose."""

import ast
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
LEAVES = {"anystream._errors", "anystream._labels", "anystream._args", "anystream._hints"}
"""What everybody may import: it knows nothing of streams."""


def module_of(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    found = {module_of(path, SOURCE): path for path in SOURCE.rglob("*.py")}
    benchmarks = ROOT / "benchmarks"
    found |= {module_of(path, benchmarks): path for path in benchmarks.rglob("*.py")}
    return found | {"noxfile": ROOT / "noxfile.py"}


def targets(module: str, node: ast.ImportFrom) -> Iterator[str]:
    """The modules that a `from ... import ...` may mean."""
    package = module.split(".")
    if modules()[module].name != "__init__.py":
        package = package[:-1]
    base = package[: len(package) + 1 - node.level] if node.level else []
    origin = ".".join([*base, *([node.module] if node.module else [])])
    names = [f"{origin}.{alias.name}".lstrip(".") for alias in node.names]
    return iter([name for name in names if name in modules()] or [origin])


@cache
def imports(module: str) -> frozenset[str]:
    """What a module imports of ours: at its top, in a function, or for type checkers alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.update(targets(module, node))
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return frozenset(found & modules().keys() - {module})


def circle(module: str, path: tuple[str, ...], known: set[str]) -> tuple[str, ...] | None:
    """A way from a module back to one on the path to it."""
    if module in path:
        return (*path[path.index(module) :], module)
    if module in known:
        return None
    known.add(module)
    ways = (circle(target, (*path, module), known) for target in sorted(imports(module)))
    return next((way for way in ways if way), None)


def test_there_are_no_circles() -> None:
    """But from a package itself, which tells type checkers of its names."""
    known = {"anystream"}
    assert [way for module in modules() if (way := circle(module, (), known))] == []


def test_the_core_imports_nothing_above_itself() -> None:
    core = [module for module in modules() if module.startswith("anystream._core.")]
    assert len(core) > 10
    above = {
        (module, target)
        for module in core
        for target in imports(module)
        if not target.startswith("anystream._core") and target not in LEAVES
    }
    assert above == set()


def test_leaves_import_nothing_but_leaves() -> None:
    assert {leaf: imports(leaf) - LEAVES for leaf in LEAVES} == dict.fromkeys(LEAVES, frozenset())


def test_the_contracts_are_at_the_top_of_the_core() -> None:
    assert imports("anystream._core.contracts") == frozenset()


def test_nothing_imports_what_stands_beside() -> None:
    beside = (
        "anystream.asgi",
        "anystream.http",
        "anystream.redis",
        "anystream.testing",
        "anystream.watch",
        "anystream._cli",
        "anystream._bridges.",
    )
    arrows = {
        (module, target)
        for module in modules()
        for target in imports(module)
        if module.startswith("anystream.") and target.startswith(beside)
        if not module.startswith(beside) and module != "anystream.__main__"
    }
    assert arrows == set()


def test_the_facade_is_nothing_but_the_facade() -> None:
    """Whoever imports from it imports `Stream`."""
    names = {
        (module, alias.name)
        for module in modules()
        for node in ast.walk(ast.parse(modules()[module].read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and [*targets(module, node)] == ["anystream._stream"]
        for alias in node.names
    }
    assert {(module, name) for module, name in names if name != "Stream"} == set()


@cache
def classes() -> list[ast.ClassDef]:
    return [
        node
        for module, path in modules().items()
        if module.startswith("anystream.")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]


def test_no_class_of_the_library_has_the_name_of_another() -> None:
    names = Counter(node.name for node in classes())
    assert [name for name, times in names.items() if times > 1] == []


def slots(node: ast.ClassDef) -> list[str] | None:
    """The names in its `__slots__`, if it has them."""
    for part in node.body:
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "__slots__":
            return list(ast.literal_eval(part.value))
    return None


def test_no_class_adds_a_dict_to_slots() -> None:
    """CPython 3.13 takes three times as long for an attribute in it [map-ordered-ready]."""
    known = {node.name: node for node in classes()}

    def inherits_slots(node: ast.ClassDef) -> bool:
        bases = [known[name] for base in node.bases if (name := ast.unparse(base)) in known]
        return any(slots(base) or inherits_slots(base) for base in bases)

    assert [n.name for n in classes() if slots(n) is None and inherits_slots(n)] == []
    assert inherits_slots(known["Caller"])


def test_notes_are_added_past_the_error_itself() -> None:
    """An error of the user's may refuse them, by an error in the place of itself."""
    found = [path for path in SOURCE.rglob("*.py") if ".add_note(" in path.read_text("utf-8")]
    assert found == []


def test_work_is_timed_by_a_clock_that_no_test_can_freeze() -> None:
    """What freezes time replaces that of `time` in each module; a worker's is in its process."""
    named = {
        module
        for module, path in modules().items()
        if module.startswith("anystream") and "perf_counter" in path.read_text("utf-8")
    }
    assert named == {"anystream._core.contracts", "anystream._remote"}
