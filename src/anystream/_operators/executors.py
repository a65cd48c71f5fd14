"""Checks of what is given as an executor, made at the call."""

from types import AsyncGeneratorType, CoroutineType
from typing import Any, cast

from .. import _args as check
from .._labels import whole


def makes_pool(executor: Any) -> bool:
    """Whether it is a function, or a class, that makes an executor."""
    return isinstance(executor, type) or (
        callable(cast("object", executor)) and not hasattr(executor, "submit")
    )


def checked_pool(executor: Any) -> Any:
    """`executor`, if that is one."""
    if hasattr(executor, "get_executor"):
        raise TypeError(
            f"executor must have the submit() of concurrent.futures, got {whole(executor)};"
            " give client.get_executor(pure=False)"
        )
    if not hasattr(executor, "submit"):
        raise TypeError(
            "executor must be a concurrent.futures.Executor or something else that has submit(),"
            f" or a function that makes one, got {whole(executor)}"
        )
    if type(executor).__name__ == "ClientExecutor" and is_pure(executor):
        raise ValueError(
            f"{whole(executor)} computes equal items only once, as pure=True says;"
            " give client.get_executor(pure=False)"
        )
    return executor


def is_pure(executor: Any) -> bool:
    """Whether Dask takes calls with equal arguments for the same; by default it does."""
    options: dict[str, Any] = getattr(executor, "_kwargs", {})
    return bool(options.get("pure", True))


def not_plain(fn: Any) -> TypeError:
    """The error of a function that only an event loop can call."""
    return TypeError(
        f"fn must be a plain function, which a worker of the executor calls, got {whole(fn)};"
        " without executor= an async function is awaited here"
    )


def unless_plain(fn: Any, outcomes: list[Any]) -> None:
    """Raise the error of a function whose results have to be awaited or read in an event loop."""
    kind = type(cast("object", outcomes[0]))
    if kind is AsyncGeneratorType:
        raise check.unread("fn", fn, "async generators")
    if kind is CoroutineType:
        for each in outcomes:
            if type(each) is CoroutineType:
                each.close()  # which nobody has awaited
        raise not_plain(fn)
