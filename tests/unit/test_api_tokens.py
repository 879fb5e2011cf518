"""Tokens of the HTTP API: shown once, kept as a hash, named, revoked at once."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from service_bench import Bench, bench_in

from hogline.service import Mistake
from hogline.store.api_tokens import ApiTokens
from hogline.store.base import Unusable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_in(tmp_path) as made:
        yield made


async def test_a_token_is_known_by_its_name(bench: Bench) -> None:
    service = bench.service
    reports = await service.make_api_token(" reports ")
    other = await service.make_api_token("Büro №2")
    assert reports.name == "reports"
    assert service.api_token_name(reports.token) == "reports"
    assert service.api_token_name(other.token) == "Büro №2"
    assert [token.name for token in await service.api_tokens()] == ["reports", "Büro №2"]


@pytest.mark.parametrize("token", ["", "x", "hogapi_", "\ud800", "é"])
async def test_another_token_is_not_known(bench: Bench, token: str) -> None:
    assert bench.service.api_token_name(token) is None
    made = await bench.service.make_api_token("reports")
    assert bench.service.api_token_name(token) is None
    assert bench.service.api_token_name(made.token + token) in {None, "reports" if not token else None}


async def test_a_revoked_token_is_not_known_any_more(bench: Bench) -> None:
    service = bench.service
    made = [(await service.make_api_token(name)).token for name in ("one", "two")]
    assert [token.name for token in await service.revoke_api_token("one")] == ["two"]
    assert [service.api_token_name(token) for token in made] == [None, "two"]


async def test_the_token_itself_is_nowhere_on_disk(bench: Bench, tmp_path: Path) -> None:
    made = await bench.service.make_api_token("reports")
    files = [file for file in tmp_path.iterdir() if file.is_file()]
    assert "api_tokens.json" in {file.name for file in files}
    assert not any(made.token.encode() in file.read_bytes() for file in files)


async def test_the_file_is_private(bench: Bench, tmp_path: Path) -> None:
    await bench.service.make_api_token("reports")
    assert stat.S_IMODE((tmp_path / "api_tokens.json").stat().st_mode) == 0o600


MISTAKES = {
    "no name": ("make", " ", "Name the token after what uses it"),
    "a long name": ("make", "x" * 61, "with up to 60 characters"),
    "control characters": ("make", "a\x1b[31m", "Name the token"),
    "a name that is taken": ("make", "taken", "There is an API token 'taken' already"),
    "nothing to revoke": ("revoke", "nobody", "There is no API token 'nobody'"),
}


@pytest.mark.parametrize(("verb", "name", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_what_cannot_be_done_is_one_sentence(bench: Bench, verb: str, name: str, sentence: str) -> None:
    await bench.service.make_api_token("taken")
    ask = bench.service.make_api_token if verb == "make" else bench.service.revoke_api_token
    with pytest.raises(Mistake, match=sentence):
        await ask(name)


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"name": 1}]', b"\xff"])
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api_tokens.json").write_bytes(content)
    with pytest.raises(Unusable, match=r"cannot be read\. Remove it"):
        ApiTokens(tmp_path).all()


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="cannot be written"):
        ApiTokens(tmp_path / "missing").make("reports", 0)
