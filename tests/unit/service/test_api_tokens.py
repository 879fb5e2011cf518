"""Tokens of the HTTP API: shown once, kept as a hash, named, revoked at once."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs
from service_bench import ServiceBench, bench_in

from hogline.service import CannotDo, Service
from hogline.store.base import Unusable
from hogline.store.datadir.api_tokens import ApiTokens

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ServiceBench]:
    async with bench_in(tmp_path) as made:
        yield made


async def test_a_token_is_known_by_its_name(bench: ServiceBench) -> None:
    service = bench.service
    reports = await service.api_tokens.make(" reports ")
    other = await service.api_tokens.make("Büro №2")
    assert reports.name == "reports"
    assert name_of(service, reports.token) == "reports"
    assert name_of(service, other.token) == "Büro №2"
    assert [token.name for token in await service.api_tokens.all()] == ["reports", "Büro №2"]


@pytest.mark.parametrize("token", ["", "x", "hogapi_", "\ud800", "é"])
async def test_another_token_is_not_known(bench: ServiceBench, token: str) -> None:
    assert name_of(bench.service, token) is None
    made = await bench.service.api_tokens.make("reports")
    assert name_of(bench.service, token) is None
    assert name_of(bench.service, made.token + token) in {None, "reports" if not token else None}


async def test_a_token_has_a_role_and_an_end(bench: ServiceBench) -> None:
    made = await bench.service.api_tokens.make("reports", "operator", days=30)
    assert made.expires_ms == bench.service.clock.time_ms() + 30 * 86_400_000
    kept = ApiTokens(bench.folder)
    (found,) = kept.all()
    assert (found.role, found.expires_ms, found.used_ms) == ("operator", made.expires_ms, 0)
    kept._write([structs.replace(found, expires_ms=bench.service.clock.time_ms())])
    assert name_of(bench.service, made.token) is None
    assert "hogapi_" not in repr(made)


async def test_its_last_use_is_remembered_to_within_ten_minutes(bench: ServiceBench) -> None:
    made = await bench.service.api_tokens.make("reports")
    for _ in range(3):
        found = bench.service.api_tokens.find(made.token)
        assert found is not None
        await bench.service.api_tokens.note_use(found)
    assert [one.used_ms for one in await bench.service.api_tokens.all()] == [bench.service.clock.time_ms()]


async def test_tokens_of_the_time_before_roles_keep_what_they_could(bench: ServiceBench, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"hogapi_old").hexdigest()
    (tmp_path / "api_tokens.json").write_text(f'[{{"name": "old", "made_ms": 1, "sha256": "{digest}"}}]')
    found = bench.service.api_tokens.find("hogapi_old")
    assert found is not None
    assert (found.role, found.expires_ms) == ("admin", 0)


@pytest.mark.parametrize("days", [0, -1, 3_651])
async def test_an_end_that_is_none_is_one_sentence(bench: ServiceBench, days: int) -> None:
    with pytest.raises(CannotDo, match="1 to 3,650 days"):
        await bench.service.api_tokens.make("reports", days=days)


def name_of(service: Service, token: str) -> str | None:
    found = service.api_tokens.find(token)
    return found.name if found else None


async def test_a_revoked_token_is_not_known_any_more(bench: ServiceBench) -> None:
    service = bench.service
    made = [(await service.api_tokens.make(name)).token for name in ("one", "two")]
    assert [token.name for token in await service.api_tokens.revoke("one")] == ["two"]
    assert [name_of(service, token) for token in made] == [None, "two"]


async def test_the_token_itself_is_nowhere_on_disk(bench: ServiceBench, tmp_path: Path) -> None:
    made = await bench.service.api_tokens.make("reports")
    files = [file for file in tmp_path.iterdir() if file.is_file()]
    assert "api_tokens.json" in {file.name for file in files}
    assert not any(made.token.encode() in file.read_bytes() for file in files)


async def test_the_file_is_private(bench: ServiceBench, tmp_path: Path) -> None:
    await bench.service.api_tokens.make("reports")
    assert stat.S_IMODE((tmp_path / "api_tokens.json").stat().st_mode) == 0o600


MISTAKES = {
    "no name": ("make", " ", "Name the token after what uses it"),
    "a long name": ("make", "x" * 61, "with up to 60 characters"),
    "control characters": ("make", "a\x1b[31m", "Name the token"),
    "a name that is taken": ("make", "taken", "The API token 'taken' already exists"),
    "nothing to revoke": ("revoke", "nobody", "API token 'nobody' not found"),
}


@pytest.mark.parametrize(("verb", "name", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_what_cannot_be_done_is_one_sentence(bench: ServiceBench, verb: str, name: str, sentence: str) -> None:
    await bench.service.api_tokens.make("taken")
    ask = bench.service.api_tokens.make if verb == "make" else bench.service.api_tokens.revoke
    with pytest.raises(CannotDo, match=sentence):
        await ask(name)


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"name": 1}]', b"\xff"])
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api_tokens.json").write_bytes(content)
    with pytest.raises(Unusable, match=r"Cannot read .* Delete it"):
        ApiTokens(tmp_path).all()


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be written"):
        ApiTokens(tmp_path / "missing").make("reports", "viewer", 0)
