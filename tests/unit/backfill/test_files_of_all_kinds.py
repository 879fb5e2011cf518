"""Files as people have them, and what becomes of each: the samples beside these tests."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from service_bench import GOOD, ServiceBench, bench_in, send_lines

from hogline.backfill.lines import read_stream
from hogline.backfill.views import BadLine, Delivery
from hogline.destinations.customerio.ulid import ulid
from hogline.model import Request, Response

pytestmark = pytest.mark.anyio

SAMPLES = Path(__file__).parents[2] / "samples"
AT_S = 1_793_527_200  # 2026-11-01T10:00:00Z


class Sent:
    """What became of a sample."""

    def __init__(self, bench: ServiceBench) -> None:
        self.bench = bench
        self.operations: list[dict[str, Any]] = []
        send = bench.customerio.send

        async def recorded(request: Request) -> Response:
            if request.method == "POST":
                self.operations += msgspec.json.decode(request.body)["batch"]
            return await send(request)

        bench.service.workers._send = recorded

    async def file(self, name: str) -> tuple[Delivery, list[BadLine]]:
        """The delivery and the bad lines."""
        service = self.bench.service
        handle = await service.sendings.begin()
        with (SAMPLES / name).open("rb") as stream:
            lines = list(read_stream(stream, name=name))
        bad = await send_lines(service, handle, [(line.number, line.body) for line in lines])
        (delivery,) = await service.sendings.show(handle, 10.0)
        assert delivery.pending == 0
        await service.sendings.end(handle)
        return delivery, bad

    def events(self):
        return [(one["id"], one["timestamp"]) for one in self.operations if "id" in one]

    def people(self):
        return sorted({one["identifiers"]["id"] for one in self.operations if "id" in one})


def of(number: int) -> str:
    return ulid(f"0199f3a0-0000-7000-8000-{number:012x}").decode()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        yield made


@pytest.fixture
async def sent(bench: ServiceBench) -> Sent:
    made = Sent(bench)
    await bench.service.connections.add("customerio", GOOD, name="shop")
    return made


async def test_times_in_every_form_and_those_that_are_none(sent):
    delivery, bad = await sent.file("times.json")
    assert sorted(sent.events()) == [(of(0x100 + n), AT_S) for n in range(8)]
    assert delivery.adjusted == {}
    assert [(line.number, re.sub(r":.*", "", line.sentence)) for line in bad] == [
        (1, f"Event {place}") for place in (9, 10, 11, 12)
    ]
    assert [("missing" in line.sentence) for line in bad] == [False, False, True, True]
    status = await sent.bench.service.status.show()
    assert status.refused == {"timestamp_unreadable": 2, "timestamp_missing": 2}


async def test_bigquery(sent):
    assert (await sent.file("bigquery.jsonl"))[1] == []
    assert sent.events() == [(of(1), AT_S), (of(2), AT_S - 86_400)]
    assert next(one for one in sent.operations if one["action"] == "identify")["attributes"] == {"plan": "pro"}


async def test_snowflake(sent):
    delivery, bad = await sent.file("snowflake.jsonl")
    assert bad == []
    assert sent.events() == [(of(3), AT_S), (of(3), AT_S - 7 * 3600), (of(4), AT_S)]
    assert delivery.adjusted == {"repeated": 1}


async def test_one_uuid_for_several_events(sent):
    first, bad = await sent.file("one-uuid.jsonl")
    assert bad == []
    assert first.adjusted == {"uuid_reused": 2, "uuid_missing": 2}
    events = sent.events()
    assert len(dict(events)) == first.delivered == 5
    assert sent.people() == ["r1", "r2", "r3", "r4"]
    again, _ = await sent.file("one-uuid.jsonl")
    assert again.adjusted == {"repeated": 5, "uuid_reused": 2, "uuid_missing": 2}
    assert sorted(sent.events()[5:]) == sorted(events)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("events-api.jsonl", [6]),
        ("events-api-page.json", [7]),
        ("array.json", [0x71, 0x72]),
        ("hogql.json", [0x73]),
        ("events.csv", [0x74]),
        ("utf-16.jsonl", [0x75]),
        ("events.jsonl.br", [0x76]),
        ("events.jsonl.zst", [0x77]),
    ],
)
async def test_other_forms(sent, name, numbers):
    delivery, bad = await sent.file(name)
    assert bad == []
    assert delivery.adjusted == {}
    assert sent.events() == [(of(number), AT_S) for number in numbers]


async def test_what_posthog_uses_for_itself_is_never_sent(sent):
    delivery, _ = await sent.file("internal.jsonl")
    assert delivery.filtered == {"posthog_internal": 3, "snapshot": 1}
    assert [one["name"] for one in sent.operations if one["action"] == "event"] == ["$web_vitals", "invoice paid"]


async def test_ids_that_are_numbers_are_two_people(sent):
    delivery, _ = await sent.file("number-ids.jsonl")
    assert delivery.adjusted == {"distinct_id_as_text": 4}
    found = await sent.bench.service.people.find()
    assert {person.distinct_id: person.joined_into for person in found} == {
        "42": None,
        "0199f3a0-aaaa-7000-8000-000000000001": "42",
        "777": "user-9",
        "user-9": None,
    }


async def test_emails_under_other_names_are_hinted_at(bench):
    sent, service = Sent(bench), bench.service
    await service.connections.add("customerio", {**GOOD, "anonymous_users": "emails"}, name="shop")
    delivery, _ = await sent.file("email-names.jsonl")
    assert sent.people() == ["c4", "c5"]
    assert delivery.filtered == {"no_email": 3}
    (status,) = (await service.status.show()).connections
    (hint,) = status.hints
    assert "$email (1 event), Email (1 event)" in hint
    assert "hogline configure shop --email-property '$email'" in hint
    await service.connections.configure("shop", {"email_property": "Email"})
    (status,) = (await service.status.show()).connections
    assert "$email (1 event). If" in status.hints[0]
    await sent.file("email-names.jsonl")
    assert "c1" in sent.people()
