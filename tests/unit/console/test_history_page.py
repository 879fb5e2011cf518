"""The page *History*: a run is started from files, watched, paused, resumed and cancelled; sources are fetched from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from console_bench import Browser, console_in, console_of
from service_bench import GOOD, bench_in

from hogline.console.live import Pulse
from hogline.store.datadir.secrets import Vault

pytestmark = pytest.mark.anyio

PAGE = "/history"


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path / "data") as made:
        await made.bench.service.connections.add("customerio", GOOD | {"anonymous_users": "all"}, name="shop")
        yield made


def file_of(folder: Path, count: int, more: bytes = b"") -> Path:
    rows = [
        {"event": "ordered", "distinct_id": f"user-{n % 3}", "timestamp": f"2026-10-01T10:00:{n:02}Z", "properties": {}}
        for n in range(count)
    ]
    file = folder / "old.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows) + more)
    return file


async def test_without_a_connection_there_is_nothing_to_fill_in(tmp_path: Path) -> None:
    async with console_in(tmp_path / "data") as browser:
        said = (await browser.get(PAGE)).text
    assert "Install a destination first." in said
    assert 'name="source"' not in said


async def until(browser: Browser, text: str) -> str:
    async with asyncio.timeout(20):
        while text not in (page := (await browser.get(PAGE)).text):
            await asyncio.sleep(0.01)
    return page


async def start(browser: Browser, source: object, **more: str) -> str:
    reply = await browser.post(PAGE, do="start", connection="shop", source=str(source), share="50", **more)
    return reply.text


async def test_without_a_connection_there_is_nowhere_to_send_a_run_to(tmp_path: Path) -> None:
    async with console_in(tmp_path / "none") as browser:
        page = (await browser.get(PAGE)).text
        assert "Install a destination first." in page
        assert 'name="connection"' not in page


async def test_files_are_delivered_and_what_came_of_them_is_shown(browser: Browser, tmp_path: Path) -> None:
    await start(browser, file_of(tmp_path, 9, b'{"bad"\n'))
    page = await until(browser, "Finished")
    assert "9 of 9 events delivered" in page
    assert "1 row could not be read" in page
    assert "line 10: This is not valid JSON" in page
    await start(browser, tmp_path / "old.jsonl")
    assert "Run 1 has delivered these files already" in (await browser.get(PAGE)).text


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("old.jsonl", "must be absolute"),
        ("", "Enter a path"),
        ("/nowhere/at/all.jsonl", "No such file or directory"),
        ("posthog://eu.posthog.com/12345", "from which day on"),
        ("ftp://host/file", "is none of the addresses"),
    ],
)
async def test_what_cannot_be_read_is_told_at_the_form_and_stays_typed(
    browser: Browser, source: str, sentence: str
) -> None:
    page = await start(browser, source)
    assert sentence in page
    assert f'value="{source}"' in page
    assert "No runs yet" in page


async def test_files_that_fail_while_they_are_read_end_the_run_with_the_reason(
    browser: Browser, tmp_path: Path
) -> None:
    with patch("hogline.backfill.sorted_rows.write_rows", side_effect=OSError(28, "No space left on device")):
        await start(browser, file_of(tmp_path, 9))
        page = await until(browser, "Cancelled")
    assert "The rows cannot be sorted (No space left on device)." in page


async def test_a_run_is_paused_resumed_and_cancelled(browser: Browser, tmp_path: Path) -> None:
    browser.bench.customerio.open.clear()
    pulse = Pulse(browser.bench.service)
    before = await pulse.look(fresh=True)
    await start(browser, file_of(tmp_path, 9))
    await until(browser, "Sending")
    assert await pulse.look(fresh=True) != before
    await browser.post(PAGE, do="pause", run="1")
    assert "Run 1 is paused." in await until(browser, "Paused")
    await browser.post(PAGE, do="resume", run="1")
    await until(browser, "Sending")
    await browser.post(PAGE, do="cancel", run="1")
    await until(browser, "Cancelled")
    await browser.post(PAGE, do="resume", run="1")
    assert "Run 1 is cancelled." in (await browser.get(PAGE)).text
    browser.bench.customerio.open.set()


async def test_a_source_is_added_paused_resumed_and_removed(browser: Browser) -> None:
    form = {"do": "fetch", "how": "always", "host": "eu", "project": "42", "key": "phx_a_personal_key"}
    with patch("hogline.service.sources.PostHogExports.check"):
        await browser.post(PAGE, **form)
    page = (await browser.get(PAGE)).text
    assert "posthog://eu.posthog.com/42" in page
    assert "phx_a_personal_key" not in page
    await browser.post(PAGE, do="pause-source", source="posthog")
    assert "Paused" in (await browser.get(PAGE)).text
    await browser.post(PAGE, do="resume-source", source="posthog")
    await browser.post(PAGE, do="remove-source", source="posthog")
    assert "No sources yet" in (await browser.get(PAGE)).text
    reply = await browser.post(PAGE, **{**form, "key": ""})
    assert (reply.status, "Enter the number of the project" in reply.text) == (422, True)


async def test_the_topic_of_hogline_itself_is_a_source_that_cannot_be_removed(tmp_path: Path) -> None:
    address = "kafka://kafka:9092/hogline"
    own = {"store": "postgresql://db/hogline", "secret_key": Vault.new_key(), "journal": address}
    async with bench_in(tmp_path, **own) as bench:
        bench.service.consuming.begin_own("kafka://kafka:9092/hogline-of-before", {})
        bench.service.consuming.begin_own(address, {})
        page = (await (await console_of(bench, tmp_path)).get(PAGE)).text
    assert f"<code>{address}</code>" in page
    assert "Everything that Hogline received until" in page
    assert "PostHog received" not in page
    assert page.count('value="pause-source"') == 2
    assert page.count('value="remove-source"') == 1
