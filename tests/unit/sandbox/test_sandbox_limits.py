"""Every documented limit: what is just within it is accepted, what is beyond is refused by its index."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox_client import ULID, Client, act, event, identify, merge, ulid

from hogline.sandbox.limits import Problem
from hogline.sandbox.operations import read_operation
from hogline.sandbox.settings import SandboxSettings, WorkspaceSettings
from hogline.sandbox.workspace import Workspace

ACCEPTED = {
    "an id of 150 bytes": event(person="é" * 75),
    "an id of odd characters": event(person="../a/b?#%\r\n\U0001f600"),
    "an event name of 100 bytes": event("é" * 50),
    "a name with spaces at its ends": event("  " + "n" * 100 + "  "),
    "an event as old as can be": event(timestamp=-1),
    "an attribute name of 150 bytes": identify("u1", **{"é" * 75: 1}),
    "an attribute value of 1,000 bytes": identify("u1", text="é" * 500),
    "a nested value of 1,000 bytes": identify("u1", nested=["x" * 996]),
    "300 attributes": identify("u1", **{f"a{n}": n for n in range(300)}),
    "an id that repeats the identifier": identify("u1", id="u1"),
    "an email that repeats the identifier in other letters": identify({"email": "A@b.co"}, email="a@B.co"),
    "null where a value may be missing": event(id=None, timestamp=None, attributes=None),
    "a ULID in small letters": event(id=ULID.lower()),
    "data of an event that would be too long for attributes": event(attributes={"a" * 200: "b" * 20_000}),
    "an unknown key": event(something="else"),
}


@pytest.mark.parametrize("operation", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_within_the_limits(operation: dict[str, object]) -> None:
    client = Client()
    client.accept(operation)
    assert len(client.people()) == 1


REFUSED = {
    "an id of 151 bytes": (event(person="é" * 75 + "x"), "identifiers.id"),
    "a blank id": (event(person=" "), "identifiers.id"),
    "an id that is a number": (act("event", {"id": 7}, name="n"), "identifiers.id"),
    "an id that is null": (act("event", {"id": None}, name="n"), "identifiers[...]"),
    "an email that is none": (act("event", {"email": "a@b"}, name="n"), "identifiers.email"),
    "two identifiers": (act("event", {"id": "a", "email": "a@b.co"}, name="n"), "identifiers"),
    "an anonymous id as identifier": (act("event", {"anonymous_id": "a"}, name="n"), "identifiers"),
    "no identifiers": ({"type": "person", "action": "event", "name": "n"}, "identifiers"),
    "identifiers that are a list": (act("event", ["u1"], name="n"), "identifiers"),
    "a name of 101 bytes": (event("é" * 50 + "x"), "name"),
    "an empty name": (event("  "), "name"),
    "no name": (act("event"), "name"),
    "a page's URL that is too long": (act("page", name="https://x.example/" + "p" * 100), "name"),
    "a name that is a number": (act("event", name=7), "name"),
    "an id that is no ULID": (event(id="01890a5d-ac96-774b-bcce-b302099a8057"), "id"),
    "a ULID beyond 128 bits": (event(id="8" + ULID[1:]), "id"),
    "a ULID with a letter it has not": (event(id="U".join([ULID[:5], ULID[6:]])), "id"),
    "a timestamp with a fraction": (event(timestamp=1.5), "timestamp"),
    "a timestamp in words": (event(timestamp="now"), "timestamp"),
    "a timestamp that is true": (event(timestamp=True), "timestamp"),
    "data that is a list": (event(attributes=[1]), "attributes"),
    "attributes that are a text": ({**identify("u1"), "attributes": "x"}, "attributes"),
    "an attribute name of 151 bytes": (identify("u1", **{"é" * 75 + "x": 1}), "attributes"),
    "an attribute without a name": (identify("u1", **{"": 1}), "attributes"),
    "an attribute value of 1,001 bytes": (identify("u1", text="é" * 500 + "x"), "attributes.text"),
    "a nested value of 1,001 bytes": (identify("u1", nested=["x" * 997]), "attributes.nested"),
    "301 attributes": (identify("u1", **{f"a{n}": n for n in range(301)}), "attributes"),
    "an invalid email": (identify("u1", email="nobody at all"), "attributes.email"),
    "an email that is a number": (identify("u1", email=7), "attributes.email"),
    "an id that contradicts the identifier": (identify("u1", id="u2"), "attributes.id"),
    "an email that contradicts the identifier": (identify({"email": "a@b.co"}, email="c@d.co"), "attributes.email"),
    "a cio_id that is to be set": (identify("u1", cio_id="cio_7"), "attributes.cio_id"),
    "relationships among the attributes": (identify("u1", cio_relationships=[]), "attributes.cio_relationships"),
    "_update that is a text": (identify("u1", _update="yes"), "attributes._update"),
    "_timestamp that is a text": (identify("u1", _timestamp="now"), "attributes._timestamp"),
    "an anonymous_id that is a number": (identify("u1", anonymous_id=7), "attributes.anonymous_id"),
    "an unknown type": ({**event(), "type": "company"}, "type"),
    "an unknown action": (act("greet"), "action"),
    "no type": ({"action": "event"}, "type"),
    "no action": ({"type": "person"}, "action"),
    "a merge without secondary": (merge({"id": "a"}, {}), "secondary"),
    "a device without token": (act("add_device", device={"platform": "ios"}), "device.token"),
    "a device without platform": (act("add_device", device={"token": "t"}), "device.platform"),
    "no device": (act("delete_device"), "device.token"),
    "no relationships": (act("add_relationships"), "cio_relationships"),
    "an object without its type": (
        {"type": "object", "action": "identify", "identifiers": {"object_id": "1"}},
        "identifiers",
    ),
    "an object without a key": (
        {"type": "object", "action": "identify", "identifiers": {"object_type_id": "1", "object_id": " "}},
        "identifiers",
    ),
    "an object's attribute that is too long": (
        {
            "type": "object",
            "action": "identify",
            "identifiers": {"object_type_id": 1, "object_id": "a"},
            "attributes": {"text": "x" * 1_001},
        },
        "attributes.text",
    ),
    "an object's relationship to nobody": (
        {
            "type": "object",
            "action": "identify",
            "identifiers": {"object_type_id": 1, "object_id": "a"},
            "cio_relationships": [{"identifiers": {}}],
        },
        "cio_relationships.identifiers",
    ),
    "a list in place of an operation": ([event()], ""),
    "null in place of an operation": (None, ""),
}


@pytest.mark.parametrize(("operation", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_by_index_while_the_others_are_accepted(operation: object, field: str) -> None:
    error = Client().refusal(operation)
    assert error["field"] == field
    assert error["reason"] in {"invalid", "required"}


@pytest.mark.parametrize(("operation", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_alone_by_a_400(operation: object, field: str) -> None:
    reply = Client().request("POST", "/api/v2/entity", operation)
    assert reply.status == 400
    assert [error["field"] for error in reply.json["errors"]] == [field]


def test_an_operation_may_have_32000_bytes_and_not_one_more() -> None:
    client = Client()
    room = 32_000 - len(json.dumps(event(attributes={"x": ""})))
    client.accept(event(attributes={"x": "y" * room}))
    assert "32,000 bytes" in client.refusal(event(attributes={"x": "y" * (room + 1)}))["message"]


def test_a_batch_may_have_500000_bytes_and_not_one_more() -> None:
    client = Client()
    text = json.dumps({"batch": [event()]}).encode()
    assert client.request("POST", "/api/v2/batch", text.ljust(500_000)).status == 200
    reply = client.request("POST", "/api/v2/batch", text.ljust(500_001))
    assert reply.status == 400
    assert "500,000 bytes" in reply.json["errors"][0]["message"]
    assert len(client.events()) == 1


def test_a_body_that_nobody_would_send_is_not_read_to_its_end() -> None:
    assert Client().request("POST", "/api/v2/batch", b" " * 16_000_001).status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"batch": null}',
        b'{"batch": {}}',
        b'{"batch": []}',
        b'{"batch": [NaN]}',
        b'{"batch": [{"type": "\xff"}]}',
        b'{"batch": [{"attributes": {"half": "\\ud800"}}]}',
        b'{"batch": [{"attributes": {"half": "\\uD800x"}}]}',
        b'{"batch": [{"attributes": {"\\udc00": 1}}]}',
        b'{"batch": [' + b"[" * 50_000 + b"]" * 50_000 + b"]}",
    ],
    ids=lambda body: str(body[:24]),
)
def test_a_malformed_batch_is_refused_whole(body: bytes) -> None:
    client = Client()
    reply = client.request("POST", "/api/v2/batch", body)
    assert reply.status == 400
    assert reply.json["errors"][0]["message"]
    assert client.people() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"type": "\xff"}', b'{"x": "\\uD800"}', b'{"x": ' + b"[" * 9_000 + b"]" * 9_000 + b"}"]
)
def test_a_malformed_entity_is_refused(body: bytes) -> None:
    reply = Client().request("POST", "/api/v2/entity", body)
    assert reply.status == 400
    assert reply.json["errors"][0]["message"]


def test_a_pair_of_surrogates_is_a_character() -> None:
    client = Client()
    client.accept(event(attributes={"smile": "\U0001f600"}))
    assert client.events()[0]["data"] == {"smile": "\U0001f600"}


def test_a_person_cannot_grow_beyond_300_attributes() -> None:
    client = Client()
    client.accept(identify("u1", **{f"a{n}": n for n in range(300)}))
    assert client.refusal(identify("u1", b=1))["field"] == "attributes"
    client.accept(identify("u1", a0=None), identify("u1", b=1, a1=7))
    assert client.person(id="u1")["attributes"]["b"] == 1


@pytest.mark.parametrize(("by", "other"), [("id", "email"), ("email", "id")])
def test_a_workspace_may_know_only_one_kind_of_identifier(by: str, other: str) -> None:
    only = WorkspaceSettings(identified_by="id" if by == "id" else "email")
    client = Client(SandboxSettings(workspaces=(only,)))
    values = {"id": "u1", "email": "a@b.co"}
    client.accept(act("event", {by: values[by]}, name="n"))
    reply = client.batch(act("event", {other: values[other]}, name="n"))
    assert reply.json["errors"][0]["field"] == f"identifiers.{other}"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_IDENTIFIERS = st.dictionaries(
    st.sampled_from(["id", "email", "cio_id", "phone", "x"]), st.sampled_from(["a", "a@b.co", ""]) | _JSON, max_size=2
)
_OPERATION = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["person", "object"]),
        "action": st.sampled_from(
            ["identify", "event", "merge", "suppress", "unsuppress", "delete", "add_device", "add_relationships", "x"]
        ),
    },
    optional={
        "identifiers": _IDENTIFIERS | _JSON,
        "name": st.just("n") | _JSON,
        "id": st.just(ulid(1)) | _JSON,
        "timestamp": st.integers(0, 9) | _JSON,
        "attributes": st.dictionaries(st.sampled_from(["email", "id", "_update", "anonymous_id", "x"]), _JSON) | _JSON,
        "primary": _IDENTIFIERS,
        "secondary": _IDENTIFIERS,
        "device": _JSON,
        "cio_relationships": _JSON,
    },
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_OPERATION, max_size=5))
def test_whatever_is_sent_is_accepted_or_refused_with_a_sentence(operations: list[object]) -> None:
    workspace = Workspace(WorkspaceSettings(), SandboxSettings(), lambda: 0.0)
    sentences = []
    for operation in operations:
        try:
            workspace.perform(read_operation(json.dumps(operation).encode()))
        except Problem as problem:
            sentences.append(problem.message)
    assert all(sentences)
    people = list(workspace.people)
    assert all(workspace.people.find("id", person.id) is person for person in people if person.id)
    assert all(workspace.people.find("email", person.email) is person for person in people if person.email)
