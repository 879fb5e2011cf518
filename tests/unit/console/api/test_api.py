"""The HTTP API: who may ask, what is answered, and that nothing secret is ever in an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_client import Client, client_in
from service_bench import GOOD, send_lines

from hogline.model import Response
from hogline.store.base import Unusable, Unwritable

pytestmark = pytest.mark.anyio

AT = b'"timestamp": "2026-11-01T10:00:00Z"'
LINES = [
    (1, b'{"event": "refuse me", "distinct_id": "zoe", "uuid": "0199f3a0-0000-7000-8000-00000000002a", %s}' % AT),
    (2, b'{"event": "$identify", "distinct_id": "zoe", "properties": {"$set": {"email": "zoe@example.org"}}, %s}' % AT),
    (3, b'{"event": "refuse me", "distinct_id": "max", "uuid": "0199f3a0-0000-7000-8000-00000000002b", %s}' % AT),
]
SHOP = "/api/connections/shop"


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with client_in(tmp_path) as made:
        yield made


@pytest.fixture
async def shop(client: Client) -> Client:
    """With a connection, somebody known, and two failures."""
    service = client.bench.service
    await service.connections.add("customerio", GOOD, name="shop")
    sending = await service.sendings.begin()
    await send_lines(service, sending, LINES)
    await service.sendings.show(sending, 10)
    await service.sendings.end(sending)
    return client


ALL = [
    ("GET", "/api/status"),
    ("GET", "/api/destinations"),
    ("POST", "/api/destinations/customerio/check"),
    ("GET", "/api/people/who?q=zoe"),
    *[("POST", f"/api/people/{verb}") for verb in ("forget", "export", "export/events", "suppress", "unsuppress")],
    ("GET", "/api/connections"),
    ("POST", "/api/connections"),
    ("GET", SHOP),
    ("PATCH", SHOP),
    ("DELETE", SHOP),
    *[("POST", f"{SHOP}/{verb}") for verb in ("resume", "pause", "check", "preview")],
    *[("GET", f"{SHOP}/{noun}") for noun in ("status", "trends", "people", "failures", "failures/1")],
    ("POST", f"{SHOP}/failures/retry"),
    ("POST", f"{SHOP}/failures/discard"),
    ("GET", "/api/no such thing"),
]


@pytest.mark.parametrize(("method", "url"), ALL)
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"]
)
async def test_without_a_valid_token_nothing_is_answered(
    shop: Client, method: str, url: str, authorization: str
) -> None:
    reply = await shop.ask(method, url, headers={"authorization": authorization.format(token=shop.token)})
    assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert "token" in reply.message
    assert [one.name for one in await shop.bench.service.connections.all()] == ["shop"]


async def test_a_revoked_token_opens_nothing(shop: Client) -> None:
    await shop.good("GET", "/api/status")
    await shop.bench.service.api_tokens.revoke("test")
    assert (await shop.ask("GET", "/api/status")).status == 401


async def test_a_cookie_opens_nothing(shop: Client) -> None:
    reply = await shop.ask("GET", "/api/status", headers={"authorization": "", "cookie": f"session={shop.token}"})
    assert reply.status == 401


async def test_the_description_needs_no_token(client: Client) -> None:
    reply = await client.ask("GET", "/api/openapi.json", headers={"authorization": ""})
    assert reply.status == 200
    assert reply.json["openapi"] == "3.1.0"


async def test_a_connection_from_the_first_to_the_last(client: Client) -> None:
    destinations = (await client.good("GET", "/api/destinations"))["items"]
    assert {option["key"] for option in destinations[0]["options"]} > {"site_id", "api_key"}

    made = await client.good(
        "POST", "/api/connections", {"destination": "customerio", "options": GOOD, "name": "shop"}, 201
    )
    assert (made["name"], made["paused"], made["options"]) == ("shop", False, {})
    assert (await client.good("GET", "/api/connections"))["items"] == [await client.good("GET", SHOP)]

    changed = await client.good("PATCH", SHOP, {"options": {"event_allowlist": "order completed"}})
    assert changed["options"] == {"event_allowlist": "order completed"}
    assert (await client.good("PATCH", SHOP, {"options": {"event_allowlist": None}}))["options"] == {}

    assert (await client.good("POST", f"{SHOP}/check"))["ok"]
    assert (await client.good("POST", f"{SHOP}/pause"))["state"] == "paused"
    assert (await client.good("POST", f"{SHOP}/resume"))["state"] == "delivering"
    assert await client.good("DELETE", SHOP, status=204) is None
    assert (await client.good("GET", "/api/connections"))["items"] == []


async def test_the_status_of_all_and_of_one(shop: Client) -> None:
    every = await shop.good("GET", "/api/status")
    assert every["connections"] == [await shop.good("GET", f"{SHOP}/status")]
    assert (every["connections"][0]["received"], every["connections"][0]["failures"]) == (3, {"invalid": 2})


async def test_a_history_has_its_series(shop: Client) -> None:
    assert (await shop.good("GET", f"{SHOP}/trends"))["period"] == "day"
    assert len((await shop.good("GET", f"{SHOP}/trends?period=hour"))["times"]) == 60


async def test_people_come_in_pages(shop: Client) -> None:
    first = await shop.good("GET", f"{SHOP}/people?limit=1")
    assert ([one["distinct_id"] for one in first["items"]], first["next"]) == (["max"], "max")
    second = await shop.good("GET", f"{SHOP}/people?limit=1&after={first['next']}")
    assert [one["distinct_id"] for one in second["items"]] == ["zoe"]
    assert await shop.good("GET", f"{SHOP}/people?limit=1&after=zoe") == {"items": [], "next": None}


async def test_people_are_found_by_a_part_of_their_email(shop: Client) -> None:
    found = await shop.good("GET", f"{SHOP}/people?q=ZOE%40example")
    assert [one["email"] for one in found["items"]] == ["zoe@example.org"]


async def test_one_person_whatever_their_id(shop: Client) -> None:
    service = shop.bench.service
    sending = await service.sendings.begin()
    await send_lines(
        service, sending, [(1, b'{"event": "signed up", "distinct_id": "../a?b&c/%%2F \xc3\xa9", %s}' % AT)]
    )
    await service.sendings.show(sending, 10)
    await service.sendings.end(sending)
    found = await shop.good("GET", f"{SHOP}/person?distinct_id=..%2Fa%3Fb%26c%2F%252F%20%C3%A9")
    assert found["person"]["distinct_id"] == "../a?b&c/%2F é"


async def test_somebody_is_forgotten(shop: Client) -> None:
    forgotten = await shop.good("POST", "/api/people/forget", {"distinct_id": "zoe"})
    assert forgotten["people"] == 1
    assert forgotten["connections"][0]["customers"] == 1
    assert [one["distinct_id"] for one in (await shop.good("GET", f"{SHOP}/people"))["items"]] == ["max"]


async def test_what_is_kept_about_somebody_is_exported(shop: Client) -> None:
    exported = await shop.good("POST", "/api/people/export", {"who": "zoe"})
    assert exported["ids"] == ["zoe"]
    events, after = [], ""
    while after is not None:
        part = await shop.good("POST", "/api/people/export/events", {"ids": exported["ids"], "after": after})
        events += part["events"]
        after = part["next"]
    assert {one["distinct_id"] for one in events} == {"zoe"}
    assert (await shop.ask("POST", "/api/people/export", {"who": "nobody"})).status == 404
    wrong = await shop.ask("POST", "/api/people/export/events", {"ids": ["zoe"], "after": "what"})
    assert (wrong.status, "Start again" in wrong.message) == (422, True)


async def test_whoever_cannot_be_forgotten_is_told_apart(shop: Client) -> None:
    url = "/api/people/forget"
    assert (await shop.ask("POST", url, {"who": "nobody"})).status == 404
    assert (await shop.ask("POST", url, {})).status == 422
    assert (await shop.ask("POST", url, {"who": "zoe", "distinct_id": "zoe"})).status == 422
    service = shop.bench.service
    sending = await service.sendings.begin()
    event = b'{"event": "x", "distinct_id": "%s", "$set": {"email": "one@example.com"}, %s}'
    lines = [event % (one, AT) for one in (b"a", b"b")]
    await send_lines(service, sending, list(enumerate(lines, 1)))
    await service.sendings.show(sending, 10)
    await service.sendings.end(sending)
    assert (await shop.ask("POST", url, {"who": "one@example.com"})).status == 409
    assert len((await shop.good("GET", "/api/people/who?q=one@example.com"))["items"]) == 2
    assert (await shop.good("POST", url, {"who": "one@example.com", "all": True}))["ids"] == 2


async def test_somebody_is_kept_away_and_let_in_again(shop: Client) -> None:
    for verb in ("suppress", "unsuppress"):
        assert (await shop.ask("POST", f"/api/people/{verb}", {"who": "eve"})).status == 204
    assert (await shop.ask("POST", "/api/people/unsuppress", {"who": "eve"})).status == 422


async def test_options_are_tried_without_keeping_them(client: Client) -> None:
    url = "/api/destinations/customerio/check"
    assert (await client.good("POST", url, {"options": GOOD}))["ok"]
    client.bench.customerio.check = Response(401, {}, b"")
    assert not (await client.good("POST", url, {"options": GOOD}))["ok"]
    assert (await client.good("GET", "/api/connections"))["items"] == []


async def test_failures_come_in_pages_and_one_by_one(shop: Client) -> None:
    first = await shop.good("GET", f"{SHOP}/failures?reason=invalid&limit=1")
    assert (first["items"][0]["id"], first["next"]) == (1, "1")
    second = await shop.good("GET", f"{SHOP}/failures?limit=1&after=1")
    assert second["items"][0]["id"] == 3
    assert (await shop.good("GET", f"{SHOP}/failures?reason=other"))["items"] == []
    assert (await shop.good("GET", f"{SHOP}/failures/3"))["failure"] == second["items"][0]


@pytest.mark.parametrize(
    ("chosen", "how_many"), [({"ids": [1]}, 1), ({"ids": [2]}, 0), ({"reason": "invalid"}, 2), ({"all": True}, 2)]
)
@pytest.mark.parametrize("verb", ["retry", "discard"])
async def test_chosen_failures_are_sent_again_or_discarded(
    shop: Client, verb: str, chosen: object, how_many: int
) -> None:
    await shop.bench.service.connections.pause("shop")
    assert await shop.good("POST", f"{SHOP}/failures/{verb}", chosen) == {"failures": how_many}


@pytest.mark.parametrize(
    "chosen", [{}, {"all": False}, {"all": True, "reason": "invalid"}, {"ids": [1], "reason": "x"}]
)
async def test_nobody_discards_all_failures_by_saying_nothing(shop: Client, chosen: object) -> None:
    reply = await shop.ask("POST", f"{SHOP}/failures/discard", chosen)
    assert reply.status == 422
    assert "exactly one" in reply.message
    assert len(await shop.bench.service.failures.find("shop")) == 2


async def test_events_are_tried_without_being_sent(shop: Client) -> None:
    before = await shop.good("GET", f"{SHOP}/status")
    events = [{"event": "some_event", "distinct_id": "new", "properties": {"event_property": 1}}, {"odd": True}]
    tried = await shop.good("POST", f"{SHOP}/preview", {"events": events})
    assert [(one["distinct_id"], one["event"]) for one in tried["events"]] == [("new", "some_event")]
    assert tried["events"][0]["operations"]
    assert [problem["number"] for problem in tried["problems"]] == [2]
    assert await shop.good("GET", f"{SHOP}/status") == before
    assert len(shop.bench.service.previews.handles) == 0


MISTAKES: dict[str, tuple[str, str, object, int, str]] = {
    "nothing there": ("GET", "/api/nothing", None, 404, "Not found. See /api/openapi.json"),
    "a slash too many": ("GET", f"{SHOP}/", None, 404, "Not found. See /api/openapi.json"),
    "no such connection": ("GET", "/api/connections/nobody", None, 404, "Connection not found."),
    "nothing to disconnect": ("DELETE", "/api/connections/nobody", None, 404, "Connection not found."),
    "trends of nobody": ("GET", "/api/connections/nobody/trends", None, 404, "Connection not found."),
    "nobody of this id": ("GET", f"{SHOP}/person?distinct_id=nobody", None, 404, "has no person"),
    "a person without an id": ("GET", f"{SHOP}/person", None, 400, "“distinct_id” is missing"),
    "Unknown destination.": ("POST", "/api/destinations/x/check", {"options": {}}, 404, "Unknown destination."),
    "no such failure": ("GET", f"{SHOP}/failures/2", None, 404, "no failure with this id"),
    "a failure that is no number": ("GET", f"{SHOP}/failures/first", None, 404, "Invalid “id”"),
    "a failure beyond all numbers": ("GET", f"{SHOP}/failures/{2**64}", None, 404, "Invalid “id”"),
    "another method": ("PUT", SHOP, None, 405, "Use DELETE, GET, PATCH."),
    "another method of the description": ("POST", "/api/openapi.json", None, 405, "Use GET."),
    "a name that is taken": (
        "POST", "/api/connections", {"destination": "customerio", "options": GOOD, "name": "shop"}, 409,
        "A connection named 'shop' already exists",
    ),
    "an unknown destination": ("POST", "/api/connections", {"destination": "x", "options": {}}, 422, "Unknown destination"),
    "a missing option": (
        "POST", "/api/connections", {"destination": "customerio", "options": {"api_key": "canary"}}, 422, "Site ID",
    ),
    "a bad name": ("POST", "/api/connections", {"destination": "x", "options": {}, "name": "Ä"}, 422, "Invalid body"),
    "a field that nobody knows": ("PATCH", SHOP, {"options": {}, "odd": 1}, 422, "unknown field"),
    "a number for a text": ("POST", "/api/connections", {"destination": 1, "options": {}}, 422, "Invalid body"),
    "no events": ("POST", f"{SHOP}/preview", {"events": []}, 422, "Invalid body"),
    "a query that nobody knows": ("GET", f"{SHOP}/people?search=x", None, 400, "Unknown query parameter “search”. Known parameters: q, after, limit."),
    "a query where there is none": ("GET", "/api/status?x=1", None, 400, "This endpoint has no query parameters."),
    "a limit too high": ("GET", f"{SHOP}/people?limit=501", None, 400, "Invalid “limit”"),
    "a limit that is no number": ("GET", f"{SHOP}/people?limit=all", None, 400, "Invalid “limit”"),
    "a period that nobody knows": ("GET", f"{SHOP}/trends?period=year", None, 400, "Invalid “period”"),
    "a parameter twice": ("GET", f"{SHOP}/people?q=a&q=b", None, 400, "more than once"),
    "many parameters": ("GET", "/api/status?" + "a=1&" * 30, None, 400, "more than 20 fields"),
}  # fmt: skip


@pytest.mark.parametrize(("method", "url", "body", "status", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_a_mistake_is_a_status_and_a_sentence(
    *, shop: Client, method: str, url: str, body: object, status: int, sentence: str
) -> None:
    reply = await shop.ask(method, url, body)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
    assert sentence in reply.message
    assert "canary" not in reply.message
    assert ("allow" in reply.headers) == (status == 405)


GARBAGE = {
    "nothing": (b"", 400),
    "no JSON": (b"options=1", 400),
    "half of it": (b'{"options": {', 400),
    "no UTF-8": (b'{"options": {"\xff": 1}}', 400),
    "half of a character": (b'{"options": {"a": "\\ud800"}}', 400),
    "nested deeply": (b'{"options": {"a":' + b"[" * 100_000, 400),
    "a list": (b"[]", 422),
    "null": (b"null", 422),
    "too large": (b" " * 1_000_001, 413),
}


@pytest.mark.parametrize(("body", "status"), GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_as_a_body_is_answered(shop: Client, body: bytes, status: int) -> None:
    reply = await shop.ask("PATCH", SHOP, raw=body)
    assert reply.status == status
    assert reply.message.endswith(".")


async def test_refused_credentials_are_told_and_nothing_is_kept(client: Client) -> None:
    client.bench.customerio.check = Response(401, {}, b"")
    reply = await client.ask("POST", "/api/connections", {"destination": "customerio", "options": GOOD})
    assert reply.status == 422
    assert "Nothing was saved." in reply.message
    assert (await client.good("GET", "/api/connections"))["items"] == []


@pytest.mark.parametrize(("method", "url"), [one for one in ALL if one[0] == "GET"])
async def test_no_secret_is_ever_in_an_answer(client: Client, method: str, url: str) -> None:
    secrets: dict[str, object] = {"site_id": "canary-site", "api_key": "canary-key"}
    await client.good(
        "POST", "/api/connections", {"destination": "customerio", "options": secrets, "name": "shop"}, 201
    )
    reply = await client.ask(method, url)
    assert b"canary" not in reply.body
    assert client.token.encode() not in reply.body


@pytest.mark.parametrize("verb", ["resume", "pause", "check"])
async def test_no_secret_is_in_the_answer_to_what_is_done(client: Client, verb: str) -> None:
    secrets: dict[str, object] = {"site_id": "canary-site", "api_key": "canary-key"}
    made = {"destination": "customerio", "options": secrets, "name": "shop"}
    assert b"canary" not in (await client.ask("POST", "/api/connections", made)).body
    assert b"canary" not in (await client.ask("PATCH", SHOP, {"options": secrets})).body
    assert b"canary" not in (await client.ask("POST", f"{SHOP}/{verb}")).body


async def test_answers_are_not_kept_by_anybody_on_the_way(shop: Client) -> None:
    for reply in (await shop.ask("GET", "/api/status"), await shop.ask("GET", "/api/nothing")):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"


async def test_who_asks_too_much_has_to_wait(tmp_path: Path) -> None:
    async with client_in(tmp_path, at_once=3, per_s=0.5) as client:
        statuses = [(await client.ask("GET", "/api/status")).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        other = (await client.bench.service.api_tokens.make("other", "admin")).token
        assert (await client.ask("GET", "/api/status", headers={"authorization": f"Bearer {other}"})).status == 200
        assert (await client.ask("GET", "/api/status")).headers["retry-after"] == "2"
        client.at_s += 2
        assert [(await client.ask("GET", "/api/status")).status for _ in range(2)] == [200, 429]


async def test_the_right_token_gets_in_whatever_others_try_from_the_same_address(client: Client) -> None:
    wrong = {"authorization": "Bearer wrong"}
    statuses = [(await client.ask("GET", "/api/status", headers=wrong)).status for _ in range(50)]
    assert statuses == [401] * 20 + [429] * 30
    assert (await client.ask("GET", "/api/status")).status == 200


@pytest.mark.parametrize(
    ("trouble", "status", "sentence"),
    [
        (Unwritable("The disk is full.", retry_after_s=7), 503, "The disk is full."),
        (Unusable("Another key."), 503, "Another key."),
        (ZeroDivisionError("canary"), 500, "Internal error"),
    ],
)
async def test_trouble_is_one_sentence_too(
    *,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    trouble: Exception,
    status: int,
    sentence: str,
) -> None:
    async def fails() -> None:
        raise trouble

    monkeypatch.setattr(client.bench.service.status, "show", fails)
    reply = await client.ask("GET", "/api/status")
    assert reply.status == status
    assert sentence in reply.message
    assert "canary" not in reply.message + "".join(capfd.readouterr())
    if isinstance(trouble, Unwritable):
        assert reply.headers["retry-after"] == "7"


async def test_many_who_ask_leave_little_behind(client: Client) -> None:
    wrong = {"authorization": "Bearer wrong"}
    for n in range(1_100):
        await client.ask("GET", "/api/status", headers=wrong, address=f"192.0.2.{n}")
    assert len(client.api._failing._used) == 1_000


async def test_a_nul_in_a_body_is_refused_before_anybody_is_looked_for(client: Client) -> None:
    reply = await client.ask("POST", "/api/people/export", {"who": "a\0b"})
    assert reply.status == 400
    assert "NUL" in reply.message
