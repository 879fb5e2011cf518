"""Failures: by reason, with words; one of them whole; sent again, discarded, exported."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.console import failures
from hogline.reasons import REFUSED, why_not_sent, why_refused

pytestmark = pytest.mark.anyio

FAILURES = "/connections/shop/failures"
REFUSED_EVENT: dict[str, object] = {"event": "refuse me", "distinct_id": "ada", "properties": {"total": 4}}
TOO_LONG: dict[str, object] = {"event": "ordered", "distinct_id": "x" * 160}


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def ids(browser: Browser) -> list[int]:
    return [one.id for one in await browser.bench.service.failures.find("shop")]


async def test_none_says_what_would_come_here(browser: Browser) -> None:
    assert "No failures" in words((await browser.get(FAILURES)).text)


async def test_failures_are_counted_by_reason_and_one_reason_is_chosen(browser: Browser) -> None:
    await settle(browser, REFUSED_EVENT, TOO_LONG, {**TOO_LONG, "event": "seen"})
    everything = words((await browser.get(FAILURES)).text)
    assert "All 3 identifier_too_long 2 invalid 1" in everything
    chosen = words((await browser.get(f"{FAILURES}?reason=identifier_too_long")).text)
    assert "An identifier is longer than Customer.io&#39;s limit of 150 bytes. Use a shorter id" in chosen
    assert "Retry these 2" in chosen
    assert "refuse me" not in chosen


async def test_a_retry_is_only_put_first_where_it_may_help(browser: Browser) -> None:
    await settle(browser, REFUSED_EVENT, TOO_LONG)
    for reason, id_, kind in (("invalid", 1, "button primary"), ("identifier_too_long", 2, "button")):
        for path in (f"{FAILURES}?reason={reason}", f"{FAILURES}/{id_}"):
            assert re.findall(r'class="(button[^"]*)">Retry', (await browser.get(path)).text) == [kind], path


async def test_there_are_pages(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "ON_A_PAGE", 2)
    await settle(browser, *({**TOO_LONG, "event": f"ordered {n}"} for n in range(3)))
    first = (await browser.get(FAILURES)).text
    assert first.index("ordered 2") < first.index("ordered 1"), "the newest comes first"
    assert "ordered 0" not in first
    assert f"{FAILURES}?before=2" in first
    second = (await browser.get(f"{FAILURES}?before=2")).text
    assert "ordered 0" in second
    assert "ordered 1" not in second


async def test_the_answer_comes_first_then_what_it_means_then_what_to_do(browser: Browser) -> None:
    await settle(browser, REFUSED_EVENT, TOO_LONG)
    for path in (FAILURES, f"{FAILURES}?reason=invalid", f"{FAILURES}/1"):
        said = words((await browser.get(path)).text)
        reason = why_refused("invalid")
        assert said.index("It asks for it.") < said.index(reason.means) < said.index(reason.to_do), path


async def test_a_retry_is_counted_while_it_runs_and_after(browser: Browser) -> None:
    await settle(browser, *[REFUSED_EVENT] * 2, TOO_LONG)
    service = browser.bench.service
    await service.connections.pause("shop")
    await browser.post(f"{FAILURES}/retry")
    assert "Retrying 3 once shop is sending again." in words((await browser.get(FAILURES)).text)
    await service.connections.resume("shop")
    async with asyncio.timeout(10):
        while await service.failures.retrying("shop"):
            await asyncio.sleep(0)
        while (retried := await service.failures.retried("shop")) is None or retried.left:
            await asyncio.sleep(0)
    assert "Retried 3: 0 delivered, 3 rejected again." in words((await browser.get(FAILURES)).text)


async def test_every_attempt_is_told(browser: Browser) -> None:
    await settle(browser, REFUSED_EVENT)
    service = browser.bench.service
    await browser.post(f"{FAILURES}/retry", id="1")
    async with asyncio.timeout(10):
        while (retried := await service.failures.retried("shop")) is None or retried.left:
            await asyncio.sleep(0)
    page = (await browser.get(f"{FAILURES}/1")).text
    attempts = page[page.index('id="attempts"') :]
    assert attempts[: attempts.index("</table>")].count("<code><bdi") == 2


async def test_days_are_chosen_and_what_is_done_is_done_to_theirs(browser: Browser) -> None:
    await settle(browser, REFUSED_EVENT, TOO_LONG)
    today = "2026-11-01"
    assert "All 2" in words((await browser.get(f"{FAILURES}?since={today}&until={today}")).text)
    earlier = (await browser.get(f"{FAILURES}?until=2026-10-31")).text
    assert "No failure matches." in earlier
    assert "Retry" not in words(earlier)
    assert (await browser.get(f"{FAILURES}/export?until=2026-10-31")).text == ""
    for do in ("retry", "discard"):
        await browser.post(f"{FAILURES}/{do}", until="2026-10-31")
        assert len(await ids(browser)) == 2
    assert "Discard 2 failures?" in (await browser.get(f"{FAILURES}/discard?since={today}")).text
    await browser.post(f"{FAILURES}/discard", since=today)
    assert await ids(browser) == []


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "0001-01-01", "9999-12-31"])
async def test_a_day_that_is_none_does_not_widen_what_is_meant(browser: Browser, day: str) -> None:
    await settle(browser, TOO_LONG)
    assert "A day must look like" in (await browser.get(f"{FAILURES}?until={day}")).text
    for do in ("retry", "discard"):
        assert (await browser.post(f"{FAILURES}/{do}", until=day)).status == 400
    assert len(await ids(browser)) == 1


async def test_one_is_shown_whole(browser: Browser) -> None:
    await settle(browser, REFUSED_EVENT)
    said = words((await browser.get(f"{FAILURES}/1")).text)
    assert "invalid in field name" in said
    assert "Response: It asks for it." in said
    assert "&#34;name&#34;: &#34;refuse me&#34;" in said
    assert "&#34;total&#34;: 4" in said


async def test_one_of_which_no_operation_could_be_made_says_so(browser: Browser) -> None:
    await settle(browser, TOO_LONG)
    assert "could not be turned into an operation" in words((await browser.get(f"{FAILURES}/1")).text)


async def test_one_that_is_gone_says_why(browser: Browser) -> None:
    for id_ in (7, 10**30):
        reply = await browser.get(f"{FAILURES}/{id_}")
        assert reply.status == 404
        assert "It was delivered or discarded" in reply.text


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"id": "1"}, "Retrying 1 failure."),
        ({"reason": "identifier_too_long"}, "Retrying 2 failures."),
        ({"reason": "nothing_like_this"}, "There was nothing to retry."),
        ({}, "Retrying 3 failures."),
    ],
)
async def test_one_those_of_a_reason_or_all_are_sent_again(
    browser: Browser, form: dict[str, str], sentence: str
) -> None:
    await settle(browser, REFUSED_EVENT, TOO_LONG, TOO_LONG)
    reply = await browser.post(f"{FAILURES}/retry", **form)
    assert (reply.status, reply.headers["location"]) == (303, FAILURES)
    assert sentence in (await browser.get(FAILURES)).text


async def test_what_is_sent_again_while_it_is_paused_goes_later(browser: Browser) -> None:
    await settle(browser, TOO_LONG)
    await browser.bench.service.connections.pause("shop")
    await browser.post(f"{FAILURES}/retry")
    page = (await browser.get(FAILURES)).text
    assert "Retrying 1 failure once shop is sending again." in page
    assert "Retrying 1 once shop is sending again." in words(page)


@pytest.mark.parametrize(
    ("which", "asks", "left"),
    [
        ({"id": "2"}, "Discard this failure?", 2),
        ({"reason": "identifier_too_long"}, "Discard 2 failures?", 1),
        ({}, "Discard all 3 failures?", 0),
    ],
)
async def test_discarding_asks_once_more(browser: Browser, which: dict[str, str], asks: str, left: int) -> None:
    await settle(browser, REFUSED_EVENT, TOO_LONG, TOO_LONG)
    query = "&".join(f"{key}={value}" for key, value in which.items())
    page = (await browser.get(f"{FAILURES}/discard?{query}")).text
    assert asks in page
    assert len(await ids(browser)) == 3
    form = dict(re.findall(r'type="hidden" name="(id|reason)" value="([^"]*)"', page))
    assert (await browser.post(f"{FAILURES}/discard", **form)).status == 303
    assert len(await ids(browser)) == left
    assert "Discarded " in (await browser.get(FAILURES)).text


@pytest.mark.parametrize("id_", ["x", "-1", "1.5", str(10**20), "\N{SUPERSCRIPT TWO}"])
async def test_an_id_that_is_none_is_refused_and_nothing_else_discarded(browser: Browser, id_: str) -> None:
    await settle(browser, TOO_LONG)
    for do in ("discard", "retry"):
        assert (await browser.post(f"{FAILURES}/{do}", id=id_)).status == 400
    assert len(await ids(browser)) == 1


async def test_export_is_a_line_of_json_for_each(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "EXPORTED_AT_ONCE", 1)
    await settle(browser, REFUSED_EVENT, TOO_LONG)
    reply = await browser.get(f"{FAILURES}/export")
    assert reply.headers["content-disposition"] == 'attachment; filename="failures-shop.jsonl"'
    lines = [msgspec.json.decode(line) for line in reply.text.splitlines()]
    assert [line["failure"]["reason"] for line in lines] == ["invalid", "identifier_too_long"]
    assert lines[0]["refusals"][0]["operation"]["name"] == "refuse me"
    only = (await browser.get(f"{FAILURES}/export?reason=invalid")).text
    assert len(only.splitlines()) == 1


async def test_what_stands_in_events_and_reasons_is_text(browser: Browser) -> None:
    script = "<script>alert(1)</script>"
    await settle(browser, {**TOO_LONG, "event": script, "properties": {script: script}})
    for path in (FAILURES, f"{FAILURES}/1", f"{FAILURES}?reason={script}", f"{FAILURES}/discard?reason={script}"):
        reply = await browser.get(path)
        assert reply.status == 200
        assert "<script>alert" not in reply.text


@pytest.mark.parametrize("reason", [*REFUSED, "refused_400", "invalid"])
def test_every_reason_has_words_and_something_to_do(reason: str) -> None:
    assert why_refused(reason).means
    assert why_refused(reason).to_do


def test_reasons_of_the_documentation_have_words() -> None:
    text = (Path(__file__).parents[3] / "docs" / "behaviour.md").read_text("utf-8")
    for title in ("### Reasons why an event is filtered", "### Reasons why an event is a failure"):
        table = text[text.index(title) :].split("\n#")[0]
        reasons = [
            reason for reason in re.findall(r"^\| `(\w+)`", table, re.MULTILINE) if not reason.startswith("refused_")
        ]
        assert reasons
        assert [reason for reason in reasons if why_not_sent(reason) == reason] == []
