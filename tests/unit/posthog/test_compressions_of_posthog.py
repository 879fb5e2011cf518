"""Bodies compressed with brotli and zstd, by the header that names them: read whole, never beyond the limit."""

from __future__ import annotations

import sys
import tracemalloc

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.posthog.received import Unreadable
from hogline.posthog.unpack import inflate

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT_BYTES = 1_000_000
TEXT = b'{"event":"x","distinct_id":"u"}'
COMPRESS = {"br": brotli.compress, "zstd": zstd.compress}
each = pytest.mark.parametrize("encoding", COMPRESS)


def read(body: bytes, encoding: str, limit_bytes: int = LIMIT_BYTES) -> bytes:
    return inflate(body, content_encoding=encoding, limit_bytes=limit_bytes)


@each
@given(text=st.binary(max_size=5_000), times=st.integers(1, 40))
def test_what_was_compressed_is_read_whole(encoding: str, text: bytes, times: int) -> None:
    whole = b'{"a":"' + text * times + b'"}'
    assert read(COMPRESS[encoding](whole), encoding) == whole


@each
def test_at_the_limit_it_is_read_and_a_byte_beyond_it_is_not(encoding: str) -> None:
    body = COMPRESS[encoding](b"{" + b" " * 999_999)
    assert len(read(body, encoding, 1_000_000)) == 1_000_000
    with pytest.raises(Unreadable, match="larger than 999,999 bytes") as refused:
        read(body, encoding, 999_999)
    assert refused.value.status == 413


@each
def test_a_bomb_is_unpacked_no_further_than_the_limit(encoding: str) -> None:
    body = COMPRESS[encoding](b"{" + bytes(60_000_000))
    assert len(body) < 10_000
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="larger than"):
            read(body, encoding)
        assert tracemalloc.get_traced_memory()[1] < 20 * LIMIT_BYTES
    finally:
        tracemalloc.stop()


def test_a_window_beyond_what_http_allows_is_refused() -> None:
    """It asks for its memory before anything is unpacked."""
    compressor = zstd.ZstdCompressor(options={int(zstd.CompressionParameter.window_log): 27})
    body = compressor.compress(TEXT * 100) + compressor.flush()
    with pytest.raises(Unreadable, match="damaged"):
        read(body, "zstd")


@each
def test_what_is_damaged_or_cut_off_is_said_to_be(encoding: str) -> None:
    body = COMPRESS[encoding](TEXT * 50)
    with pytest.raises(Unreadable, match="truncated"):
        read(body[: len(body) // 2], encoding)
    with pytest.raises(Unreadable, match="damaged"):
        read(b"\xff" * 40, encoding)


@each
def test_what_something_on_the_way_unpacked_already_is_read_as_it_is(encoding: str) -> None:
    assert read(TEXT, encoding) == TEXT
