"""The table: every operator, function and terminal call, and what it makes of a list.

`test_contract.py` takes each row through every guarantee that the package gives, and
`test_sweep.py` cuts it at every step of any task. A new operator is a new row.
"""

import functools
from collections.abc import Iterable
from typing import Any

from anystream import Stream

from .adapted import INSIDE, TERMINAL
from .clock import CLOCKED
from .recover import RECOVERING, RECOVERING_IN_TASKS, RECOVERING_INSIDE
from .row import (
    FORMS,
    Check,
    Function,
    Row,
    in_any_order,
    in_order,
    in_order_of_each,
    plain,
    ready,
    same,
    some,
    suspending,
)
from .segment import SEGMENT
from .tasks import TASKS

__all__ = [
    "ADAPTED",
    "CASES",
    "FORMS",
    "IN_A_SEGMENT",
    "IN_TASKS",
    "ROWS",
    "Check",
    "Function",
    "Row",
    "expected",
    "in_any_order",
    "in_order",
    "in_order_of_each",
    "plain",
    "ready",
    "same",
    "some",
    "suspending",
    "through",
]

IN_A_SEGMENT = (*SEGMENT, *RECOVERING)
IN_TASKS = (*TASKS, *RECOVERING_IN_TASKS, *CLOCKED)
ADAPTED = (*INSIDE, *RECOVERING_INSIDE)
ROWS = (*IN_A_SEGMENT, *IN_TASKS, *ADAPTED, *TERMINAL)

CASES = [(row, form) for row in ROWS for form in (FORMS if row.calls else FORMS[:1])]


def through(rows: Iterable[Row], stream: Stream[Any], form: Function) -> Stream[Any]:
    return functools.reduce(lambda s, row: row.apply(s, form), rows, stream)


def expected(rows: Iterable[Row], items: Iterable[Any]) -> list[Any]:
    return list(functools.reduce(lambda xs, row: row.oracle(xs), rows, items))
