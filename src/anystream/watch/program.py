"""`anystream watch`: a function of the user's, and a page that shows its pipelines."""

import sys
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, cast

import anyio

from .._core.siblings import bare
from .serving import serve


class NoSuchFunctionError(Exception):
    """What the command line names is not there."""


class NoPageError(Exception):
    """The page cannot be served."""


def run_watched(path: str, backend: str, port: int) -> int:
    """Run the function with the page, and give the exit code."""
    try:
        function = found(path)
    except NoSuchFunctionError as error:
        print(f"anystream watch: {error}", file=sys.stderr)
        return 2
    try:
        anyio.run(beside_page, function, port, backend=backend)
    except BaseExceptionGroup as errors:
        if errors.subgroup(KeyboardInterrupt) is not None:
            return 130
        if (unserved := errors.subgroup(NoPageError)) is not None:
            print(f"anystream watch: {bare(unserved)}", file=sys.stderr)
            return 1
        left, failed = errors.split(SystemExit)
        if left is not None and failed is None:
            raise bare(left) from None
        traceback.print_exception(failed)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def found(path: str) -> Callable[[], Awaitable[Any]]:
    module, _, name = path.partition(":")
    if not (name and all(part.isidentifier() for part in module.split("."))):
        raise NoSuchFunctionError(f"{path!r} is not of the form MODULE:FUNCTION")
    sys.path.insert(0, "")  # as `python -m` has it
    try:
        function: Any = attrgetter(name)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise NoSuchFunctionError(f"cannot find {path}: {error}") from error
    if not callable(function):
        raise NoSuchFunctionError(f"{path} is not a function")
    return cast("Callable[[], Awaitable[Any]]", function)


async def beside_page(function: Callable[[], Awaitable[Any]], port: int) -> None:
    async with anyio.create_task_group() as tasks:
        try:
            url = await tasks.start(serve, port)
        except (OSError, ImportError) as error:
            raise NoPageError(f"cannot serve on port {port}: {error}") from error
        print(f"watch it on {url}", file=sys.stderr, flush=True)
        await function()
        tasks.cancel_scope.cancel()
