"""Records of several partitions in one order, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hogline.sources.kafka.log import Record
from hogline.sources.kafka.merge import PATIENCE_S, RECORD_BYTES, SETTLE_S, Merge


def record(partition: int, offset: int, time_ms: int, value: bytes = b"") -> Record:
    return Record(partition, offset, time_ms, value)


def test_the_earliest_of_all_partitions_comes_first() -> None:
    merge = Merge([0, 1])
    for one in (record(0, 0, 5), record(0, 1, 9), record(1, 0, 1), record(1, 1, 7), record(1, 2, 20)):
        merge.add(one, 0.0)
    # Behind 9, partition 0 may have something earlier than 20.
    assert [one.time_ms for one in merge.take(10, 0.0)] == [1, 5, 7, 9]
    assert merge.take(10, PATIENCE_S - 0.01) == []
    merge.add(record(0, 2, 15), 1.0)
    assert [one.time_ms for one in merge.take(10, 1.0)] == [15]
    merge.end(0)
    assert merge.take(10, SETTLE_S / 2) == []
    assert [one.time_ms for one in merge.take(10, SETTLE_S)] == [20]
    assert not merge.is_over
    merge.end(1)
    assert merge.is_over


def test_a_slow_partition_is_not_waited_for_for_ever() -> None:
    merge = Merge([0, 1])
    merge.add(record(0, 0, 5), 10.0)
    assert merge.take(10, 10.0 + PATIENCE_S - 0.1) == []
    assert len(merge.take(10, 10.0 + PATIENCE_S)) == 1


def test_a_partition_with_more_than_its_share_is_paused_until_half_of_it_is_gone() -> None:
    merge = Merge([0, 1], most_bytes=2 * 10 * (RECORD_BYTES + 100))
    for offset in range(11):
        merge.add(record(0, offset, offset, bytes(100)), 0.0)
    assert merge.change() == ({0}, set())
    assert merge.change() == (set(), set())
    for offset in range(7):
        merge.add(record(1, offset, offset, bytes(100)), 0.0)
    merge.take(8, 0.0)  # four of each
    assert merge.change() == (set(), set())
    merge.take(6, 0.0)
    assert merge.change() == (set(), {0})


@given(st.lists(st.lists(st.integers(0, 50), max_size=8), min_size=1, max_size=4), st.integers(1, 5))
def test_nothing_is_lost_and_each_partition_keeps_its_order(times: list[list[int]], most: int) -> None:
    merge = Merge(range(len(times)))
    for partition, some in enumerate(times):
        for offset, time_ms in enumerate(some):
            merge.add(record(partition, offset, time_ms), 0.0)
        merge.end(partition)
    taken: list[Record] = []
    while some_taken := merge.take(most, SETTLE_S):
        taken += some_taken
    for partition, some in enumerate(times):
        assert [one.offset for one in taken if one.partition == partition] == list(range(len(some)))
    if all(some == sorted(some) for some in times):
        assert [one.time_ms for one in taken] == sorted(one.time_ms for one in taken)
    assert merge.is_over
