"""v1, and the official Python client against a sandbox on a socket."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from customerio import CustomerIO, CustomerIOException  # type: ignore[import-untyped]  # has no types
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from sandbox_client import ULID, Client, event, identify

from hogline.sandbox.server import Sandbox
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings


def test_an_event_by_v1_carries_more_than_an_operation_may() -> None:
    client = Client()
    data = {"x": "y" * (100_000 - len('{"x": ""}'))}
    target = "/api/v1/customers/u1/events"
    reply = client.request("POST", target, {"name": "big", "id": ULID, "timestamp": 7, "data": data})
    assert (reply.status, reply.json) == (200, {})
    (found,) = client.events()
    assert (found["data"], found["ulid"], found["timestamp"], found["type"]) == (data, ULID, 7, "event")
    reply = client.request("POST", target, {"name": "bigger", "data": {"x": data["x"] + "y"}})
    assert reply.status == 400
    assert reply.json == {"meta": {"errors": ["data must be 100,000 bytes or smaller"]}}


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [("a%2Fb", "a/b"), ("%3F%23%20%25", "?# %"), ("%F0%9F%98%80", "\U0001f600"), ("a+b", "a+b"), ("%2E%2E", "..")],
)
def test_the_identifier_is_percent_decoded_from_the_path(encoded: str, decoded: str) -> None:
    client = Client()
    assert client.request("POST", f"/api/v1/customers/{encoded}/events", {"name": "n"}).status == 200
    assert [person["id"] for person in client.people()] == [decoded]


def test_the_identifier_in_the_path_may_be_an_email_or_a_cio_id() -> None:
    client = Client()
    client.accept(identify("looks@like.one"))
    for who in ("looks@like.one", "a@b.co", client.person(id="looks@like.one")["cio_id"]):
        assert client.request("PUT", f"/api/v1/customers/{who}", {"seen": True}).status == 200
    assert [(person["id"], person["email"]) for person in client.people()] == [
        ("looks@like.one", None),
        (None, "a@b.co"),
    ]


@pytest.mark.parametrize(("by", "shown"), [("id", ("a@b.co", None)), ("email", (None, "a@b.co"))])
def test_the_identifier_in_the_path_is_what_the_workspace_uses(by: str, shown: tuple[str, str]) -> None:
    only = WorkspaceSettings(identified_by="id" if by == "id" else "email")
    client = Client(SandboxSettings(workspaces=(only,)))
    assert client.request("PUT", "/api/v1/customers/a%40b.co", {}).status == 200
    assert [(person["id"], person["email"]) for person in client.people()] == [shown]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/api/v1/customers/u1/events", {}),
        ("/api/v1/customers/u1/events", {"name": "n", "type": "click"}),
        ("/api/v1/customers/u1/events", {"name": "n", "timestamp": "now"}),
        ("/api/v1/customers/u1/events", {"name": "n", "data": [1]}),
        ("/api/v1/customers/u1/events", []),
        ("/api/v1/customers/u1/events", b"{"),
        ("/api/v1/customers/u1/events", b'{"name": "\xff"}'),
        ("/api/v1/customers/%20/events", {"name": "n"}),
        ("/api/v1/events", {"name": "n", "id": "x"}),
        ("/api/v1/merge_customers", {"primary": {"id": "a"}}),
    ],
)
def test_what_v1_refuses_is_a_400_with_a_sentence(target: str, body: object) -> None:
    client = Client()
    reply = client.request("POST", target, body)
    assert reply.status == 400
    (sentence,) = reply.json["meta"]["errors"]
    assert sentence
    assert (client.events(), client.people()) == ([], [])


class _ToSandbox(HTTPAdapter):
    """The official client speaks https only; the sandbox http."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        request.url = str(request.url).replace("https://track.customer.io", self._url)
        return super().send(request, *args, **kwargs)


def with_official_client(use: Callable[[CustomerIO], None], site_id: str = "sandbox-site") -> Client:
    """What the sandbox holds after the official client was used on it."""
    looking = Client()

    async def main() -> None:
        async with Sandbox() as sandbox:
            with CustomerIO(site_id, "sandbox-key", retries=0) as official:
                official.http.mount("https://", _ToSandbox(sandbox.url))
                await asyncio.to_thread(use, official)
            looking.app = sandbox.app

    asyncio.run(main())
    return looking


def test_the_official_client_works() -> None:
    def use(official: CustomerIO) -> None:
        official.identify("u/1", email="a@b.co", plan="pro", cio_relationships={
            "action": "add_relationships",
            "relationships": [{"identifiers": {"object_type_id": "1", "object_id": "acme"}}],
        })  # fmt: skip
        official.track("u/1", "order", {"amount": 7}, id=ULID, timestamp=7)
        official.pageview("u/1", "/home", referrer="x")
        official.backfill("u/1", "old", 1)
        official.track_anonymous("anon", "browsed", {"a": 1})
        official.add_device("u/1", "token", "ios", last_used=7)
        official.add_device("u/1", "old token", "ios")
        official.delete_device("u/1", "old token")
        official.identify("secondary", city="Rome")
        official.merge_customers("id", "u/1", "id", "secondary")
        official.identify("gone", a=1)
        official.delete("gone")
        official.suppress("blocked")
        official.track("blocked", "ignored")
        official.unsuppress("blocked")
        official.batch([event("batched", "u/1")])

    client = with_official_client(use)
    (person,) = client.people()
    assert (person["id"], person["email"], person["events"]) == ("u/1", "a@b.co", 4)
    assert person["attributes"] == {"plan": "pro", "city": "Rome"}
    assert [device["token"] for device in person["devices"]] == ["token"]
    assert [edge["object_id"] for edge in person["relationships"]] == ["acme"]
    assert [(found["type"], found["name"]) for found in client.events()] == [
        ("event", "order"),
        ("page", "/home"),
        ("event", "old"),
        ("event", "browsed"),
        ("event", "batched"),
    ]


def test_the_official_client_is_told_of_wrong_credentials() -> None:
    def use(official: CustomerIO) -> None:
        with pytest.raises(CustomerIOException, match="401"):
            official.identify("u1")

    assert with_official_client(use, site_id="wrong").people() == []
