"""Any number of records come back in order, whatever the memory."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import gettempdir

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.backfill.sorter import Sorter

FOLDER = Path(gettempdir())


@given(
    st.lists(st.binary(max_size=40)),
    st.integers(min_value=1, max_value=2_000),
    st.integers(min_value=2, max_value=5),
)
def test_it_sorts(records: list[bytes], memory_bytes: int, most_runs: int) -> None:
    with Sorter(FOLDER, memory_bytes=memory_bytes, most_runs=most_runs) as sorter:
        for record in records:
            sorter.add(record)
        assert sorter.count == len(records)
        assert list(sorter.in_order()) == sorted(records)


def test_blocks_of_many_sizes_come_back_whole() -> None:
    random = Random(3)
    records = [random.randbytes(random.choice((0, 10, 5_000, 200_000))) for _ in range(400)]
    with Sorter(FOLDER, memory_bytes=1_000_000, most_runs=4) as sorter:
        for record in records:
            sorter.add(record)
        assert list(sorter.in_order()) == sorted(records)


@pytest.mark.parametrize("most_runs", [128, 40])
def test_what_cannot_be_compressed_takes_little_more_than_its_size_on_disk(most_runs: int) -> None:
    random = Random(5)
    records = [random.randbytes(500) for _ in range(20_000)]
    with Sorter(FOLDER, memory_bytes=100_000, most_runs=most_runs) as sorter:
        for record in records:
            sorter.add(record)
        assert list(sorter.in_order()) == sorted(records)
        assert sorter.disk_bytes <= 1.2 * sum(map(len, records)) * (1 if most_runs == 128 else 1.25)


def test_few_records_touch_no_disk() -> None:
    with Sorter(FOLDER / "nowhere") as sorter:
        for record in (b"b", b"a", b""):
            sorter.add(record)
        assert list(sorter.in_order()) == [b"", b"a", b"b"]
        assert sorter.disk_bytes == 0


def test_nothing_is_left_in_the_folder_not_even_meanwhile(tmp_path: Path) -> None:
    with Sorter(tmp_path, memory_bytes=100) as sorter:
        for number in range(50):
            sorter.add(number.to_bytes(8, "big"))
        assert sorter.disk_bytes > 0
        assert list(tmp_path.iterdir()) == []
        next(sorter.in_order())
    assert list(tmp_path.iterdir()) == []
