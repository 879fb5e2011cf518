"""Options and lives for the tests of the Customer.io destination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from desk_bench import LATER_MS, NOW_MS, NOW_S, UUID, Made, accepts, actions, bodies, body, event
from desk_bench import Life as AnyLife

from hogline.destinations.customerio import CUSTOMERIO, Options
from hogline.destinations.customerio.people import CustomerIoPeople
from hogline.model import Event, Refusal

__all__ = ["LATER_MS", "NOW_MS", "NOW_S", "UUID", "Made", "accepts", "actions", "bodies", "body", "event"]

ULID = "01H455VB4PEX5VSKNK084SN02Q"
PEOPLE = CustomerIoPeople()
INVALID = Refusal("invalid", "no")


def options(**values: object) -> Options:
    return CUSTOMERIO.read_options({"site_id": "site", "api_key": "key", **values})


PLAIN = options()


class Life(AnyLife):
    """A connection to Customer.io."""

    def __init__(self, with_options: Options = PLAIN) -> None:
        super().__init__(CUSTOMERIO, with_options)


def no_attribute(name: str) -> Callable[[dict[str, Any]], Refusal | None]:
    """Refuses every identify with this attribute."""
    return lambda said: INVALID if said["action"] == "identify" and name in said["attributes"] else None


def everything(_: dict[str, Any]) -> Refusal:
    return INVALID


def customer(distinct_id: str = "u1", with_options: Options = PLAIN, /, **known: object) -> Life:
    """A minute ago somebody became a customer, with these attributes."""
    life = Life(with_options)
    life.say(event("seen", distinct_id, at_s=NOW_S - 60, set=known))
    assert life.customer(distinct_id) is not None
    return life


def plan(it: Event, life: Life | None = None, with_options: Options | None = None) -> Made:
    """What an event comes to, all of it accepted: for nobody known, or as the next one of a life."""
    ((made,), _) = history(it, life=life, with_options=with_options)
    return made


def history(*events: Event, life: Life | None = None, with_options: Options | None = None) -> tuple[list[Made], Life]:
    """Events one after the other, each accepted before the next. `with_options`: other ones than before."""
    if life is None:
        life = Life(with_options or PLAIN)
    elif with_options is not None:
        life.change(with_options)
    return [life.say(one) for one in events], life
