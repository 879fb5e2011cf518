"""hogline verify: every difference is found, and none where there is none."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest
from history_rows import event_rows, shuffled

from hogline.testing.processes import connect, hogline

KEY = "sandbox-app-key"


def verified(data: Path, *arguments: str, code: int = 0) -> Any:
    done = hogline(
        data,
        "verify",
        "customerio",
        *arguments,
        "--json",
        "--recheck-after",
        "0m",
        code=code,
        HOGLINE_CUSTOMERIO_APP_API_KEY=KEY,
    )
    return msgspec.json.decode(done.stdout)


def change(sandbox: str, *operations: dict[str, Any]) -> None:
    """As somebody else who has the workspace's credentials."""
    credentials = base64.b64encode(b"sandbox-site:sandbox-key").decode()
    request = Request(
        f"{sandbox}/api/v2/batch",
        msgspec.json.encode({"batch": [{"type": "person", **operation} for operation in operations]}),
        {"authorization": f"Basic {credentials}", "content-type": "application/json"},
    )
    with urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def about(person: int, action: str, **more: object) -> dict[str, Any]:
    return {"identifiers": {"id": f"user-{person}"}, "action": action, **more}


@pytest.mark.parametrize("by", ["id", "email"])
def test_each_of_twenty_differences_is_found_and_none_where_there_is_none(
    data: Path, sandbox: str, tmp_path: Path, by: str
) -> None:
    connect(data, sandbox, "--anonymous-users", "identified", "--identify-by", by)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(shuffled(event_rows(150))))
    hogline(data, "backfill", "customerio", file)
    clean = verified(data, "--all")
    assert clean == {"verified": {"people": 150, "unsettled": 0, "differences": []}, "resent": 0}
    missing, changed, removed, emails = range(5), range(5, 12), range(12, 17), range(17, 20)

    def named(person: int) -> dict[str, str]:
        return {"id": f"user-{person}"} if by == "id" else {"email": f"user-{person}@example.com"}

    change(sandbox, *({"identifiers": named(one), "action": "delete"} for one in missing))
    change(
        sandbox,
        *({"identifiers": named(one), "action": "identify", "attributes": {"orders": 99}} for one in changed),
        *({"identifiers": named(one), "action": "identify", "attributes": {"orders": ""}} for one in removed),
    )
    expected = {(one, "missing", "") for one in missing} | {
        (one, "attribute", "orders") for one in (*changed, *removed)
    }
    if by == "id":
        change(sandbox, *(about(one, "identify", attributes={"email": f"other-{one}@x.co"}) for one in emails))
        expected |= {(one, "email", "email") for one in emails}
    else:
        change(sandbox, *({"identifiers": named(one), "action": "delete"} for one in emails))
        expected |= {(one, "missing", "") for one in emails}
    found = verified(data, "--all", code=1)["verified"]["differences"]
    assert {(int(one["person"].removeprefix("user-")), one["kind"], one["name"]) for one in found} == expected
    assert len(found) == 20
    assert verified(data, "--all", "--resend", code=1)["resent"] == 20
    assert verified(data, "--all")["verified"]["differences"] == []


def test_what_customerio_refused_silently_is_found_whatever_the_sample(
    data: Path, sandbox: str, tmp_path: Path
) -> None:
    change(
        sandbox,
        {"identifiers": {"id": "a stranger"}, "action": "identify", "attributes": {"email": "user-7@example.com"}},
    )
    connect(data, sandbox, "--anonymous-users", "identified")
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"".join(event_rows(20)))
    hogline(data, "backfill", "customerio", file)
    found = verified(data, "--sample", "1", code=1)["verified"]
    assert found["differences"] == [{"person": "user-7", "kind": "email", "name": "email"}]
    assert (
        "user-7  differs: email"
        in hogline(
            data, "verify", "customerio", "--recheck-after", "0m", code=1, HOGLINE_CUSTOMERIO_APP_API_KEY=KEY
        ).stdout
    )


def test_without_a_good_key_it_says_what_to_do(data: Path, sandbox: str) -> None:
    connect(data, sandbox)
    assert "HOGLINE_CUSTOMERIO_APP_API_KEY" in hogline(data, "verify", "customerio", code=1).stderr
    assert (
        "does not accept this App API key"
        in hogline(data, "verify", "customerio", code=1, HOGLINE_CUSTOMERIO_APP_API_KEY="another-key-0123").stderr
    )
