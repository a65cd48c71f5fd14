"""Remove the guarantees of the package one by one, and see that some test notices each removal.

    python tests/ablate.py [--list] [--slow] [WORDS ...]

Each entry of the table replaces one piece of text, which must occur exactly once, in a copy of the
package, and runs the tests over that. With words only the entries that contain one of them are
tried, with --list they are only checked, with --slow what is not noticed goes through the
contract and the sweep as well. The exit code is 1 if a removal goes unnoticed.
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
    *("removals", "tasks", "workers", "joins", "switch", "share", "run", "core", "hazards"),
    "bridges",
    *("catch", "retry", "recover", "timing", "waiting", "pacing", "triggers", "timelines"),
)
SLOW = ("contract", "contract_cancel", "sweep", "programs")
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
        "                self.interrupting = True\n                self.outer.cancel()\n\n",
        "                self.interrupting = True\n\n",
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
        "                if hit:\n                    self.protect()\n",
        "                if hit:\n                    pass\n",
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
        "            inner.deadline = current_time() + self.pipeline.grace\n",
        "            pass\n",
        "what has been interrupted has the grace period and no more",
    ),
    Removal(
        RUN,
        "            self.inner.deadline = inf  # these pumps",
        "            pass  # these pumps",
        "the grace period of what was interrupted does not end a wait for other tasks",
    ),
    Removal(
        RUN,
        "        self.protect()\n        self.shield:",
        "        self.shield:",
        "a task closes its source in a shield",
    ),
    Removal(
        RUN,
        "        if self.stopping:\n            return None\n        lost",
        "        lost",
        "our own interruption is no error",
    ),
    Removal(
        RUN,
        "        if self.stopping and self.inner is not None and self.inner.cancel_called:\n"
        "            return self.pipeline.hung(self.pipeline.grace)\n",
        "",
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
        "                shield.deadline = inf  # the next close has a period of its own\n",
        "                pass\n",
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
        "                self.late = exc\n            else:",
        "                pass\n            else:",
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
        "        for pump in unstarted:\n            self.start(pump)\n        return s",
        "            for pump in unstarted:\n                self.start(pump)\n        return s",
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
        "        self.answered()\n        yield self.beat()\n",
        "        yield self.beat()\n",
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
        "            self.full = max(self.full, now) + self.interval\n",
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
)


def first_failure(package: Path, tests: list[str]) -> str | None:
    """What notices that something is missing: a test, or that they hang; None if nothing does."""
    arguments = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--timeout=30"]
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
        f"tests/{name}" if (ROOT / "tests" / name).is_dir() else f"tests/test_{name}.py"
        for name in names
    ]


def tried(removal: Removal, package: Path, *, slow: bool) -> str | None:
    path = package / removal.file
    whole = path.read_text()
    path.write_text(removal.applied(package))
    try:
        noticed = first_failure(package, files(FAST))
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
