"""Compares what is at the destination with the truth."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from .customerio import NEVER_TAKEN, Customer
from .truth import Human

if TYPE_CHECKING:
    from hogline.views.people import PersonView

    from .run import Connection, Run


class Violation(Exception):
    """Something is wrong for good."""


class Judge:
    """Of one connection, once nothing is under way."""

    def __init__(self, run: Run, connection: Connection) -> None:
        self._run = run
        self._connection = connection
        self._expected = connection.expected
        self._there = connection.customerio
        self._humans = run.truth.humans
        self._customers = {customer.key: customer for customer in self._there.customers}
        self._events = self._there.events
        self._owner = dict(self._events)
        self._problems: list[str] = []
        ids = {one for human in [*self._humans, *run.forgotten] for one in human.ids}
        said = {one for human in [*self._humans, *run.forgotten] for one in human.user_ids}
        self._ids_collide = self._expected.claims and bool(ids & said)
        """Somebody's property is somebody's distinct_id. Whoever is not the customer of that id fails."""

    def _wrong(self, problem: str) -> None:
        self._problems.append(problem)

    def _report(self) -> None:
        if self._problems:
            more = "".join(f"\n    and: {problem}" for problem in self._problems[1:5])
            raise Violation(f"[{self._connection.name}] {self._problems[0]}{more}")

    def at_any_rest(self) -> None:
        """What can never be put right again, and what must add up at any time."""
        if not self._connection.enabled:
            return
        self._nothing_strange_was_asked()
        self._nobody_is_mixed_with_others()
        self._each_event_is_there_once()
        self._all_is_counted()
        self._report()

    def in_the_end(self) -> None:
        self.at_any_rest()
        self._forgotten_people_are_gone()
        self._each_is_one_customer()
        self._events_are_at_their_owner()
        self._events_came_in_order()
        self._people_are_shown_as_they_are()
        self._report()

    # never

    def _nothing_strange_was_asked(self) -> None:
        for mistake in self._there.mistakes:
            self._wrong(mistake)
        sides = set()
        for merge in self._there.merges:
            if merge.primary == merge.secondary:
                self._wrong(f"merged into itself: {merge.primary}")
            sides.add((merge.primary, merge.secondary))
        for primary, secondary in sides:
            everybody = [*self._humans, *self._run.forgotten]
            whose = [human for human in everybody if secondary[1] in human.emails]
            known = any(human.identified or human.protected for human in whose)
            if primary[0] == secondary[0] == "email" and whose and not known:
                # Many may be behind an id that never signed in: a server's, a kiosk's.
                self._wrong(f"two emails of somebody who is not identified were merged: {whose[0]}")
        for one, other in sides:
            anew = any(
                {one[1], other[1]} & (human.ids | human.user_ids) for human in self._run.forgotten
            )  # they began once more
            if (other, one) in sides and one[0] == other[0] == "id" and not anew:
                self._wrong(f"merged both ways: {one} and {other}")

    def _whose(self) -> dict[int, Human]:
        """Of each event's number, whose it is."""
        return {
            n: self._run.truth.human(event.who) for n, event in enumerate(self._run.events) if not self._is_forgotten(n)
        }

    def _is_forgotten(self, n: int) -> bool:
        return any(n in numbers for numbers in self._run.forgot)

    def _is_blocked(self, n: int) -> bool:
        """Whether an event says something of whoever was suppressed since: it may have been under way then."""
        event, truth = self._run.events[n], self._run.truth
        return truth.is_suppressed(event) or bool(event.named & truth.perhaps_suppressed)

    def _was_forgotten(self, n: int) -> bool:
        """Whether an event came under an id whose owner was forgotten, before or after."""
        return any(self._run.events[n].who in human.ids for human in self._run.forgotten)

    def _nobody_is_mixed_with_others(self) -> None:
        """Each customer has the events of one person, and that person's id. A merge cannot be undone."""
        whose = self._whose()
        people: dict[int, dict[int, Human]] = defaultdict(dict)
        for n, key in self._events:
            if key in self._customers and n in whose:
                people[key][id(whose[n])] = whose[n]
        for customer in self._customers.values():
            if customer.id is not None and self._expected.claims:
                named = self._named(customer.id)
                people[customer.key].update((id(human), human) for human in named if len(named) == 1)
            elif customer.id is not None:
                human = self._run.truth.human(customer.id)
                people[customer.key][id(human)] = human
        for key, mixed in people.items():
            if len(mixed) > 1:
                self._wrong(f"two people in one: {self._customers[key]} is {' and '.join(map(str, mixed.values()))}")

    def _named(self, customer_id: str) -> list[Human]:
        """Whom a customer's id may mean: its own, or whoever's property ever had this value."""
        said = self._expected.claims
        return [one for one in self._humans if customer_id in one.ids or (said and customer_id in one.user_ids)]

    def _each_event_is_there_once(self) -> None:
        seen = set()
        for n, _ in self._events:
            if n in seen:
                self._wrong(f"event {n} is there twice")
            seen.add(n)

    def _all_is_counted(self) -> None:
        status = next(one for one in self._run.hogline.status() if one.name == self._connection.name)
        letters = sum(status.failures.values())
        received = self._run.position - self._connection.after
        if status.received != received or status.pending:
            self._wrong(f"received {status.received} of {received}, {status.pending} pending")
        if status.state != "delivering":
            self._wrong(f"{status.state}: {status.reason}")
        if self._connection.blurred or letters or self._run.forgot or self._there.refused:
            return
        again = self._connection.retried or self._connection.replayed
        if again and self._expected.options.get("ignore_when"):
            return  # what is sent again sets free what is held of anyone whom an ignored event made qualify
        wanted = dict(self._expected.totals())
        found = {"delivered": status.delivered, "held": status.held, **status.filtered}
        may_be_early = self._run.history.world.death_rate or self._connection.replayed
        if self._expected.options.get("delete_on") or may_be_early:
            # Somebody may be a customer early, by what a later event said, by what was due after a crash, or by a
            # replay, which goes by today's gates: then there is somebody to delete or to tell. A failure from before a
            # deletion is not retried.
            for counts in (wanted, found):
                alike = ("delivered", "nothing_to_send", "deleted")
                counts["delivered"] = sum(counts.pop(name, 0) for name in alike)
        found = {name: count for name, count in found.items() if count}
        wanted = {name: count for name, count in wanted.items() if count}
        if found != wanted:
            self._wrong(f"counted {found} instead of {wanted}")

    # in the end

    def _forgotten_people_are_gone(self) -> None:
        for numbers in self._run.forgot:
            for n in numbers:
                key = self._owner.get(n)
                if (
                    key in self._customers
                    and self._is_forgotten(n)
                    and self._run.truth.is_suppressed(self._run.events[n])
                ):
                    self._wrong(f"event {n} of somebody forgotten is at {self._customers[key]}")

    def _customers_of(self, human: Human) -> list[Customer]:
        mine = self._expected.of(human)
        keys = {self._owner.get(n) for n in mine.arrives}
        of_events = set(keys)
        keys |= {one.key for one in self._customers.values() if one.id is not None and self._named(one.id) == [human]}
        alone = {email for email in human.emails if sum(email in other.emails for other in self._humans) == 1}
        keys |= {one.key for one in self._customers.values() if one.id is None and (one.email or "").lower() in alone}
        found = [self._customers[key] for key in keys if key in self._customers]
        if mine.is_customer and self._merges_strangers():
            return found
        certain = [one for one in found if one.key not in self._there.strange or one.key in of_events]
        if certain or not mine.is_customer or self._connection.blurred:
            return certain
        if self._customers_that_may_be(human):
            return []
        # Hogline sends them under an id that another tool had used before.
        return sorted(found, key=lambda one: (-len(one.attributes), one.id != human.first_id))[:1]

    def _merges_strangers(self) -> bool:
        """Whether customers that another tool made of visitors are surely merged."""
        asks = self._expected.options.get("merge_people") == "all" and not self._is_named_by_email()
        # Anyone known by a property is another customer without a merge in PostHog.
        return asks and "merge" not in self._there.refused and not self._expected.claims

    def _each_is_one_customer(self) -> None:
        of_somebody: set[int] = set()
        for human in self._humans:
            customers = self._customers_of(human)
            of_somebody |= {customer.key for customer in customers}
            if not self._expected.of(human).is_customer:
                if customers and not self._may_be_again(human):
                    self._wrong(f"no customer, and is one: {human}: {customers[0]}")
                continue
            if not customers:
                if not (self._connection.blurred or self._ids_collide or self._customers_that_may_be(human)):
                    self._wrong(f"is not a customer: {human}")
            elif len(customers) > 1 and not self._is_apart():
                self._wrong(f"{len(customers)} customers: {human}: {', '.join(map(str, customers))}")
            elif len(customers) == 1 and not (self._is_left_over(human) or self._may_be_two(human, customers[0])):
                self._has_what_posthog_has(human, customers[0])
        for customer in self._customers.values():
            known = customer.key in of_somebody or customer.key in self._there.strange
            if not known and not self._may_be_somebodys(customer):
                self._wrong(f"a stranger: {customer}")

    def _is_left_over(self, human: Human) -> bool:
        """Whether somebody is not a customer by the options that came while they were to become one, or because another
        has their id. There may be one all the same: by a request without an answer, or from before a join."""
        if not self._connection.blurred and not self._ids_collide:
            return False
        shown = self._run.hogline.person(self._connection.name, human.first_id)
        return shown is None or shown.customer is None

    def _may_be_two(self, human: Human, customer: Customer) -> bool:
        """Whether they may have another customer, which is not merged and has what they were told since."""
        return self._is_apart() and any(one.key != customer.key for one in self._customers_that_may_be(human))

    def _may_be_again(self, human: Human) -> bool:
        """Whether events that were sent again may have made somebody a customer, who is judged as of today then."""
        if self._connection.blurred or self._connection.replayed:
            return True
        return "event" in self._there.refused and self._expected.may_be_customer(human)

    def _may_be_somebodys(self, customer: Customer) -> bool:
        """An email alone, which several had; or a value of the property."""
        if customer.id is not None and len(self._named(customer.id)) > 1:
            return True
        email = (customer.email or "").lower()
        return customer.id is None and any(
            email in human.emails and self._expected.of(human).is_customer for human in self._humans
        )

    def _customers_that_may_be(self, human: Human) -> list[Customer]:
        """Known by nothing but an email that several had, or a value of the property: whose it is, only Hogline knows."""
        return [
            one
            for one in self._customers.values()
            if (one.id is None and (one.email or "").lower() in human.emails)
            or (self._expected.claims and one.id in human.user_ids)
        ]

    def _is_apart(self) -> bool:
        return not self._expected.merges or "merge" in self._there.refused

    def _has_what_posthog_has(self, human: Human, customer: Customer) -> None:
        hidden = {name for name, value in human.values().items() if value == NEVER_TAKEN}
        hidden |= self._expected.left_out
        wanted = {name: value for name, value in human.values().items() if name not in hidden}
        found = {name: value for name, value in customer.attributes.items() if name not in hidden}
        if wanted != found:
            self._wrong(f"attributes {found} instead of {wanted}: {human}")
        email = (human.email or "").lower()
        if self._must_have_email(human, frozenset()) and (customer.email or "").lower() != email:
            self._wrong(f"email {customer.email} instead of {email}: {human}")

    def _must_have_email(self, human: Human, asked: frozenset[int]) -> bool:
        """Whether the email is sure to be theirs: nobody else wants it, and whoever had it has surely left it."""
        email = (human.email or "").lower()
        others = [one for one in self._humans if one is not human and self._may_be_there(one)]
        if not email:
            return not self._is_named_by_email()
        if id(human) in asked or any((other.email or "").lower() == email for other in others):
            return False
        had = [other for other in others if email in other.emails]
        if had and (self._is_apart() or self._ids_collide):
            return False  # a customer that is not merged, or not told anything, keeps its email
        if self._is_named_by_email():
            # What was said while customers were not named by emails is told with the next event.
            always = self._expected.by_email and not self._connection.renamed
            moves = always and not self._is_apart() and (human.identified or human.protected)
            # An email that somebody else ever had names nobody's customer, even if they were forgotten since.
            return moves and not had and not any(email in one.emails for one in self._run.forgotten)
        return all(not other.email or self._must_have_email(other, asked | {id(human)}) for other in had)

    def _may_be_there(self, human: Human) -> bool:
        """Whether they are a customer, or a replay, which goes by today's gates, may have made them one."""
        return self._connection.replayed or self._expected.of(human).is_customer

    def _is_named_by_email(self) -> bool:
        """Whether some customers may be known by an email alone: such a one cannot just get another."""
        return self._expected.by_email or self._connection.changed

    def _events_are_at_their_owner(self) -> None:
        expected = self._expected
        wanted: set[int] = set()
        for human in self._humans:
            mine = expected.of(human)
            wanted |= mine.arrives
            missing = {n for n in mine.arrives if n not in self._owner and not self._is_blocked(n)}
            if "event" in self._there.refused and not mine.is_customer and not expected.may_be_customer(human):
                missing = set()  # a retry makes no customer of whoever does not qualify by today's options
            if missing and not self._connection.blurred and not self._ids_collide:
                self._wrong(f"events {sorted(missing)} are missing: {human}")
            # An anonymous id works once: what comes under it after its first owner was forgotten stays nobody's.
            nobodys = {
                n for n in mine.arrives if n in self._owner and self._owner[n] is None and not self._was_forgotten(n)
            }
            unsure = self._connection.changed or self._ids_collide or "identify" in self._there.refused
            if nobodys and mine.is_customer and not unsure:
                self._wrong(f"events {sorted(nobodys)} are nobody's: {human}")
            lost = {n for n in mine.arrives if (self._owner.get(n) or 0) < 0 and not self._is_forgotten(n)}
            may_be_deleted = self._connection.blurred and self._expected.options.get("delete_on")
            if lost and not may_be_deleted:
                self._wrong(f"events {sorted(lost)} are of somebody who is gone: {human}")
        extra = {n for n in self._owner if n not in wanted and not self._is_forgotten(n)} - expected.optional
        if extra and not self._connection.blurred:
            self._wrong(f"events {sorted(extra)} should not have arrived")

    def _events_came_in_order(self) -> None:
        if self._there.refused or self._connection.changed or self._connection.replayed or self._ids_collide:
            return
        placed = self._there.placed
        for n, before in self._expected.before.items():
            if n not in placed:
                continue
            first = placed[n][:1] if self._run.history.world.shuffles else placed[n]
            late = sorted(
                m
                for m in before
                if m in placed and (placed[m][:1] if self._run.history.world.shuffles else placed[m]) > first
            )
            if late:
                self._wrong(f"events {late} came after {n}")

    def _people_are_shown_as_they_are(self) -> None:
        """`hogline people show` says what PostHog has, what Customer.io has, and why they differ."""
        for human in self._humans:
            shown = self._run.hogline.person(self._connection.name, human.first_id)
            if shown is None:
                if human.attributes or human.identified or len(human.ids) > 1:
                    self._wrong(f"is not known: {human}")
                continue
            known = {name: value for name, value in shown.attributes.items() if value is not None and name != "email"}
            same_email = (shown.email or "").lower() == (human.email or "").lower()  # the first spelling stays
            if not same_email or (shown.identified, known) != (human.identified, human.values()):
                self._wrong(f"known as {shown.identified} <{shown.email}> {known}: {human}")
            if shown.customer is not None:
                self._customer_is_shown_as_it_is(human, shown)

    def _customer_is_shown_as_it_is(self, human: Human, shown: PersonView) -> None:
        assert shown.customer is not None  # who calls has looked
        kind, value = shown.customer.kind, shown.customer.value
        there = [
            one
            for one in self._customers.values()
            if (one.id == value if kind == "id" else (one.email or "").lower() == value.lower())
        ]
        if len(there) != 1:
            self._wrong(f"shown as customer {value}, who is not there: {human}")
            return
        if shown.to_merge and self._expected.merges and not self._connection.changed:
            self._wrong(f"has customers to merge at rest: {human}")
        kept = {*shown.unsent, *shown.refused, *shown.left_out}
        wanted = {name: value for name, value in human.values().items() if name not in kept}
        found = {name: value for name, value in there[0].attributes.items() if name not in kept}
        if found != wanted:
            self._wrong(f"shown as told {wanted}, but {there[0]}: {human}")
        says_so = shown.email_not_sent is not None or "email" in {*shown.refused, *shown.unsent} or bool(shown.to_merge)
        says_so = says_so or "merge" in self._there.refused  # a customer that is kept keeps its email
        if human.email and not says_so and (there[0].email or "").lower() != human.email.lower():
            self._wrong(f"shown with the email {human.email}, but {there[0]}: {human}")
