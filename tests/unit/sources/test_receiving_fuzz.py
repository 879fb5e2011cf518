"""Whatever arrives, wherever: no 5xx, no exception, and what is kept can be read again."""

# mypy: allow-untyped-defs, allow-untyped-calls

import base64
import gzip
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from receiving import TOKEN, Inbox, captured, raw

PATHS = [
    "/webhook",
    f"/webhook/{TOKEN}",
    "/i/v0/e/",
    "/e",
    "/track",
    "/engage/",
    "/capture",
    "/batch/",
    "/i/v1/analytics/events",
]
PATHS += ["/flags/", "/decide", "/array/x/config.js", "/healthz", "/readyz", "/", "/é"]
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "authorization": st.sampled_from([f"Bearer {TOKEN}", "Bearer", "Basic x"]),
        "content-encoding": st.sampled_from(["gzip", "deflate", "br", ""]),
        "content-type": st.sampled_from(["application/x-www-form-urlencoded", "text/plain"]),
        "content-length": st.sampled_from(["0", "-1", "x", "9" * 30, "3000000"]),
        "posthog-sdk-info": st.sampled_from(["posthog-node/5", "/", ""]),
        "posthog-request-timestamp": st.sampled_from(["2026-11-01T10:00:00Z", "0001-01-01T00:00:00+14:00", "x"]),
        "origin": st.text(st.characters(max_codepoint=255), max_size=20),
    },
)
QUERIES = st.sampled_from(["", "?", "?compression=lz64", "?compression=gzip-js&_=x", "?data=", "?data=%ff&_=1", "?=&="])
JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from([TOKEN, 2**64, 10**400, "\0", "\ud800", "2026-11-01T10:00:00Z", "0001-01-01T00:00:00+14:00"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "event",
                    "uuid",
                    "distinct_id",
                    "properties",
                    "timestamp",
                    "offset",
                    "sent_at",
                    "batch",
                    "token",
                    "api_key",
                    "person",
                    "$set",
                    "$set_once",
                    "$unset",
                    "person_properties",
                    "person_mode",
                    "team_id",
                    "elements_chain",
                    "url",
                    "$ignore_sent_at",
                    "_",
                    "created_at",
                    "options",
                    "session_id",
                    "process_person_profile",
                ]
            ),
            inner,
            max_size=8,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=200) | JSONS.map(lambda value: json.dumps(value).encode())
WRAPPED = BODIES.flatmap(
    lambda body: st.sampled_from(
        [body, gzip.compress(body), gzip.compress(body)[:-3], b"data=" + base64.b64encode(body), b"data=" + body]
    )
)


@given(
    method=st.sampled_from(["GET", "POST", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    query=QUERIES,
    body=WRAPPED,
    headers=HEADERS,
)
@settings(max_examples=400, deadline=None)
def test_no_input_anywhere_gets_a_5xx(method, path, query, body, headers):
    assert 200 <= Inbox().ask(method, path + query, body, headers).status < 500


@given(changes=st.dictionaries(st.sampled_from([*captured(), "$set", "$unset", "offset", "$set_once"]), JSONS))
@settings(max_examples=200, deadline=None)
def test_whatever_an_event_says_it_is_kept_or_refused_with_a_sentence(changes):
    inbox = Inbox()
    changes.pop("api_key", None)
    for path in ("/capture/", f"/webhook/{TOKEN}"):
        reply = inbox.capture(captured(**changes), path)
        assert (reply.status == 200 and inbox.journal.events) or (reply.status == 400 and reply.error)


@given(st.text(st.sampled_from('{}[]",:\\1ax \n'), max_size=60))
@settings(max_examples=300, deadline=None)
def test_broken_json_is_never_a_mistake_of_ours(text):
    assert Inbox().ask("POST", "/e/", raw(properties=text.encode())).status < 500
