"""The truth: who is whom and has what, by PostHog's documented rules. One pass over the events as they came.

Written from PostHog's documentation and source, not from Hogline's; it imports nothing of it. There are no positions
and no lanes here, nothing is lazy, nothing crashes, and everybody is remembered for ever.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from .history import Event

JOINS = frozenset({"$identify", "$create_alias", "$merge_dangerously"})
_NOT_JOINED_IN_ANY_CASE = frozenset(
    [
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
    ]
)
_NOT_JOINED = frozenset(["[object Object]", "NaN", "None", "none", "null", "0", "undefined"])
_EMAIL = re.compile(r"[a-z0-9._+-]+@[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
"""Every address that the histories use, and nothing that they use beside."""


@dataclass(eq=False)
class Human:
    """A person of PostHog's."""

    first_id: str
    ids: set[str]
    identified: bool = False
    """For filtering: a $identify came, or somebody identified was merged in."""
    protected: bool = False
    """PostHog's `is_identified`: never merged into somebody else without danger."""
    emailed: bool = False
    """An email was known once."""
    attributes: dict[str, tuple[object, int]] = field(default_factory=dict)
    """Newest value of each and the time of the event that said so (milliseconds). None: removed. `email` is one."""
    emails: set[str] = field(default_factory=set)
    """In small letters: all that they ever had."""
    user_ids: set[str] = field(default_factory=set)
    """All values that the property `user_id` ever had, as text."""

    @property
    def email(self) -> str | None:
        if "email" in self.attributes:
            value = self.attributes["email"][0]
            return value if isinstance(value, str) else None
        return address(self.first_id)

    def values(self) -> dict[str, object]:
        """What PostHog's person has, apart from the email."""
        return {name: value for name, (value, _) in self.attributes.items() if value is not None and name != "email"}

    def __str__(self) -> str:
        flags = " identified" * self.identified + " protected" * self.protected
        return f"{'+'.join(sorted(self.ids))}{flags} <{self.email or ''}> {self.values()}"


@dataclass(frozen=True)
class Told:
    """What one event came to."""

    human: Human
    absorbed: Human | None = None
    """Whoever is part of them from now on."""


class Truth:
    def __init__(self) -> None:
        self._humans: dict[str, Human] = {}
        self._suppressed: set[str] = set()
        """Ids and emails, as written and in small letters."""
        self.perhaps_suppressed: set[str] = set()
        """Emails that somebody suppressed had before their last one, or that others had, too, but do not have now; and
        values of their property `user_id`: whether those are blocked is open."""

    @property
    def humans(self) -> list[Human]:
        return list({id(human): human for human in self._humans.values()}.values())

    def human(self, distinct_id: str) -> Human:
        found = self._humans.get(distinct_id)
        if found is None:
            found = self._humans[distinct_id] = Human(distinct_id, {distinct_id})
            if (email := address(distinct_id)) is not None:
                found.emails.add(email.lower())
                found.emailed = True
        return found

    def is_only_an_email(self, text: str) -> bool:
        """Whether it is nobody's id so far, but may be somebody's email."""
        return text not in self._humans and address(text) is not None

    def is_suppressed(self, event: Event) -> bool:
        """Whether an event is of somebody who is never to come back: by any id or email that it says to be theirs."""
        texts = [event.who, event.set.get("email"), event.person_email]
        if event.name in JOINS and event.other is not None:
            texts.append(text_of(event.other))
        return any(isinstance(text, str) and self._is_blocked(text.strip()) for text in texts)

    def _is_blocked(self, text: str) -> bool:
        return text in self._suppressed or text.lower() in self._suppressed

    def _block(self, text: str) -> None:
        self._suppressed |= {text.strip(), text.strip().lower()}

    def tell(self, event: Event, received_ms: int) -> Told:
        """PostHog says this. Not for events of whoever is suppressed."""
        human = self.human(event.who)
        if event.personless:
            return Told(human)
        at_ms = min(received_ms - event.late_s * 1_000, received_ms)
        if event.name == "$identify":
            human.identified = True
        absorbed = self._join(human, event, at_ms)
        self._learn(human, event, at_ms)
        return Told(human, absorbed)

    def _join(self, human: Human, event: Event, at_ms: int) -> Human | None:
        if event.name not in JOINS or event.other is None:
            return None
        other_id = text_of(event.other)
        if other_id == event.who or not may_be_joined(event.who) or not may_be_joined(other_id):
            return None
        other = self.human(other_id)
        # The attempt alone protects whoever made it, also if it is refused.
        human.protected = True
        if other is human or (other.protected and event.name != "$merge_dangerously"):
            return None
        self._absorb(human, other, at_ms)
        return other

    def _absorb(self, human: Human, other: Human, at_ms: int) -> None:
        """Where both have a value, `human`'s stays; what they lack or removed is filled."""
        email = human.email or other.email
        for name, (value, ms) in other.attributes.items():
            mine, mine_ms = human.attributes.get(name, (None, ms))
            human.attributes[name] = (value if mine is None else mine, max(ms, mine_ms))
        if email is not None and human.attributes.get("email", (None, 0))[0] is None:
            human.attributes["email"] = (email, human.attributes.get("email", (None, at_ms))[1])
        human.identified = human.identified or other.identified
        human.emailed = human.emailed or other.emailed
        human.emails |= other.emails
        human.user_ids |= other.user_ids
        human.ids |= other.ids
        for distinct_id in other.ids:
            self._humans[distinct_id] = human

    def _learn(self, human: Human, event: Event, at_ms: int) -> None:
        said: dict[str, object] = dict(event.set)
        # The person that comes along is PostHog's as of this event; what the event itself says of the email wins.
        for email in (event.person_email, said.pop("email", None)):
            if isinstance(email, str) and (written := address(email.strip())) is not None:
                said["email"] = written
        said.update(dict.fromkeys(event.unset))
        for name, value in said.items():
            if name not in human.attributes or human.attributes[name][1] <= at_ms:
                human.attributes[name] = (value, at_ms)
        for name, value in event.once.items():  # only where nothing is known; whatever else is said wins
            before, ms = human.attributes.get(name, (None, -(10**15)))
            if before is None:
                human.attributes[name] = (value, ms)
        if (user_id := human.attributes.get("user_id", (None, 0))[0]) is not None:
            human.user_ids.add(text_of(user_id))
        if human.email is not None:
            human.emailed = True
            human.emails.add(human.email.lower())

    def forget(self, distinct_id: str, *, suppress: bool, said: frozenset[str] = frozenset()) -> Human:
        """`said`: every email, in small letters, that events of theirs named, also those that came to nothing."""
        human = self.human(distinct_id)
        for one in human.ids:
            self._humans.pop(one, None)
        if suppress:
            for one in human.ids:
                self._block(one)
            ids = {one.lower() for other in self.humans for one in other.ids}
            now = ids | {other.email.lower() for other in self.humans if other.email}
            ever = ids | {email for other in self.humans for email in other.emails}
            self.perhaps_suppressed |= ((human.emails | said) - now) | human.user_ids
            if human.email is not None and human.email.lower() not in ever:
                self._block(human.email)
        return human


def address(text: object) -> str | None:
    return text if isinstance(text, str) and _EMAIL.fullmatch(text) else None


def text_of(value: object) -> str:
    """As JavaScript's `String()` makes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "[object Object]"
    return json.dumps(value)


def may_be_joined(distinct_id: str) -> bool:
    """PostHog refuses ids that many share."""
    bare = distinct_id
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1]
    if not bare.strip() or "\0" in distinct_id or len(distinct_id) > 400:
        return False
    return bare not in _NOT_JOINED and bare.lower() not in _NOT_JOINED_IN_ANY_CASE and not _is_cookieless(distinct_id)


def _is_cookieless(distinct_id: str) -> bool:
    return distinct_id.startswith(("cookieless_", "$posthog_cookieless"))
