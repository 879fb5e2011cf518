"""What senders find where, and what they are told."""

# mypy: allow-untyped-defs, allow-untyped-calls

import base64
import gzip
import json
import zlib
from urllib.parse import quote, quote_plus

import pytest
import structlog
from receiving import NOW_MS, TOKEN, UUID, Inbox, Journal, captured, zipped

from hogline.store.base import Unwritable


@pytest.fixture
def inbox():
    return Inbox()


CAPTURE_PATHS = ["/i/v0/e", "/e", "/track", "/engage", "/capture", "/batch", "/i/v0/ai/batch"]
WEBHOOK = {
    "event": {
        "uuid": UUID,
        "event": "order completed",
        "distinct_id": "user-1",
        "properties": {"total": 12.5, "$set": {"plan": "pro"}},
        "timestamp": "2026-11-01T09:59:00.000Z",
        "elements_chain": "button.buy",
        "captured_at": None,
        "url": "https://eu.posthog.com/project/7/events/1",
    },
    "person": {"id": "0189", "name": "a", "properties": {"email": "a@b.co"}, "url": "https://eu.posthog.com/p"},
}
JSON = json.dumps(captured()).encode()
BASE64 = base64.b64encode(json.dumps(captured(properties={"total": 12.5, "q": "ü?>~~"})).encode())


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", CAPTURE_PATHS)
def test_every_capture_route_takes_an_event(inbox, path, slash):
    reply = inbox.capture(captured(), path + slash)
    assert reply.status == 200
    assert reply.json == {"status": 1}
    assert (inbox.event.uuid, inbox.event.distinct_id) == (UUID, "user-1")
    assert inbox.event.received_ms == NOW_MS


ENCODINGS = {
    "plain": (JSON, "", {}),
    "plain as text": (JSON, "", {"content-type": "text/plain"}),
    "plain that claims to be gzip": (JSON, "", {"content-encoding": "gzip"}),
    "gzip by header": (zipped(captured()), "", {"content-encoding": "gzip"}),
    "gzip-js by query": (zipped(captured()), "?compression=gzip-js&ver=1.297&_=1", {"content-type": "text/plain"}),
    "gzip by its bytes": (zipped(captured()), "", {}),
    "deflate by header": (zlib.compress(JSON), "", {"content-encoding": "deflate"}),
    "gzip that claims to be deflate": (zipped(captured()), "", {"content-encoding": "deflate"}),
    "base64": (BASE64, "", {}),
    "base64 in lines": (b"\n".join(BASE64[n : n + 76] for n in range(0, len(BASE64), 76)), "", {}),
    "base64 for addresses, unpadded": (BASE64.translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"="), "", {}),
    "base64 of gzip": (base64.b64encode(zipped(captured())), "", {}),
    "form base64": (b"data=" + quote_plus(BASE64).encode(), "?compression=base64", {}),
    "form base64, not percent-encoded": (b"data=" + BASE64 + b"&compression=base64", "", {}),
    "form JSON": (b"data=" + quote_plus(JSON).encode(), "", {"content-type": "application/x-www-form-urlencoded"}),
    "form JSON, data not first": (b"ip=1&data=" + quote(JSON).encode(), "", {}),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_every_encoding_is_read(inbox, case):
    body, query, headers = ENCODINGS[case]
    assert inbox.ask("POST", "/e/" + query, body, headers).status == 200
    assert inbox.event.properties["total"] == 12.5
    assert inbox.event.uuid == UUID


def test_a_get_carries_its_event_in_the_query(inbox):
    assert inbox.ask("GET", "/e/?data=" + quote(BASE64)).status == 200
    assert inbox.ask("GET", "/e/?data=" + quote(JSON)).status == 200
    assert inbox.ask("GET", "/e/?ip=1").status == 400
    assert len(inbox.journal.events) == 2


def test_what_the_query_carries_wins_over_a_body(inbox):
    other = json.dumps(captured(event="of the body")).encode()
    assert inbox.ask("POST", "/e/?data=" + quote(JSON), other).status == 200
    assert inbox.event.name == "order completed"
    assert inbox.ask("POST", "/e/?data=", other).status == 200
    assert inbox.journal.events[1].name == "of the body"


def test_a_beacon_is_answered_with_nothing_if_its_events_are_kept(inbox):
    reply = inbox.ask("POST", "/e/?beacon=1&compression=base64", b"data=" + BASE64, ORIGIN)
    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers
    assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    assert inbox.event.uuid == UUID
    assert inbox.ask("POST", f"/e/?beacon=1&token={TOKEN}", b"{").status == 400
    assert inbox.ask("POST", "/e/?beacon=0", JSON).status == 200


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (captured(), ""),
        (captured(api_key=..., token=TOKEN), ""),
        (captured(**{"api_key": ..., "$token": TOKEN}), ""),
        (captured(api_key=..., properties={"token": TOKEN}), ""),
        ([captured(api_key=..., properties={"token": TOKEN}), None, captured(api_key=..., properties=None)], ""),
        ({"token": TOKEN, "batch": [captured(api_key=...)]}, ""),
        ({"api_key": TOKEN, "batch": [captured(api_key="of the event")]}, ""),
        (captured(api_key=...), f"?token={TOKEN}"),
        (captured(api_key=...), f"?api_key={TOKEN}"),
    ],
)
def test_the_token_is_found_wherever_sdks_put_it(inbox, body, query):
    assert inbox.ask("POST", "/e/" + query, json.dumps(body).encode()).status == 200


def test_a_form_may_carry_the_token(inbox):
    body = b"data=" + quote(json.dumps(captured(api_key=...))).encode() + b"&api_key=" + TOKEN.encode()
    assert inbox.ask("POST", "/e/", body).status == 200


def test_engage_without_a_name_is_identify(inbox):
    event = captured(**{"event": ..., "distinct_id": ..., "$distinct_id": "user-9", "$set": {"a": 1}})
    assert inbox.capture(event, "/engage/").status == 200
    assert (inbox.event.name, inbox.event.distinct_id, inbox.event.set) == ("$identify", "user-9", {"a": 1})
    assert inbox.capture(event, "/capture/").status == 400


def test_the_clients_clock_is_corrected(inbox):
    # The client is one hour ahead: by its clock the event happened five seconds before sending.
    batch = [captured(timestamp="2026-11-01T10:59:55Z")]
    inbox.capture({"api_key": TOKEN, "sent_at": "2026-11-01T11:00:00Z", "batch": batch})
    inbox.ask("POST", f"/e/?_={NOW_MS + 3_600_000}", json.dumps(batch).encode())
    inbox.capture({"api_key": TOKEN, "sent_at": "at tea time", "batch": batch})
    ignoring = [captured(timestamp="2026-11-01T10:59:55Z", properties={"$ignore_sent_at": True})]
    inbox.capture({"api_key": TOKEN, "sent_at": "2026-11-01T11:00:00Z", "batch": ignoring})
    late = NOW_MS + 3_595_000
    assert [event.timestamp_ms for event in inbox.journal.events] == [NOW_MS - 5_000] * 2 + [late] * 2


@pytest.mark.parametrize("path", ["/webhook", "/webhook/"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_webhook_with_its_token_in_the_header(inbox, path, scheme):
    reply = inbox.ask("POST", path, json.dumps(WEBHOOK).encode(), {"authorization": f"{scheme} {TOKEN}"})
    assert reply.status == 200
    assert (inbox.event.name, inbox.event.distinct_id) == ("order completed", "user-1")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/webhook", f"/webhook/{TOKEN}"])
def test_a_webhook_may_be_sent_by_whatever_method_posthog_offers(inbox, method, path):
    reply = inbox.ask(method, path, json.dumps(WEBHOOK).encode(), {"authorization": f"Bearer {TOKEN}"})
    assert (reply.status, inbox.event.name) == (200, "order completed")


@pytest.mark.parametrize("path", [f"/webhook/{TOKEN}", f"/webhook/{TOKEN}/"])
def test_a_webhook_with_its_token_in_the_path(inbox, path):
    assert inbox.ask("POST", path, json.dumps(WEBHOOK).encode()).status == 200
    event = inbox.event
    assert event.properties == {"total": 12.5}
    assert event.set == {"plan": "pro"}
    assert event.person_properties == {"email": "a@b.co"}
    assert event.elements_chain == "button.buy"
    assert event.url.startswith("https://eu.posthog.com")


def test_a_webhook_may_be_gzipped_and_large(inbox):
    large = {**WEBHOOK, "person": {"properties": {"text": "x" * 600_000}}}
    assert inbox.webhook(gzip.compress(json.dumps(large).encode())).status == 200
    assert inbox.webhook(json.dumps(large).encode()).status == 200
    assert len(inbox.journal.events) == 2


def test_an_app_event_comes_to_the_webhook_too(inbox):
    event = {"uuid": UUID, "event": "x", "distinct_id": "u", "team_id": 1, "properties": {}, "$set": {"a": 1}}
    assert inbox.webhook(json.dumps(event).encode()).status == 200
    assert inbox.event.set == {"a": 1}


def test_nothing_is_acknowledged_that_is_not_on_disk(inbox):
    inbox.journal.full = Unwritable("The disk is full.", retry_after_s=7)
    for reply in (inbox.capture(captured()), inbox.webhook(json.dumps(WEBHOOK).encode())):
        assert reply.status == 503
        assert reply.headers["retry-after"] == "7"
        assert reply.error == "The disk is full."


def test_a_mistake_of_ours_tells_nobody_the_payload():
    class Broken(Journal):
        async def append(self, events, refused=None):
            raise RuntimeError("order completed")

    inbox = Inbox(journal=Broken())
    with structlog.testing.capture_logs() as lines:
        reply = inbox.capture(captured())
    assert reply.status == 500
    assert b"order completed" not in reply.body
    assert "RuntimeError at " in lines[0]["error"]
    assert lines[0]["route"] == "/batch"
    assert "order completed" not in str(lines)


ORIGIN = {"origin": "https://shop.example"}


@pytest.mark.parametrize("path", [f"{path}/" for path in CAPTURE_PATHS] + ["/flags/", "/decide/"])
def test_pages_may_ask_before_they_send(inbox, path):
    asked = {**ORIGIN, "access-control-request-headers": "content-type,x-custom"}
    reply = inbox.ask("OPTIONS", path, headers=asked)
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    assert reply.headers["access-control-allow-headers"] == "content-type,x-custom"
    assert "POST" in reply.headers["access-control-allow-methods"]


def test_pages_may_read_answers_and_refusals(inbox):
    for body in (JSON, b"nonsense"):
        reply = inbox.ask("POST", "/e/", body, ORIGIN)
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
        assert reply.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("origin", ["", "a\x01b", "ü", "x" * 5_000])
def test_an_origin_that_cannot_be_mirrored_is_not(inbox, origin):
    reply = inbox.ask("POST", "/e/", JSON, {"origin": origin})
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers


def test_webhooks_are_not_for_pages(inbox):
    reply = inbox.ask("OPTIONS", "/webhook", headers=ORIGIN)
    assert reply.status == 405
    assert reply.headers["allow"] == "POST, PUT, PATCH"
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("path", ["/array/phc_x/config", "/array/phc_x/config/"])
def test_posthog_js_finds_a_configuration_that_turns_all_else_off(inbox, path):
    reply = inbox.ask("GET", path)
    assert reply.status == 200
    assert reply.json["supportedCompression"] == ["gzip-js"]
    assert reply.json["sessionRecording"] is False
    assert reply.json["autocapture_opt_out"] is True


def test_the_configuration_comes_as_a_script_too(inbox):
    reply = inbox.ask("GET", "/array/phc_x/config.js", headers=ORIGIN)
    assert reply.headers["content-type"] == "application/javascript"
    assert b"_POSTHOG_REMOTE_CONFIG" in reply.body
    assert b'"phc_x"' in reply.body


@pytest.mark.parametrize("path", ["/flags/?v=2", "/flags", "/decide/?v=3"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_are_no_feature_flags(inbox, path, method):
    reply = inbox.ask(method, path, JSON)
    assert reply.status == 200
    assert reply.json["featureFlags"] == {}
    assert reply.json["errorsWhileComputingFlags"] is False
    assert inbox.journal.events == []


DEFINITIONS: dict[str, object] = {"flags": [], "group_type_mapping": {}, "cohorts": {}}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/s/?compression=gzip-js", {"status": 1}),
        ("/api/surveys/?token=phc_x", {"surveys": [], "survey_config": None}),
        ("/api/early_access_features/?token=phc_x&stage=beta", {"earlyAccessFeatures": []}),
        ("/api/web_experiments/?token=phc_x", {"experiments": []}),
        ("/api/product_tours/?token=phc_x", {"product_tours": []}),
        ("/i/v1/logs?token=phc_x", {}),
        ("/i/v1/metrics?token=phc_x", {}),
        ("/flags/definitions?token=phc_x&send_cohorts", DEFINITIONS),
        ("/api/feature_flag/local_evaluation/?token=phc_x&send_cohorts", DEFINITIONS),
    ],
)
def test_what_posthog_has_beside_events_is_empty_here_and_no_error_to_an_sdk(inbox, path, told):
    for method, body in (("GET", b""), ("POST", b'{"$snapshot_data": []}')):
        reply = inbox.ask(method, path, body, ORIGIN)
        assert (reply.status, reply.json) == (200, told)
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
    assert inbox.ask("OPTIONS", path, headers=ORIGIN).status == 200
    assert inbox.journal.events == []


@pytest.mark.parametrize(
    "path", ["/", "", "/nothing", "/array/phc_x/other", "/array/'x'/config.js", "/array/", "/i/v0", "/healthz/x"]
)
def test_an_unknown_path_says_what_exists(inbox, path):
    reply = inbox.ask("GET", path)
    assert reply.status == 404
    assert "/webhook" in reply.error
    assert "/batch" in reply.error


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/e/", "GET, POST"), ("GET", "/webhook", "POST, PUT, PATCH"), ("POST", "/healthz", "GET, HEAD")],
)
def test_a_wrong_method_says_which_is_right(inbox, method, path, allowed):
    reply = inbox.ask(method, path)
    assert reply.status == 405
    assert reply.headers["allow"] == allowed
    assert allowed in reply.error


@pytest.mark.parametrize("path", ["/healthz", "/_liveness"])
def test_health_is_that_the_process_answers(inbox, path):
    inbox.problems.append("The disk is full.")
    reply = inbox.ask("GET", path)
    assert (reply.status, reply.json) == (200, {})


def test_a_stranger_learns_whether_it_is_ready_and_not_why(inbox):
    assert (inbox.ask("GET", "/_readiness").status, inbox.ask("GET", "/_readiness").json) == (200, {})
    inbox.problems.append("The disk is full.")
    reply = inbox.ask("GET", "/_readiness")
    assert (reply.status, reply.json) == (503, {})


@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_what_is_for_those_who_run_it_is_not_at_the_receiving_address(inbox, path):
    inbox.problems.append("The disk is full.")
    reply = inbox.ask("GET", path)
    assert reply.status == 404
    assert "disk" not in reply.error


def test_the_token_that_posthog_js_repeats_in_every_events_properties_travels_no_further(inbox):
    event = {"event": "clicked", "distinct_id": "u1", "properties": {"token": TOKEN, "a": 1}}
    assert inbox.ask("POST", "/e/", json.dumps(event).encode()).status == 200
    assert inbox.event.properties == {"a": 1}


def test_a_property_named_token_that_is_another_one_stays(inbox):
    event = {"event": "clicked", "distinct_id": "u1", "api_key": TOKEN, "properties": {"token": "of a coffee machine"}}
    assert inbox.ask("POST", "/e/", json.dumps(event).encode()).status == 200
    assert inbox.event.properties == {"token": "of a coffee machine"}


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/webhook/", "/webhook"),
        ("/webhook/phc_secret", "/webhook/<token>"),
        ("/array/phc_secret/config.js", "/array/<token>/config.js"),
        ("/static/secret", "/static/<script>"),
        ("/batch", "/batch"),
        ("/batch/ada@example.com", "unknown"),
        ("/ada@example.com", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_line_of_the_log_names_the_route_and_never_the_path(path, route):
    with structlog.testing.capture_logs() as lines:
        Inbox().ask("POST", path)
    assert [line["route"] for line in lines] == [route]
    assert "secret" not in str(lines)
    assert "ada@" not in str(lines)
