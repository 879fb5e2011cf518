"""What an identify of a person asks for: its attributes checked, the control keys taken out of them. Pure."""

from __future__ import annotations

from msgspec import Struct

from hogline.sandbox.limits import ATTRIBUTES, Problem, check_attributes, is_address
from hogline.sandbox.operations import Operation, read_attributes
from hogline.sandbox.people import Person


class Change(Struct, gc=False):
    attributes: dict[str, object]
    """May hold `email` and `id`, where they are to be set."""
    at: int | None
    """The time by which the attributes are ordered; None: that of receipt."""
    update_only: bool
    """Nobody is created for it."""
    anonymous_id: str | None


def read(operation: Operation, who: tuple[str, str]) -> Change:
    """The requested change to the person that `who` (kind and value of an identifier) names. Raises the `Problem` that
    rejects it.
    """
    attributes = read_attributes(operation.attributes)
    update_only = attributes.pop("_update", None)
    if update_only is not None and not isinstance(update_only, bool):
        raise Problem("invalid", "attributes._update", "_update must be true or false")
    at = attributes.pop("_timestamp", None)
    if at is not None and (isinstance(at, bool) or not isinstance(at, int)):
        raise Problem("invalid", "attributes._timestamp", "_timestamp must be an integer")
    _check_identifiers(attributes, who)
    check_attributes(attributes)
    anonymous_id = attributes.get("anonymous_id")
    if anonymous_id is not None and not isinstance(anonymous_id, str):
        raise Problem("invalid", "attributes.anonymous_id", "anonymous_id must be a string")
    return Change(
        attributes,
        operation.timestamp if operation.timestamp is not None else at,
        update_only is True,
        anonymous_id or None,
    )


def check_total(person: Person, change: Change) -> None:
    """Whether the person would have more than 300 attributes."""
    if len(person.attributes) + len(change.attributes) <= ATTRIBUTES:
        return
    names = person.attributes.keys() | {
        name for name, value in change.attributes.items() if value is not None and value != ""
    }
    if len(names) > ATTRIBUTES:
        raise Problem("invalid", "attributes", f"a person can have at most {ATTRIBUTES} attributes")


def _check_identifiers(attributes: dict[str, object], who: tuple[str, str]) -> None:
    """Identifiers among the attributes may repeat the one that names the person, not contradict it; the
    repetition is taken out."""
    kind, value = who
    if "cio_relationships" in attributes:
        raise Problem("invalid", "attributes.cio_relationships", "cio_relationships cannot be an attribute")
    if kind != "cio_id" and "cio_id" in attributes:
        raise Problem("invalid", "attributes.cio_id", "cio_id cannot be set")
    if kind in attributes:
        repeated = attributes.pop(kind)
        same = repeated == value or (
            kind == "email" and isinstance(repeated, str) and repeated.lower() == value.lower()
        )
        if not same:
            raise Problem("invalid", f"attributes.{kind}", f"{kind} does not match the identifier")
    email = attributes.get("email")
    if email is not None and email != "" and not (isinstance(email, str) and is_address(email)):
        raise Problem("invalid", "attributes.email", "email must be a valid email address")
