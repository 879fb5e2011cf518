"""Packing: what goes into one request."""

from delivery_cases import operation, sizes
from hypothesis import given
from hypothesis import strategies as st

from hogline.delivery.pack import pack
from hogline.destinations.base import Limits

LIMITS = Limits(request_bytes=1_000, operations=5, envelope_bytes=12)


def test_nothing_makes_no_request() -> None:
    assert pack([], LIMITS) == []


def test_operations_share_a_request() -> None:
    assert sizes(pack([operation()] * 3, LIMITS)) == [3]


def test_a_request_has_no_more_operations_than_allowed() -> None:
    assert sizes(pack([operation(10)] * 12, LIMITS)) == [5, 5, 2]


def test_brackets_and_commas_count() -> None:
    fits = operation((1_000 - 12) // 2 - 1)
    assert sizes(pack([fits] * 2, LIMITS)) == [2]
    assert sizes(pack([fits, operation(len(fits.body) + 1)], LIMITS)) == [1, 1]


def test_what_has_a_path_of_its_own_travels_alone_and_in_its_place() -> None:
    alone = operation(path="/api/v1/events")
    groups = pack([operation(), alone, operation(), operation(), alone, alone], LIMITS)
    assert sizes(groups) == [1, 1, 2, 1, 1]
    assert [group[0].path is not None for group in groups] == [False, True, False, True, True]


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans())))
def test_packing_keeps_everything_in_order_and_within_the_limits(shapes: list[tuple[int, bool]]) -> None:
    operations = [operation(size, "/alone" if alone else None) for size, alone in shapes]
    groups = pack(operations, LIMITS)
    assert [one for group in groups for one in group] == operations
    for group in groups:
        assert len(group) <= LIMITS.operations
        assert len(group) == 1 or sum(len(one.body) + 1 for one in group) + LIMITS.envelope_bytes <= 1_000
        assert len(group) == 1 or all(one.path is None for one in group)


def test_an_operation_that_is_too_large_is_alone() -> None:
    assert sizes(pack([operation(), operation(2_000), operation(1)], LIMITS)) == [1, 1, 1]
