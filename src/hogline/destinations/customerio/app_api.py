"""Customer.io's App API: what it has of people. Requests and answers as values; sends nothing itself.

Source: docs.customer.io, App API: `POST /v1/customers/attributes` (100 people a request, unknown ones are left out,
values may come as text), `GET /v1/activities` (30 days), 10 requests a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from hogline.destinations.customerio.endpoint import EU, US
from hogline.model import Request, Response

MOST_PEOPLE = 100
PER_SECOND = 10
_HOSTS = {f"https://{US}": "https://api.customer.io", f"https://{EU}": "https://api-eu.customer.io"}
_KEY = re.compile(r"[!-~]{8,300}")
_PAGE = 100


class NotAnswered(Exception):
    """The text is a sentence: what is wrong, and what to do."""


class _Customer(Struct):
    attributes: dict[str, object]


class _One(Struct):
    customer: _Customer


class _Customers(Struct):
    customers: list[_One]


class _Activity(Struct):
    customer_id: str | None = None
    customer_identifiers: dict[str, object] = {}
    data: object = None


class _Activities(Struct):
    activities: list[_Activity] | None
    next: str = ""


class Failed(Struct, frozen=True):
    """A change that Customer.io took and did not make."""

    id: str | None
    email: str | None
    names: tuple[str, ...]


def is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def people_request(base_url: str, key: str, kind: str, ids: Sequence[str]) -> Request:
    """`kind`: of the identifiers; at most `MOST_PEOPLE`."""
    url = f"{_host(base_url)}/v1/customers/attributes?{urlencode({'id_type': kind})}"
    return Request("POST", url, _headers(key), msgspec.json.encode({"ids": list(ids)}))


def failures_request(base_url: str, key: str, start: str) -> Request:
    query = {"type": "failed_attribute_change", "limit": str(_PAGE), **({"start": start} if start else {})}
    return Request("GET", f"{_host(base_url)}/v1/activities?{urlencode(query)}", _headers(key))


def _host(base_url: str) -> str:
    """Behind another base URL there is the sandbox or a proxy, which has both APIs."""
    return _HOSTS.get(base_url, base_url)


def _headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "content-type": "application/json", "accept": "application/json"}


def read_people(kind: str, response: Response) -> dict[str, Mapping[str, object]]:
    """Attributes by identifier, emails in lowercase. Raises `NotAnswered`."""
    _check(response)
    try:
        found = msgspec.json.decode(response.body, type=_Customers)
    except msgspec.MsgspecError:
        raise NotAnswered("What answers is not Customer.io's App API.") from None
    people: dict[str, Mapping[str, object]] = {}
    for one in found.customers:
        identifier = one.customer.attributes.get(kind)
        if isinstance(identifier, str):
            people[identifier.lower() if kind == "email" else identifier] = one.customer.attributes
    return people


def read_failures(response: Response) -> tuple[list[Failed], str]:
    """A page of failed changes, and where the next one begins; empty: there is none. Raises `NotAnswered`."""
    _check(response)
    try:
        page = msgspec.json.decode(response.body, type=_Activities)
    except msgspec.MsgspecError:
        raise NotAnswered("What answers is not Customer.io's App API.") from None
    failed = []
    for one in page.activities or ():
        id_, email = one.customer_identifiers.get("id") or one.customer_id, one.customer_identifiers.get("email")
        names = tuple(str(name) for name in one.data) if isinstance(one.data, dict) else ()
        failed.append(Failed(id_ if isinstance(id_, str) else None, email if isinstance(email, str) else None, names))
    return failed, page.next


def is_busy(response: Response) -> bool:
    return response.status == 429 or response.status >= 500


def _check(response: Response) -> None:
    match response.status:
        case 200:
            return
        case 401 | 403:
            raise NotAnswered(
                "Customer.io does not accept this App API key. Create one in Settings, API Credentials, App API Keys."
            )
        case 400:
            raise NotAnswered(
                "Customer.io rejected the question (400): this workspace does not identify people this way."
            )
        case status:
            raise NotAnswered(f"Customer.io's App API answered {status}. Try again later.")


def same(believed: object, found: object) -> bool:
    """Whether a value is the same, although it may have come back as text. None and "" are no value."""
    if believed is None or believed == "":
        return found is None or found == ""
    return found is not None and _plain(believed) == _plain(found)


def _plain(value: object) -> object:
    """Text that says a number, true, false, an array or an object, as that; all numbers as one kind."""
    if isinstance(value, str):
        try:
            decoded: object = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return value
        return value if isinstance(decoded, str) else _plain(decoded)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return (type(value).__name__, value) if value is None or isinstance(value, bool) else value
