"""What a workspace of the sandbox holds after a storm of joins, against who the households' people are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar
from urllib.request import urlopen

import msgspec
from msgspec import Struct

from bench.soak.households import NAMES, REFUSED, Household, Households, Human
from bench.soak.traffic import which
from hogline.testing.processes import hogline

PAGE = 50_000

Choice: TypeAlias = Literal["all", "identified", "emails", "anonymous-events"]


class _Owner(Struct):
    cio_id: str


class _Data(Struct):
    n: int


class _Seen(Struct):
    sequence: int
    ulid: str
    data: _Data
    person: _Owner | None
    altered: int


class _Customer(Struct):
    sequence: int
    cio_id: str
    id: str | None
    email: str | None
    attributes: dict[str, object]


class _Merge(Struct):
    primary: dict[str, str]
    secondary: dict[str, str]
    effect: bool


class Counts(Struct):
    name: str
    received: int
    delivered: int
    filtered: dict[str, int]
    held: int
    failures: dict[str, int]
    adjusted: dict[str, int]
    pending: int


class _Status(Struct):
    connections: list[Counts]


class Verdict(Struct, frozen=True, kw_only=True):
    """All behind `without_effect` must be 0 or empty, and `adds_up` true."""

    people: int
    """Real ones, who are to be customers."""
    visitors: int
    """Who are not."""
    received: int
    delivered: int
    filtered: int
    held: int
    failures: int
    at_customerio: int
    """Different events."""
    merges: int
    """Different pairs that were merged."""
    merges_repeated: int
    """Merges asked for once more, since no answer was kept."""
    without_effect: int
    """Pairs of which no merge ever had an effect: a kill came before one of them was a customer."""

    split: int
    """People who are several customers, or none."""
    strangers: int
    """Customers who should not be: visitors, and what is left of nobody."""
    missing: int
    twice: int
    unknown: int
    not_theirs: int
    """Events of another customer than the person's, or of nobody's."""
    inversions: int
    """Events that arrived before one of the same person that came before them."""
    altered: int
    """Repeats that said something else than the first."""
    old_attributes: int
    """People with an attribute that is not the newest value."""
    old_emails: int
    other_sides: int
    """Customers that were to be merged into two others, or the other way round."""
    wrong_reasons: list[str]
    """Reasons to count by that nothing here explains."""
    adds_up: bool

    def __str__(self) -> str:
        return ", ".join(f"{figure} {found}" for figure, found in msgspec.to_builtins(self).items())

    @property
    def good(self) -> bool:
        wrong = (
            self.split, self.strangers, self.missing, self.twice, self.unknown, self.not_theirs, self.inversions,
            self.altered, self.old_attributes, self.old_emails, self.other_sides, self.wrong_reasons,
        )  # fmt: skip
        return self.adds_up and not any(wrong)


_EXPLAINED = {
    "nothing_to_send", "not_identified", "no_email", "invalid", "join_refused", "merged_dangerously",
    "identify_refused",  # the code that is not taken, said with what is no event
    "email_change_not_sent",  # by email, of anyone who was never identified
    "email_on_other_customer",  # of the same person, still to be merged
    "email_taken",  # by another id of the same human, which is joined only later
    "repeated",  # kept, and sent once more because the process was killed before it said so
}  # fmt: skip


class _Workspace:
    """Everything that one workspace holds, by whose it is."""

    def __init__(self, traffic: Households, url: str, site_id: str) -> None:
        self.arrived: dict[int, list[_Seen]] = defaultdict(list)
        """By household, in the order of the first acceptances."""
        self.unknown = self.altered = self.total = 0
        for seen in _pages(f"{url}/sandbox/events", site_id, _Seen):
            household, n = which(seen.ulid)
            self.total += 1
            self.altered += seen.altered
            if household in range(traffic.people) and n in range(traffic.events_each) and seen.data.n == n:
                self.arrived[household].append(seen)
            else:
                self.unknown += 1
        self.customers = list(_pages(f"{url}/sandbox/people", site_id, _Customer))
        self.by_id = {one.id: one for one in self.customers if one.id is not None}
        self.by_email = {one.email.lower(): one for one in self.customers if one.email is not None}

    def customers_of(self, human: Human) -> list[_Customer]:
        """Customers with one of their ids or emails."""
        found = [self.by_id.get(one) for one in human.ids] + [self.by_email.get(one) for one in human.emails]
        return list({one.cio_id: one for one in found if one is not None}.values())


def counts(data: Path) -> dict[str, Counts]:
    """What `hogline status` says, by connection."""
    said = msgspec.json.decode(hogline(data, "status", "--json").stdout, type=_Status)
    return {one.name: one for one in said.connections}


def judge(traffic: Households, choice: Choice, url: str, site_id: str, counted: Counts, *, by_email: bool) -> Verdict:
    workspace = _Workspace(traffic, url, site_id)
    wrong: Counter[str] = Counter()
    claimed: set[str] = set()
    people = visitors = 0
    for number in range(traffic.people):
        household = traffic.household(number)
        arrived = workspace.arrived.get(number, [])
        for human in household.humans:
            if not _is_customer(human, choice):
                visitors += 1
                wrong.update(_compare_visitor(human, choice, arrived))
                continue
            people += 1
            customers = workspace.customers_of(human)
            claimed.update(one.cio_id for one in customers)
            wrong["split"] += len(customers) != 1
            if len(customers) == 1:
                wrong.update(_compare_customer(human, customers[0], arrived, by_email=by_email))
        wrong["inversions"] += _inversions(household, arrived)
    merges = _get(f"{url}/witness/merges?workspace={site_id}", list[_Merge])
    settled = counted.delivered + sum(counted.filtered.values()) + counted.held + sum(counted.failures.values())
    reasons = {*counted.filtered, *counted.failures, *counted.adjusted}
    return Verdict(
        people=people,
        visitors=visitors,
        received=counted.received,
        delivered=counted.delivered,
        filtered=sum(counted.filtered.values()),
        held=counted.held,
        failures=sum(counted.failures.values()),
        at_customerio=workspace.total,
        merges=len({_pair(merge) for merge in merges}),
        merges_repeated=len(merges) - len({_pair(merge) for merge in merges}),
        without_effect=len({_pair(one) for one in merges} - {_pair(one) for one in merges if one.effect}),
        split=wrong["split"],
        strangers=sum(one.cio_id not in claimed for one in workspace.customers),
        missing=wrong["missing"],
        twice=wrong["twice"],
        unknown=workspace.unknown,
        not_theirs=wrong["not_theirs"],
        inversions=wrong["inversions"],
        altered=workspace.altered,
        old_attributes=wrong["old_attributes"],
        old_emails=wrong["old_emails"],
        other_sides=_other_sides(merges),
        wrong_reasons=sorted(reasons - _EXPLAINED),
        adds_up=counted.received == settled and not counted.pending and counted.received >= traffic.events,
    )


def _is_customer(human: Human, choice: Choice) -> bool:
    match choice:
        case "all":
            return bool(human.events or human.attributes or human.email)
        case "identified":
            return human.known
        case "emails":
            return bool(human.emails)
        case "anonymous-events":
            return human.known or bool(human.emails)


def _compare_customer(human: Human, customer: _Customer, arrived: list[_Seen], *, by_email: bool) -> Counter[str]:
    wrong = _compare_events(human.events, customer.cio_id, arrived)
    newest = {name: human.attributes.get(name) for name in NAMES}
    wrong["old_attributes"] += any(
        customer.attributes.get(name) != value for name, value in newest.items() if value != REFUSED
    )
    # Anyone who goes by an email alone gets another only if they are identified: an id that many share is none.
    keeps = by_email and customer.id is None and not (human.known or human.protected)
    wrong["old_emails"] += not keeps and (customer.email or "").lower() != (human.email or "").lower()
    return wrong


def _compare_visitor(human: Human, choice: Choice, arrived: list[_Seen]) -> Counter[str]:
    """Events of people who are not customers: anonymous or held."""
    if choice == "anonymous-events":
        return _compare_events(human.events, None, arrived)
    theirs = set(human.events)
    return Counter(not_theirs=sum(seen.data.n in theirs for seen in arrived))


def _compare_events(numbers: list[int], cio_id: str | None, arrived: list[_Seen]) -> Counter[str]:
    wanted = set(numbers)
    times = Counter(seen.data.n for seen in arrived if seen.data.n in wanted)
    owners = [seen.person and seen.person.cio_id for seen in arrived if seen.data.n in wanted]
    return Counter(
        missing=len(wanted - times.keys()),
        twice=times.total() - len(times),
        not_theirs=sum(owner != cio_id for owner in owners),
    )


def _inversions(household: Household, arrived: list[_Seen]) -> int:
    place = {seen.data.n: index for index, seen in enumerate(arrived)}
    return sum(
        any(place.get(before, -1) > place[n] for before in household.before[n]) for n in place if n in household.before
    )


def _pair(merge: _Merge) -> tuple[str, str]:
    return _customer(merge.primary), _customer(merge.secondary)


def _customer(identifier: dict[str, str]) -> str:
    ((kind, value),) = identifier.items()
    return f"{kind}:{value.lower() if kind == 'email' else value}"


def _other_sides(merges: list[_Merge]) -> int:
    into: dict[str, set[str]] = defaultdict(set)
    for merge in merges:
        primary, secondary = _pair(merge)
        into[secondary].add(primary)
    turned = sum(secondary in into[primary] for secondary, primaries in list(into.items()) for primary in primaries)
    return sum(len(primaries) > 1 for primaries in into.values()) + turned


ListedT = TypeVar("ListedT", _Seen, _Customer)
ValueT = TypeVar("ValueT")


def _pages(url: str, site_id: str, kind: type[ListedT]) -> Iterator[ListedT]:
    after = 0
    while True:
        page: list[ListedT] = _get(f"{url}?workspace={site_id}&limit={PAGE}&after={after}", list[kind])  # type: ignore[valid-type]
        if not page:
            return
        yield from page
        after = page[-1].sequence


def _get(url: str, kind: type[ValueT]) -> ValueT:
    with urlopen(url, timeout=60) as answer:  # loopback
        return msgspec.json.decode(answer.read(), type=kind)
