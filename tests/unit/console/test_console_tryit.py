"""Try it: what pasted events would become at this connection; nothing is sent; what cannot be read is said at the field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console_bench import Browser, console_in
from events_bench import settle, words
from service_bench import GOOD

from hogline.console.samples import SAMPLES
from hogline.console.tryit import MOST_EVENTS, lines

pytestmark = pytest.mark.anyio

TRY = "/connections/shop/try"
EVENT = '{"event": "ordered", "distinct_id": "ada", "properties": {"total": 4, "$set": {"plan": "pro"}}}'


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with console_in(tmp_path) as made:
        await made.bench.service.connections.add("customerio", GOOD, name="shop")
        yield made


async def tried(browser: Browser, text: str) -> str:
    reply = await browser.post(TRY, events=text)
    assert reply.status == 200, words(reply.text)
    return words(reply.text)


async def test_an_event_shows_the_operations_that_it_would_become(browser: Browser) -> None:
    said = await tried(browser, EVENT)
    assert "ordered from ada Would be sent" in said
    assert said.index("&#34;action&#34;: &#34;identify&#34;") < said.index("&#34;action&#34;: &#34;event&#34;")
    assert "&#34;plan&#34;: &#34;pro&#34;" in said


async def test_nothing_is_sent_and_nothing_is_kept(browser: Browser) -> None:
    browser.bench.customerio.asked.clear()
    await tried(browser, EVENT)
    assert not browser.bench.customerio.asked.is_set()
    assert await browser.bench.service.people.find() == []
    assert len(browser.bench.service.previews.handles) == 0
    assert browser.bench.service.journal.end == 0


async def test_it_is_for_this_connections_options(browser: Browser) -> None:
    await browser.bench.service.connections.add("customerio", {**GOOD, "anonymous_users": "emails"}, name="other")
    said = words((await browser.post("/connections/other/try", events=EVENT)).text)
    assert "no_email This connection only sends people with an email" in said
    assert said.count("ordered from ada") == 1


async def test_several_are_tried_one_after_the_other(browser: Browser) -> None:
    said = await tried(browser, f"{EVENT}\n\n{EVENT.replace('ordered', 'paid')}\n")
    assert said.count("&#34;action&#34;: &#34;identify&#34;") == 1
    assert said.index("ordered from ada") < said.index("paid from ada")


async def test_an_event_that_would_fail_says_why(browser: Browser) -> None:
    said = await tried(browser, EVENT.replace("ada", "x" * 160))
    assert "Would fail identifier_too_long An identifier is longer than" in said


async def test_joins_releases_and_what_follows_are_shown(browser: Browser) -> None:
    await browser.bench.service.connections.add(
        "customerio", {**GOOD, "anonymous_users": "identified", "hold_days": 3}, name="holding"
    )
    said = words((await browser.post("/connections/holding/try", events=SAMPLES["sign-up"].text)).text)
    assert "$pageview from visitor-7 Would be held" in said
    assert "visitor-7 is merged into user-7 ." in said
    assert "Sent first, because it was held: $pageview" in said
    merged = await tried(browser, SAMPLES["sign-up"].text)
    assert "Sent later: merge" in merged


@pytest.mark.parametrize("key", SAMPLES)
async def test_every_sample_can_be_picked_and_tried(browser: Browser, key: str) -> None:
    page = (await browser.get(f"{TRY}?sample={key}")).text
    assert f"?sample={key}" in page
    assert "distinct_id" in page[page.index("<textarea") : page.index("</textarea>")]
    assert "Result" in await tried(browser, SAMPLES[key].text)


async def test_one_of_the_last_events_can_be_picked(browser: Browser) -> None:
    await settle(
        browser, {"event": "ordered", "distinct_id": "a<b>/\"'", "properties": {"total": 4, "$set": {"plan": "pro"}}}
    )
    assert "?received=1" in (await browser.get(TRY)).text
    page = (await browser.get(f"{TRY}?received=1")).text
    field = page[page.index("<textarea") : page.index("</textarea>")]
    assert "&#34;distinct_id&#34;: &#34;a&lt;b&gt;/" in field
    assert "&#34;plan&#34;: &#34;pro&#34;" in field


async def test_a_failure_can_be_picked(browser: Browser) -> None:
    await settle(browser, {"event": "refuse me", "distinct_id": "ada", "properties": {"total": 4}})
    page = (await browser.get(f"{TRY}?failure=1")).text
    assert "&#34;event&#34;: &#34;refuse me&#34;" in page


@pytest.mark.parametrize(
    "query",
    [
        "sample=x",
        "received=x",
        "received=99",
        "failure=99",
        "failure=" + "9" * 30,
        "received=²",
        "received=" + "9" * 30,
    ],
)
async def test_what_is_not_there_any_more_leaves_the_field_empty(browser: Browser, query: str) -> None:
    reply = await browser.get(f"{TRY}?{query}")
    assert reply.status == 200
    assert "\n</textarea>" in reply.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Paste an event first, or choose a sample."),
        ("  \n ", "Paste an event first, or choose a sample."),
        ("hello", "not valid JSON"),
        ('{\n  "event": "x",\n  "distinct_id" "y"\n}', "not valid JSON"),
        (f"{EVENT}\nnonsense", "Line 2:"),
        ('{"event": "x"}', "distinct_id"),
        ("[]", "The batch is empty."),
        ("\n".join([EVENT] * (MOST_EVENTS + 1)), "hogline preview"),
    ],
)
async def test_what_cannot_be_read_is_said_at_the_field(browser: Browser, text: str, sentence: str) -> None:
    reply = await browser.post(TRY, events=text)
    assert reply.status == 422
    field = reply.text[reply.text.index('id="events-problem"') :].split("</div>")[0]
    assert sentence in field
    assert 'aria-invalid="true"' in reply.text


async def test_lines_that_can_be_read_are_shown_beside_those_that_cannot(browser: Browser) -> None:
    said = words((await browser.post(TRY, events=f"{EVENT}\nnonsense")).text)
    assert "ordered from ada Would be sent" in said
    assert "Line 2:" in said


async def test_what_is_pasted_stays_as_it_was(browser: Browser) -> None:
    text = "\n<script>alert(1)</script> </textarea> \u202e &amp;"
    page = (await browser.post(TRY, events=text)).text
    assert "<script>alert" not in page
    assert page.count("</textarea>") == 1
    assert "\n\n&lt;script&gt;alert(1)&lt;/script&gt; &lt;/textarea&gt; \u202e &amp;amp;</textarea>" in page


async def test_an_event_called_like_a_script_is_text(browser: Browser) -> None:
    reply = await browser.post(
        TRY, events=EVENT.replace("ordered", "<script>alert(1)</script>").replace("ada", "a/'<i>")
    )
    assert "<script>alert" not in reply.text
    assert "<i>" not in reply.text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("{}", [1]),
        ("{\n}", [1]),
        ("[\n{},\n{}\n]", [1]),
        ("{}\n{}", [1, 2]),
        ("\n{}\n\n{}\n", [2, 4]),
        ('{"a": 1\n"b": 2}', [1]),
        ("{}\nx", [1, 2]),
        ("\ud800", [1]),
    ],
)
def test_what_was_pasted_is_one_text_or_one_in_each_line(text: str, numbers: list[int]) -> None:
    assert [number for number, _ in lines(text)] == numbers
