"""The public surface: what there is to import, and that all of it is told, shown, typed and tested.

That each `__all__` is sorted, ruff sees to.
"""

import ast
import builtins
import copy
import doctest
import importlib
import inspect
import itertools
import operator
import pickle
import re
import tomllib
from collections.abc import AsyncGenerator, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_overloads

import anyio
import pytest
from rows import ROWS

import anystream
import anystream.asgi
import anystream.http
import anystream.net
import anystream.redis
import anystream.testing
import anystream.watch
from anystream import Retry, Run, Stream, StreamError, _errors
from anystream.http import Event, Header, PageNumber, PageStream, Scheme

ROOT = Path(__file__).parents[1]
MODULES = (
    anystream,
    anystream.asgi,
    anystream.http,
    anystream.net,
    anystream.redis,
    anystream.testing,
    anystream.watch,
)
PUBLIC: dict[str, Any] = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
} | {"anystream.zip": anystream.zip}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
ERRORS = {name: value for name, value in CLASSES.items() if issubclass(value, BaseException)}
FUNCTIONS = [name for name, value in PUBLIC.items() if inspect.isfunction(value)]

FOR_USERS = {Run: ["aclose"]}
"""Of a class that has methods for the rest of the package, too, those that users have."""


def methods(kind: type) -> list[str]:
    """The public methods and properties of a class."""
    if issubclass(kind, (BaseException, Scheme)):  # which have such methods only
        return []
    own = [
        name
        for name, value in vars(kind).items()
        if name[0] != "_" and (inspect.isfunction(value) or isinstance(value, property))
    ]
    return FOR_USERS.get(kind, own)


# -- what there is to import ----------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_nothing_else_can_be_seen_in_a_module(module: ModuleType) -> None:
    for names in (vars(module), dir(module)):
        public = {name for name in names if name[0] != "_"}
        beneath = {name for name in public if inspect.ismodule(getattr(module, name))}
        starred = public - beneath - ({"zip"} if module is anystream else set())
        assert starred == {*module.__all__}
        for name in beneath:
            assert getattr(module, name).__name__ == f"{module.__name__}.{name}"


def test_all_public_modules_are_looked_at() -> None:
    source = Path(anystream.__file__).parent
    modules = {path.stem if path.suffix else path.name for path in source.iterdir()}
    public = {f"anystream.{name}" for name in modules if name[0] != "_" and name != "py"}
    assert public == {module.__name__ for module in MODULES} - {"anystream"}


def test_every_name_that_is_imported_when_it_is_asked_for_has_a_home() -> None:
    named = [*itertools.chain(*anystream._HOMES.values()), *_errors.__all__]
    assert sorted(named) == [*anystream.__all__, "zip"]


def test_a_star_leaves_the_builtins_alone() -> None:
    assert not {*anystream.__all__} & {*dir(builtins)}
    for home, names in anystream._HOMES.items():
        module = importlib.import_module(f"anystream.{home}")
        assert all(getattr(module, name) is getattr(anystream, name) for name in names)


def test_the_version_is_the_one_of_the_package() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert anystream.__version__ == pyproject["project"]["version"]


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match=r"^module 'anystream' has no attribute 'nothing'$"):
        anystream.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from anystream import nothing  # type: ignore[attr-defined]  # noqa: F401


@pytest.mark.parametrize("name", ERRORS)
def test_a_traceback_shows_where_to_import_an_error_from(name: str) -> None:
    error = ERRORS[name]
    assert getattr(importlib.import_module(error.__module__), error.__name__) is error
    assert "._" not in error.__module__


@pytest.mark.parametrize(
    "error",
    [
        anystream.StreamBusyError("busy"),
        anystream.EmptyStreamError("empty"),
        anystream.CleanupTimeoutError("late"),
        anystream.http.RetryAfterError(429, "Slow", "https://example.com", 2, retry_after=5.0),
        anystream.http.GraphQLError(["no"], "https://example.com", 1),
        anystream.http.BodyStatusError(
            *(429, "Slow", "https://example.com"),
            retry_after=5.0,
            response=anystream.http.ErrorResponse(429, {"retry-after": "5"}, b"no"),
        ),
        anystream.redis.RedisRefusedError("no", "orders", "billing"),
        anystream.net.RecordDataError("line", 3, "a file", "no UTF-8", 5),
        anystream.testing.Deadlock(["a task waits", "another one waits"]),
    ],
    ids=lambda error: f"{type(error).__name__} {error}",
)
@pytest.mark.parametrize("form", [copy.copy, *range(pickle.HIGHEST_PROTOCOL + 1)])
def test_an_error_can_cross_to_another_process(error: BaseException, form: Any) -> None:
    error.add_note("a note")
    again = form(error) if callable(form) else pickle.loads(pickle.dumps(error, form))
    assert type(again) is type(error)
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize(
    "value", [Event("added", "1"), Header("Link"), PageNumber("p"), Retry(), Retry(random=float)]
)
def test_a_value_can_cross_to_another_process(value: object) -> None:
    again = pickle.loads(pickle.dumps(value))
    assert again == value
    assert repr(again) == repr(value)


def test_a_stream_cannot_cross_to_another_process() -> None:
    with pytest.raises(TypeError, match=r"^Stream\(\[1\]\)\.map\(str\) cannot be pickled; make"):
        pickle.dumps(Stream([1]).map(str))


# -- what is told, and shown ----------------------------------------------------------------

STREAMS = (Stream, PageStream)
IN_EXAMPLES = {
    **{name.rpartition(".")[2]: value for name, value in PUBLIC.items()},
    "AsyncGenerator": AsyncGenerator,
    "anyio": anyio,
    "itertools": itertools,
    "operator": operator,
}
SHOWN = {
    name: PUBLIC[name]
    for name in (*CLASSES, *FUNCTIONS)
    if name not in ERRORS or not issubclass(ERRORS[name], (StreamError, Warning))
} | {f"{kind.__name__}.{name}": getattr(kind, name) for kind in STREAMS for name in methods(kind)}
"""What needs an example: our own errors need none, and of methods those that a stream has."""


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_has_a_docstring(error: str) -> None:
    assert ERRORS[error].__doc__, "no docstring of its own"


REAL_TIME = {"anystream.from_callback", "anystream.signals", "anystream.watch.serve"}
"""Whose example waits for a thread of its own, for the operating system or for a socket."""


@pytest.fixture
def virtual_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `anyio.run` not wait for timers, whose readings would depend on how busy it is here."""
    run = anyio.run

    def run_in_virtual_time(*args: Any, backend: str = "asyncio", **options: Any) -> Any:
        virtual = {"backend_options": anystream.testing.backend(backend)[1]}
        return run(*args, backend=backend, **{**virtual, **options})

    if request.node.callspec.params["name"] not in REAL_TIME:
        monkeypatch.setattr(anyio, "run", run_in_virtual_time)


@pytest.mark.usefixtures("virtual_time")
@pytest.mark.parametrize("name", SHOWN)
def test_a_docstring_has_an_example_that_runs(name: str) -> None:
    text = inspect.getdoc(SHOWN[name])
    assert text, "no docstring"
    test = doctest.DocTestParser().get_doctest(text, dict(IN_EXAMPLES), name, None, 0)
    assert test.examples, "no example"
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert (result.failed, result.attempted) == (0, len(test.examples))


def test_whatever_a_user_calls_has_a_docstring() -> None:
    for kind in CLASSES.values():
        for name in methods(kind):
            assert inspect.getdoc(getattr(kind, name)), f"{kind.__qualname__}.{name}"


def code_in(text: str) -> str:
    """What is set as code in a text of Markdown."""
    return " ".join(re.findall(r"```.*?```|`[^`]+`", text, re.DOTALL))


def test_everything_that_streams_can_do_is_in_the_docs_and_in_the_changelog() -> None:
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/[!_]*/*.md")]
    docs = code_in("\n".join(page.read_text("utf-8") for page in pages))
    changes = code_in((ROOT / "CHANGELOG.md").read_text("utf-8"))
    for name in [*methods(Stream), *(function.rpartition(".")[2] for function in FUNCTIONS)]:
        assert re.search(rf"\b{name}\b", docs), name
        assert re.search(rf"\b{name}\b", changes), name


# -- signatures -----------------------------------------------------------------------------

NOT_CALLED = {
    f"anystream.{name}"
    for name in (
        "ObservedRun",
        "Run",
        "Sender",
        "http.PageRun",
        "http.PageStream",
        "redis.GroupStream",
        "redis.Message",
        "redis.Sink",
        "http.Page",
        "http.Step",
    )
}
"""Classes whose instances users are given, and do not make; a `Step` is a dictionary."""

CALLED: dict[str, Any] = {
    name: value
    for name, value in PUBLIC.items()
    if name in FUNCTIONS or (name in CLASSES and name not in ERRORS and name not in NOT_CALLED)
} | {
    f"{name}.{method}": getattr(kind, method)
    for name, kind in CLASSES.items()
    for method in methods(kind)
    if inspect.isfunction(getattr(kind, method))
}


def overloads(name: str) -> list[inspect.Signature]:
    called = CALLED[name]
    forms = get_overloads(called) if inspect.isfunction(called) else ()
    return [inspect.signature(form) for form in forms]


def test_overloads_are_found() -> None:
    assert len(overloads("anystream.Stream.map")) == 6
    assert len(overloads("anystream.zip")) == 6


@pytest.mark.parametrize("name", [name for name in CALLED if overloads(name)])
def test_an_overload_shows_the_defaults_that_the_function_has(name: str) -> None:
    """An editor shows the overloads, and not the function."""
    parameters = inspect.signature(CALLED[name]).parameters
    for overloaded in overloads(name):
        for each in overloaded.parameters.values():
            if each.default is not each.empty and each.name in parameters:
                assert each.default == parameters[each.name].default, each


def types_in(annotation: Any, namespace: dict[str, Any]) -> Iterator[type]:
    """The classes that an annotation names, whether or not it is a string."""
    parts: Iterable[Any] = get_args(annotation)
    if isinstance(annotation, str):
        nodes = ast.walk(ast.parse(annotation))
        parts = [namespace.get(node.id) for node in nodes if isinstance(node, ast.Name)]
    elif isinstance(annotation, list):
        parts = annotation
    for kind in (annotation, get_origin(annotation)):
        if isinstance(kind, type):
            yield kind
    for part in parts:
        yield from types_in(part, namespace)


@pytest.mark.parametrize("name", CALLED)
def test_a_signature_shows_nothing_private(name: str) -> None:
    """But protocols, which nobody has to name."""
    called = CALLED[name]
    namespace = vars(importlib.import_module(called.__module__))
    for signature in (inspect.signature(called), *overloads(name)):
        assert "<object" not in str(signature)
        annotations = [each.annotation for each in signature.parameters.values()]
        found = {*types_in([*annotations, signature.return_annotation], namespace)}
        ours = {kind for kind in found if kind.__module__.startswith("anystream")}
        private = {kind for kind in ours if not getattr(kind, "_is_protocol", False)}
        assert private - {*CLASSES.values()} == set()


# -- what is tested, and typed --------------------------------------------------------------


def test_every_operator_and_function_has_a_row() -> None:
    """So has `Stream`; what crosses threads is taken through the same in tests/bridges.

    The source of `signals` is the operating system, `explain` runs nothing, and `observe` takes no
    items.
    """
    others = {"from_thread", "to_sync", "signals", "explain", "observe"}
    functions = {name.partition(".")[2] for name in FUNCTIONS if name.count(".") == 1}
    rows = {row.name.split()[0] for row in ROWS}
    assert rows == (functions | {*methods(Stream), "Stream", "Retry"}) - others


def pinned(tree: ast.AST) -> Iterator[ast.AST]:
    """What is asserted to have a type, and the decorators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "assert_type":
            yield from ast.walk(node.args[0])
        elif isinstance(node, ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                yield from ast.walk(decorator)


def typed(file: Path) -> Iterator[str]:
    """The names of ours of which a file says the type; a class is one wherever it stands."""
    tree = ast.parse(file.read_text("utf-8"))
    imported = {
        name.asname or name.name: f"{node.module}.{name.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    yield from (name for node in names if (name := imported.get(node.id)) in CLASSES)
    for node in pinned(tree):
        if isinstance(node, ast.Name):
            yield imported.get(node.id, node.id)
        elif isinstance(node, ast.Attribute):
            yield from (ast.unparse(node), f".{node.attr}")


def test_the_type_of_everything_public_is_pinned() -> None:
    found = {name for file in (ROOT / "tests/typing").glob("*.py") for name in typed(file)}
    wanted = {
        *CLASSES,
        *FUNCTIONS,
        *(f".{name}" for kind in CLASSES.values() for name in methods(kind)),
    }
    assert sorted(wanted - found) == []
