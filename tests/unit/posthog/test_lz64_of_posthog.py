"""lz64, which posthog-js sent until 2021."""

# mypy: allow-untyped-defs, allow-untyped-calls

import base64
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hogline.posthog import CaptureHints, Unreadable, open_capture, read_capture
from hogline.posthog.lz64 import MAX_CODED_BYTES, TooLarge, decompress


def compress(text: str) -> bytes:
    """LZ-string's compressToBase64, written from its description, as the other side of what is tested."""
    units = text.encode("utf-16-le", "surrogatepass")
    characters = [chr(int.from_bytes(units[n : n + 2], "little")) for n in range(0, len(units), 2)]
    bits: list[str] = []
    codes: dict[str, int] = {}
    fresh: set[str] = set()
    width, room = 2, 2

    def put(value: int, size: int) -> None:
        bits.append(format(value, f"0{size}b")[::-1])

    def count() -> None:
        nonlocal width, room
        room -= 1
        if room == 0:
            room = 1 << width
            width += 1

    def emit(phrase: str) -> None:
        if phrase in fresh:
            fresh.discard(phrase)
            wide = ord(phrase) >= 256
            put(int(wide), width)
            put(ord(phrase), 16 if wide else 8)
            count()
        else:
            put(codes[phrase], width)
        count()

    phrase = ""
    for character in characters:
        if character not in codes:
            codes[character] = len(codes) + 3
            fresh.add(character)
        if phrase + character in codes:
            phrase += character
        else:
            emit(phrase)
            codes[phrase + character] = len(codes) + 3
            phrase = character
    if phrase:
        emit(phrase)
    put(2, width)
    stream = "".join(bits)
    stream += "0" * (-len(stream) % 8)
    return base64.b64encode(int(stream, 2).to_bytes(len(stream) // 8))


@pytest.mark.parametrize(("coded", "text"), [(b"BYUwNmD2Q===", b"hello"), (b"Q===", b"")])
def test_texts_as_the_javascript_library_packs_them(coded, text):
    assert decompress(coded, 100) == text
    assert decompress(coded.rstrip(b"="), 100) == text


@given(st.text(max_size=200) | st.text("ab", max_size=400) | st.text("aü€😀", max_size=300))
@settings(deadline=None)
def test_every_text_comes_back(text):
    assert decompress(compress(text), 10_000) == text.encode()


@pytest.mark.parametrize("coded", [b"", b"=", b"!!", b"////", b"Iv//", b"BYUw", compress("abcabcabc")[:-6]])
def test_what_is_no_lz64(coded):
    with pytest.raises(ValueError):
        decompress(coded, 100)


@given(st.binary(max_size=40))
def test_arbitrary_bits_are_a_text_or_refused(data):
    with contextlib.suppress(ValueError):
        assert len(decompress(base64.b64encode(data), 1_000)) <= 4_000


def test_nothing_is_inflated_beyond_the_limit():
    bomb = compress("a" * 100_000)
    assert len(bomb) < 2_000
    with pytest.raises(TooLarge):
        decompress(bomb, 99_999)
    with pytest.raises(TooLarge):
        decompress(b"A" * (MAX_CODED_BYTES + 1), 10_000_000)


EVENT = {"event": "x", "distinct_id": "ü😀", "properties": {"token": "t", "text": "aaaa" * 50}}
LZ64 = CaptureHints(query={"compression": "lz64"})


@pytest.mark.parametrize("wrap", ["%s", "data=%s"])
def test_a_capture_in_lz64(wrap):
    body = wrap.encode() % compress(json.dumps(EVENT, ensure_ascii=False))
    (received,) = read_capture(body, 0, LZ64).received
    assert received.event.distinct_id == "ü😀"


def test_a_form_may_say_that_it_is_lz64():
    body = b"data=" + compress(json.dumps(EVENT)).replace(b"+", b"%2B") + b"&compression=lz64"
    assert open_capture(body).token == "t"


def test_broken_lz64_is_the_senders_fault():
    with pytest.raises(Unreadable, match="not valid lz64"):
        open_capture(b"data=////", LZ64)
    with pytest.raises(Unreadable, match="decompression") as refused:
        open_capture(compress(json.dumps({"text": "a" * 10_000})), LZ64, unpacked_bytes=5_000)
    assert refused.value.status == 413
