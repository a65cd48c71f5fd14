"""Why a case costs the backends differently; the cases of the primitives show how much of it."""

from fnmatch import fnmatchcase

CAUSES = {
    "It waits for a turn of the event loop in each step: uvloop takes its turns in C, and trio, in"
    " Python, looks for timeouts and cancellations in each [any-checkpoint].": (
        "any-checkpoint *-waiting map-*ordered* map-2-* map-100-* map-loop-* for-each-* filter-*"
        " first by-workers by-sources-zip"
    ),
    "It is mostly starting and ending tasks: anyio gives each child a scope and an event, and a"
    " scope costs more on trio [any-task, any-scope].": (
        "any-task open by-streams by-sources-* by-keys merge-of-10000 switch-map"
    ),
    "A scope on trio is a node in a tree of cancel statuses, on asyncio a set of tasks; a deadline"
    " is a timer besides, which uvloop has in C.": "any-scope any-timeout open-generator",
    "It asks for the time, which takes trio four calls. asyncio's event loop takes two to tell it,"
    " and uvloop one in C [any-clock].": "any-clock clock-*",
    "It wakes another task, by an event: a future on asyncio, which uvloop calls back from C, and a"
    " set of parked tasks on trio [any-event].": (
        "any-event buffer-* merge-* by-*buffer by-readers share* statistics thread demand"
        " flat-map-at-once-*"
    ),
    "Nothing waits: the backends run the same code, and what differs is the noise of the run.": (
        "loop loop-ready map map-ready map-async itself-ready range terminal depth-* flat-map"
        " flat-map-ready by-items by-operators open-plain-read pages* sse* ndjson* executor-*"
    ),
}
"""With the patterns of the cases; the first that fits is taken."""


def cause_of(case: str) -> str:
    for cause, patterns in CAUSES.items():
        if any(fnmatchcase(case, pattern) for pattern in patterns.split()):
            return cause
    return "Not known."
