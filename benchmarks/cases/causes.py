"""Why a case costs the backends differently."""

from fnmatch import fnmatchcase

CAUSES = {
    "*": "not known",
}
"""By case, or a pattern of some; the first that fits is taken."""


def cause_of(case: str) -> str:
    return next(cause for pattern, cause in CAUSES.items() if fnmatchcase(case, pattern))
