"""Whoever is suppressed is kept out at the door, by whatever names them; everybody else comes in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from receiving import NOW_MS, TOKEN, Inbox

from hogline.model import Event
from hogline.posthog import Batch, encode_repaired
from hogline.sources.http import create_app
from hogline.sources.suppression import let_in
from hogline.sources.tokens import TokenCheck
from hogline.store.datadir.secrets import Vault
from hogline.store.forgetting import NOBODY, Suppressed

VAULT = Vault(Vault.new_key())
ADA, MAIL, ANON = "ada-4711", "ada@example.com", "0190a000-0000-7000-8000-00000000aaaa"


def event(name: str = "x", who: str = "bob", properties: dict[str, object] | None = None, **fields: Any) -> Event:
    return Event("0199f3a0-0000-7000-8000-000000000001", name, who, 1, 1, properties or {}, **fields)


def suppressed(*texts: str) -> Suppressed:
    made = Suppressed(VAULT.fingerprint)
    made.replace(made.hashes(texts))
    return made


def kept(one: Event, who: Suppressed) -> tuple[int, dict[str, int]]:
    received, refused = let_in(Batch([encode_repaired(one)], {}), who)
    return len(received), refused


OUT = {
    "by their id": event(who=ADA),
    "by their id with blanks around it": event(who=f" {ADA} "),
    "by an id that was joined": event(who=ANON),
    "by their email as the id": event(who=MAIL),
    "by their email in capitals as the id": event(who=MAIL.upper()),
    "as a visitor who is identified": event("$identify", properties={"$anon_distinct_id": ADA}),
    "as a visitor in any other event": event(properties={"$anon_distinct_id": ANON}),
    "as an alias": event("$create_alias", properties={"alias": ADA}),
    "as somebody who is merged": event("$merge_dangerously", properties={"alias": ADA}),
    "by $set": event(set={"email": MAIL}),
    "by $set in capitals": event(set={"email": f" {MAIL.title()} "}),
    "by $set_once": event(set_once={"email": MAIL}),
    "by what PostHog knows of the person": event(person_properties={"email": MAIL}),
}


@pytest.mark.parametrize("one", OUT.values(), ids=OUT)
def test_whoever_is_suppressed_is_kept_out(one: Event) -> None:
    assert kept(one, suppressed(ADA, MAIL, ANON)) == (0, {"suppressed": 1})


IN = {
    "somebody else": event(),
    "an id that begins like theirs": event(who=ADA + "2"),
    "a property that says their email": event(properties={"email": MAIL, "alias": ADA, "$device_id": ANON}),
    "an alias that is no text": event("$create_alias", properties={"alias": ["ada"]}),
    "an email that is no text": event(set={"email": [MAIL]}),
}


@pytest.mark.parametrize("one", IN.values(), ids=IN)
def test_others_come_in(one: Event) -> None:
    assert kept(one, suppressed(ADA, MAIL, ANON)) == (1, {})


def test_an_id_that_is_a_number_is_the_same_as_its_text() -> None:
    assert kept(event("$create_alias", properties={"alias": 4711}), suppressed("4711")) == (0, {"suppressed": 1})


def test_while_nobody_is_suppressed_the_batch_is_not_even_looked_at() -> None:
    batch = Batch([encode_repaired(event())], {"x": 1})
    assert let_in(batch, NOBODY) == (batch.received, batch.refused)
    assert let_in(batch, NOBODY)[0] is batch.received


def test_what_was_refused_before_is_still_counted() -> None:
    batch = Batch([encode_repaired(event()), encode_repaired(event(who=ADA))], {"no_distinct_id": 2})
    received, refused = let_in(batch, suppressed(ADA))
    assert [each.event.distinct_id for each in received] == ["bob"]
    assert refused == {"no_distinct_id": 2, "suppressed": 1}
    assert batch.refused == {"no_distinct_id": 2}


def test_it_tells_how_things_are_now_and_shows_nobody() -> None:
    who = suppressed(ADA, MAIL)
    assert repr(who) == "Suppressed(2 hashes)"
    who.replace(())
    assert not who
    assert not who(ADA)


def test_without_the_key_nobody_can_tell_who_it_is() -> None:
    other = Suppressed(Vault(Vault.new_key()).fingerprint, suppressed().hashes([ADA]))
    assert not other(ADA)


def test_a_sender_is_told_the_same_of_whoever_is_suppressed_as_of_others() -> None:
    """Else anybody could ask who is."""
    answers = []
    for who in (suppressed(ADA), NOBODY):
        inbox = Inbox()
        inbox.app = create_app(inbox.journal, TokenCheck([TOKEN]), inbox._ready, lambda: NOW_MS, suppressed=who)
        batch = [{"event": "x", "distinct_id": one, "properties": {}} for one in (ADA, "bob", "")]
        reply = inbox.ask("POST", "/batch", json.dumps({"api_key": TOKEN, "batch": batch}).encode())
        answers.append((reply.status, reply.body))
        came = [one.distinct_id for one in inbox.journal.events]
        assert came == (["bob"] if who else [ADA, "bob"])
        assert inbox.journal.refused.get("suppressed", 0) == (1 if who else 0)
    assert answers[0] == answers[1]
