"""Files of events, line by line."""

# mypy: allow-untyped-defs, allow-untyped-calls

import gzip
import io
import json
import os
import sys
from itertools import chain
from unittest.mock import patch

import brotli  # type: ignore[import-untyped]  # it has no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.backfill import documents
from hogline.backfill.documents import elements
from hogline.backfill.lines import LINE_BYTES, read_stream
from hogline.backfill.unpacking import Chunks, UnknownFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def lines(data: bytes, line_bytes: int = LINE_BYTES) -> list[tuple[int, bytes]]:
    return [(line.number, line.body) for line in read_stream(io.BytesIO(data), line_bytes)]


def test_lines_are_numbered_and_blank_ones_skipped():
    assert lines(b'{"a":1}\n\n  \r\n{"b":2}\r\n{"c":3}') == [(1, b'{"a":1}'), (4, b'{"b":2}'), (5, b'{"c":3}')]


@pytest.mark.parametrize("empty", [b"", b"\n", b" \n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_has_no_lines(empty):
    assert lines(empty) == []


def test_gzip_is_known_by_its_content():
    assert [body for _, body in lines(gzip.compress(b'{"a":1}\n') + gzip.compress(b'{"b":2}\n'))] == [
        b'{"a":1}',
        b'{"b":2}',
    ]


def test_the_stream_stays_open():
    stream = io.BytesIO(gzip.compress(b'{"a":1}\n'))
    assert [line.body for line in read_stream(stream)] == [b'{"a":1}']
    assert not stream.closed


@pytest.mark.parametrize("end", [b"\n", b"\n\n"])
def test_a_live_stream_gives_each_line_as_soon_as_it_is_there(end):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as stream, os.fdopen(writer, "wb", buffering=0) as sender:
        sender.write(b'{"a":1}' + end)
        found = read_stream(stream, live=True)
        assert next(found).body == b'{"a":1}'
        sender.write(b'{"b":2}' + end)
        assert next(found).body == b'{"b":2}'
        del found


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
        assert "damaged" in str(last.problem)
        assert last.number == len(good) + 1


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_an_object_over_many_lines_is_one(bom):
    document = {"batch": [{"a": 1}]}
    ((number, body),) = lines(bom + b"\n" * (not bom) + json.dumps(document, indent=2).encode())
    assert number == (1 if bom else 2)
    assert json.loads(body.removeprefix(b"\xef\xbb\xbf")) == document


ELEMENTS = [
    {"a": 1},
    {"b": ["]", {"c": "},{"}], "d": 'quotes " and \\ and \\" []'},
    {},
    {"text": "x" * 400, "e": [[1], [2, [3]]]},
    {"text": "x" * 400},
]


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_an_array_is_the_events_in_it(indent, bom):
    array = bom + b"\n" * bool(indent) + json.dumps(ELEMENTS, indent=indent).encode()
    found = list(read_stream(io.BytesIO(array), line_bytes=700))
    assert [(line.number, line.unit) for line in found] == [(n, "event") for n in range(1, 6)]
    assert [json.loads(line.body) for line in found] == ELEMENTS


def test_an_array_in_one_line_is_a_line():
    array = json.dumps(ELEMENTS).encode()
    assert lines(array) == [(1, array)]
    assert lines(array + b"\n" + array) == [(1, array), (2, array)]


def test_arrays_one_after_the_other():
    array = json.dumps(ELEMENTS, indent=1).encode()
    assert [number for number, _ in lines(array + b"\n\n" + array + b"\n[]\n")] == list(range(1, 11))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_an_array_may_come_in_pieces_of_any_size(size, monkeypatch):
    monkeypatch.setattr("hogline.backfill.documents._LEAST_READ", size)
    array = json.dumps(ELEMENTS, indent=1).encode()
    assert [json.loads(body) for _, body in lines(array)] == ELEMENTS


@given(st.recursive(st.text() | st.integers(), st.lists), st.integers(1, 20))
def test_any_array_is_its_elements(value, size):
    array = json.dumps([value, {"k": value}], ensure_ascii=False).encode()
    with patch("hogline.backfill.documents._LEAST_READ", size):
        found = list(elements(io.BytesIO(array), 10**6, alone=True))
    assert [json.loads(one or b"") for one in found] == [value, {"k": value}]


@pytest.mark.parametrize(
    "long", [{"t": "x" * 500}, {"t": "\\" * 500}, {"t": '"' * 500}, {"t": ["]"] * 90}, ["{[" * 300]]
)
@pytest.mark.parametrize("size", [5, 64, 4096])
def test_an_element_that_is_too_long_harms_no_other(long, size, monkeypatch):
    monkeypatch.setattr("hogline.backfill.documents._LEAST_READ", size)
    array = json.dumps([{"a": 1}, long, {"b": 2}], indent=1).encode()
    first, second, third = read_stream(io.BytesIO(array), line_bytes=60)
    assert (json.loads(first.body), json.loads(third.body)) == ({"a": 1}, {"b": 2})
    assert "longer than 60 bytes" in str(second.problem)
    assert (second.number, second.unit) == (2, "event")


def test_of_an_element_that_is_too_long_nothing_is_kept():
    pieces = chain([b'[{"t": "'], (b"x" * 99_999 + b"\\" for _ in range(100)), [b'n"}, 1]'])
    scanned = documents._Array(io.BufferedReader(Chunks(pieces)), 1_000)
    assert list(scanned.elements()) == [None, b"1"]
    assert len(scanned._text) < 500_000


@pytest.mark.parametrize("end", [b"", b",", b', {"b"', b"] {}", b"] hello"])
def test_an_array_that_does_not_end_or_has_something_behind_it(end):
    *good, last = read_stream(io.BytesIO(b'[\n{"a": 1}, {"a": 2}' + end))
    assert [line.body for line in good] == [b'{"a": 1}', b'{"a": 2}']
    assert "incomplete" in str(last.problem)
    assert (last.number, last.unit) == (3, "event")


COLUMNS = ["uuid", "properties['[a]']", 'a "quote"']


@pytest.mark.parametrize("indent", [None, 2])
def test_an_answer_that_is_too_long_for_a_line_is_the_events_in_it(indent):
    answer = {
        "next": {"results": [0]},
        "columns": COLUMNS,
        "results": [[1, "a", {}], [2, "b", []]],
        "types": ["x"] * 99,
    }
    found = lines(json.dumps(answer, indent=indent).encode(), line_bytes=400)
    assert [(number, json.loads(body)) for number, body in found] == [
        (1, {"columns": COLUMNS, "results": [[1, "a", {}]]}),
        (2, {"columns": COLUMNS, "results": [[2, "b", []]]}),
    ]
    rows = {"results": [{"id": 1}, {"id": 2}], "next": "x" * 400}
    assert [json.loads(body) for _, body in lines(json.dumps(rows, indent=indent).encode(), line_bytes=200)] == [
        {"id": 1},
        {"id": 2},
    ]
    whole = json.dumps(answer, indent=indent).encode()
    assert lines(whole) == [(1, whole)]


@pytest.mark.parametrize(
    "text",
    [b'{"a": "results', b'{"a": 1}, "results": [', b'{"results": {}, "b": "%s"}' % (b"x" * 99), b'{"columns": []'],
)
def test_an_object_without_results_is_none(text):
    assert documents.page_in(text) is None


def test_a_broken_first_line_is_only_one_broken_line():
    assert lines(b'{"a": \n{"b":2}\n{"c":3}\n') == [(1, b'{"a": '), (2, b'{"b":2}'), (3, b'{"c":3}')]
    assert lines(b'{"a": NaN}\n{"b":2}\n') == [(1, b'{"a": NaN}'), (2, b'{"b":2}')]
    assert lines(b'{"a": \xff}') == [(1, b'{"a": \xff}')]


def test_a_long_object_without_results_is_read_line_by_line():
    document = b'{\n"a":1,\n"b":[1,\n2]\n}' + b"\n" * 5 + b'{"c":3}\n{"d":4}\n{"e":5}'
    assert [number for number, _ in lines(document, line_bytes=40)] == [1, 2, 3, 4, 5, 10, 11, 12]


def test_words_before_json_are_lines_of_their_own():
    assert lines(b"hello\n{\n}\n") == [(1, b"hello"), (2, b"{"), (3, b"}")]


@pytest.mark.parametrize("text", [b"hello", b"a\nb\nc\nd\ne\n{}", b"uuid,name\n1,2\n", "Grüße".encode()])
def test_a_text_without_events_is_told_in_one_sentence(text):
    with pytest.raises(UnknownFile, match="no events"):
        lines(text)


EVENT = b'{"event": "x", "total": "\xc3\xbc"}'
TWO = EVENT + b"\n" + EVENT + b"\n"


def brotli_by_row(data):
    packer = brotli.Compressor(quality=5)
    packed = b"".join(packer.process(line) + packer.flush() for line in data.splitlines(keepends=True))
    return packed + packer.finish()


def utf_16(data):
    return data.decode().encode("utf-16")


PACKERS = {
    "gzip": gzip.compress,
    "gzip by row": lambda data: b"".join(gzip.compress(line) for line in data.splitlines(keepends=True)),
    "zstd": zstd.compress,
    "zstd by row": lambda data: b"".join(zstd.compress(line) for line in data.splitlines(keepends=True)),
    "brotli": brotli.compress,
    "brotli by row": brotli_by_row,
    "gzip of zstd": lambda data: gzip.compress(zstd.compress(data)),
    "UTF-16": utf_16,
    "UTF-16, the other way round": lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    "UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16-BE without a mark": lambda data: data.decode().encode("utf-16-be"),
    "gzip of UTF-16": lambda data: gzip.compress(utf_16(data)),
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("events", [2, 5_000])
def test_a_file_may_be_packed_in_many_ways(packer, events):
    found = lines(PACKERS[packer](EVENT + b"\n") if events == 1 else PACKERS[packer]((EVENT + b"\n") * events))
    assert found == [(number, EVENT) for number in range(1, events + 1)]


def test_a_small_brotli_file_is_known_by_its_name_or_by_what_it_has():
    for name in ("events.jsonl.br", "events"):
        stream = io.BytesIO(brotli.compress(b'{"a":1}\n'))
        assert [line.body for line in read_stream(stream, name=name)] == [b'{"a":1}']


@pytest.mark.parametrize("packer", ["zstd", "brotli", "brotli by row"])
@pytest.mark.parametrize("form", [bytes, lambda data: b"[\n" + b",".join(data.splitlines()) + b"\n]"])
def test_what_can_be_read_of_a_damaged_file_is_and_it_is_said_where_it_ends(packer, form):
    data = b"".join(b'{"a":"%d"}\n' % (n * 7919) for n in range(60_000))
    whole = PACKERS[packer](form(data))
    for broken in (whole[:-300], whole + b"\x00\xff" * 40_000):
        *good, last = read_stream(io.BytesIO(broken))
        assert good[0].body == b'{"a":"0"}'
        assert all(line.problem is None for line in good)
        assert "damaged" in str(last.problem)
        assert last.number == len(good) + 1


def test_a_file_that_is_damaged_from_its_beginning_on():
    for broken in (gzip.compress(TWO)[:12], zstd.compress(TWO)[:8]):
        (line,) = read_stream(io.BytesIO(broken))
        assert "damaged" in str(line.problem)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"Obj\x01", "an Avro file"),
        (b"PK\x03\x04", "Excel"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x7fELF\0\0", "not a text file"),
    ],
)
def test_what_is_not_read_is_named_in_one_sentence(start, what):
    for packed in (start + b"\0" * 100, gzip.compress(start + b"\0" * 100)):
        with pytest.raises(UnknownFile, match=what):
            lines(packed)


class TestTables:
    def test_each_row_is_an_object(self):
        table = b'uuid,event,distinct_id,properties\n1,x,u,"{""total"":1}"\n\n2,"a\nb",v,\n'
        assert [(number, json.loads(body)) for number, body in lines(table)] == [
            (2, {"uuid": "1", "event": "x", "distinct_id": "u", "properties": '{"total":1}'}),
            (4, {"uuid": "2", "event": "a\nb", "distinct_id": "v"}),
        ]

    @pytest.mark.parametrize("mark", [";", "\t", "|", ","])
    @pytest.mark.parametrize("pack", [bytes, utf_16, gzip.compress, lambda data: b"\xef\xbb\xbf" + data])
    def test_columns_may_be_divided_otherwise(self, mark, pack):
        table = f'\n"EVENT"{mark}DISTINCT_ID\r\nx{mark}"u{mark}1"\r\n'.encode()
        assert [(n, json.loads(body)) for n, body in lines(pack(table))] == [
            (3, {"EVENT": "x", "DISTINCT_ID": f"u{mark}1"})
        ]

    def test_a_bad_row_harms_no_other(self):
        table = b'event,distinct_id\nx,u,more\ny,v\nz\nw,"' + b"x" * 100 + b'"\nq,r\n'
        found = list(read_stream(io.BytesIO(table), line_bytes=50))
        assert [(line.number, line.problem is None) for line in found] == [
            (2, False),
            (3, True),
            (4, True),
            (5, False),
            (6, True),
        ]

    def test_a_header_alone_is_a_table_without_events(self):
        assert lines(b"event,distinct_id\n") == []
