"""Files of events, line by line."""

# mypy: allow-untyped-defs, allow-untyped-calls

import gzip
import io
import json

import pytest

from hogline.sources.files import LINE_BYTES, read_file, read_stream


def lines(data: bytes, line_bytes: int = LINE_BYTES) -> list[tuple[int, bytes]]:
    return [(line.number, line.body) for line in read_stream(io.BytesIO(data), line_bytes)]


def test_lines_are_numbered_and_blank_ones_skipped():
    assert lines(b'{"a":1}\n\n  \r\n{"b":2}\r\n{"c":3}') == [(1, b'{"a":1}'), (4, b'{"b":2}'), (5, b'{"c":3}')]


@pytest.mark.parametrize("empty", [b"", b"\n", b" \n\n", gzip.compress(b"")])
def test_an_empty_file_has_no_lines(empty):
    assert lines(empty) == []


def test_gzip_is_known_by_its_content(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"b":2}\n'))
    assert [line.body for line in read_file(str(path))] == [b'{"a":1}', b'{"b":2}']


def test_standard_input(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(b'{"a":1}\n')))
    monkeypatch.setattr("sys.stdin", stdin)
    assert [line.body for line in read_file("-")] == [b'{"a":1}']
    assert not stdin.buffer.closed


def test_a_missing_file_is_the_callers_business(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(read_file(str(tmp_path / "missing")))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_line_that_is_too_long_harms_no_other(pack):
    data = b'{"a":1}\n' + b'"' + b"x" * 95 + b'"\n' + b"y" * 21 + b"\n" + b"[" + b"2" * 18 + b"]\n" + b"z" * 99
    read = list(read_stream(io.BytesIO(pack(data)), line_bytes=20))
    assert [(line.number, line.body, line.problem is None) for line in read] == [
        (1, b'{"a":1}', True),
        (2, b"", False),
        (3, b"", False),
        (4, b"[" + b"2" * 18 + b"]", True),
        (5, b"", False),
    ]
    assert "longer than 20 bytes" in str(read[1].problem)


def test_a_damaged_gzip_gives_what_can_be_read_and_says_where_it_ends():
    data = b"".join(b'{"a":%d}\n' % (n * 7919) for n in range(20_000))
    for broken in (
        gzip.compress(data)[:-500],
        gzip.compress(data) + b"rest",
        gzip.compress(data)[:5000] + b"\xff" * 99,
    ):
        *good, last = read_stream(io.BytesIO(broken))
        assert good[0].body == b'{"a":0}'
        assert all(line.problem is None for line in good)
        assert "gzip" in str(last.problem)
        assert last.number == len(good) + 1


@pytest.mark.parametrize("document", [[{"a": 1}, {"b": [2]}], {"batch": [{"a": 1}]}])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_document_over_many_lines_is_one(document, bom):
    ((number, body),) = lines(bom + b"\n" * (not bom) + json.dumps(document, indent=2).encode())
    assert number == (1 if bom else 2)
    assert json.loads(body.removeprefix(b"\xef\xbb\xbf")) == document


def test_a_broken_first_line_is_only_one_broken_line():
    assert lines(b'{"a": \n{"b":2}\n{"c":3}\n') == [(1, b'{"a": '), (2, b'{"b":2}'), (3, b'{"c":3}')]
    assert lines(b'{"a": NaN}\n{"b":2}\n') == [(1, b'{"a": NaN}'), (2, b'{"b":2}')]
    assert lines(b'{"a": \xff}') == [(1, b'{"a": \xff}')]


def test_a_document_beyond_the_limit_is_read_line_by_line():
    document = b"[\n" + b'{"a":1},\n' * 9 + b"{}\n]"
    assert len(lines(document, line_bytes=40)) == 12
    assert len(lines(document, line_bytes=400)) == 1


def test_words_before_json_are_lines_of_their_own():
    assert lines(b"hello\n{\n}\n") == [(1, b"hello"), (2, b"{"), (3, b"}")]
