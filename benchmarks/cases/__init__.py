"""The table of all cases, by family. Each module has its cases, and the sides above them."""

from . import executors, life, operators, primitives, scaling, tasks, timing, web

MODULES = (primitives, operators, tasks, executors, timing, life, scaling, web)
CASES = [case for module in MODULES for case in module.CASES]
