"""The metrics page: it tells what `status` tells, is cheap, bounded, and there when the disk is not."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from hogline import __version__
from hogline.telemetry import names
from hogline.telemetry.metrics import ASK_WITHIN_S, FRESH_S, Metrics
from hogline.telemetry.vocabulary import MOST_WORDS
from hogline.views.connections import ConnectionStatus, SourceView, Status

pytestmark = pytest.mark.anyio

SHOP = ConnectionStatus(
    name="shop", destination="customerio", paused=False, state="retrying", reason="It said ada@example.com.",
    received=20, delivered=9, filtered={"not_identified": 4, "no_email": 1}, held=2, failures={"invalid": 3}, pending=1,
    requests=7, adjusted={"name_cut": 2}, retries={"503": 5}, replayed={"delivered": 6}, lag_s=12.5,
)  # fmt: skip
KAFKA = SourceView(
    name="journal", address="kafka://kafka:9092/hogline", kind="kafka", every_s=0, state="retrying", reason="It is away.",
    trouble_s=2.5, up_to_ms=0, fetched_ms=0, settled=1, by="", behind=70,
)  # fmt: skip
STATUS = Status(connections=[SHOP], refused={"unreadable": 8}, sources=[KAFKA])


class Asked:
    """A service whose status can be had, or not."""

    def __init__(self, status: Status = STATUS) -> None:
        self.found: Status | Exception = status
        self.times = 0
        self.now_s = 100.0
        self.stores: dict[str, Path] = {}
        self.metrics = Metrics(self.stores, lambda: self.now_s)

    async def status(self) -> Status:
        self.times += 1
        await asyncio.sleep(0)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    async def scrape(self) -> dict[str, float]:
        """Each sample by its name and labels, as Prometheus' own parser reads them."""
        page = (await self.metrics.page(self.status)).decode()
        return {
            sample.name + ("{" + ",".join(sample.labels.values()) + "}" if sample.labels else ""): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }


@pytest.fixture
def asked() -> Asked:
    return Asked()


async def test_it_tells_what_status_tells(asked: Asked) -> None:
    found = await asked.scrape()
    wanted = {
        "hogline_received_events_total{shop}": 20,
        "hogline_delivered_events_total{shop}": 9,
        "hogline_filtered_events_total{shop,not_identified}": 4,
        "hogline_filtered_events_total{shop,no_email}": 1,
        "hogline_held_events{shop}": 2,
        "hogline_failures{shop,invalid}": 3,
        "hogline_pending_events{shop}": 1,
        "hogline_lag_seconds{shop}": 12.5,
        "hogline_requests_total{shop}": 7,
        "hogline_retries_total{shop,503}": 5,
        "hogline_adjusted_values_total{shop,name_cut}": 2,
        "hogline_replayed_events_total{shop,delivered}": 6,
        "hogline_refused_events_total{unreadable}": 8,
        "hogline_source_behind_records{journal}": 70,
        "hogline_source_trouble_seconds{journal}": 2.5,
        "hogline_connection_state{shop,retrying}": 1,
        "hogline_connection_state{shop,delivering}": 0,
        "hogline_connection_state{shop,stopped}": 0,
        "hogline_connection_state{shop,paused}": 0,
        "hogline_status_age_seconds": 0,
        f"hogline_info{{{__version__}}}": 1,
    }
    assert {name: found.get(name) for name in wanted} == wanted


async def test_the_sentence_why_a_connection_waits_is_no_metric(asked: Asked) -> None:
    assert b"ada@example.com" not in await asked.metrics.page(asked.status)


async def test_every_metric_that_is_declared_is_there_with_its_help_and_no_other(asked: Asked) -> None:
    asked.metrics.observed("shop", 0.2)
    page = (await asked.metrics.page(asked.status)).decode()
    families = {line.split()[2]: line for line in page.splitlines() if line.startswith("# HELP hogline_")}
    assert set(families) == {metric.shown for metric in names.METRICS}
    for metric in names.METRICS:
        assert metric.help in families[metric.shown]
        assert f"# TYPE {metric.shown} {metric.kind}" in page


async def test_without_a_connection_the_page_is_whole_too() -> None:
    asked = Asked(Status(connections=[], refused={}))
    found = await asked.scrape()
    assert found["hogline_status_age_seconds"] == 0
    assert not [name for name in found if "{shop" in name]


async def test_the_time_of_requests_is_a_histogram_by_connection(asked: Asked) -> None:
    for took_s in (0.004, 0.2, 99.0):
        asked.metrics.observed("shop", took_s)
    found = await asked.scrape()
    assert found["hogline_request_seconds_bucket{shop,0.01}"] == 1
    assert found["hogline_request_seconds_bucket{shop,0.25}"] == 2
    assert found["hogline_request_seconds_bucket{shop,60.0}"] == 2
    assert found["hogline_request_seconds_count{shop}"] == 3
    assert found["hogline_request_seconds_sum{shop}"] == pytest.approx(99.204)


async def test_a_removed_connection_leaves_nothing_behind(asked: Asked) -> None:
    asked.metrics.observed("shop", 0.2)
    assert "hogline_request_seconds_count{shop}" in await asked.scrape()
    asked.found = Status(connections=[], refused={})
    asked.now_s += FRESH_S
    assert not [name for name in await asked.scrape() if "{shop" in name]


async def test_however_many_scrape_the_status_is_asked_for_once_a_second(asked: Asked) -> None:
    await asyncio.gather(*(asked.scrape() for _ in range(20)))
    assert asked.times == 1
    asked.now_s += FRESH_S
    await asked.scrape()
    assert asked.times == 2


@pytest.mark.parametrize(
    "trouble", [OSError(5, "Input/output error"), RuntimeError("u1 ada@example.com"), TimeoutError()]
)
async def test_with_a_disk_in_trouble_the_last_figures_stay_and_their_age_says_so(
    asked: Asked, trouble: Exception, lines: list[dict[str, object]]
) -> None:
    await asked.scrape()
    asked.found = trouble
    asked.now_s += 30
    found = await asked.scrape()
    assert found["hogline_received_events_total{shop}"] == 20
    assert found["hogline_status_age_seconds"] == 30
    assert lines[0]["log_level"] == "warning"
    assert "ada@" not in str(lines)
    asked.found = STATUS
    asked.now_s += FRESH_S
    assert (await asked.scrape())["hogline_status_age_seconds"] == 0


async def test_a_status_that_never_comes_does_not_keep_the_scraper_waiting(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ASK_WITHIN_S < 10  # Prometheus' own patience
    monkeypatch.setattr("hogline.telemetry.metrics.ASK_WITHIN_S", 0)

    async def never() -> Status:
        await asyncio.Event().wait()
        raise AssertionError

    assert b"hogline_status_age_seconds" in await asked.metrics.page(never)


async def test_reasons_from_outside_make_a_bounded_number_of_series(asked: Asked) -> None:
    many = {f"reason_{n:04}": 1 for n in range(1_000)}
    asked.found = Status(connections=[msgspec.structs.replace(SHOP, failures=many)], refused=many)
    found = await asked.scrape()
    for name, first in (("hogline_failures", "shop,"), ("hogline_refused_events_total", "")):
        series = {key: n for key, n in found.items() if key.startswith(name + "{" + first)}
        assert len(series) == MOST_WORDS + 1
        assert sum(series.values()) == 1_000
        assert series[name + "{" + first + "other}"] == 1_000 - MOST_WORDS


async def test_the_bytes_on_disk_include_what_lies_beside_a_database(asked: Asked, tmp_path: Path) -> None:
    asked.stores["journal"], asked.stores["state"] = tmp_path / "journal.db", tmp_path / "state.db"
    (tmp_path / "journal.db").write_bytes(b"x" * 100)
    (tmp_path / "journal.db-wal").write_bytes(b"x" * 20)
    found = await asked.scrape()
    assert found["hogline_disk_bytes{journal}"] == 120
    assert found["hogline_disk_bytes{state}"] == 0


def test_the_documentation_names_every_metric() -> None:
    page = (Path(__file__).parents[3] / "docs" / "watching.md").read_text("utf-8")
    for metric in names.METRICS:
        assert f"| `{metric.shown}` | {metric.kind} | " in page
        for label in metric.labels:
            assert f"`{label}`" in page


def test_the_rules_for_prometheus_name_metrics_that_exist() -> None:
    rules = (Path(__file__).parents[3] / "deploy/prometheus-rules.yml").read_text("utf-8")
    known = {metric.name + ("_total" if metric.kind == "counter" else "") for metric in names.METRICS}
    assert set(re.findall(r"\bhogline_\w+", rules)) <= known
    assert set(re.findall(r'state="(\w+)"', rules)) <= set(names.STATES)
