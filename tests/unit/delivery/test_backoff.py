"""How long a connection waits after failures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hogline.delivery.backoff import pause_s


@pytest.mark.parametrize(
    ("tries", "most"), [(1, 1), (2, 2), (3, 4), (8, 128), (9, 256), (10, 300), (11, 300), (10_000, 300)]
)
def test_the_ceiling_doubles_from_one_second_to_five_minutes(tries: int, most: float) -> None:
    assert pause_s(tries, None, 0.999_999) == pytest.approx(most, rel=1e-5)
    assert pause_s(tries, None, 0.0) == 0.0


@pytest.mark.parametrize(
    ("asked", "waits"), [(7.0, 7.0), (0.0, 0.0), (-5.0, 0.0), (3_600.0, 3_600.0), (1e12, 3_600.0), (None, 0.0)]
)
def test_what_the_destination_asks_for_is_the_minimum_up_to_an_hour(asked: float | None, waits: float) -> None:
    assert pause_s(1, asked, 0.0) == waits


@given(st.integers(1, 10**9), st.none() | st.floats(allow_nan=False), st.floats(0, 1, exclude_max=True))
def test_every_pause_is_between_nothing_and_an_hour(tries: int, asked: float | None, random: float) -> None:
    assert 0 <= pause_s(tries, asked, random) <= 3_600
