"""API tokens from the command line: made, listed, used at a running console, revoked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hogline.testing.processes import api_status, environment, hogline, hogline_json, started


def test_a_token_opens_the_api_until_it_is_revoked(tmp_path: Path) -> None:
    with started(["serve"], environment(tmp_path), "stderr", r"Console at (http://[\d.:]+)") as running:
        token = hogline(tmp_path, "api-tokens", "add", "reports", "--role", "viewer", "--days", "30").stdout.strip()
        assert api_status(running.url, token) == 200
        (listed,) = hogline_json(tmp_path, "api-tokens")["api_tokens"]
        assert (listed["name"], listed["role"], listed["used_ms"] > 0) == ("reports", "viewer", True)
        assert listed["expires_ms"] - listed["made_ms"] == 30 * 86_400_000
        hogline(tmp_path, "api-tokens", "revoke", "reports")
        assert api_status(running.url, token) == 401


def test_without_a_running_hogline_too(tmp_path: Path) -> None:
    assert "No API tokens yet" in hogline(tmp_path, "api-tokens").stdout
    made = hogline_json(tmp_path, "api-tokens", "add", "reports", "--role", "admin")
    assert made["token"].startswith("hogapi_")
    shown = hogline(tmp_path, "api-tokens").stdout
    assert "reports" in shown
    assert "never" in shown
    assert made["token"] not in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "reports"), "--role"),
        (("add", " ", "--role", "viewer"), "Name the token after what uses it"),
        (("add", "reports", "--role", "viewer", "--days", "0"), "1 to 3,650 days"),
        (("revoke", "nothing"), "API token 'nothing' not found."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = hogline(tmp_path, "api-tokens", *arguments, code=2 if "--role" in sentence else 1)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
