"""What one connection is expected to have made of the truth: who is a customer, which events arrive, which are held.

Written from `docs/behaviour.md` (who is sent, held events, the allowlist). Each event is judged by what was known when
it came.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .history import Event
from .truth import Human, Told, Truth

APPLIED = frozenset({"$set", "$set_once", "$unset", "$create_alias", "$merge_dangerously"})
"""Events that only say something about people."""


@dataclass
class Standing:
    """Somebody at one connection."""

    is_customer: bool = False
    arrives: set[int] = field(default_factory=set)
    """Numbers of their events that are to be at the destination."""
    held: list[tuple[int, int]] = field(default_factory=list)
    """Position and number of the events that wait until they qualify."""


class Expected:
    """`options` are those in force. Everything before the connection was made teaches, and is not sent."""

    def __init__(self, truth: Truth, options: dict[str, object]) -> None:
        self._truth = truth
        self.options = {name: value for name, value in options.items() if value is not None}
        self._standings: dict[int, tuple[Human, Standing]] = {}
        self.claims = self._by_property()
        """Whether customers are, or were, identified by the property `user_id`."""
        self.left_out = self._left_out()
        """Attributes that are not sent, or were not for a while: the destination has any value of theirs, or none."""
        self.outcomes: dict[int, str] = {}
        """Of each position: `delivered`, `held`, or why it is filtered."""
        self.before: dict[int, set[int]] = {}
        """Of each event, those of the same person that have to arrive before it."""
        self.optional: set[int] = set()
        """Events that may arrive: replayed under options that others were filtered by."""
        self.numbers: dict[int, tuple[int, Human]] = {}
        """Of each position: the event's number, and whose it was."""
        self.names: dict[int, str] = {}

    def of(self, human: Human) -> Standing:
        return self._standings.setdefault(id(human), (human, Standing()))[1]

    @property
    def allowed(self) -> set[str]:
        """Names that are to be sent; empty: all but those that a pattern leaves out."""
        names = str(self.options.get("event_allowlist") or self.options.get("events", "")).split(",")
        return {name for name in names if name and not name.startswith("-")}

    def takes(self, name: str) -> bool:
        never = [one[1:].rstrip("*") for one in str(self.options.get("events", "")).split(",") if one.startswith("-")]
        if any(name.startswith(beginning) for beginning in never):
            return False
        return not self.allowed or name in self.allowed

    def ignores(self, event: Event) -> bool:
        return event.test and bool(self.options.get("ignore_when"))

    def _left_out(self) -> set[str]:
        return {name[1:] for name in str(self.options.get("attribute_names", "")).split(",") if name.startswith("-")}

    def _by_property(self) -> bool:
        return self.options.get("identify_by") == "property:user_id"

    @property
    def mode(self) -> object:
        return self.options.get("anonymous_users", "all")

    @property
    def holds(self) -> bool:
        return bool(self.options.get("hold_days")) and self.mode in {"identified", "emails"}

    @property
    def merges(self) -> bool:
        return self.options.get("merge_people", True) in {True, "own", "all"}

    @property
    def by_email(self) -> bool:
        return self.options.get("identify_by_email", False) is True

    def qualifies(self, human: Human) -> bool:
        return {"identified": human.identified, "emails": human.emailed}.get(str(self.mode), True)

    def may_be_customer(self, human: Human) -> bool:
        """With anonymous events, whoever is anonymous is sent and still no customer."""
        if self.mode == "anonymous-events":
            return human.identified or human.emailed or self.of(human).is_customer
        return self.qualifies(human)

    def suppressed(self, position: int) -> None:
        self.outcomes[position] = "suppressed"

    def take(self, position: int, n: int, event: Event, told: Told) -> None:
        """The truth was told an event."""
        human = told.human
        mine = self.of(human)
        if told.absorbed is not None:
            other = self.of(told.absorbed)
            mine.is_customer = mine.is_customer or other.is_customer
            mine.arrives |= other.arrives
            mine.held = sorted(mine.held + other.held)
        self.numbers[position], self.names[position] = (n, human), event.name
        if self.ignores(event):
            self.outcomes[position] = "ignored"
            return
        if event.name == self.options.get("delete_on"):
            self.outcomes[position] = "delivered" if mine.is_customer else "nothing_to_send"
            self.optional |= mine.arrives  # their customer is gone, with all that it had
            mine.is_customer, mine.arrives = False, set()
            return
        self.release(human)
        outcome = self._outcome(human, event)
        self.outcomes[position] = outcome
        if outcome == "delivered" and self._is_sent(event):
            self.before.setdefault(n, set(mine.arrives))
            mine.arrives.add(n)
        elif outcome == "held":
            mine.held.append((position, n))
        if self._makes_customer(human, event):
            mine.is_customer = True

    def release(self, human: Human) -> None:
        """What was held of somebody who qualifies goes out."""
        mine = self.of(human)
        if not mine.held or not self.qualifies(human):
            return
        for position, n in mine.held:
            self.outcomes[position] = "delivered"
            self.before.setdefault(n, set(mine.arrives))
            mine.arrives.add(n)
        mine.held = []
        mine.is_customer = mine.is_customer or self.may_be_customer(human)

    def _is_sent(self, event: Event) -> bool:
        return self.takes(event.name) and (event.name in self.allowed or event.name not in APPLIED)

    def _knows_something(self, human: Human) -> bool:
        return bool(human.attributes) or human.email is not None

    def _makes_customer(self, human: Human, event: Event) -> bool:
        if not self.may_be_customer(human):
            return False
        return self._is_sent(event) or (self.takes(event.name) and self._knows_something(human))

    def _outcome(self, human: Human, event: Event) -> str:
        allowed = self.allowed
        if not self.takes(event.name):
            return "not_in_allowlist"
        only_applied = event.name in APPLIED and event.name not in allowed
        if not self.qualifies(human):
            reason = "not_identified" if self.mode == "identified" else "no_email"
            return "held" if self.holds and not only_applied else reason
        if not only_applied:
            return "delivered"
        says = bool(event.set or event.unset or event.person_email or event.once) and not event.personless
        becomes = self.of(human).is_customer or (self.may_be_customer(human) and self._knows_something(human))
        return "delivered" if says and becomes else "nothing_to_send"

    def configure(self, options: dict[str, object]) -> None:
        """Other options, while nothing is under way: what is held of whoever qualifies now goes out."""
        if "event_allowlist" in options:  # the older name of `events`
            self.options.pop("events", None)
        self.options = {name: value for name, value in (self.options | options).items() if value is not None}
        self.left_out |= self._left_out()
        self.claims = self.claims or self._by_property()
        for human in self._truth.humans:
            self.release(human)

    def replay(self) -> None:
        """Everything is sent once more, by today's gates, to today's people."""
        for position, (n, _) in self.numbers.items():
            if self.outcomes[position] not in {"held", "delivered"}:
                self.optional.add(n)

    def forget(self, human: Human) -> None:
        """Whatever of theirs had not arrived never does."""
        self._standings.pop(id(human), None)
        for position, (_, whose) in self.numbers.items():
            if whose.ids <= human.ids and self.outcomes[position] == "held":
                self.outcomes[position] = "forgotten"

    def totals(self) -> Counter[str]:
        return Counter(self.outcomes.values())
