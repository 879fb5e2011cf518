"""Who is sent, and as whom: the choices of a connection against what is known of somebody.

Knows nothing of attributes or of how anything is written. What an event teaches is learned before it comes
here.
"""

from __future__ import annotations

from hogline.destinations.customerio import limits
from hogline.destinations.customerio.emails import address, same_address
from hogline.destinations.customerio.options import Options
from hogline.model import Identifier, Person
from hogline.posthog.meaning import not_analytics

APPLIED = frozenset({"$set", "$set_once", "$unset", "$create_alias", "$merge_dangerously", "$groupidentify"})
"""Events that say something about people or groups and are not sent themselves, unless the allowlist names
them. (`$set_once` is what the SDKs' `set_once()` sends.)"""


def never_sent(name: str, distinct_id: str) -> str | None:
    """Why an event is sent for nobody and teaches nothing, whatever the options; None if it may be."""
    internal = not_analytics(name)
    if internal is not None:
        return internal
    if distinct_id.startswith("cookieless_") or distinct_id == "$posthog_cookieless":
        return "cookieless"
    return None


def not_qualified(person: Person, options: Options) -> str | None:
    """The choice of `anonymous_users` that this person does not meet; None if they do."""
    if options.anonymous_users == "identified" and not person.identified:
        return "not_identified"
    if options.anonymous_users == "emails" and known_email(person) is None:
        return "no_email"
    return None


def is_customer(person: Person) -> bool:
    """Whether they are a customer, be it one that is only to be merged into their own."""
    return person.customer is not None or bool(person.to_merge)


def is_anonymous(person: Person) -> bool:
    """Whether nothing makes this person more than a visitor."""
    return not is_customer(person) and not person.identified and known_email(person) is None


def not_sent(person: Person, options: Options) -> str | None:
    """The rule that keeps this person from being a customer; None if they are one, or only have nothing sent
    yet."""
    if person.customer is not None:
        return None
    never = never_sent("", person.distinct_id)
    if never is None and identity(person, options) is None:
        never = "identifier_too_long"
    return never or not_qualified(person, options) or _only_anonymous(person, options)


def _only_anonymous(person: Person, options: Options) -> str | None:
    return "anonymous" if options.anonymous_users == "anonymous-events" and is_anonymous(person) else None


def known_email(person: Person) -> str | None:
    """The email that is remembered, else the `distinct_id` if it is one and was not taken away."""
    if person.email is not None:
        return person.email
    if "@" not in person.distinct_id or person.attribute("email") is None:
        return None
    return address(person.distinct_id)


def identity(person: Person, options: Options) -> Identifier | None:
    """The identifier of this person's operations; None: they have none that Customer.io takes.

    One person stays one customer. Who was created under the id keeps that until Customer.io accepted an identify
    under the id that carries the email: from then on both reach the same customer. Who was created under an email
    keeps it, or moves on to another by a customer of their own into which the old one is merged. As long as a customer
    is to be merged, an email may still be that one's.
    """
    customer = person.customer
    email = usable_email(person) if options.identify_by_email else None
    if email is not None:
        only_theirs = not person.to_merge and (customer is None or _reaches(person, email))
        if only_theirs or (customer is not None and _moves(customer, email, options)):
            return Identifier("email", email)
    if customer is not None:
        return customer
    if limits.too_long(person.distinct_id, limits.IDENTIFIER_BYTES):
        return None
    return Identifier("id", person.distinct_id)


def _reaches(person: Person, email: str) -> bool:
    """Whether the email is theirs alone, and Customer.io accepted an identify that links it."""
    return person.linked_email == email and person.claimed_email == email.lower()


def _moves(customer: Identifier, email: str, options: Options) -> bool:
    return customer.kind == "email" and options.merge_people and not same_address(customer.value, email)


def usable_email(person: Person) -> str | None:
    """The known email, unless Customer.io refused it, it is too long for an identifier, or it is somebody else's."""
    email = known_email(person)
    if email is None or len(email) > limits.IDENTIFIER_BYTES or "email" in person.refused:
        return None
    return None if person.taken_email == email.lower() else email


def would_rename(person: Person, options: Options) -> bool:
    """Whether the email that is to be sent would rename or remove the identifier by which the customer is known."""
    customer = person.customer
    if customer is None or customer.kind != "email":
        return False
    return person.email is None or not (same_address(customer.value, person.email) or _can_move(person.email, options))


def _can_move(email: str, options: Options) -> bool:
    return options.identify_by_email and options.merge_people and len(email) <= limits.IDENTIFIER_BYTES
