"""What was decided about messages here, until the server knows of it.

A message that is given back may come again, as another object, before the server's answer does. So
what is decided is kept with the object that it was decided about.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .messages import Message, Raw
from .plans import RELEASED, GroupPlan
from .scripts import PUBLISH, RELEASE, digest


class Returned(NamedTuple):
    """A message that is given back: for how long it counts as idle, and how often as delivered."""

    message: Message[Any]
    idle: int
    times: int


class Entry(NamedTuple):
    """An entry in another stream, with which a message is acknowledged."""

    target: str
    longest: int | None
    message: Message[Any]
    fields: Raw


class Outbox:
    """Acknowledgements, results and what is given back, in the order of decision."""

    def __init__(self, plan: GroupPlan, consumer: str) -> None:
        self.plan = plan
        self.consumer = consumer
        self.acked: list[Message[Any]] = []
        self.given: list[Returned] = []
        self.entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self.acked) + len(self.given) + len(self.entries)

    @property
    def settled(self) -> int:
        """How many messages are handled, and the server does not know it."""
        return len(self.acked) + len(self.entries)

    def messages(self) -> list[Message[Any]]:
        given = [each.message for each in self.given]
        return [*self.acked, *given, *(each.message for each in self.entries)]

    def taken(self, held: Mapping[str, Message[Any]]) -> "Outbox":
        """All of it, which is not here any more; nothing is given back that has come again."""
        parcel = Outbox(self.plan, self.consumer)
        parcel.acked, self.acked = self.acked, []
        parcel.given = [each for each in self.given if held.get(each.message.id) is each.message]
        self.given = []
        parcel.entries, self.entries = self.entries, []
        return parcel

    def put_back(self, parcel: "Outbox") -> None:
        """It may have arrived or not; to send it again changes nothing."""
        self.acked[:0] = parcel.acked
        self.given[:0] = parcel.given
        self.entries[:0] = parcel.entries

    def commands(self) -> Sequence[Sequence[Any]]:
        plan = self.plan
        found: list[list[Any]] = []
        if self.acked:
            found.append([b"XACK", plan.stream, plan.group, *(each.id for each in self.acked)])
        if self.given:
            release = [b"EVALSHA", digest(RELEASE), 1, plan.stream, plan.group, self.consumer]
            given = ((each.message.id, each.idle, each.times) for each in self.given)
            found.append([*release, RELEASED, *(part for each in given for part in each)])
        for target, longest in {(each.target, each.longest): None for each in self.entries}:
            publish: list[Any] = [b"EVALSHA", digest(PUBLISH), 2, plan.stream, target, plan.group]
            publish.append("" if longest is None else longest)
            for each in self.entries:
                if (each.target, each.longest) == (target, longest):
                    publish += (each.message.id, len(each.fields), *each.fields)
            found.append(publish)
        return found
