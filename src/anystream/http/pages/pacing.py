"""How fast the requests of a run go out: its rate, the pauses that a server asks for, its quota."""

from anyio import Event, current_time, sleep_until

SUCCESSES = 50
"""How many answers in a row make it worth a try to ask faster."""

FASTER = 0.8
"""By which the time between two requests is shortened then."""

GENTLE = 4
"""Requests at a time up to which their number grows by one, and not to twice as many."""


class Pacer:
    """When the next request of a run may be sent, for all the tasks that send some.

    A pause that the server asks for is one for all of them. After it they go out one by one, at the
    rate at which the server has answered before. So that a quota is not missed by a burst, their
    number at a time begins with one, and grows while all is answered.
    """

    def __init__(self, interval: float, tasks: int, patience: float) -> None:
        self._interval = interval  # seconds between two requests, as the caller wants it
        self._most = tasks
        self._patience = patience  # seconds of the longest pause
        self._free = 0.0  # when the next request may be sent
        self._until = 0.0  # when the pause is over
        self._quota = 0.0  # seconds between two requests, as the server has shown
        self._width = tasks if interval or tasks == 1 else 1  # requests at a time
        self._flying = 0
        self._landed: Event | None = None  # that a task waits for
        self._begun: float | None = None  # when the first request after a pause was sent
        self._answered = 0  # how many were since then
        self._grown = 0  # of these when the width has grown last
        self._waiting_since: float | None = None  # the first refusal since an answer

    async def turn(self) -> None:
        """Wait until the next request may be sent, which counts as sent then.

        May be cancelled, and called again.
        """
        while True:
            due = max(self._until, self._free)
            if due > current_time():
                await sleep_until(due)
            elif self._flying >= self._width:
                if self._landed is None:
                    self._landed = Event()
                await self._landed.wait()
            else:
                break
        now = current_time()
        self._begun = now if self._begun is None else self._begun
        self._free = now + max(self._interval, self._quota)
        self._flying += 1

    def landed(self) -> None:
        """A request has been answered, refused or given up."""
        self._flying -= 1
        if self._landed is not None:
            self._landed.set()
            self._landed = None

    def answered(self, left: float | None = None) -> None:
        """A request was answered; `left` is for how long the server wants no other one."""
        self._waiting_since = None
        self._answered += 1
        if self._answered - self._grown >= self._width < self._most:
            self._width += 1 if self._width < GENTLE else min(self._width, self._most - self._width)
            self._grown = self._answered
        if self._answered % SUCCESSES == 0:
            self._quota *= FASTER
        if left is not None:
            self._until = max(self._until, current_time() + left)

    def refused(self, pause: float) -> bool:
        """A request was refused for now; False if that has been so for longer than allowed."""
        now = current_time()
        if self._waiting_since is None:
            self._waiting_since = now
        if now >= self._until:  # others that were on their way are refused by the same quota
            self._slow_down(now + pause)
        self._until = max(self._until, now + pause)
        return self._until - self._waiting_since <= self._patience

    def _slow_down(self, until: float) -> None:
        if self._answered and self._begun is not None:
            self._quota = (until - self._begun) / self._answered
        self._begun, self._answered, self._grown, self._width = None, 0, 0, 1
