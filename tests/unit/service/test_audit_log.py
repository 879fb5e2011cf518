"""The audit log: who did what, when, from where; without secrets, without the people whose events pass."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import get_args
from unittest.mock import patch

import pytest
from kafka_log import Kafka
from service_bench import GOOD, TOKEN, ServiceBench, bench_in, send_lines

from hogline.backfill.run_file import write_rows
from hogline.backfill.runs import Prepared
from hogline.backfill.runs import Wanted as WantedRun
from hogline.posthog_api import Invocation, Webhook
from hogline.service import Service
from hogline.service.actor import Actor
from hogline.service.audit_sentences import DEEDS, what_was_done
from hogline.service.rights import RIGHTS, permitted
from hogline.service.trail import AGAIN_AFTER_MS, Trail
from hogline.store import audit as store
from hogline.store.audit import Wanted
from hogline.store.base import Unwritable
from hogline.store.sqlite.audit import SqliteAudit

pytestmark = pytest.mark.anyio

PERSON, EMAIL = "zoë-4711", "zoe.canary@example.com"
AT = "2026-10-31T10:00:00Z"
LINES = [
    (1, json.dumps({"event": "$identify", "distinct_id": PERSON, "timestamp": AT, "$set": {"email": EMAIL}}).encode()),
    (2, json.dumps({"event": "refuse me", "distinct_id": PERSON, "timestamp": AT}).encode()),
]
ADA = Actor(name="ada", kind="account", role="admin", address="192.0.2.7")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        await made.service.connections.add("customerio", {**GOOD, "api_key": "canary-key"}, name="shop")
        sending = await made.service.sendings.begin()
        await send_lines(made.service, sending, LINES)
        await made.service.sendings.show(sending, 10)
        await made.service.sendings.end(sending)
        yield made


Deed = Callable[[Service], Awaitable[object]]


async def connect(service: Service) -> None:
    await service.connections.add("customerio", GOOD, name="other", paused=True)


async def accounts(service: Service) -> None:
    await service.accounts.add("bob", "viewer", "a password of Bob's")
    await service.accounts.set_role("bob", "operator")
    await service.accounts.set_password("another of Bob's", "bob")
    await service.accounts.remove("bob")


async def tokens(service: Service) -> None:
    await service.api_tokens.make("reports", "viewer", 30)
    await service.api_tokens.revoke("reports")


async def keep_away(service: Service) -> None:
    await service.forgetting.suppress("canary-away")
    await service.forgetting.unsuppress("canary-away")


async def project_tokens(service: Service) -> None:
    await service.project_tokens.add("phc_" + "canary0123" * 4)
    await service.project_tokens.rotate()
    await service.project_tokens.revoke(TOKEN)


class EmulatedApi:
    """PostHog has a destination that sends here; trying it does not work."""

    def __init__(self, *_: object) -> None:
        self.url, self.project = "https://127.0.0.1", "42"

    async def find(self, url: str) -> Webhook:
        return Webhook(id="fn", name="Hogline", enabled=True, url=url, state="")

    async def change(self, webhook: Webhook, **_: object) -> Webhook:
        return webhook

    async def invoke(self, *_: object) -> Invocation:
        return Invocation(False, "no")  # noqa: FBT003

    async def remove(self, _: Webhook) -> None: ...


async def set_up_posthog(service: Service) -> None:
    with patch("hogline.service.posthog.PostHogApi", EmulatedApi):
        await service.posthog.connect("eu", "42", "phx_canary")
        await service.posthog.disconnect("eu", "42", "phx_canary")


async def older_events(service: Service) -> None:
    await service.connections.pause("shop")
    run = await service.backfills.begin(WantedRun(connection="shop", sources=["canary.jsonl"], key="key"))
    write_rows(vars(service)["_service"].backfills._runs.rows(run.number), [b"row"])  # as the command does
    await service.backfills.ready(run.number, Prepared(rows=0))
    await service.backfills.pause(run.number)
    await service.backfills.resume(run.number)
    await service.backfills.cancel(run.number)


async def send_everyone_again(service: Service) -> None:
    await service.connections.pause("shop")
    await service.resending.everyone("shop")
    await service.resending.cancel("shop")


async def rename(service: Service) -> None:
    await service.connections.rename("shop", "store")
    await service.connections.rename("store", "shop")


async def sources(service: Service) -> None:
    with patch("hogline.service.sources.PostHogExports.check"):
        await service.sources.add("eu", "42", "phx_canary")
    await service.sources.pause("posthog")
    await service.sources.resume("posthog")
    await service.sources.remove("posthog")


async def topics(service: Service) -> None:
    with patch("hogline.service.consuming.Consuming.open", lambda *_: Kafka()):
        await service.sources.add_kafka("kafka:9092", "clickhouse_events_json", 42, {"sasl.password": "canary"})
    await service.sources.dismiss("kafka")
    await service.sources.remove("kafka")


DEEDS_DONE: dict[str, tuple[Deed, list[str]]] = {
    "made": (connect, ["connection_made"]),
    "changed": (
        lambda service: service.connections.configure(
            "shop", {"hold_days": 7, "api_key": "canary-two", "site_id": "canary"}
        ),
        ["options_changed"],
    ),
    "tested": (lambda service: service.connections.test("customerio", {}, "shop"), ["options_tested"]),
    "an event tried": (
        lambda service: service.trials.send("customerio", {}, '{"event": "seen", "distinct_id": "a"}', "shop"),
        ["event_tried"],
    ),
    "resumed": (lambda service: service.connections.resume("shop"), ["connection_enabled"]),
    "paused": (lambda service: service.connections.pause("shop"), ["connection_disabled"]),
    "renamed": (rename, ["connection_renamed", "connection_renamed"]),
    "duplicated": (lambda service: service.connections.duplicate("shop", "twin"), ["connection_made"]),
    "removed": (lambda service: service.connections.remove("shop"), ["connection_removed"]),
    "retried": (lambda service: service.failures.retry("shop", reason="invalid"), ["failures_retried"]),
    "discarded": (lambda service: service.failures.discard("shop", ids=[2]), ["failures_discarded"]),
    "replayed": (lambda service: service.replays.begin("shop", since_ms=0), ["replay_begun"]),
    "sent": (lambda service: service.sendings.begin(), ["file_sent"]),
    "listed": (lambda service: service.people.find(EMAIL), ["people_listed"]),
    "seen": (lambda service: service.people.show("shop", PERSON), ["person_seen"]),
    "kept away": (keep_away, ["person_unsuppressed", "person_suppressed"]),
    "sent again": (lambda service: service.resending.person("shop", PERSON), ["person_resent"]),
    "everyone sent again": (send_everyone_again, ["resending_cancelled", "everyone_resent", "connection_disabled"]),
    "exported": (lambda service: service.exports.person(PERSON), ["person_exported"]),
    "forgotten": (lambda service: service.forgetting.forget(PERSON), ["person_forgotten"]),
    "project tokens": (project_tokens, ["token_revoked", "token_rotated", "token_added"]),
    "older events": (
        older_events,
        ["backfill_cancelled", "backfill_resumed", "backfill_paused", "backfill_begun", "connection_disabled"],
    ),
    "PostHog": (set_up_posthog, ["posthog_disconnected", "posthog_connected"]),
    "history": (
        lambda service: service.history.start("shop", str(Path(__file__).parents[2] / "samples" / "events.csv")),
        ["backfill_begun"],
    ),
    "sources": (sources, ["source_removed", "source_resumed", "source_paused", "source_added"]),
    "topics": (topics, ["source_removed", "source_gaps_dismissed", "source_added"]),
    "API tokens": (tokens, ["api_token_revoked", "api_token_made"]),
    "accounts": (accounts, ["account_removed", "account_password_set", "account_role_changed", "account_added"]),
}


@pytest.mark.parametrize(("deed", "actions"), DEEDS_DONE.values(), ids=DEEDS_DONE.keys())
async def test_what_is_done_is_noted_with_who_and_from_where(
    bench: ServiceBench, deed: Deed, actions: list[str]
) -> None:
    before = len(await bench.service.audit.newest())
    await deed(permitted(bench.service, ADA))
    entries = (await bench.service.audit.newest())[: len(actions)]
    assert [entry.action for entry in entries] == actions
    assert len(await bench.service.audit.newest()) == before + len(actions)
    for entry in entries:
        assert (entry.who, entry.kind, entry.address) == ("ada", "account", "192.0.2.7")
        assert entry.at_ms == bench.service.clock.time_ms()


async def test_a_retry_or_discard_of_some_days_names_them(bench: ServiceBench) -> None:
    day_ms = 1_793_491_200_000  # 2026-11-01
    await bench.service.failures.retry("shop", since_ms=day_ms, until_ms=day_ms + 86_400_000)
    await bench.service.failures.discard("shop", reason="none_has_it", until_ms=day_ms + 90_000_000)
    said = [what_was_done(one.action, one.connection, one.details) for one in await bench.service.audit.newest(limit=2)]
    assert said == [
        "Discarded failures: shop, reason none_has_it, before 2026-11-02 01:00",
        "Retried failures: shop, failures 1, since 2026-11-01, before 2026-11-02",
    ]


LOOKS_AND_OWN_DEEDS = {
    "accounts.change_own_password",  # notes `account_password_set`
    "connections.check",
    "doctor.examine",
    "posthog.status",
    "audit.newest",
    "audit.since",
    "audit.changes",
    "alerts.test",
    "project_tokens.show",
    "accounts.all",
    "api_tokens.all",
    "sendings.send",
    "sendings.show",
    "sendings.end",
    "exports.events",
    "backfills.note_read",
    "backfills.ready",
    "verification.people",
    "verification.silent_refusals",
    "verification.compare",
}


def test_everything_that_changes_something_is_among_these_tests() -> None:
    tested = {
        "connections.add",
        "connections.configure",
        "connections.test",
        "trials.send",
        "connections.resume",
        "connections.pause",
        "connections.remove",
        "connections.rename",
        "connections.duplicate",
        "failures.retry",
        "failures.discard",
        "replays.begin",
        "sendings.begin",
        "forgetting.forget",
        "project_tokens.rotate",
        "project_tokens.revoke",
        "project_tokens.add",
        "forgetting.suppress",
        "forgetting.unsuppress",
        "exports.person",
        "resending.person",
        "resending.everyone",
        "resending.cancel",
        "posthog.connect",
        "posthog.disconnect",
        "backfills.begin",
        "backfills.pause",
        "backfills.resume",
        "backfills.cancel",
        "api_tokens.make",
        "api_tokens.revoke",
        "accounts.add",
        "accounts.set_role",
        "accounts.set_password",
        "accounts.remove",
        "history.start",
        "sources.add",
        "sources.add_kafka",
        "sources.dismiss",
        "sources.pause",
        "sources.resume",
        "sources.remove",
    }
    changing = {function for right in RIGHTS if right.least != "viewer" for function in right.functions}
    assert changing - LOOKS_AND_OWN_DEEDS <= tested


async def test_of_a_new_connection_only_what_differs_from_the_defaults_is_noted(bench: ServiceBench) -> None:
    await bench.service.connections.add(
        "customerio",
        {
            "site_id": "s",
            "api_key": "k",
            "anonymous_users": "emails",
            "hold_days": 0,
            "events": "",
            "event_properties": "",
        },
        name="new",
    )
    found = await bench.service.audit.newest(Wanted(action="connection_made"))
    (made,) = [one for one in found if one.connection == "new"]
    assert made.details["options"] == {
        "api_key": "set anew", "site_id": "set anew", "anonymous_users": [None, "emails"], "event_properties": [None, ""]
    }  # fmt: skip


async def test_options_are_noted_from_what_to_what_and_secrets_not_at_all(bench: ServiceBench) -> None:
    await bench.service.connections.configure(
        "shop", {"hold_days": 7, "api_key": "canary-two", "event_allowlist": "a, b"}
    )
    await bench.service.connections.configure("shop", {"hold_days": None})
    second, first = (await bench.service.audit.newest(Wanted(action="options_changed")))[:2]
    assert first.details == {
        "options": {"api_key": "set anew", "event_allowlist": [None, "a, b"], "hold_days": [None, 7]}
    }
    assert second.details == {"options": {"hold_days": [7, None]}}
    assert what_was_done(first.action, first.connection, first.details) == (
        "Changed options: shop. Customer.io API Key: changed; Keep anonymous events: 0 → 7; Events: nothing → a, b"
    )


@pytest.mark.parametrize(
    ("options", "destination", "said"),
    [
        ({"set_once": [None, False]}, "customerio", "Learn from $set_once: yes → no"),
        (
            {"identify_by": [None, "email"]},
            "",
            "Identify by: The distinct_id → The email if there is one, otherwise the distinct_id",
        ),
        ({"identify_by_email": [None, True]}, "customerio", "Identify by: The distinct_id → The email if there is one"),
        ({"set_once": [None, False], "site_id": "set anew"}, "", "Site ID: changed; Learn from $set_once: yes → no"),
        ({"unheard_of": ["a", None], "token": "set anew"}, "", "token: changed; unheard_of: a → default"),
        ({"hold_days": [7, None]}, "removed", "hold_days: 7 → default"),
    ],
)
def test_options_are_named_as_in_the_form(options: dict[str, object], destination: str, said: str) -> None:
    assert said in what_was_done("options_changed", "shop", {"options": options}, destination)


def test_options_of_a_new_connection_are_named_without_what_they_were_before() -> None:
    options = {"api_key": "set anew", "hold_days": [None, 7]}
    said = what_was_done("connection_made", "shop", {"options": options}, "customerio")
    assert said == "Created a connection: shop. Customer.io API Key: set; Keep anonymous events: 7"


@pytest.mark.parametrize(
    ("action", "details", "said"),
    [
        (
            "api_token_made",
            {"token": "reports", "role": "viewer", "days": 90},
            "reports, role viewer, valid for 90 days",
        ),
        ("api_token_made", {"token": "reports", "role": "viewer", "days": 1}, "reports, role viewer, valid for 1 day"),
        ("account_added", {"account": "ada", "role": "viewer", "password": True}, "ada, role viewer, with a password"),
    ],
)
def test_details_are_said_in_words(action: str, details: dict[str, object], said: str) -> None:
    assert what_was_done(action, "", details).endswith(f": {said}")


async def test_nothing_personal_and_no_secret_is_in_its_file(bench: ServiceBench, tmp_path: Path) -> None:
    for name, (deed, _) in DEEDS_DONE.items():
        if name not in {"paused", "removed"}:  # the others need it
            await deed(permitted(bench.service, ADA))
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("audit.db*"))
    assert b"person_seen" in kept
    for secret in ("canary", PERSON, "zoe", "password of", TOKEN, "hogapi_"):
        assert secret.encode() not in kept


async def test_whoever_knows_an_id_finds_who_looked_at_it(bench: ServiceBench) -> None:
    await permitted(bench.service, ADA).people.show("shop", PERSON)
    (entry,) = await bench.service.audit.newest(Wanted(person=PERSON))
    assert (entry.who, entry.action, len(entry.person)) == ("ada", "person_seen", 32)
    assert await bench.service.audit.newest(Wanted(person="somebody else")) == []


async def test_looking_again_soon_is_not_noted_again(tmp_path: Path) -> None:
    now_ms = 0
    audit = SqliteAudit(tmp_path / "audit.db")
    trail = Trail(audit, str.encode, lambda: now_ms)
    for at_ms in (0, 1, AGAIN_AFTER_MS - 1, AGAIN_AFTER_MS, AGAIN_AFTER_MS + 1):
        now_ms = at_ms
        await trail.note("person_seen", connection="shop", person="a")
        await trail.note("connection_disabled", connection="shop")
    await trail.note("person_seen", connection="shop", person="b")
    entries = await audit.oldest(Wanted())
    assert [entry.at_ms for entry in entries if entry.action == "person_seen"] == [0, AGAIN_AFTER_MS, now_ms]
    assert sum(entry.action == "connection_disabled" for entry in entries) == 5
    await audit.close()


async def test_a_command_beside_a_running_process_is_noted_under_its_system_user(bench: ServiceBench) -> None:
    async with bench.remote() as remote:
        await remote.connections.pause("shop")
    (entry, *_) = await bench.service.audit.newest()
    assert (entry.kind, entry.address, entry.action) == ("system", "", "connection_disabled")
    assert entry.who not in {"", "hogline"}


async def test_a_disk_that_takes_nothing_keeps_nobody_from_acting(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise Unwritable("The disk is full.")

    monkeypatch.setattr(bench.service.trail.store, "add", full)
    await bench.service.connections.pause("shop")
    assert (await bench.service.connections.all())[0].paused
    assert "an entry of the audit log could not be saved" in "".join(capfd.readouterr())


def test_every_action_has_words() -> None:
    assert set(DEEDS) == set(get_args(store.Action))
