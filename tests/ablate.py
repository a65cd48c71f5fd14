"""Remove the guarantees of the package one by one, and see that some test notices each removal.

    python tests/ablate.py [--list] [--slow] [WORDS ...]

Each entry of the table replaces one piece of text, which must occur exactly once, in a copy of the
package, and runs the tests that look at that part of it. With words only the entries that contain
one of them are tried, with --list they are only checked, with --slow what is not noticed goes
through the contract and the sweep as well. The exit code is 1 if a removal goes unnoticed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAST = (
    *(
        "removals",
        "tasks",
        "workers",
        "joins",
        "switch",
        "share",
        "run",
        "core",
        "hazards",
        "nurseries",
    ),
    "bridges",
    *("bursts", "stopped", "half_open", "outage", "shelter", "made", "order", "inside"),
    *("foreign", "depth", "runtimes", "net"),
    *("catch", "retry", "recover", "timing", "waiting", "pacing", "triggers", "timelines"),
)
SLOW = ("contract", "contract_cancel", "sweep", "programs")
PAGES = (
    *("http/http_removals", "http/requests", "http/retries", "http/state", "http/contents"),
    *("http/parallel", "http/pages", "http/schemes", "http/links", "http/faults", "http/json"),
    *("http/numbering", "http/signs", "http/quota", "http/refused_pages", "http/expressions"),
    "http/shapes",
)
BODIES = (
    "http/http_removals",
    "http/sse",
    "http/lines",
    "http/packing",
    "http/refusals",
    "http/openings",
    "http/events",
    "http/fair",
    "net",
    "documents",
)
COMMAND = (
    *("cli/resume_file", "cli/output", "cli/session", "cli/credentials", "cli/options"),
    *("cli/pages_command", "cli/live_command", "cli/columns", "cli/connection"),
)
FAMILIES = {
    **dict.fromkeys(("_records/", "_sources/records"), BODIES),
    "http/bodies/": BODIES,
    **dict.fromkeys(("http/_packing", "http/_refusals"), BODIES),
    "http/_clients": PAGES + BODIES,
    "http/": PAGES,
    "_cli/": COMMAND,
}
"""The tests that look at a file, by the beginning of its name; the first one counts."""

LIMIT = 300
"""Seconds for one run of the tests."""


@dataclass(frozen=True)
class Removal:
    file: str
    old: str
    new: str
    guards: str

    def __str__(self) -> str:
        return f"{self.file}: {self.guards}"

    def applied(self, package: Path) -> str:
        """The text of the file without the guarantee."""
        text = (package / self.file).read_text()
        found = text.count(self.old)
        if found != 1:
            raise SystemExit(f"{self}: its text occurs {found} times: {self.old!r}")
        return text.replace(self.old, self.new)


RUN, HOST, PUMP = "_core/opening.py", "_core/owner.py", "_core/producer.py"
BOX, READER = "_core/channel.py", "_core/run.py"
MOVE, WORKERS = "_operators/concurrent.py", "_operators/workers.py"
RECOVER = "_operators/recover.py"
SWITCH, JOIN, SHARE = "_operators/switch.py", "_operators/combine.py", "_operators/share.py"
TIMING, TRIGGERS = "_operators/timing.py", "_operators/triggers.py"
BATCHING, PACING = "_operators/batching.py", "_operators/pacing.py"
REQUESTS, FETCHER, PACER = (f"http/pages/{name}.py" for name in ("requests", "fetcher", "pacing"))
SOURCES, READING, SIGNS = (f"http/pages/{name}.py" for name in ("sources", "reading", "signs"))
ANSWERS, COMPARING = "http/pages/answers.py", "http/pages/comparing.py"
SCHEMES, FETCH = (f"http/pages/{name}.py" for name in ("schemes", "fetch_all"))
PAGED, PAGE, KINDS = (f"http/pages/{name}.py" for name in ("stream", "page", "kinds"))
URLS, CLIENTS, PAGE_ERRORS = "http/_urls.py", "http/_clients.py", "http/_errors.py"
PAUSES = "http/_pauses.py"
RESPONSE, EVENTS, SSE = "http/bodies/chunks.py", "http/bodies/events.py", "http/bodies/sse.py"
LINES, TEXTS, PACKING = "_records/lines.py", "_records/json.py", "http/_packing.py"
REFUSALS, ASKING = "http/_refusals.py", "http/bodies/requests.py"
OPENINGS, LIVE = "http/bodies/openings.py", "http/bodies/live.py"
SESSION, RESUME, OUTPUT = "_cli/session.py", "_cli/resume.py", "_cli/output.py"
SIGNALS, SECRETS, COLUMNS = "_cli/signals.py", "_cli/secrets.py", "_cli/columns.py"
LIVE, COMMAND_PAGES = "_cli/live.py", "_cli/pages.py"

REMOVALS = (
    # The reader and its mailbox.
    Removal(
        HOST,
        "        if error is not None and self.errors:\n            self.give_way(error)\n",
        "",
        "a cleanup that hangs gives way to Ctrl-C",
    ),
    Removal(
        HOST,
        "        elif isinstance(error, get_cancelled_exc_class()):\n",
        "        elif False:\n",
        "a process that was killed gives way to a timeout",
    ),
    Removal(
        READER,
        "        if self.opening.home is not None:\n            self.opening.unless_abroad()\n",
        "",
        "a step in another event loop is an error",
    ),
    Removal(
        SHARE,
        "        self.distributor.owner.opening.unless_abroad()\n",
        "",
        "a part is opened in the event loop of its hub",
    ),
    Removal(
        HOST,
        "            if is_foreign(exc):\n",
        "            if False:\n",
        "a foreign cancellation in a cleanup is an error",
    ),
    Removal(
        PUMP,
        "        if is_foreign(error):\n",
        "        if False:\n",
        "a foreign cancellation in a task is told from a scope's",
    ),
    Removal(
        READER,
        "        if is_foreign(error):\n",
        "        if False:\n",
        "a foreign cancellation of a plain function is an error",
    ),
    Removal(
        "_sources/origins.py",
        "            unless_foreign(exc, self.iterator)\n",
        "",
        "a foreign cancellation in a source names it",
    ),
    Removal(
        "_operators/calls.py",
        "            unless_foreign(exc, self.fn)\n",
        "",
        "a foreign cancellation in a function names it",
    ),
    Removal(
        WORKERS,
        "                unless_foreign(exc, fn)\n",
        "",
        "a foreign cancellation in a worker names the function",
    ),
    Removal(
        BOX,
        "            await checkpoint()  # before the take; waiting is a checkpoint, too\n",
        "            pass\n",
        "a checkpoint before the take",
    ),
    Removal(
        BOX,
        "                self.wanted, self.waiting = 0, None  # a c",
        "                self.waiting = None  # a c",
        "a cancelled reader withdraws its demand",
    ),
    Removal(
        BOX,
        "                if not self.news:\n",
        "                if True:\n",
        "what has come by the second look is not waited for",
    ),
    Removal(
        BOX,
        "            await checkpoint_if_cancelled()  # in",
        "            pass  # in",
        "a reader that is cancelled already asks for nothing",
    ),
    Removal(
        BOX,
        "                event.set()\n            self.parked.clear()\n",
        "                pass\n            self.parked.clear()\n",
        "a reader that waits wakes the producers that wait for it",
    ),
    Removal(
        BOX,
        "        self.ready.append(lane)\n        self.wake()\n",
        "        self.ready.append(lane)\n",
        "the first item of a lane wakes the reader",
    ),
    Removal(
        BOX,
        "        elif not self.open_lanes:\n            self.wake()\n",
        "",
        "the end of the last lane wakes the reader",
    ),
    Removal(
        BOX,
        "            producer.interrupt()\n        self.wake()\n",
        "            producer.interrupt()\n",
        "stopping a mailbox wakes its reader",
    ),
    Removal(
        BOX,
        "        self.error = self.failed = error\n        self.stop()\n",
        "        self.error = self.failed = error\n        self.wake()\n",
        "an error stops the siblings",
    ),
    Removal(
        BOX,
        "        for lane in self.lanes:\n            lane.stop()\n        for producer",
        "        for producer",
        "stopping a mailbox stops its lanes",
    ),
    Removal(
        BOX,
        "        for producer in self.producers:\n            producer.interrupt()\n",
        "",
        "stopping a mailbox stops its tasks",
    ),
    Removal(
        BOX,
        "        while not self.available():\n            if self.error is not None:",
        "        while self.error is not None or not self.available():\n"
        "            if self.error is not None:",
        "an error comes after the items",
    ),
    Removal(
        BOX,
        "        self.stopped = True\n        for event in self.parked:\n            event.set()\n",
        "        self.stopped = True\n",
        "a stopped lane wakes those who wait for room",
    ),
    Removal(
        BOX,
        "            self.parked.pop(0).set()\n",
        "            pass\n",
        "a place that is free wakes who waits for it",
    ),
    Removal(
        BOX,
        "                finally:\n                    producer.parked = None\n",
        "                finally:\n",
        "a task that has been woken is not parked any more",
    ),
    Removal(
        BOX,
        "                    self.parked.remove(event)\n",
        "                    pass\n",
        "who does not wait for room any more is not woken in the place of another",
    ),
    Removal(
        BOX,
        "        while not (self.stopped or producer.stopping):\n",
        "        while not self.stopped:\n",
        "a task that is stopped does not wait for room",
    ),
    # Tasks.
    Removal(
        PUMP,
        "self.outer: CancelScope = self.whole.new_scope(shield=True)",
        "self.outer: CancelScope = self.whole.new_scope()",
        "a cancellation of the reader does not come to a source",
    ),
    Removal(
        PUMP,
        "            self.inner.shield = True\n",
        "            pass\n",
        "what has been interrupted may await for its cleanup",
    ),
    Removal(
        PUMP,
        "self.parked is not None:\n                self.parked.set()\n",
        "False:\n                pass\n",
        "a parked task is woken and not cancelled",
    ),
    Removal(
        PUMP,
        "                self.parked.set()\n            elif self.begun:",
        "                pass\n            elif self.begun:",
        "a parked task is woken when it is stopped",
    ),
    Removal(
        PUMP,
        "        if not self.stopping:\n            self.stopping = True\n            if",
        "        if True:\n            self.stopping = True\n            if",
        "a task is stopped once",
    ),
    Removal(
        PUMP,
        "self.inner is not None and not self.inner.shield\n                self.outer.cancel()\n\n",
        "self.inner is not None and not self.inner.shield\n\n",
        "what a task waits for is interrupted",
    ),
    Removal(
        PUMP,
        "                if self.stopping and self.awaits:  # before it has begun\n",
        "                if False:\n",
        "a task that is stopped before it has begun does not begin to wait",
    ),
    Removal(
        PUMP,
        "                    if hit:\n                        self.protect()\n",
        "                    if hit:\n                        pass\n",
        "one interruption, and not another at each await of the cleanup",
    ),
    Removal(
        PUMP,
        "                    trap = body.throw(exc)\n",
        "                    if hit:\n                        self.protect()\n"
        "                    trap = body.throw(exc)\n",
        "no shield before the interruption has been told (asyncio)",
    ),
    Removal(
        PUMP,
        "                    trap = send(value)\n",
        "                    if hit:\n                        self.protect()\n"
        "                    trap = send(value)\n",
        "no shield before the interruption has been told (trio)",
    ),
    Removal(
        PUMP,
        "        inner.deadline = current_time() + self.opening.grace\n",
        "        pass\n",
        "what has been interrupted has the grace period and no more",
    ),
    Removal(
        RUN,
        "        finally:\n            self.clear_deadline()\n            if scope",
        "        finally:\n            if scope",
        "the grace period of a close does not end the wait for the tasks",
    ),
    Removal(
        HOST,
        "        self.clear_deadline()\n        with CancelScope(shield=True)",
        "        with CancelScope(shield=True)",
        "the grace period of a close does not end a wait for a part",
    ),
    Removal(
        PUMP,
        "        if self.shield is None:\n            inner.deadline",
        "        if True:\n            inner.deadline",
        "what was interrupted and closes already keeps the time of the close",
    ),
    Removal(
        PUMP,
        "        self.protect()\n        self.shield:",
        "        self.shield:",
        "a task closes its source in a shield",
    ),
    Removal(
        PUMP,
        "        if self.stopping or rest is not None:\n            return rest\n",
        "        if rest is not None:\n            return rest\n",
        "our own interruption is no error",
    ),
    Removal(
        PUMP,
        "        if self.stopping and self.inner is not None and self.inner.cancel_called:\n",
        "        if False:\n",
        "a task that outlives the grace period is told of",
    ),
    Removal(
        PUMP,
        "        if self.awaited is not None:\n            self.awaited.set()\n",
        "",
        "the end of a task wakes who waits for it",
    ),
    Removal(
        PUMP,
        "        self.opening.errors += tuple(error for error in self.errors if error is not refusal)\n",  # noqa: E501
        "",
        "what nobody has read of a task's errors is raised by who closes",
    ),
    # A cancelled step in the reader's own task.
    Removal(
        "_core/driver.py",
        "                    sheltered = sheltered or self.shelter(exc)\n",
        "",
        "a cancelled step may await, on asyncio",
    ),
    Removal(
        "_core/driver.py",
        "                    if error is not None:\n",
        "                    if False:\n",
        "a cancelled step may await, on trio",
    ),
    Removal(
        RUN,
        "        scope.deadline = current_time() + self.grace\n        return self\n",
        "        return self\n",
        "a cancelled step has the grace period",
    ),
    Removal(
        RUN,
        "        self.scope.shield, self.scope.deadline = False, inf\n",
        "        self.scope.deadline = inf\n",
        "the block itself is not sheltered",
    ),
    Removal(
        RUN,
        "            self.add_error(self.hung(self.grace))\n",
        "            pass\n",
        "a cancelled step that outlives its grace period is told of",
    ),
    Removal(
        RUN,
        "        if current_effective_deadline() == -inf:\n"
        "            scope.shield = False\n            return None\n",
        "",
        "a scope inside of the block leaves no deadline behind",
    ),
    # The scopes of a generator, and the wait for its reader.
    Removal(
        PUMP,
        "        return not (self.stopping or is_native(cancelled))\n",
        "        return False\n",
        "a scope of the source does not cut short the wait for its reader",
    ),
    Removal(
        PUMP,
        "        return not (self.stopping or is_native(cancelled))\n",
        "        return not self.stopping\n",
        "a native cancellation is not swallowed by a wait",
    ),
    Removal(
        PUMP,
        "        with CancelScope(shield=True):\n            await wait()\n",
        "        with CancelScope():\n            await wait()\n",
        "the wait for a reader goes on behind a shield",
    ),
    Removal(
        SHARE,
        "wait, shield=True):\n",
        "wait):\n",
        "a scope of the source does not cut short the wait of a hub",
    ),
    Removal(
        SHARE,
        "and not self.may_be_read(owner):\n",
        "and True:\n",
        "a part whose reader comes late is no deadlock",
    ),
    Removal(
        RUN,
        "            if scope is not None and not is_innermost(scope):\n",
        "            if False:\n",
        "a run that is left out of order corrupts nothing",
    ),
    Removal(
        RUN,
        "                await self.stopped([*self.last])  # for which the group cannot wait now\n",
        "",
        "a run that is left out of order is closed",
    ),
    Removal(
        RUN,
        "        elif segment.closes and scoped:\n",
        "        elif segment.closes:\n",
        "a stream in a generator that anyone may end enters no scope",
    ),
    Removal(
        READER,
        "            await self.opening.close_cancelled()\n        await",
        "            pass\n        await",
        "a stream in a generator that is ended by a cancellation is closed",
    ),
    Removal(
        "_core/callers.py",
        "    if stepper is not None and module(stepper).startswith(ENDING):\n        return None\n",
        "",
        "a function for a context manager may open a stream with tasks",
    ),
    # What is made for a stream.
    Removal(
        "_sources/origins.py",
        "            await owner.release(release)\n\n\nClose",
        "            pass\n\n\nClose",
        "what a function has made is closed after its iterator",
    ),
    Removal(
        "_sources/origins.py",
        "            if (release := closer(made, True)) is not None:\n"
        "                await owner.release(release)\n",
        "",
        "what a function has made and nobody can read is closed",
    ),
    # Several failures at one instant.
    Removal(
        MOVE,
        "    lane.channel.add_siblings(producer)\n",
        "",
        "the error that has stopped a task is told of what the task raises at the same time",
    ),
    Removal(
        PUMP,
        "                    self.told = self.told or (hit and is_from(exc, self.outer))\n",
        "                    self.told = self.told or hit\n",
        "a timeout of the user's own is no interruption",
    ),
    Removal(
        PUMP,
        "            self.told = True\n",
        "",
        "what answers to an interruption is an error of the cleanup, on trio",
    ),
    Removal(
        WORKERS,
        "            attach(error, (self.failure,))\n",
        "            pass\n",
        "an earlier item that fails at the same time tells of the later one",
    ),
    Removal(
        WORKERS,
        "            if producer.unread and self.failure is not None:\n"
        "                producer.tell(self.failure)\n",
        "",
        "an error in order tells of those of later calls before it is read",
    ),
    Removal(
        WORKERS,
        "        if self.failure is not None and now - self.failed_at < INSTANT:\n",
        "        if self.failure is not None:\n",
        "an early failure of a later item is dropped",
    ),
    Removal(
        RECOVER,
        "        unless_all(self.error, lambda error: isinstance(error, self.types))\n",
        "",
        "catch acts only if it wants all errors of the instant",
    ),
    Removal(
        RECOVER,
        "        unless_all(self.error, self.backoff.wants)\n",
        "",
        "retry acts only if it wants all errors of the instant",
    ),
    Removal(
        BOX,
        "            owner.leave_unread(self.error)\n",
        "            pass\n",
        "what was never reached is attached to what is raised",
    ),
    # Closing.
    Removal(
        HOST,
        "            shield.deadline = current_time() + grace\n",
        "            pass\n",
        "a close has the grace period and no more",
    ),
    Removal(
        HOST,
        "            shield.deadline = current_time() + grace\n",
        "            shield.deadline = min(shield.deadline, current_time() + grace)\n",
        "each close has a grace period of its own",
    ),
    Removal(
        HOST,
        "shield is None or shield.cancel_called:  # by a close that hung\n",
        "shield is None:\n",
        "a close that hung takes nothing from the next one",
    ),
    Removal(
        RUN,
        "        if scope is not None:\n            scope.shield = True\n",
        "",
        "a cancellation does not come to the cleanup",
    ),
    Removal(
        HOST,
        "        with CancelScope(shield=True):  # without a deadline: each producer",
        "        with CancelScope():  # each producer",
        "who waits for tasks to close waits in a shield",
    ),
    Removal(
        RUN,
        "await group.__aexit__(None, None, None)",
        "await group.__aexit__(*__import__('sys').exc_info())",
        "the group does not get the body's error",
    ),
    Removal(
        RUN,
        "            self.late: BaseException | None = exc\n        self.group",
        "            pass\n        self.group",
        "a native cancellation during the wait for the tasks is passed on",
    ),
    Removal(
        HOST,
        "            if late is not None:\n                raise late from failure\n",
        "",
        "a native cancellation during cleanup is passed on",
    ),
    Removal(
        HOST,
        "            self.late = cancelled\n",
        "            pass\n",
        "a native cancellation that comes to a close is kept",
    ),
    Removal(
        RUN,
        "        if isinstance(channel, Channel) and not self.owned:\n",
        "        if isinstance(channel, Channel):\n",
        "what was handed over is closed after the tasks",
    ),
    # Moving.
    Removal(
        MOVE,
        "        lane.channel.closed = True  # and so this is not the end of what is read\n",
        "        pass\n",
        "who leaves does not end the stream of another reader",
    ),
    Removal(
        RUN,
        "        self.assembling, self.unstarted, self.halves = True, (), []\n",
        "        self.unstarted, self.halves = (), []\n",
        "no task starts if an opening fails half-way",
    ),
    Removal(
        RUN,
        "            self.lost += tuple(self.halves)\n",
        "",
        "what was open of something that did not open is closed",
    ),
    Removal(
        RUN,
        "            self.lost += (source,)\n",
        "",
        "what came to a stream that has no tasks is closed",
    ),
    Removal(
        RUN,
        "                halves.append(source)\n",
        "                pass\n",
        "the source of a hub that did not open is closed",
    ),
    Removal(
        PUMP,
        "        if self not in self.whole.producers and not self.done:\n"
        "            await self.body()\n"
        "            self.finished()\n",
        "        if self not in self.whole.producers:\n            return\n",
        "what a task was given that has never started is closed",
    ),
    Removal(
        RECOVER,
        "            await self.owner.opening.close_lost(self.owner)\n",
        "",
        "what an attempt had opened half-way is closed before the next one",
    ),
    Removal(
        SHARE,
        "        if self.producer.stopping:\n            self.cut()\n",
        "",
        "who leaves does not end the stream of another reader of a hub",
    ),
    Removal(
        MOVE,
        "    while not producer.stopping and (lane.takes()",
        "    while (lane.takes()",
        "a task that is stopped asks its source for nothing more",
    ),
    Removal(
        MOVE,
        "    producer.stopping = True  # nobody interrupts the close\n",
        "",
        "nobody interrupts a close",
    ),
    Removal(
        MOVE,
        "    elif error is not None and error is not lane.channel.failed:  # several may hear of one error\n"  # noqa: E501
        "        producer.unheard(error)\n"
        "    for",
        "    for",
        "an error after the reader has left is kept",
    ),
    Removal(
        MOVE,
        "                other.stop()\n                producer.interrupt()\n",
        "                other.stop()\n",
        "the losers of a race are stopped",
    ),
    Removal(
        MOVE,
        "        if error is None:\n            self.end()\n",
        "",
        "the end of one is the end of all",
    ),
    Removal(
        HOST,
        "        if is_of_cleanup(error):\n",
        "        if False:\n",
        "an error of a cleanup is raised although nobody has come to it",
    ),
    Removal(
        PUMP,
        "        if self.stopping and self.shield is None:  # the",
        "        if False:  # the",
        "what is closed after the stop is closed under the shield",
    ),
    # Workers.
    Removal(
        WORKERS,
        "        if self.vacant and not idle:\n",
        "        if self.vacant:\n",
        "workers are hired when they are needed",
    ),
    Removal(
        RUN,
        "        unless_too_deep(self.stream)\n        try:\n",
        "        try:\n",
        "a row that is too long is refused before anything is open",
    ),
    Removal(
        RUN,
        "            unless_too_deep(self.stream)\n",
        "",
        "a bare run of a row that is too long is refused as well",
    ),
    Removal(
        WORKERS,
        "                if item is MISSING or lane.stopped:  # n",
        "                if item is MISSING:  # n",
        "a worker that was stopped while it took an item calls nothing",
    ),
    Removal(
        WORKERS,
        "            lane.promised += 1\n",
        "            pass\n",
        "a place is promised before an item is taken",
    ),
    Removal(
        WORKERS,
        "            self.over, self.error = True, exc\n            raise\n        return MISSING",
        "            self.error = exc\n            raise\n        return MISSING",
        "after an error a source is not stepped again",
    ),
    Removal(
        WORKERS,
        "        while not producer.stopping and (item := ",
        "        while (item := ",
        "a task that is stopped takes no item to open a stream for",
    ),
    Removal(
        WORKERS,
        "                if producer.stopping:  # nothing would interrupt the function then\n"
        "                    break\n",
        "",
        "a task that was stopped while it took an item opens nothing",
    ),
    Removal(
        WORKERS,
        "            if isinstance(result, Failure):\n"
        "                self.channel.fail(result.error)\n"
        "                return\n",
        "            if isinstance(result, Failure):\n                return\n",
        "a failure that has waited for its turn is told",
    ),
    Removal(
        WORKERS,
        "                if at > place:\n                    other.interrupt()\n",
        "                pass\n",
        "calls for what comes after a failed item are stopped",
    ),
    Removal(
        WORKERS,
        "                if at > place:\n",
        "                if True:\n",
        "calls for what comes before a failed item go on",
    ),
    Removal(
        WORKERS,
        "            self.lock.end()\n",
        "            self.lock.taken = False\n",
        "a worker that has a batch wakes the next one",
    ),
    Removal(
        WORKERS,
        "            self.lane.stop()\n            for other",
        "            for other",
        "after a failed item no other is taken",
    ),
    # Switching.
    Removal(
        SWITCH,
        "                await producer.stop(running)\n                if",
        "                if",
        "the old inner stream has closed before the new one begins",
    ),
    Removal(
        SWITCH,
        "        for last in running:\n            await last.join()\n",
        "",
        "the last inner stream is waited for",
    ),
    Removal(
        SWITCH,
        "    await producer.stop(running)\n    await leave",
        "    await leave",
        "the inner stream closes before the outer one",
    ),
    Removal(
        SWITCH,
        "        if not producer.stopping:  # before it has begun\n            await",
        "        if True:\n            await",
        "a function is not called for an item that was replaced before that",
    ),
    Removal(
        SWITCH,
        "                if producer.stopping:  # meanwhile\n                    break\n",
        "",
        "a task that was stopped meanwhile starts no other",
    ),
    # Joining.
    Removal(
        JOIN,
        "        super().finished(lane, error)\n        self.wake()\n",
        "        super().finished(lane, error)\n",
        "the end of one source ends a zip",
    ),
    Removal(
        JOIN,
        "        if self.available() or any(map(exhausted, self.lanes)):\n",
        "        if self.available():\n",
        "a strict zip hears at once that one source is too long",
    ),
    Removal(
        JOIN,
        "        if any(map(exhausted, self.lanes)):\n            self.end()\n",
        "        if any(map(exhausted, self.lanes)):\n            self.open_lanes = 0\n",
        "the end of one source stops the others of a zip",
    ),
    # Sharing.
    Removal(
        JOIN,
        "        row, batches = self.row, self.batches\n",
        "        row, batches = list[Any](), self.batches\n",
        "what a zip has of a row outlasts the batch that ends in the middle",
    ),
    Removal(
        JOIN,
        "    return isinstance(source, (FromIterable, Zipped))\n",
        "    return source.any_task\n",
        "sources that wait are asked at the same time",
    ),
    Removal(
        SHARE,
        "owner.opening.held_back(lambda: opened(stream, self.producer))",
        "opened(stream, self.producer), ()",
        "the tasks of a shared source come with its first reader",
    ),
    Removal(
        SHARE,
        "        for producer in self.behind:  # which close what they were given, and nothing more\n"  # noqa: E501
        "            producer.interrupt()\n",
        "",
        "a shared source that nobody has read is not stepped when it is closed",
    ),
    Removal(
        SHARE,
        "            finally:  # those before an error\n                self.deal_out(items)\n",
        "            except MemoryError:\n                raise\n"
        "            self.deal_out(items)\n",
        "all readers get the items before an error",
    ),
    Removal(
        SHARE,
        "low=size - 1)",
        "low=0)",
        "a reader that makes room lets the others go on at once",
    ),
    Removal(
        SHARE,
        "                self.fail_if_stuck(lane.channel)\n",
        "                pass\n",
        "readers that wait for each other are told so",
    ),
    Removal(
        SHARE,
        "        while not (lane.stopped or self.producer.stopping):\n",
        "        while not lane.stopped:\n",
        "a hub that is stopped does not wait for room",
    ),
    Removal(
        SHARE,
        "            if self.producer.stopping:  # and so the source is not asked for another one\n"
        "                return\n",
        "",
        "a hub that sorts and is stopped asks its source for nothing more",
    ),
    Removal(
        SHARE,
        "            await self.room(full)\n        return not self.producer.stopping\n",
        "            await self.room(full)\n        return True\n",
        "a hub that shares and is stopped asks its source for nothing more",
    ),
    Removal(
        SHARE,
        "        self.producer.stopping = True  # nobody interrupts the close\n",
        "",
        "nobody interrupts a hub's close",
    ),
    Removal(
        SHARE,
        "        if self.distributor.started and not self.distributor.subscriptions:\n",
        "        if False:\n",
        "a reader after the last one has left opens the stream anew",
    ),
    # Readers in several tasks.
    Removal(
        READER,
        "            if event.is_set() and not self.taken:\n                self.wake()\n",
        "",
        "a cancelled reader passes its turn on",
    ),
    Removal(
        READER,
        "        self.taken = False\n        self.wake()\n",
        "        self.taken = False\n",
        "who has had a turn wakes the next one",
    ),
    # The clock.
    Removal(
        PACING,
        "> now + self.grain:",
        "> now:",
        "items of the same millisecond come together if the rate is finer than timers",
    ),
    Removal(
        PACING,
        "max(self.full, now - self.grain)",
        "max(self.full, now)",
        "a fine rate makes up for late timers",
    ),
    Removal(
        "_stream.py",
        "pacing.GRAIN if interval < pacing.GRAIN else 0.0",
        "pacing.GRAIN",
        "a coarse rate is never early",
    ),
    Removal(
        TIMING,
        "            await checkpoint()  # what",
        "            pass  # what",
        "what comes at the very instant comes in time",
    ),
    Removal(
        TIMING,
        "            self.answered()\n        return bool(self.ready)\n",
        "            pass\n        return bool(self.ready)\n",
        "each item begins a wait of its own",
    ),
    Removal(
        TIMING,
        "        if self.asked == inf:\n            self.asked = current_time()\n",
        "        self.asked = current_time()\n",
        "the time goes on over a step that is cancelled and repeated",
    ),
    Removal(
        TIMING,
        "        waits = self.asked < inf and not self.late\n",
        "        waits = False\n",
        "what has been asked for is waited for once more",
    ),
    Removal(
        TIMING,
        "        waits = self.asked < inf and not self.late\n",
        "        waits = not self.late\n",
        "after its time a deadline asks for nothing",
    ),
    Removal(
        TIMING,
        "        self.end()\n        if self.fails:\n",
        "        if self.fails:\n",
        "giving up stops the source",
    ),
    Removal(
        TIMING,
        "        if super().ended():\n            return True\n        waits",
        "        waits",
        "the end comes instead of a timeout",
    ),
    Removal(
        TIMING,
        "        return self.late and self.open_lanes > 0\n",
        "        return self.late\n",
        "the end and an error come instead of a beat",
    ),
    Removal(
        TIMING,
        "            self.answered()\n            yield self.beat()\n",
        "            yield self.beat()\n",
        "each beat begins a wait of its own",
    ),
    Removal(
        TIMING,
        "        room, before = self.room(), len(self.items)\n"
        "        self.extend((self.due(), item) for item in islice(batch, room))\n",
        "        room, before = self.room(), len(self.items)\n"
        "        self.extend((self.due(), item) for item in batch)\n",
        "the bound of a delay",
    ),
    Removal(
        TIMING,
        "        self.error = error\n        self.put((self.due(), MISSING))\n",
        "        super().finish(error)\n",
        "the end and an error are delayed, too",
    ),
    Removal(
        TIMING,
        "        error, self.error = self.error, None\n",
        "        error = self.error\n",
        "a delayed error is raised once",
    ),
    Removal(
        TIMING,
        "        self.error = self.error or self.later.error  # which was not due yet\n",
        "",
        "a failed cleanup is heard of though it was not due yet",
    ),
    Removal(
        TIMING,
        "            if now >= self.due:\n                self.release()\n            self.arrive",
        "            self.arrive",
        "what is due goes through before what comes",
    ),
    Removal(
        TIMING,
        "        if due < self.due:\n            self.channel.wake()  # to look at the clock\n",
        "",
        "a reader that waits looks at the clock when something is held",
    ),
    Removal(
        TIMING,
        "        self.due = inf\n        item, self.held",
        "        item, self.held",
        "what went through is not due any more",
    ),
    Removal(
        TIMING,
        "        if len(self.items) == self.bound:\n            del self.items[0]\n",
        "",
        "no more than two wait for a slow reader",
    ),
    Removal(
        TIMING,
        "        super().__init__(channel, 2)\n",
        "        super().__init__(channel, 1)\n",
        "two wait for a slow reader",
    ),
    Removal(
        TIMING,
        "        if self.held is not MISSING:\n            self.release()\n        super",
        "        super",
        "what is held comes before the end and before an error",
    ),
    Removal(
        TIMING,
        "        if self.held is MISSING:\n            self.limit = now + self.max_wait\n",
        "        self.limit = now + self.max_wait\n",
        "max_wait counts from the first item that waits",
    ),
    Removal(
        TIMING,
        "        self.closed_until += self.seconds\n",
        "",
        "a trailing item shuts the gate anew",
    ),
    Removal(
        TIMING,
        "            ticks = floor((now - self.start) / self.seconds) + 1\n"
        "            self.hold(item, self.start + ticks * self.seconds)\n",
        "            self.hold(item, now + self.seconds)\n",
        "a sample is taken at its ticks",
    ),
    Removal(
        TIMING,
        "        if current_time() >= self.sieve.due:\n            self.sieve.release()\n",
        "",
        "what is due goes through though nothing comes",
    ),
    # Batches by time and weight.
    Removal(
        BATCHING,
        "    if not valid:",
        "    if weight < 0:",
        "NaN is no weight",
    ),
    Removal(
        BATCHING,
        "        if self.items and weight > self.left:\n",
        "        if weight > self.left:\n",
        "an item that is too heavy is a batch of its own",
    ),
    Removal(
        BATCHING,
        "len(self.items) >= self.size or self.left <= 0\n",
        "len(self.items) >= self.size\n",
        "a batch that weighs enough does not wait for the next item",
    ),
    Removal(
        BATCHING,
        "            self.full = len(self.items) >= self.size or ",
        "            self.full = ",
        "a batch by weight has a greatest number, too",
    ),
    Removal(
        BATCHING,
        "        self.left = self.max_weight\n        if",
        "        if",
        "each batch has a weight of its own",
    ),
    Removal(
        BATCHING,
        "            item, self.next = self.next, MISSING\n            self.weigh",
        "            item = self.next\n            self.weigh",
        "what did not fit begins one batch",
    ),
    Removal(
        BATCHING,
        "        while self.batch.items:\n            rest",
        "        if self.batch.items:\n            rest",
        "at the end comes also what did not fit",
    ),
    Removal(
        BATCHING,
        "        return not (self.batch.full or self.stopped)\n",
        "        return not self.stopped\n",
        "the source waits while a batch is full",
    ),
    Removal(
        BATCHING,
        "                self.since = current_time()\n                self.channel.wake()\n",
        "                self.since = current_time()\n",
        "a reader that waits looks at the clock when a batch begins",
    ),
    Removal(
        BATCHING,
        "                self.full_since = current_time()\n                self.channel.wake()\n",
        "                self.full_since = current_time()\n",
        "a full batch wakes the reader",
    ),
    Removal(
        BATCHING,
        "        self.since = self.full_since\n",
        "",
        "the time of what did not fit begins when it comes",
    ),
    Removal(
        BATCHING,
        "            self.parked.pop(0).set()\n",
        "            pass\n",
        "an empty batch lets the source go on",
    ),
    Removal(
        BATCHING,
        "lane.batch.full or lane.over or current_time() >= lane.due()\n",
        "lane.batch.full or current_time() >= self.due()\n",
        "the rest comes before the end and before an error, at once",
    ),
    Removal(
        BATCHING,
        "lane.batch.full or lane.over or current_time() >= lane.due()\n",
        "lane.batch.full or lane.over\n",
        "a batch that has waited enough comes though it is not full",
    ),
    # Pacing.
    Removal(
        PACING,
        "                self.item = item\n                self.suspended()\n",
        "                self.suspended()\n",
        "the item that has to wait is kept",
    ),
    Removal(
        PACING,
        "        return self.passing(chain((self.item,), self.upstream))\n",
        "        return self.passing(iter((self.item,)))\n",
        "behind the item that had to wait comes the rest of its batch",
    ),
    Removal(
        PACING,
        "            self.full = max(self.full, now - self.grain) + self.interval\n",
        "            self.full = self.full + self.interval\n",
        "a pause does not save up for more than a burst",
    ),
    Removal(
        PACING,
        "            last, self.last = self.last, current_time()\n",
        "            last = self.last\n",
        "the time that has elapsed is that since the item before",
    ),
    # Triggers.
    Removal(
        TRIGGERS,
        "        self.came = current_time()\n",
        "",
        "what comes at the very instant of the trigger has come after it",
    ),
    Removal(
        TRIGGERS,
        "bool(self.ready) and self.came < self.heard_at\n",
        "bool(self.ready)\n",
        "what comes at the trigger comes too late",
    ),
    Removal(
        TRIGGERS,
        "        self.signals.stop()\n        self.wake()\n",
        "        self.wake()\n",
        "a trigger comes once",
    ),
    Removal(
        TRIGGERS,
        "            if self.stopped:\n                return False  # the trigger",
        "            if False:\n                return False  # the trigger",
        "a trigger is not asked again",
    ),
    Removal(
        TRIGGERS,
        "            self.channel.fail(error)\n        else:\n",
        "            pass\n        else:\n",
        "an error of the trigger is one of the stream",
    ),
    Removal(
        TRIGGERS,
        "        super().heard(item)\n        self.end()\n",
        "        super().heard(item)\n",
        "the trigger is the end",
    ),
    Removal(
        TRIGGERS,
        "        super().heard(item)\n        self.end()\n",
        "        super().heard(item)\n        self.open_lanes = 0\n",
        "the source is stopped at the trigger",
    ),
    Removal(
        TRIGGERS,
        "        if self.ready and self.came < self.heard_at:\n            self.take()\n",
        "",
        "what comes before the trigger is dropped",
    ),
    Removal(
        TRIGGERS,
        "        self.paused = bool(item)\n        self.wake()\n",
        "        self.paused = bool(item)\n",
        "the end of a pause wakes the reader",
    ),
    Removal(
        TRIGGERS,
        "    def unheard(self) -> None:\n        self.heard(False)\n\n",
        "",
        "the end of the trigger ends the pause",
    ),
    Removal(
        TRIGGERS,
        "(self.error is not None or not self.paused)\n",
        "not self.paused\n",
        "an error ends a pause behind its item",
    ),
    Removal(
        TRIGGERS,
        "            if isinstance(source, Raised) and source.event.is_set():\n"
        "                channel.heard(None)  # before anything is asked for\n",
        "",
        "with an event that is set already nothing is asked for",
    ),
    Removal(
        TRIGGERS,
        "            self.awaitable.close()\n",
        "            pass\n",
        "a coroutine that has never begun is closed",
    ),
    # Batches.
    Removal(
        "_core/batches.py",
        "            batch = chain(batch, self.mark())\n",
        "            self.complete = True\n",
        "a function that raises StopIteration does not look like the end",
    ),
    Removal(
        "_core/batches.py",
        "            self.waiting = operator\n            raise\n",
        "            raise\n",
        "a step that was cancelled is waited for again",
    ),
    # Going on after an error or an end.
    Removal(
        RECOVER,
        "        await self.leave(self.error)\n"
        "        self.owner.unless_over()\n"
        "        unless_all(self.error, self.b",
        "        self.owner.unless_over()\n        unless_all(self.error, self.b",
        "what has failed is closed before the pause",
    ),
    Removal(
        RECOVER,
        "        await self.leave(self.error)\n"
        "        self.owner.unless_over()\n"
        "        unless_all(self.error, l",
        "        self.owner.unless_over()\n        unless_all(self.error, l",
        "what has failed is closed before its replacement is opened",
    ),
    Removal(
        RECOVER,
        "            self.owner.raise_collected(error)\n",
        "            self.owner.raise_collected(None)\n",
        "an error is not lost because the cleanup fails as well",
    ),
    Removal(
        RECOVER,
        "        if self.due is None:\n            hook",
        "        if True:\n            hook",
        "a cancelled pause before an attempt goes on where it was",
    ),
    Removal(
        RECOVER,
        "        if self.due is None:\n            self.due = current_time() + self.pause\n"
        "        await",
        "        if True:\n            self.due = current_time() + self.pause\n        await",
        "a cancelled pause between two rounds goes on where it was",
    ),
    Removal(
        RECOVER,
        "        if self.pause is None:\n",
        "        if True:\n",
        "an attempt is counted once, though its pause is cancelled",
    ),
    Removal(
        RECOVER,
        "                await self.wait()\n",
        "",
        "a checkpoint between two rounds of what is empty",
    ),
    Removal(
        RECOVER,
        "        self.owner.unless_over()\n        return self.owner.opening.assembled(make)\n",
        "        return self.owner.opening.assembled(make)\n",
        "nothing is opened in a run that has been closed",
    ),
    Removal(
        PUMP,
        "        return self.stopping or self.reader.over\n",
        "        return self.reader.over\n",
        "a task that was told to stop recovers from nothing",
    ),
    Removal(
        PUMP,
        "        return self.stopping or self.reader.over\n",
        "        return self.stopping\n",
        "a task whose reader was told to stop recovers from nothing",
    ),
    Removal(
        PUMP,
        " self.errors if error is not refusal)\n",
        " self.errors)\n",
        "what begins too late is not an error of the cleanup",
    ),
    Removal(
        RECOVER,
        "        self.owner.unless_over()\n        unless_all(self.error, l",
        "        unless_all(self.error, l",
        "no handler is called by what has been told to stop",
    ),
    Removal(
        RECOVER,
        "        self.owner.unless_over()\n        unless_all(self.error, self.b",
        "        unless_all(self.error, self.b",
        "no hook is called by what has been told to stop",
    ),
    Removal(
        RECOVER,
        "            if self.source is None:\n                self.owner.unless_over()\n",
        "            if self.source is None:\n",
        "what has been told to stop does not pause before another round",
    ),
    Removal(
        "_sources/origins.py",
        "            await owner.finish(self.source)\n",
        "            pass\n",
        "what is made too late is closed",
    ),
    Removal(
        "_operators/transform.py",
        "            if owner.over:\n                raise\n",
        "",
        "an error of an interrupted function is not mended",
    ),
    Removal(
        RECOVER,
        "        super().__init__(stream, owner)\n        owner.opening.may_spawn = True\n",
        "        super().__init__(stream, owner)\n",
        "a replacement may need tasks",
    ),
    Removal(
        RECOVER,
        "        if resume is not None:\n            owner.opening.may_spawn = True\n",
        "",
        "what is resumed may need tasks",
    ),
    Removal(
        RECOVER,
        "if self.error is None and not self.replaced:",
        "if self.error is None:",
        "errors of the replacement are not caught",
    ),
    Removal(
        RECOVER,
        "            raise failure from self.error\n",
        "            raise\n",
        "what cannot be opened again says after which error",
    ),
    Removal(
        RECOVER,
        "        self.error = self.pause = self.due = None\n        self.delivered = False\n",
        "        self.error = self.pause = self.due = None\n",
        "attempts that give nothing are counted",
    ),
    Removal(
        RECOVER,
        "        self.error = None  # which refers to this object\n",
        "",
        "an error that is to be replaced leaves no cycle behind",
    ),
    Removal(
        RECOVER,
        "            del error  # which refers to this frame\n\n    async def leave",
        "            pass\n\n    async def leave",
        "an error that is kept for a handler leaves no cycle behind",
    ),
    Removal(
        RECOVER,
        "        del error, args  # which",
        "        pass  # which",
        "the error that a function was given leaves no cycle behind",
    ),
    # Pages over HTTP: what is asked for, and where.
    Removal(
        FETCHER,
        "trusted = self.requests.is_trusted(step, url) or self.requests.at_home(request, number)",
        "trusted = True",
        "credentials go to no other origin that a link leads to",
    ),
    Removal(
        REQUESTS,
        "        if there in self.ask.allowed:\n",
        "        if True:\n",
        "another origin is refused",
    ),
    Removal(
        CLIENTS,
        "        del request.headers[name]\n",
        "        pass\n",
        "no headers but harmless ones go to another origin",
    ),
    Removal(
        CLIENTS,
        "follow_redirects=False, auth=None)",
        "follow_redirects=False)",
        "no auth goes to another origin",
    ),
    Removal(
        CLIENTS,
        "return client.send(request, stream=True, follow_redirects=False)\n",
        "return client.send(request, stream=True)\n",
        "redirects are looked at before they are followed",
    ),
    Removal(
        CLIENTS,
        "if response.next_request is None or not client.follow_redirects:",
        "if response.next_request is None:",
        "redirects are followed only if the client does",
    ),
    Removal(
        REQUESTS,
        " + urlencode(missing) if missing else url\n",
        " if missing else url\n",
        "the parameters of the client are added to a link",
    ),
    Removal(
        REQUESTS,
        "            if pair[0] not in link.params and (at_home or ",
        "            if pair[0] not in link.params and (True or ",
        "no parameters of the client go to another origin",
    ),
    Removal(
        REQUESTS,
        "            request.url = type(request.url)(url)\n",
        "            pass\n",
        "the query of a link stays, though the client has parameters",
    ),
    Removal(
        URLS,
        "    return there == here or (upgrade and there[1] == here[1])\n",
        "    return there == here or upgrade\n",
        "https is safer on the same host only",
    ),
    Removal(
        URLS,
        '        rest = authority.rpartition("@")[2] + rest[len(authority) :]\n',
        "",
        "a URL is shown without its user and password",
    ),
    Removal(
        URLS,
        '"&".join(hidden(part) for part in query.split("&"))',
        "query",
        "a URL is shown without the tokens in its query",
    ),
    Removal(
        URLS,
        "is_secret(unquote(name))",
        "is_secret(name)",
        "a token is hidden though its name is escaped",
    ),
    Removal(
        PAGE_ERRORS,
        '        self.url: str = safe(str(getattr(where, "url", where)))\n',
        '        self.url: str = str(getattr(where, "url", where))\n',
        "the errors of pages show no credentials of a URL",
    ),
    Removal(
        PAGE_ERRORS,
        'of {safe(str(url))}")',
        'of {url}")',
        "the notes on errors of the client show no credentials of a URL",
    ),
    # Attempts, and the pauses between them.
    Removal(
        FETCHER,
        "max(self.quota.pause(), wanted, LEAST)\n",
        "max(self.quota.pause(), LEAST)\n",
        "Retry-After is kept to",
    ),
    Removal(
        FETCHER,
        "after is not None and after > limit and may_pass(status, limited):\n",
        "False:\n",
        "a Retry-After beyond the limit is refused",
    ),
    Removal(
        FETCHER,
        "    if isinstance(error, RetryAfterError):\n        return False\n",
        "",
        "a Retry-After beyond the limit is not shortened",
    ),
    Removal(
        FETCHER,
        "        await sleep_until(due)\n        self.due = None\n",
        "        self.due = None\n        await sleep_until(due)\n",
        "a cancelled step does not shorten the pause",
    ),
    Removal(
        FETCHER,
        "        self.failed = None\n",
        "",
        "the hook hears of each failure once, though the pause is cancelled",
    ),
    Removal(
        FETCHER,
        "            self.backoff.grant(error)\n",
        "            pass\n",
        "the attempts of a page are counted",
    ),
    Removal(
        FETCHER,
        "            self.quota.number += 1\n",
        "            self.backoff.number += 1\n",
        "a refusal uses up no attempt",
    ),
    Removal(
        CLIENTS,
        "    await response.aclose()\n    return None\n",
        "    return None\n",
        "the last of too many redirects is closed",
    ),
    Removal(
        ANSWERS,
        """f"!{sign.place}" if sign.value in FALSE else sign.place""",
        "sign.place",
        "a flag that says the end is advised with an exclamation mark",
    ),
    Removal(
        ANSWERS,
        'if page.origin.step.keys() == {"url"}:',
        "if False:",
        "a cursor beside links is no sign of more",
    ),
    Removal(
        READING,
        "before if isinstance(before, Countable) else Numbering()",
        "Numbering()",
        "an offset that one page repeats is counted on",
    ),
    Removal(
        PAGED,
        "            self.position.failed = 1\n",
        "            pass\n",
        "an item that into= refuses is not one that was delivered",
    ),
    Removal(
        URLS,
        """f"[{host}]" if ":" in host else host""",
        "host",
        "an address of IPv6 keeps its brackets",
    ),
    Removal(
        SOURCES,
        "0 if self.number == 1 and not self.skip else None",
        "None",
        "a total that is more than what came is a warning",
    ),
    Removal(
        READING,
        "lists = [path for path in likely if path not in ERRORS]",
        "lists = likely",
        "a list of errors is not the list of items",
    ),
    Removal(
        FETCHER,
        "            if method not in ask.retry_methods or not is_transient(error):\n",
        "            if not is_transient(error):\n",
        "POST is not repeated",
    ),
    Removal(
        FETCHER,
        "    if isinstance(error, TruncatedPage | BodyCutError):\n        return True\n",
        "",
        "a page that was cut short is asked for again",
    ),
    Removal(
        PAGE_ERRORS,
        '"TransportError") and not is_named(\n'
        '        error, "UnsupportedProtocol", "LocalProtocolError"\n    )',
        '"TransportError")',
        "what cannot go better is not tried again",
    ),
    Removal(
        FETCHER,
        " and self.step != scheme.first():",
        ":",
        "no status is the end on the first page",
    ),
    Removal(
        FETCHER,
        " or spent or (after is not None and status == 403)\n",
        " or spent\n",
        "403 with Retry-After is a rate limit",
    ),
    # From page to page.
    Removal(
        SOURCES,
        "        self.seen.add(fetch.key)\n",
        "        self.seen = {fetch.key}\n",
        "a loop is noticed, however long",
    ),
    Removal(
        SOURCES,
        "            raise self.last.error\n",
        "            return None\n",
        "what is wrong with the way to the next page is raised",
    ),
    Removal(
        SOURCES,
        "        self.step = page.next if page.error is None else page.origin.step\n",
        "        self.step = page.next\n",
        "an unclear way on is no end",
    ),
    Removal(
        SOURCES,
        "        if self.fetch is None:\n",
        "        if True:\n",
        "a cancelled step goes on with the same page",
    ),
    Removal(
        PAGE,
        "    places = page.origin.places[count:]\n",
        "    places = page.origin.places\n",
        "the state of a page that was gone on with in its middle",
    ),
    Removal(
        SOURCES,
        "            page, self.skip = after(page, self.skip), 0\n",
        "            page = after(page, self.skip)\n",
        "only items of the first page are passed over",
    ),
    Removal(
        SOURCES,
        "            if ahead is not None or not self.flying:\n",
        "            if True:\n",
        "pages on their way may tell of more",
    ),
    Removal(
        SOURCES,
        "            if gap is not None:\n",
        "            if False:\n",
        "offsets that do not fit together are an error",
    ),
    Removal(
        SOURCES,
        "max(self.count, self.scheme.count(page) or 0)",
        "self.scheme.count(page) or 0",
        "a page that tells of fewer pages takes none back",
    ),
    Removal(
        SOURCES,
        "            self.check_new(page)\n            self.learn(page)\n",
        "            self.check_new(page)\n",
        "later pages may tell of more",
    ),
    Removal(
        SOURCES,
        "        if first.next is not None and not self.count:\n",
        "        if False:\n",
        "concurrency without a number of pages is an error",
    ),
    Removal(
        SOURCES,
        "        return self.client.own is not None\n",
        "        return False\n",
        "a run that is dropped with its client open warns",
    ),
    Removal(
        CLIENTS,
        "            await owner.release(own.aclose)\n",
        "            pass\n",
        "the client of a run is closed with it",
    ),
    Removal(
        CLIENTS,
        "        if self.given is None and self.own is None:\n",
        "        if self.given is None:\n",
        "a run has one client",
    ),
    Removal(
        CLIENTS,
        "    return url.copy_with(params=client.params.merge(own))\n",
        "    return url\n",
        "the query of a URL stays, though the client has parameters",
    ),
    Removal(
        ASKING,
        '"read": self.read_timeout}',
        '"read": None}',
        "a silent server is given up",
    ),
    Removal(
        READING,
        "        except Exception as exc:\n            error = exc\n",
        "        except ZeroDivisionError as exc:\n            error = exc\n",
        "items come before what is wrong with the way to the next page",
    ),
    Removal(
        READING,
        '        if said.answer == "more":\n            raise',
        "        if False:\n            raise",
        "a response that shows that there is more is no end",
    ),
    Removal(
        READING,
        "        if response.status_code == NO_CONTENT:\n",
        "        if False:\n",
        "204 is a page without items",
    ),
    Removal(
        READING,
        "        truncated = isinstance(exc, NotJSON) and exc.truncated\n",
        "        truncated = False\n",
        "a body that was cut short is known as such",
    ),
    Removal(
        READING,
        "        if len(lists) == 1:\n",
        "        if lists:\n",
        "two lists that may be the items are an error",
    ),
    Removal(
        READING,
        "            items = self.items = self.place(",
        "            items = self.place(",
        "the list of the first page is that of all",
    ),
    Removal(
        READING,
        "            self.given.check(data, response, number)\n",
        "            pass\n",
        "errors of GraphQL are errors",
    ),
    Removal(
        READING,
        "        if issubclass(type(found), list):\n",
        "        if found not in (None, MISSING):\n",
        "what is no list holds no items",
    ),
    Removal(
        READING,
        "        url = str(page.response.url.join(url))\n",
        "        pass\n",
        "a relative link is one to the URL of its page",
    ),
    Removal(
        SCHEMES,
        "return self.at(self.position(step) + self.stride(page)) if page.records else None",
        "return self.at(self.position(step) + self.stride(page))",
        "an empty page ends numbered ones",
    ),
    Removal(
        SCHEMES,
        "if stride and following < self.start + count",
        "if following < self.start + count",
        "an empty page ends offsets with a total",
    ),
    Removal(
        SCHEMES,
        "        if came == stride or (came < stride and last):\n",
        "        if came <= stride:\n",
        "a short page in the middle of offsets is a gap",
    ),
    Removal(
        SCHEMES,
        "        if more is False:\n            return None\n        cursor",
        "        cursor",
        "a cursor counts only if there is more",
    ),
    Removal(
        SCHEMES,
        "        if not is_empty(cursor):\n",
        "        if cursor is not MISSING:\n",
        "an empty cursor is the end",
    ),
    Removal(
        SCHEMES,
        "        if more:\n",
        "        if False:\n",
        "more without a cursor is an error",
    ),
    Removal(
        SCHEMES,
        "lookup(page.records[-1], self.key)",
        "lookup(page.items[-1], self.key)",
        "the last item is looked into though items are texts",
    ),
    Removal(
        SCHEMES,
        "            return self.after_last(page) if page.records else None\n",
        "            return self.after_last(page)\n",
        "an empty page ends what goes on behind the last item",
    ),
    Removal(
        SCHEMES,
        "        if more is None:\n            problem",
        "        if False:\n            problem",
        "nothing that says whether there is more is an error",
    ),
    Removal(
        SCHEMES,
        "if more is MISSING or (more and not isinstance(cursor, str)):",
        "if False:",
        "a connection without its pageInfo is an error",
    ),
    Removal(
        READING,
        "                self.check_place(page, following)\n",
        "                pass\n",
        "a misspelt place is no end where the page shows more",
    ),
    Removal(
        READING,
        "            self.check_echo(page)\n",
        "            pass\n",
        "a number that an API ignores is an error",
    ),
    Removal(
        READING,
        "            self.check_absent(items, data, response, number)\n",
        "            pass\n",
        "an absent list beside another one is no empty page",
    ),
    Removal(
        READING,
        "        check_success(data, response, number)\n",
        "",
        "ok: false is an error though the status is 200",
    ),
    Removal(
        READING,
        "            if not page.records and following == page.origin.step:\n",
        "            if False:\n",
        "an empty page that leads to itself is the end",
    ),
    Removal(
        ANSWERS,
        "    if signs.no and not signs.yes:\n",
        "    if False:\n",
        "an explicit no wins",
    ),
    Removal(
        SIGNS,
        "    found = [read(rings[near], page) for near in sorted(rings, reverse=True)]\n",
        "    found = [read(rings[near], page) for near in sorted(rings)]\n",
        "signs beside the items count before others",
    ),
    Removal(
        ANSWERS,
        '    if page.response.request.method in ("GET", "HEAD") or (step and "method" in step):\n',
        "    if True:\n",
        "a link is not followed with the body of a POST",
    ),
    Removal(
        SIGNS,
        '    if rest.startswith("sync"):',
        "    if False:",
        "a token for changes leads to no page",
    ),
    Removal(
        SOURCES,
        "        if self.last is not None and same(self.last.records, page.records):\n",
        "        if False:\n",
        "a page with the items of the one before is a loop",
    ),
    Removal(
        SOURCES,
        "        if self.empty > self.reading.max_empty and page.next is not None:\n",
        "        if False:\n",
        "empty pages come to an end",
    ),
    Removal(
        SOURCES,
        "        return not self.repeated and bool(again) and all(again)\n",
        "        return False\n",
        "page 1 is not doubled where pages count from 1",
    ),
    Removal(
        SOURCES,
        "            if again and all(again):\n                raise",
        "            if False:\n                raise",
        "a parameter that is ignored is an error",
    ),
    Removal(
        SOURCES,
        "        if total is None or self.came is None or total <= self.came:\n",
        "        if True:\n",
        "a total beyond what has come is a warning",
    ),
    Removal(
        PAGE,
        " or is_first_of_numbered(page):\n",
        ":\n",
        "the first of numbered pages is asked for again by who goes on",
    ),
    Removal(
        PACER,
        "        self._until = max(self._until, now + pause)\n",
        "",
        "a pause is one for the whole run",
    ),
    Removal(
        PACER,
        "        self._width = tasks if interval or tasks == 1 else 1  # requests at a time\n",
        "        self._width = tasks\n",
        "a quota is not missed by a burst",
    ),
    Removal(
        PACER,
        "            self._quota = (until - self._begun) / self._answered\n",
        "            pass\n",
        "after a refusal requests keep to what the server has shown",
    ),
    Removal(
        PACER,
        "            self._until = max(self._until, current_time() + left)\n",
        "            pass\n",
        "nothing is sent while nothing is left of a rate limit",
    ),
    Removal(
        PACER,
        "        return self._until - self._waiting_since <= self._patience\n",
        "        return True\n",
        "a server that refuses everything is given up",
    ),
    Removal(
        FETCHER,
        "                if size > limit:\n",
        "                if False:\n",
        "a bomb is not unpacked",
    ),
    Removal(
        FETCHER,
        "            await checkpoint()\n",
        "            pass\n",
        "pages of a client that never waits let others have their turn",
    ),
    Removal(
        FETCHER,
        "    if is_certificate_error(error):\n        return False\n    return is_of",
        "    return is_of",
        "a certificate is not tried again",
    ),
    Removal(
        REQUESTS,
        "            link = self.start.copy_with(raw_path=link.raw_path)\n",
        "            pass\n",
        "links are read at the origin of the first page",
    ),
    Removal(
        REQUESTS,
        "        url = str(bare(link)) if at_home else str(link)\n",
        "        url = str(link)\n",
        "a name in a link replaces no credentials",
    ),
    Removal(
        REQUESTS,
        "            self.sign(request)\n",
        "            pass\n",
        "a name in the URL holds for the whole run",
    ),
    Removal(
        COMPARING,
        "    path = identity_of(items[0]) if items else None\n",
        "    path = None\n",
        "items are known by their ids",
    ),
    # Items, and the place that a run has come to.
    Removal(
        PAGED,
        "            page = only(",
        "            _ = only(",
        "the state counts items that `dedupe` has dropped",
    ),
    Removal(
        PAGED,
        "                self.ended()\n                return\n",
        "                pass\n",
        "no page is asked for behind `max_items`",
    ),
    Removal(
        PAGED,
        "        if self.left == 0:\n            self.ended()\n\n",
        "",
        "`max_items=0` asks for nothing",
    ),
    Removal(
        PAGED,
        " - length_hint(self.items)\n",
        "\n",
        "`max_items` counts over pages",
    ),
    Removal(
        PAGED,
        "if new(key(page.records[place]))",
        "if new(key(page.items[at]))",
        "`dedupe` sees an item as it is out of JSON",
    ),
    Removal(
        PAGED,
        " - length_hint(self.items)",
        "",
        "the state is exact in the middle of a page",
    ),
    Removal(
        PAGED,
        "        if not self.ordered:\n",
        "        if False:\n",
        "what has no order has no state",
    ),
    Removal(
        PAGE,
        " or page.error is not None or",
        " or",
        "the state behind an unclear way on is before it",
    ),
    Removal(
        PAGE,
        "places[count] if count < len(places) else len(page.records)",
        "count",
        "the state is a place among all items of a page",
    ),
    Removal(
        PAGE,
        '        if given["digest"] != self.digest:\n',
        "        if False:\n",
        "the state of another request is refused",
    ),
    Removal(
        PAGE,
        "dict(data) if is_object(data)",
        "data if is_object(data)",
        "the body that the user has given stays as it is",
    ),
    Removal(
        FETCH,
        "        sorted(ask.params.items()),\n",
        "",
        "the state of other parameters is refused",
    ),
    Removal(
        FETCH,
        "        ask.json,\n        scheme",
        "        scheme",
        "the state of another body is refused",
    ),
    # Bodies: lines, packed ones, events.
    Removal(
        LINES,
        "            text = block.decode()\n",
        '            text = block.decode(errors="replace")\n',
        "bad UTF-8 is an error",
    ),
    Removal(
        LINES,
        'found = text.replace("\\r\\n", "\\n").split("\\n")\n        found.pop()\n',
        "found = text.splitlines()\n",
        "lines end at line feeds only",
    ),
    Removal(
        LINES,
        "            raise self.too_long()\n",
        "            pass\n",
        "a line without an end is not kept beyond the limit",
    ),
    Removal(
        TEXTS,
        "        if not rest and not isinstance(value, (dict, list, str)):\n",
        "        if False:\n",
        "a number with nothing behind it may be cut",
    ),
    Removal(
        TEXTS,
        "            if len(values) < len(lines):\n",
        "            if False:\n",
        "a function that stops early loses no lines",
    ),
    Removal(
        TEXTS,
        "            yield values\n            line = ",
        "            line = ",
        "the documents before a bad line come",
    ),
    Removal(
        TEXTS,
        "JSONDecoder(parse_constant=no_constant)",
        "JSONDecoder()",
        "NaN is not JSON",
    ),
    Removal(
        PACKING,
        "        if self.zlib is None or not self.zlib.eof:\n            raise",
        "        if False:\n            raise",
        "a packed body that was cut is an error",
    ),
    Removal(
        PACKING,
        "self.zlib.decompress(data, PIECE)",
        "self.zlib.decompress(data)",
        "a long body is unpacked bit by bit",
    ),
    Removal(
        RESPONSE,
        "            await owner.release(partial(leave, chunks))\n",
        "            pass\n",
        "the generators of the client are unwound",
    ),
    Removal(
        RESPONSE,
        "            await owner.release(response.aclose)\n",
        "            pass\n",
        "a response is closed",
    ),
    Removal(
        REFUSALS,
        "            await shielded(response.aclose)\n",
        "            await response.aclose()\n",
        "a response that is cancelled while its reason is read is closed",
    ),
    Removal(
        REFUSALS,
        "            await shielded(partial(leave, chunks))\n",
        "            pass\n",
        "the generators of a response that is not read to its end are unwound",
    ),
    Removal(
        REFUSALS,
        "until(current_time() + PATIENCE, partial(fill, body, chunks, packing))\n",
        "fill(body, chunks, packing)\n",
        "the reason does not take long to be read",
    ),
    Removal(
        REFUSALS,
        '            said = said.replace(secret, "***")\n',
        "            pass\n",
        "the reason shows no secret",
    ),
    Removal(
        REFUSALS,
        "        shown = visible(said[: LONGEST * 2])\n",
        "        shown = said[: LONGEST * 2]\n",
        "the reason does not act on a terminal",
    ),
    Removal(
        EVENTS,
        "        self.id: str = self.last_id\n",
        '        self.id = self.id if hasattr(self, "id") else self.last_id\n',
        "the id of half an event is forgotten with its connection",
    ),
    Removal(
        EVENTS,
        "        self.data: list[str] = []\n",
        '        self.data: list[str] = getattr(self, "data", [])\n',
        "half an event is dropped with its connection",
    ),
    Removal(
        EVENTS,
        "        if char in value:\n",
        "        if False:\n",
        "what is written is read back as the same event",
    ),
    Removal(
        SSE,
        "self.delivered |= not self.decoder.comments or has_event(events)\n",
        "self.delivered = True\n",
        "a comment is no event",
    ),
    Removal(
        SSE,
        "            if clock() >= self.turn:",
        "            if False:",
        "much without an event does not hold the event loop",
    ),
    Removal(
        SSE,
        "            if not is_sendable(last_id):\n",
        "            if False:\n",
        "an id that cannot be sent is an error",
    ),
    Removal(
        OPENINGS,
        "(retry is default and not request.repeatable)",
        "False",
        "a POST is sent once",
    ),
    Removal(
        OPENINGS,
        " and (error.retry_after or 0.0) <= self.longest\n",
        "\n",
        "a pause that is too long is not waited for",
    ),
    Removal(
        OPENINGS,
        '        return getattr(error, "retry_after", None) or 0.0\n',
        "        return 0.0\n",
        "a body is not asked for again before the server wants it",
    ),
    Removal(
        OPENINGS,
        "    if is_certificate_error(error):\n        return False\n",
        "",
        "a certificate that is not trusted is worth no other attempt",
    ),
    Removal(
        SSE,
        '            headers["Last-Event-ID"] = last_id\n',
        "            pass\n",
        "the id of the last event is sent",
    ),
    Removal(
        SSE,
        "backoff.pause(self.decoder.retry, least)",
        "backoff.pause(self.decoder.retry)",
        "no pause is shorter than the server asks for",
    ),
    Removal(
        OPENINGS,
        "        await anyio.sleep_until(self.due)\n",
        "        await anyio.sleep(0)\n",
        "there is a pause before the next connection",
    ),
    Removal(
        SSE,
        "            self.over = True\n            return\n        if response.status_code != 200",
        "            return\n        if response.status_code != 200",
        "204 is the end",
    ),
    # The command.
    Removal(
        SESSION,
        "        self.pipe_closed = True\n        self.reading.cancel()\n",
        "        self.pipe_closed = True\n",
        "a pipe that closes ends a command that waits",
    ),
    Removal(
        SESSION,
        "            await output.write(data)\n            saved()\n",
        "            saved()\n            await output.write(data)\n",
        "items are written before the state",
    ),
    Removal(
        SESSION,
        "anyio.CancelScope(shield=True) as self.writing",
        "anyio.CancelScope() as self.writing",
        "a signal does not cut a write",
    ),
    Removal(
        SESSION,
        "        await anyio.lowlevel.checkpoint_if_cancelled()",
        "        pass",
        "no page is written behind a signal",
    ),
    Removal(
        SESSION,
        "if not signals.ignored(number)]",
        "]",
        "signals that are ignored stay ignored",
    ),
    Removal(
        SIGNALS,
        "    os.kill(os.getpid(), number)\n",
        "    pass\n",
        "a command ends by the signal itself",
    ),
    Removal(
        SESSION,
        "return printable(self.secrets.clean(text))",
        "return printable(text)",
        "no credential is shown",
    ),
    Removal(
        SESSION,
        "return printable(self.secrets.clean(text))",
        "return self.secrets.clean(text)",
        "a terminal is told nothing that it would obey",
    ),
    Removal(
        SECRETS,
        " or isinstance(value, FromFile)",
        "",
        "a parameter that is in a file is a secret",
    ),
    Removal(
        COLUMNS,
        "            if key not in self.header:\n",
        "            if False:\n",
        "no value is dropped because it has no column",
    ),
    Removal(
        LIVE,
        "options.method in IDEMPOTENT or options.retries is not None",
        "True",
        "a request for events that may change something is sent once",
    ),
    Removal(
        COMMAND_PAGES,
        "self.resume.save(self.with_urls(state, concealed), done",
        "self.resume.save(state, done",
        "the state holds no credentials of a next URL",
    ),
    Removal(
        RESUME,
        "fd, unfinished = tempfile.mkstemp(",
        'fd = os.open(unfinished := f"{self.path}.tmp", os.O_WRONLY | os.O_CREAT, 0o666)\n'
        "        dict(",
        "only the owner may read the state",
    ),
    Removal(
        RESUME,
        "fd, unfinished = tempfile.mkstemp(",
        "fd = os.open(unfinished := self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)\n"
        "        dict(",
        "the state is replaced at once",
    ),
    Removal(
        RESUME,
        "            os.unlink(unfinished)\n",
        "            pass\n",
        "a state that could not be saved leaves no file behind",
    ),
    Removal(
        RESUME,
        "        if found[request] != self.head[request]:\n",
        "        if False:\n",
        "the state of other options is refused",
    ),
    Removal(
        RESUME,
        '"url": safe(url)',
        '"url": url',
        "the state holds no credentials of the URL",
    ),
    Removal(
        RESUME,
        "ours=resume is not None and resume.exists",
        "ours=resume is not None",
        "half a line of others is not cut off",
    ),
    Removal(
        OUTPUT,
        "        os.ftruncate(fd, end)\n        size = end\n",
        "        pass\n",
        "the rest of a line that was cut is dropped",
    ),
    Removal(
        OUTPUT,
        "    return end - start if end else room\n",
        "    return room\n",
        "whole lines are written to a pipe at once",
    ),
    Removal(
        OUTPUT,
        "if self.capacity and is_empty(self.fd):",
        "if self.capacity:",
        "no more than a pipe has room for is written at once",
    ),
)


def first_failure(package: Path, tests: list[str]) -> str | None:
    """What notices that something is missing: a test, or that they hang; None if nothing does."""
    plugins = ("-p", "no:cacheprovider", "-p", "no:randomly")
    arguments = ["-x", "-q", "--tb=no", *plugins, "--timeout=30"]
    environment = os.environ | {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments, *tests],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return f"nothing ends within {LIMIT} s"
    if run.returncode == 0:
        return None
    lines = run.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if failed else " ".join(lines[-2:]) or "it crashes"


def files(names: tuple[str, ...]) -> list[str]:
    return [
        f"tests/{name}" if (ROOT / "tests" / name).is_dir() else str(test_file(name))
        for name in names
    ]


def test_file(name: str) -> Path:
    path = Path("tests", name)
    return path.with_name(f"test_{path.name}.py")


def family(file: str) -> tuple[str, ...]:
    found = (names for begin, names in FAMILIES.items() if file.startswith(begin))
    return next(found, FAST)


def tried(removal: Removal, package: Path, *, slow: bool) -> str | None:
    path = package / removal.file
    whole = path.read_text()
    path.write_text(removal.applied(package))
    try:
        noticed = first_failure(package, files(family(removal.file)))
        if noticed is None and slow:
            noticed = first_failure(package, files(SLOW))
    finally:
        path.write_text(whole)
    return noticed


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="of the removals to try")
    parser.add_argument("--list", action="store_true", help="only check that their texts are there")
    parser.add_argument("--slow", action="store_true", help="ask the contract and the sweep, too")
    given = parser.parse_args()
    unnoticed = 0
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(ROOT / "src/anystream", Path(folder) / "anystream"))
        for removal in REMOVALS:
            removal.applied(package)
        for removal in REMOVALS:
            if given.words and not any(word in str(removal) for word in given.words):
                continue
            if given.list:
                print(removal)
                continue
            noticed = tried(removal, package, slow=given.slow)
            unnoticed += noticed is None
            print(
                f"{'NOTICED' if noticed else 'UNNOTICED'}  {removal}  {noticed or ''}", flush=True
            )
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
