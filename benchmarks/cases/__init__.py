"""The table of all cases, by family. Each module has its cases, and the sides above them."""

from . import life, operators, tasks, timing, web

CASES = (*operators.CASES, *tasks.CASES, *timing.CASES, *life.CASES, *web.CASES)
