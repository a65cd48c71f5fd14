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
    *("catch", "retry", "recover", "timing", "waiting", "pacing", "triggers", "timelines"),
)
SLOW = ("contract", "contract_cancel", "sweep", "programs")
PAGES = (
    *("http/http_removals", "http/requests", "http/retries", "http/state", "http/contents"),
    *("http/parallel", "http/pages", "http/schemes", "http/links", "http/faults", "http/json"),
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
    *("cli/pages_command", "cli/live_command"),
)
FAMILIES = {
    **dict.fromkeys(("_lines", "_json", "_chunks", "_net"), BODIES),
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


RUN, BOX, READER = "_run.py", "_mailbox.py", "_reader.py"
MOVE, WORKERS = "_operators/concurrent.py", "_operators/workers.py"
RECOVER = "_operators/recover.py"
SWITCH, JOIN, SHARE = "_operators/switch.py", "_operators/combine.py", "_operators/share.py"
TIMING, TRIGGERS = "_operators/timing.py", "_operators/triggers.py"
BATCHING, PACING = "_operators/batching.py", "_operators/pacing.py"
REQUESTS, ATTEMPTS, URLS = "http/_requests.py", "http/_attempts.py", "http/_urls.py"
SOURCES, CONTENTS, DETECT = "http/_sources.py", "http/_contents.py", "http/_detect.py"
SCHEMES, FETCH, CLIENTS = "http/_schemes.py", "http/_pages.py", "http/_clients.py"
PAGED, PAGE, PAGE_ERRORS = "http/_paged.py", "http/_page.py", "http/_errors.py"
RESPONSE, EVENTS, SSE = "http/bodies/chunks.py", "http/bodies/events.py", "http/bodies/sse.py"
LINES, TEXTS, PACKING = "_lines.py", "_json.py", "http/_packing.py"
REFUSALS, ASKING = "http/_refusals.py", "http/bodies/requests.py"
OPENINGS, LIVE = "http/bodies/openings.py", "http/bodies/live.py"
SESSION, RESUME, OUTPUT = "_cli/session.py", "_cli/resume.py", "_cli/output.py"

REMOVALS = (
    # The reader and its mailbox.
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
        "            pump.interrupt()\n        self.wake()\n",
        "            pump.interrupt()\n",
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
        "        for lane in self.lanes:\n            lane.stop()\n        for pump",
        "        for pump",
        "stopping a mailbox stops its lanes",
    ),
    Removal(
        BOX,
        "        for pump in self.pumps:\n            pump.interrupt()\n",
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
        "            finally:\n                pump.parked = None\n",
        "            finally:\n",
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
        "        while not (self.stopped or pump.stopping):\n",
        "        while not self.stopped:\n",
        "a task that is stopped does not wait for room",
    ),
    # Tasks.
    Removal(
        RUN,
        "self.outer: CancelScope = self.whole.new_scope(shield=True)",
        "self.outer: CancelScope = self.whole.new_scope()",
        "a cancellation of the reader does not come to a source",
    ),
    Removal(
        RUN,
        "            self.inner.shield = True\n",
        "            pass\n",
        "what has been interrupted may await for its cleanup",
    ),
    Removal(
        RUN,
        "self.parked is not None:\n                self.parked.set()\n",
        "False:\n                pass\n",
        "a parked task is woken and not cancelled",
    ),
    Removal(
        RUN,
        "                self.parked.set()\n            elif self.begun:",
        "                pass\n            elif self.begun:",
        "a parked task is woken when it is stopped",
    ),
    Removal(
        RUN,
        "        if not self.stopping:\n            self.stopping = True\n            if",
        "        if True:\n            self.stopping = True\n            if",
        "a task is stopped once",
    ),
    Removal(
        RUN,
        "self.inner is not None and not self.inner.shield\n                self.outer.cancel()\n\n",
        "self.inner is not None and not self.inner.shield\n\n",
        "what a task waits for is interrupted",
    ),
    Removal(
        RUN,
        "                if self.stopping and self.awaits:  # before it has begun\n",
        "                if False:\n",
        "a task that is stopped before it has begun does not begin to wait",
    ),
    Removal(
        RUN,
        "                    if hit:\n                        self.protect()\n",
        "                    if hit:\n                        pass\n",
        "one interruption, and not another at each await of the cleanup",
    ),
    Removal(
        RUN,
        "                    trap = body.throw(exc)\n",
        "                    if hit:\n                        self.protect()\n"
        "                    trap = body.throw(exc)\n",
        "no shield before the interruption has been told (asyncio)",
    ),
    Removal(
        RUN,
        "                    trap = send(value)\n",
        "                    if hit:\n                        self.protect()\n"
        "                    trap = send(value)\n",
        "no shield before the interruption has been told (trio)",
    ),
    Removal(
        RUN,
        "        inner.deadline = current_time() + self.pipeline.grace\n",
        "        pass\n",
        "what has been interrupted has the grace period and no more",
    ),
    Removal(
        RUN,
        "        finally:\n            self.rest()\n            if group",
        "        finally:\n            if group",
        "the grace period of a close does not end the wait for the tasks",
    ),
    Removal(
        RUN,
        "        self.rest()\n        with CancelScope(shield=True)",
        "        with CancelScope(shield=True)",
        "the grace period of a close does not end a wait for a part",
    ),
    Removal(
        RUN,
        "        if self.shield is None:\n            inner.deadline",
        "        if True:\n            inner.deadline",
        "what was interrupted and closes already keeps the time of the close",
    ),
    Removal(
        RUN,
        "        self.protect()\n        self.shield:",
        "        self.shield:",
        "a task closes its source in a shield",
    ),
    Removal(
        RUN,
        "        if self.stopping or rest is not None:\n            return rest\n",
        "        if rest is not None:\n            return rest\n",
        "our own interruption is no error",
    ),
    Removal(
        RUN,
        "        if self.stopping and self.inner is not None and self.inner.cancel_called:\n",
        "        if False:\n",
        "a task that outlives the grace period is told of",
    ),
    Removal(
        RUN,
        "            if self.awaited is not None:\n                self.awaited.set()\n",
        "",
        "the end of a task wakes who waits for it",
    ),
    Removal(
        RUN,
        "            self.pipeline.errors += self.errors\n",
        "",
        "what nobody has read of a task's errors is raised by who closes",
    ),
    # Closing.
    Removal(
        RUN,
        "            shield.deadline = current_time() + grace\n",
        "            pass\n",
        "a close has the grace period and no more",
    ),
    Removal(
        RUN,
        "            shield.deadline = current_time() + grace\n",
        "            shield.deadline = min(shield.deadline, current_time() + grace)\n",
        "each close has a grace period of its own",
    ),
    Removal(
        RUN,
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
        RUN,
        "        with CancelScope(shield=True):  # without a deadline: each pump",
        "        with CancelScope():  # each pump",
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
        RUN,
        "            if late is not None:\n                raise late from failure\n",
        "",
        "a native cancellation during cleanup is passed on",
    ),
    Removal(
        RUN,
        "            self.late = cancelled\n",
        "            pass\n",
        "a native cancellation that comes to a close is kept",
    ),
    Removal(
        RUN,
        "        if isinstance(box, Mailbox) and not self.owned:\n",
        "        if isinstance(box, Mailbox):\n",
        "what was handed over is closed after the tasks",
    ),
    # Moving.
    Removal(
        MOVE,
        "        lane.box.closed = True  # and so this is not the end of what is read\n",
        "        pass\n",
        "who leaves does not end the stream of another reader",
    ),
    Removal(
        RUN,
        "        self.opening, self.unstarted = True, ()\n",
        "        self.unstarted = ()\n",
        "no task starts if an opening fails half-way",
    ),
    Removal(
        SHARE,
        "        if self.pump.stopping:\n            self.cut()\n",
        "",
        "who leaves does not end the stream of another reader of a hub",
    ),
    Removal(
        MOVE,
        "    while not pump.stopping and (lane.takes()",
        "    while (lane.takes()",
        "a task that is stopped asks its source for nothing more",
    ),
    Removal(
        MOVE,
        "    pump.stopping = True  # nobody interrupts the close\n",
        "",
        "nobody interrupts a close",
    ),
    Removal(
        MOVE,
        "    elif error is not None and error is not lane.box.failed:"
        "  # several may hear of one error\n"
        "        pump.errors += (error,)\n    for",
        "    for",
        "an error after the reader has left is kept",
    ),
    Removal(
        MOVE,
        "                other.stop()\n                pump.interrupt()\n",
        "                other.stop()\n",
        "the losers of a race are stopped",
    ),
    Removal(
        MOVE,
        "        if error is None:\n            self.end()\n",
        "",
        "the end of one is the end of all",
    ),
    # Workers.
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
        "        while not pump.stopping and (item := ",
        "        while (item := ",
        "a task that is stopped takes no item to open a stream for",
    ),
    Removal(
        WORKERS,
        "            if pump.stopping:  # nothing would interrupt the function then\n"
        "                break\n",
        "",
        "a task that was stopped while it took an item opens nothing",
    ),
    Removal(
        WORKERS,
        "            if isinstance(result, Failure):\n"
        "                self.box.fail(result.error)\n                return\n",
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
        "            self.turns.end()\n",
        "            self.turns.taken = False\n",
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
        "                await pump.stop(running)\n                if",
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
        "    await pump.stop(running)\n    await leave",
        "    await leave",
        "the inner stream closes before the outer one",
    ),
    Removal(
        SWITCH,
        "        if not pump.stopping:  # before it has begun\n            await",
        "        if True:\n            await",
        "a function is not called for an item that was replaced before that",
    ),
    Removal(
        SWITCH,
        "                if pump.stopping:  # meanwhile\n                    break\n",
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
        "host.pipeline.held_back(lambda: opened(stream, self.pump))",
        "opened(stream, self.pump), ()",
        "the tasks of a shared source come with its first reader",
    ),
    Removal(
        SHARE,
        "        for pump in self.behind:\n            pump.interrupt()\n",
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
        "                self.fail_if_stuck(lane.box)\n",
        "                pass\n",
        "readers that wait for each other are told so",
    ),
    Removal(
        SHARE,
        "        while not (lane.stopped or self.pump.stopping):\n",
        "        while not lane.stopped:\n",
        "a hub that is stopped does not wait for room",
    ),
    Removal(
        SHARE,
        "        self.pump.stopping = True  # nobody interrupts the close\n",
        "",
        "nobody interrupts a hub's close",
    ),
    Removal(
        SHARE,
        "        if self.hub.started and not self.hub.branches:\n",
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
        "        if due < self.due:\n            self.box.wake()  # to look at the clock\n",
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
        "        super().__init__(box, 2)\n",
        "        super().__init__(box, 1)\n",
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
        "                self.since = current_time()\n                self.box.wake()\n",
        "                self.since = current_time()\n",
        "a reader that waits looks at the clock when a batch begins",
    ),
    Removal(
        BATCHING,
        "                self.full_since = current_time()\n                self.box.wake()\n",
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
        "            self.box.fail(error)\n        else:\n",
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
        "                box.heard(None)  # before anything is asked for\n",
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
        "_batches.py",
        "            batch = chain(batch, self.mark())\n",
        "            self.complete = True\n",
        "a function that raises StopIteration does not look like the end",
    ),
    Removal(
        "_batches.py",
        "            self.waiting = operator\n            raise\n",
        "            raise\n",
        "a step that was cancelled is waited for again",
    ),
    # Going on after an error or an end.
    Removal(
        RECOVER,
        "        await self.leave(self.error)\n        if self.due",
        "        if self.due",
        "what has failed is closed before the pause",
    ),
    Removal(
        RECOVER,
        "        await self.leave(self.error)\n        made",
        "        made",
        "what has failed is closed before its replacement is opened",
    ),
    Removal(
        RECOVER,
        "            self.host.settle(error)\n",
        "            self.host.settle(None)\n",
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
        "        if pipeline.closed:  # by",
        "        if False:  # by",
        "nothing is opened in a run that has been closed",
    ),
    Removal(
        RECOVER,
        "        super().__init__(stream, host)\n        host.pipeline.may_spawn = True\n",
        "        super().__init__(stream, host)\n",
        "a replacement may need tasks",
    ),
    Removal(
        RECOVER,
        "        if resume is not None:\n            host.pipeline.may_spawn = True\n",
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
        "        self.error = None  # which refers to this object\n"
        "        await super().close(host)\n\n\ndef caught(",
        "        await super().close(host)\n\n\ndef caught(",
        "an error that is to be replaced leaves no cycle behind",
    ),
    Removal(
        RECOVER,
        "        self.error = None  # which refers to this object\n"
        "        await super().close(host)\n\n\ndef retrying(",
        "        await super().close(host)\n\n\ndef retrying(",
        "an error that is retried, or not leaves no cycle behind",
    ),
    Removal(
        RECOVER,
        "        del error, args  # which",
        "        pass  # which",
        "the error that a function was given leaves no cycle behind",
    ),
    # Pages over HTTP: what is asked for, and where.
    Removal(
        REQUESTS,
        'trusted = "url" not in step or self.at_home(request, number)',
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
        "return client.send(request, stream=stream, follow_redirects=False)\n",
        "return client.send(request, stream=stream)\n",
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
        '        return url + ("&" if "?" in url else "?") + urlencode(missing)\n',
        "        return url\n",
        "the parameters of the client are added to a link",
    ),
    Removal(
        REQUESTS,
        "        if not missing or not same(origin(link), self.home):\n",
        "        if not missing:\n",
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
        "        self.url: str = safe(str(url))\n",
        "        self.url: str = str(url)\n",
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
        ATTEMPTS,
        "max(self.backoff.pause(), wanted)\n",
        "self.backoff.pause()\n",
        "Retry-After is kept to",
    ),
    Removal(
        ATTEMPTS,
        "after is not None and after > limit and may_pass(status, limited)\n",
        "False\n",
        "a Retry-After beyond the limit is refused",
    ),
    Removal(
        ATTEMPTS,
        "    if isinstance(error, RetryAfterError):\n        return False\n",
        "",
        "a Retry-After beyond the limit is not shortened",
    ),
    Removal(
        ATTEMPTS,
        "        await sleep_until(due)\n        self.due = None\n",
        "        self.due = None\n        await sleep_until(due)\n",
        "a cancelled step does not shorten the pause",
    ),
    Removal(
        ATTEMPTS,
        "        self.failed = None\n",
        "",
        "the hook hears of each failure once, though the pause is cancelled",
    ),
    Removal(
        ATTEMPTS,
        "        if self.backoff is None:\n",
        "        if True:\n",
        "the attempts of a page are counted",
    ),
    Removal(
        ATTEMPTS,
        "        if self.turn is None:\n",
        "        if True:\n",
        "a cancelled step keeps its turn in the rate",
    ),
    Removal(
        ATTEMPTS,
        "            self.turn = None\n",
        "            pass\n",
        "each attempt takes a turn in the rate",
    ),
    Removal(
        ATTEMPTS,
        "        if ask.method not in ask.retry_methods or not is_transient(error):\n",
        "        if not is_transient(error):\n",
        "POST is not repeated",
    ),
    Removal(
        ATTEMPTS,
        "    if isinstance(error, TruncatedPage):\n        return True\n",
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
        ATTEMPTS,
        " and self.step != scheme.first():",
        ":",
        "no status is the end on the first page",
    ),
    Removal(
        ATTEMPTS,
        '    now = timestamp(headers.get("date", ""))',
        "    now = None",
        "a date is measured by the clock of the server",
    ),
    Removal(
        ATTEMPTS,
        "        limited = limited or (after is not None and status == 403)\n",
        "",
        "403 with Retry-After is a rate limit",
    ),
    # From page to page.
    Removal(
        SOURCES,
        "        self.seen.add(key)\n",
        "        self.seen = {key}\n",
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
        "        self.step = page.next if page.error is None else page.step\n",
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
        SOURCES,
        "            page.places = page.places[self.skip :]\n",
        "            pass\n",
        "the state of a page that was gone on with in its middle",
    ),
    Removal(
        SOURCES,
        "            self.skip = 0\n",
        "            pass\n",
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
        "            self.learn(page)\n        finally",
        "        finally",
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
        "            await host.release(own.aclose)\n",
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
        CONTENTS,
        "            page.error = error\n",
        "            raise\n",
        "items come before what is wrong with the way to the next page",
    ),
    Removal(
        CONTENTS,
        "        if sign is not None:\n",
        "        if False:\n",
        "a response that shows that there is more is no end",
    ),
    Removal(
        CONTENTS,
        "        if response.status_code == NO_CONTENT:\n",
        "        if False:\n",
        "204 is a page without items",
    ),
    Removal(
        CONTENTS,
        "            kind = TruncatedPage if exc.truncated else PageDataError\n",
        "            kind = PageDataError\n",
        "a body that was cut short is known as such",
    ),
    Removal(
        CONTENTS,
        "        if len(lists) != 1:\n",
        "        if not lists:\n",
        "two lists that may be the items are an error",
    ),
    Removal(
        CONTENTS,
        "            items = self.items = self.place(",
        "            items = self.place(",
        "the list of the first page is that of all",
    ),
    Removal(
        CONTENTS,
        "            self.scheme.check(data, response, number)\n",
        "            pass\n",
        "errors of GraphQL are errors",
    ),
    Removal(
        CONTENTS,
        "        if issubclass(type(found), list):\n",
        "        if found is not MISSING:\n",
        "what is no list holds no items",
    ),
    Removal(
        CONTENTS,
        'str(page.response.url.join(step["url"]))',
        'step["url"]',
        "a relative link is one to the URL of its page",
    ),
    Removal(
        SCHEMES,
        "+ 1) if page.records else None",
        "+ 1)",
        "an empty page ends numbered ones",
    ),
    Removal(
        SCHEMES,
        "if first.records and offset < self.start + count",
        "if offset < self.start + count",
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
        "        if more is not MISSING and not more:\n",
        "        if False:\n",
        "a cursor counts only if there is more",
    ),
    Removal(
        SCHEMES,
        ' and cursor not in (None, ""):',
        ":",
        "an empty cursor is the end",
    ),
    Removal(
        SCHEMES,
        "        if more is not MISSING:\n",
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
        "        if more is MISSING:\n",
        "        if False:\n",
        "nothing that says whether there is more is an error",
    ),
    Removal(
        SCHEMES,
        "if more is MISSING or (more and not isinstance(cursor, str)):",
        "if False:",
        "a connection without its pageInfo is an error",
    ),
    Removal(
        DETECT,
        "isinstance(target, str) and looks_like_url(target)",
        "isinstance(target, str)",
        "only what looks like a URL is taken for one",
    ),
    Removal(
        DETECT,
        "        if not told and number_at",
        "        if number_at",
        "a page that tells that it is the last one is the end",
    ),
    Removal(
        DETECT,
        "    for place in PLACES:\n",
        "    for place in ():\n",
        "a page number without an end is a sign of more",
    ),
    Removal(
        DETECT,
        '            return f"{in_words(place)} is {value!r}"\n',
        "            break\n",
        "a flag or a cursor is a sign of more",
    ),
    # Items, and the place that a run has come to.
    Removal(
        PAGED,
        "            page.places = [page.places[at] for at in kept]\n",
        "",
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
        "            self.left -= len(page.items)\n",
        "            pass\n",
        "`max_items` counts over pages",
    ),
    Removal(
        PAGED,
        "if new(key(page.records[place]))]",
        "if new(key(page.items[at]))]",
        "`dedupe` sees an item as it is out of JSON",
    ),
    Removal(
        PAGED,
        " - length_hint(self.items))",
        ")",
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
        " or page.error is not None:",
        ":",
        "the state behind an unclear way on is before it",
    ),
    Removal(
        PAGE,
        "page.places[count] if count < len(page.places) else len(page.records)",
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
        "dict(data) if issubclass",
        "data if issubclass",
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
        "JSONDecoder(parse_constant=refuse)",
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
        "            await host.release(partial(leave, chunks))\n",
        "            pass\n",
        "the generators of the client are unwound",
    ),
    Removal(
        RESPONSE,
        "            await host.release(response.aclose)\n",
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
        "        self.id = self.last_id\n",
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
        "if not ignored(number)]",
        "]",
        "signals that are ignored stay ignored",
    ),
    Removal(
        SESSION,
        "    os.kill(os.getpid(), number)\n",
        "    pass\n",
        "a command ends by the signal itself",
    ),
    Removal(
        SESSION,
        'self.show(f"anystream: {self.secrets.clean(text)}")',
        'self.show(f"anystream: {text}")',
        "no credential is shown",
    ),
    Removal(
        RESUME,
        ", 0o600)",
        ", 0o666)",
        "only the owner may read the state",
    ),
    Removal(
        RESUME,
        'unfinished = f"{self.path}.tmp"',
        "unfinished = self.path",
        "the state is replaced at once",
    ),
    Removal(
        RESUME,
        ' | getattr(os, "O_NOFOLLOW", 0)',
        "",
        "the state is not written through a link",
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
