"""History in PostHog's random order comes to exactly what it comes to in order, whatever the options."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from exports import history, json_lines, read, shuffled
from service_bench import GOOD, bench_in

from hogline.backfill.forecast import Forecast
from hogline.backfill.preview import Preview
from hogline.backfill.views import Row
from hogline.destinations.customerio.declared import OPTIONS
from hogline.model import Request, Response
from hogline.testing.clock import SkippingClock

pytestmark = pytest.mark.anyio

PEOPLE = 3
ROWS = history(PEOPLE)


def combinations() -> list[dict[str, object]]:
    """Every choice and every switch of who is sent, and how; and held events."""
    switches: dict[str, Sequence[object]] = {"hold_days": (0, 30)}
    for option in OPTIONS:
        if option.instead or option.key in {"tracking_endpoint", "page_names", "set_once"}:
            continue  # they say nothing of who is sent, or when
        if option.choices:
            switches[option.key] = tuple(choice.value for choice in option.choices)
        elif option.kind == "yes_no":
            switches[option.key] = (False, True)
    return [dict(zip(switches, values, strict=True)) for values in itertools.product(*switches.values())]


async def outcome(folder: Path, rows: list[Row]) -> tuple[object, object]:
    """What each connection delivered, and what each customer's operations said, in their order."""
    said: dict[tuple[str, str], list[object]] = defaultdict(list)
    async with bench_in(folder) as bench:
        service, answer = bench.service, bench.customerio.send

        async def recorded(request: Request) -> Response:
            if request.method == "GET":
                return await answer(request)
            asked = msgspec.json.decode(request.body, type=dict[str, Any])
            for operation in asked.get("batch", [asked]):
                whose = str(operation.get("identifiers") or operation.get("primary"))
                said[request.headers["authorization"], whose].append(operation)
            return Response(200, {}, b"{}")

        service.workers._send = recorded
        every = combinations()
        for number, options in enumerate(every):
            await service.connections.add(
                "customerio", {**GOOD, **options, "site_id": f"site-{number}"}, name=f"c{number}"
            )
        handle = await service.sendings.begin()
        await service.sendings.send(handle, rows, {})
        deliveries = await service.sendings.show(handle, 30.0)
        assert len(deliveries) == len(every) > 30
        assert not any(delivery.pending for delivery in deliveries)
        return deliveries, said


async def test_shuffled_rows_come_to_what_sorted_ones_come_to(tmp_path: Path) -> None:
    (tmp_path / "sorted.jsonl").write_bytes(b"".join(json_lines(ROWS)))
    (tmp_path / "shuffled.jsonl").write_bytes(b"".join(json_lines(shuffled(ROWS))))
    outcomes = [await outcome(tmp_path / name, read(tmp_path / f"{name}.jsonl")[0]) for name in ("sorted", "shuffled")]
    assert outcomes[0][0] == outcomes[1][0]
    assert outcomes[0][1] == outcomes[1][1]


async def test_preview_and_forecast_read_in_the_same_order(tmp_path: Path) -> None:
    seen = []
    for rows in (ROWS, shuffled(ROWS)):
        (tmp_path / "e.jsonl").write_bytes(b"".join(json_lines(rows)))
        found, _ = read(tmp_path / "e.jsonl")
        forecast = Forecast(None, SkippingClock(date_moves=False), hold_max_bytes=0)
        await forecast.rows(found)
        previewed = await Preview(None, [], SkippingClock(date_moves=False)).rows(found)
        seen.append((await forecast.view(), [msgspec.structs.replace(event, line=0) for event in previewed]))
    assert seen[0] == seen[1]
    identified = next(choice for choice in seen[0][0].choices if choice.choice == "identified")
    assert (identified.delivered, identified.filtered) == (6 * PEOPLE, {"not_identified": 3 * PEOPLE})
