"""Bad input: what the sender is told, and what is kept. No input gets a 5xx."""

# mypy: allow-untyped-defs, allow-untyped-calls

import base64
import gzip
import json
import zlib

import pytest
from receiving import NOW_MS, TOKEN, Inbox, captured, raw, zipped

from hogline.posthog import Unreadable, open_capture
from hogline.sources.limits import MIB, ReceivingLimits


@pytest.fixture
def inbox():
    return Inbox()


UNREADABLE = {
    "truncated gzip": (zipped(captured())[:-12], 400, "truncated"),
    "damaged gzip": (zipped(captured())[:15] + b"\xff" * 20, 400, "damaged"),
    "gzipped twice": (gzip.compress(zipped(captured())), 400, "The body is not JSON"),
    "gzipped twice, in base64": (b"data=" + base64.b64encode(gzip.compress(zipped(captured()))), 400, "not valid JSON"),
    "many gzip members": (gzip.compress(b"") * 40, 400, "16 gzip members"),
    "base64 of nothing": (b"data=", 400, "empty"),
    "base64 of nothing but padding": (b"data=====", 400, "empty"),
    "base64 of half a byte": (b"data=e", 400, "The body is not JSON"),
    "base64 of what is no JSON": (b"data=" + base64.b64encode(b"hello"), 400, "not valid JSON"),
    "base64 of a number": (b"data=" + base64.b64encode(b"42"), 400, "must be an event"),
    "a gzip that claims to be lz64": (b"data=AAAA&compression=lz64", 400, "not valid lz64"),
    "nothing": (b"", 400, "empty"),
    "blanks": (b" \n ", 400, "empty"),
    "words": (b"hello there!", 400, "The body is not JSON"),
    "JSON that stops": (b'{"api_key": "phc_secret", "event": "x"', 400, "not valid JSON"),
    "JSON nested 2,000 deep": (raw(properties=b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}"), 400, "100 levels"),
    "JSON nested 2,000 deep, and not closed": (b'{"a":' * 2000, 400, "100 levels"),
    "an empty batch": (json.dumps({"api_key": TOKEN, "batch": []}).encode(), 400, "empty"),
    "an empty array": (b"[]", 400, "empty"),
    "a batch of nulls": (json.dumps({"api_key": TOKEN, "batch": [None, None]}).encode(), 400, "JSON object"),
    "a batch that is no array": (json.dumps({"api_key": TOKEN, "batch": None}).encode(), 400, "must be an array"),
    "a form with a thousand fields": (b"data=e30&" + b"a=1&" * 1000, 400, "more than 50 fields"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused_for_good_with_a_sentence(inbox, case):
    body, status, words = UNREADABLE[case]
    reply = inbox.ask("POST", f"/batch/?token={TOKEN}", body)
    assert reply.status == status
    assert words in reply.error
    assert inbox.journal.events == []


@pytest.mark.parametrize("body", [zipped(captured()), zipped(captured()) + b"\0" * 9])
def test_gzip_is_read_padded_or_not(inbox, body):
    assert inbox.ask("POST", "/e/", body).status == 200
    assert inbox.event.properties == {"total": 12.5}


@pytest.mark.parametrize("body", [gzip.compress(zipped(captured())), zlib.compress(zipped(captured()))])
def test_a_second_layer_is_read_if_a_header_names_the_first(inbox, body):
    encoding = "gzip" if body.startswith(b"\x1f\x8b") else "deflate"
    assert inbox.ask("POST", "/e/", body, {"content-encoding": encoding}).status == 200
    assert inbox.event.properties == {"total": 12.5}
    assert inbox.ask("POST", f"/e/?token={TOKEN}", gzip.compress(body), {"content-encoding": "gzip"}).status == 400


def test_a_gzip_of_two_members_is_read_whole(inbox):
    text = json.dumps(captured()).encode()
    assert inbox.ask("POST", "/e/", gzip.compress(text[:30]) + gzip.compress(text[30:])).status == 200
    assert inbox.event.name == "order completed"


HOSTILE_VALUES = {
    "1e400": (b"1e400", None, ("not_a_number",)),
    "minus 1e400": (b"-1e400", None, ("not_a_number",)),
    "Infinity": (b"Infinity", None, ("not_a_number",)),
    "2**64": (b"18446744073709551616", "18446744073709551616", ("integer_as_text",)),
    "2**64 - 1": (b"18446744073709551615", 2**64 - 1, ()),
    "-2**63": (b"-9223372036854775808", -(2**63), ()),
    "-2**63 - 1": (b"-9223372036854775809", "-9223372036854775809", ("integer_as_text",)),
    "an integer of 5,000 digits": (b"7" * 5000, "7" * 5000, ("integer_as_text",)),
    "an integer of 1,000 digits": (b"7" * 1000, "7" * 1000, ("integer_as_text",)),
    "a lone surrogate": (rb'"a\ud800b"', "a\ufffdb", ("lone_surrogate_replaced",)),
    "bytes that are no UTF-8": (b'"a\xffb"', "a\ufffdb", ("lone_surrogate_replaced",)),
    "a pair of surrogates": (rb'"\ud83d\ude00"', "😀", ()),
    "NUL": (rb'"a\u0000b"', "ab", ("nul_removed",)),
    "the text of an escaped NUL": (rb'"a\\u0000b"', r"a\u0000b", ()),
    "NUL and a surrogate, nested": (
        rb'[{"\u0000k\udfff": ["\u0000"]}]',
        [{"k\ufffd": [""]}],
        ("nul_removed", "lone_surrogate_replaced"),
    ),
    "duplicate keys": (b'{"a": 1, "a": 2}', {"a": 2}, ()),
}


@pytest.mark.parametrize("case", HOSTILE_VALUES)
def test_hostile_values_are_kept_as_far_as_they_can_be(inbox, case):
    text, kept, repaired = HOSTILE_VALUES[case]
    assert inbox.ask("POST", "/e/", raw(properties=b'{"a":' + text + b"}")).status == 200
    assert inbox.event.properties == {"a": kept}
    assert inbox.event.repaired == repaired


def test_nan_is_null_which_is_counted(inbox):
    assert inbox.ask("POST", "/e/", raw(properties=b'{"a":NaN}')).status == 200
    assert (inbox.event.properties, inbox.event.repaired) == ({"a": None}, ("not_a_number",))


def test_only_the_event_that_was_repaired_says_so(inbox):
    events = [captured(), captured(properties={"a": "\0"}), captured(properties={"a": 2**70})]
    assert inbox.capture({"api_key": TOKEN, "batch": events}).status == 200
    assert [event.repaired for event in inbox.journal.events] == [
        (),
        ("nul_removed", "repeated"),
        ("integer_as_text", "repeated"),
    ]


def test_integers_beyond_64_bits_are_text_everywhere(inbox):
    big = 2**80
    event = captured(properties={"$set": {"a": big}, "$set_once": {"b": [big]}})
    assert inbox.capture(event, "/e/").status == 200
    assert inbox.event.set == {"a": str(big)}
    assert inbox.event.set_once == {"b": [str(big)]}


def test_a_byte_order_mark_is_skipped(inbox):
    assert inbox.ask("POST", "/e/", b"\xef\xbb\xbf" + raw()).status == 200
    assert inbox.event.name == "order completed"


def test_brackets_in_texts_are_no_nesting_and_hide_none(inbox):
    text = json.dumps({"a": "[" * 300, "b": '\\"[' * 300, "c": ["]"] * 300}).encode()
    assert inbox.ask("POST", "/e/", raw(properties=text)).status == 200
    hidden = b'{"a":' + b'["]",' * 200 + b"1" + b"]" * 200 + b"}"
    assert "100 levels" in inbox.ask("POST", "/e/", raw(properties=hidden)).error


@pytest.mark.parametrize(("levels", "status"), [(99, 200), (100, 400)])
def test_exactly_100_levels_may_be_nested(inbox, levels, status):
    # The event and its properties are two levels themselves; 60 shallow arrays beside make it no deeper.
    text = b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b',"b":[' + b"[],{}," * 60 + b"[]]}"
    assert inbox.ask("POST", "/e/", raw(properties=text)).status == status


IDS = {
    "null": (None, None),
    "missing": (..., None),
    "empty": ("", None),
    "a blank": (" ", None),
    "nothing but NUL": ("\0", None),
    "true": (True, "true"),
    "a number": (42, "42"),
    "a fraction": (1.5, "1.5"),
    "a list": (["a", 1], '["a",1]'),
    "an object": ({"a": None}, '{"a":null}'),
    "a point": (".", "."),
    "two points": ("..", ".."),
    "a path": ("a/b", "a/b"),
    "a query": ("?#", "?#"),
    "CR LF": ("a\r\nb", "a\r\nb"),
    "200 kB": ("ä" * 100_000, "ä" * 200),
    "an emoji": ("👩‍🚀", "👩‍🚀"),
    "a lone surrogate": ("a\ud800", "a\ufffd"),
}


@pytest.mark.parametrize("case", IDS)
def test_distinct_ids_of_all_kinds(inbox, case):
    sent, kept = IDS[case]
    reply = inbox.capture(captured(distinct_id=sent), "/capture/")
    if kept is None:
        assert reply.status == 400
        assert "distinct_id" in reply.error
        assert inbox.journal.refused == {"distinct_id_missing": 1}
        assert inbox.journal.events == []
    else:
        assert reply.status == 200
        assert inbox.event.distinct_id == kept


@pytest.mark.parametrize("name", [None, ..., "", "  ", 7, ["x"], {}])
def test_an_event_without_a_name_is_refused(inbox, name):
    reply = inbox.capture({"api_key": TOKEN, "batch": [captured(event=name)]})
    assert reply.status == 400
    assert inbox.journal.events == []


@pytest.mark.parametrize("wrong", [None, ["plan"], "plan", 1, True])
@pytest.mark.parametrize("place", ["top", "properties"])
def test_a_set_that_is_no_object_is_left_out_and_recorded(inbox, wrong, place):
    event = captured(**{"$set": wrong}) if place == "top" else captured(properties={"total": 1, "$set": wrong})
    assert inbox.capture(event, "/e/").status == 200
    assert inbox.event.set == {}
    assert "$set" not in inbox.event.properties
    assert inbox.event.repaired == ("set_not_an_object",)


@pytest.mark.parametrize(
    ("wrong", "kept", "repaired"),
    [
        (None, (), ("unset_not_a_list",)),
        ({"a": 1}, ("a",), ()),
        ("ab", (), ("unset_not_a_list",)),
        (["a", 1, None, "b", "a"], ("a", "b"), ("unset_name_not_text",)),
    ],
)
def test_an_unset_that_is_no_list_of_names(inbox, wrong, kept, repaired):
    assert inbox.capture(captured(properties={"$unset": wrong}), "/e/").status == 200
    assert inbox.event.unset == kept
    assert inbox.event.repaired == repaired


@pytest.mark.parametrize(
    ("properties", "repaired"),
    [(None, ()), (..., ()), ([], ("properties_not_an_object",)), ("x", ("properties_not_an_object",))],
)
def test_properties_that_are_no_object_are_empty(inbox, properties, repaired):
    assert inbox.capture(captured(properties=properties), "/e/").status == 200
    assert inbox.event.properties == {}
    assert inbox.event.repaired == repaired


MINUTE = 60_000
TIMES: dict[str, tuple[object, int, tuple[str, ...]]] = {
    "naive is UTC": ("2026-11-01T09:59:00", NOW_MS - MINUTE, ()),
    "with a zone": ("2026-11-01T11:59:00+02:00", NOW_MS - MINUTE, ()),
    "from 1970": ("1970-01-01T00:00:01Z", 1_000, ()),
    "before 1970": ("1969-12-31T23:59:59.5Z", -500, ()),
    "from 2090": ("2090-01-01T00:00:00Z", NOW_MS, ("timestamp_ahead",)),
    "22 hours ahead": ("2026-11-02T08:00:00Z", NOW_MS + 22 * 60 * MINUTE, ()),
    "24 hours ahead": ("2026-11-02T10:00:00Z", NOW_MS, ("timestamp_ahead",)),
    "in words": ("yesterday at noon", NOW_MS, ("timestamp_unreadable",)),
    "null": (None, NOW_MS, ("timestamp_unreadable",)),
    "missing": (..., NOW_MS, ()),
    "a list": ([], NOW_MS, ("timestamp_unreadable",)),
    "true": (True, NOW_MS, ("timestamp_unreadable",)),
    "seconds": (NOW_MS // 1000 - 60, NOW_MS - MINUTE, ()),
    "milliseconds": (NOW_MS - MINUTE, NOW_MS - MINUTE, ()),
    "200 kB": ("2026-11-01T10:00:00" * 10_000, NOW_MS, ("timestamp_unreadable",)),
}


@pytest.mark.parametrize("case", TIMES)
def test_timestamps_of_all_kinds(inbox, case):
    sent, kept, repaired = TIMES[case]
    assert inbox.capture(captured(timestamp=sent), "/e/").status == 200
    assert inbox.event.timestamp_ms == kept
    assert inbox.event.repaired == repaired


@pytest.mark.parametrize("created_at", [1_790_000_000, 1_790_000_000_000, "2026-09-21T14:13:20Z", "once"])
def test_created_at_is_kept_as_it_was_sent(inbox, created_at):
    assert inbox.capture(captured(properties={"$set": {"created_at": created_at}}), "/e/").status == 200
    assert inbox.event.set == {"created_at": created_at}


@pytest.mark.parametrize("token", [..., None, "", 7])
def test_no_token_is_401(inbox, token):
    reply = inbox.capture(captured(api_key=token), "/e/")
    assert reply.status == 401
    assert "missing" in reply.error


def test_a_wrong_token_is_401_and_counts_nothing(inbox):
    reply = inbox.capture({"api_key": "phc_other", "batch": [captured(), None]})
    assert reply.status == 401
    assert "hogline token" in reply.error
    assert inbox.journal.events == []
    assert inbox.journal.refused == {}


def test_events_of_different_projects_are_not_taken_together(inbox):
    reply = inbox.capture([captured(), captured(api_key="phc_other")])
    assert reply.status == 401
    assert "different tokens" in reply.error


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic cGhj"}, {"authorization": "Bearer "}])
def test_a_webhook_without_a_token_is_401(inbox, headers):
    reply = inbox.ask("POST", "/webhook", b"{}", headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/webhook/phc_other", "/webhook/phc_secret/more", "/webhook/ph\udcffc"])
def test_a_webhook_with_a_wrong_token_is_401(inbox, path):
    assert inbox.ask("POST", path, json.dumps(captured()).encode()).status == 401
    assert inbox.journal.events == []


def test_an_unreadable_webhook_is_counted(inbox):
    reply = inbox.webhook(b"{")
    assert reply.status == 400
    assert "not valid JSON" in reply.error
    assert inbox.journal.refused == {"not_json": 1}


@pytest.mark.parametrize(
    "body",
    [
        b'{"event": {event}, "person": {person}}',
        b'{"event": "{event}", "person": "{person}"}',
        b'{"event": "{ event }"}',
        b"{event}",
        b'"{event}"',
        b'{"event": "$pageview", "distinct_id": "{event.distinct_id}"}',
        b'{"event": "$pageview", "distinct_id": "ada", "properties": "{event.properties}"}',
        b'{"event": {"event": "{event.event}", "distinct_id": "ada"}, "person": {}}',
        b'{"event": {"event": "seen", "distinct_id": "{person.id}"}}',
    ],
)
def test_a_body_that_posthog_has_not_filled_in_says_what_to_do_and_makes_nobody(inbox, body):
    reply = inbox.webhook(body)
    assert reply.status == 400
    assert "PostHog did not fill in {event}" in reply.error
    assert "templating" in reply.error
    assert inbox.journal.refused == {"template_not_filled": 1}
    assert inbox.journal.events == []


@pytest.mark.parametrize("place", ["title", "$current_url"])
def test_a_template_in_an_events_data_is_just_text(inbox, place):
    assert inbox.webhook(json.dumps(captured(properties={place: "{event}"})).encode()).status == 200


@pytest.mark.parametrize(
    ("body", "status"), [(b"[null]", 400), (b"7", 400), (b'{"batch": [{"batch": []}]}', 400), (b'{"batch": 1}', 400)]
)
def test_a_webhook_that_is_no_event_is_refused(inbox, body, status):
    assert inbox.webhook(body).status == status


def test_a_batch_keeps_its_good_events_and_counts_the_others(inbox):
    batch = [captured(), None, captured(distinct_id=" "), captured(event=None), captured(distinct_id=None)]
    reply = inbox.capture({"api_key": TOKEN, "batch": batch})
    refused = {"not_an_event": 1, "distinct_id_missing": 2, "event_without_name": 1}
    assert reply.status == 200
    assert reply.json == {"status": 1, "refused": refused}
    assert len(inbox.journal.events) == 1
    assert inbox.journal.refused == refused


def test_no_sentence_quotes_what_was_sent():
    inbox = Inbox()
    secret = "Geheimnis"
    bodies = [
        raw(event=b'"' + secret.encode()),
        raw(distinct_id=b"null", event=b'"%s"' % secret.encode()),
        json.dumps({"api_key": secret, "batch": [secret]}).encode(),
        secret.encode(),
        zipped(secret)[:-9],
    ]
    for body in bodies:
        reply = inbox.ask("POST", f"/e/?token={secret}", body)
        assert 400 <= reply.status < 500
        assert secret.encode() not in reply.body


class TestLimits:
    def test_a_body_over_the_limit_is_413_but_batch_takes_more(self):
        inbox = Inbox(ReceivingLimits(body_bytes=100, batch_body_bytes=10_000))
        body = json.dumps(captured(properties={"a": "x" * 200})).encode()
        reply = inbox.ask("POST", "/e/", body)
        assert reply.status == 413
        assert "larger than 100 bytes" in reply.error
        assert inbox.ask("POST", "/batch/", body).status == 200

    def test_an_announced_length_is_enough_to_refuse(self):
        inbox = Inbox(ReceivingLimits(body_bytes=100))
        assert inbox.ask("POST", "/e/", b"{}", {"content-length": "101"}).status == 413

    def test_who_asks_before_sending_too_much_is_told_not_to(self):
        inbox = Inbox(ReceivingLimits(body_bytes=100))
        headers = {"content-length": "101", "expect": "100-continue"}
        assert inbox.ask("POST", "/e/", b"", headers).status == 413

    def test_a_body_that_arrives_in_parts_is_put_together(self):
        inbox = Inbox()
        body = json.dumps(captured()).encode()
        assert inbox.ask("POST", "/e/", parts=[body[:10], b"", body[10:]]).status == 200
        assert inbox.event.name == "order completed"

    def test_a_body_that_grows_beyond_the_limit_is_413(self):
        inbox = Inbox(ReceivingLimits(body_bytes=100))
        assert inbox.ask("POST", "/e/", parts=[b"x" * 60] * 2).status == 413
        assert inbox.ask("POST", "/e/", parts=[b"x" * 60] * 9).status == 413

    def test_a_sender_that_goes_away_is_not_answered_and_nothing_is_kept(self):
        inbox = Inbox()
        assert inbox.ask("POST", "/e/", parts=[json.dumps(captured()).encode()], cut=True).status == 0
        assert inbox.journal.events == []

    def test_too_many_events_are_413(self):
        inbox = Inbox(ReceivingLimits(batch_events=2))
        three = {"api_key": TOKEN, "batch": [captured()] * 3}
        assert "more than 2 events" in inbox.capture(three).error
        assert "more than 2 events" in inbox.webhook(json.dumps(three).encode()).error
        assert inbox.journal.events == []

    @pytest.mark.parametrize("layers", [1, 2])
    def test_a_gzip_bomb_goes_off_nowhere(self, layers):
        inbox = Inbox(ReceivingLimits(batch_body_bytes=MIB))
        bomb = b" " * (6 * MIB)
        for _ in range(layers):
            bomb = gzip.compress(bomb)
        reply = inbox.ask("POST", "/batch/", bomb, {"content-encoding": "gzip"})
        assert reply.status == 413
        assert "after decompression" in reply.error

    def test_nothing_is_inflated_beyond_the_limit(self):
        inbox = Inbox(ReceivingLimits(body_bytes=200, unpacked_times=5))
        reply = inbox.ask("POST", "/e/", zipped(captured(properties={"a": "x" * 2_000})))
        assert reply.status == 413
        assert "1,000 bytes after decompression" in reply.error

    def test_the_same_limit_holds_for_what_is_not_compressed(self):
        with pytest.raises(Unreadable, match="1,000 bytes") as told:
            open_capture(json.dumps(captured(properties={"a": "x" * 2_000})).encode(), unpacked_bytes=1_000)
        assert told.value.status == 413

    def test_they_are_posthogs_but_memory_has_a_bound(self):
        limits = ReceivingLimits()
        assert (limits.body_bytes, limits.batch_body_bytes) == (4 * MIB, 20 * MIB)
        assert limits.unpacked_bytes(limits.body_bytes) == 20 * MIB
        assert limits.unpacked_bytes(limits.batch_body_bytes) == 20 * MIB

        def events(size_bytes):
            one = captured(properties={"a": "x" * 500_000})
            return json.dumps({"api_key": TOKEN, "batch": [one] * (size_bytes // 500_000)}).encode()

        for path in ("/i/v0/e/", "/batch/", "/i/v0/ai/batch/"):
            assert Inbox().ask("POST", path, events(3 * MIB)).status == 200
        large = events(5 * MIB)
        assert [Inbox().ask("POST", path, large).status for path in ("/e/", "/batch/", "/i/v0/ai/batch/")] == [
            413,
            200,
            200,
        ]
        assert Inbox().ask("POST", "/e/", gzip.compress(large)).status == 200

    def test_too_many_query_fields_are_400(self):
        reply = Inbox().ask("POST", "/e/?" + "a=1&" * 100, json.dumps(captured()).encode())
        assert reply.status == 400
        assert "query fields" in reply.error
