"""The small plot: bars, the highest as high as the picture."""

from hogline.console.sparkline import HEIGHT, WIDTH, sparkline


def test_nothing_gives_no_bar() -> None:
    assert sparkline([]).bars == ()
    assert sparkline([0] * 24).bars == ()


def test_the_highest_is_as_high_as_the_picture_and_stands_on_its_ground() -> None:
    plot = sparkline([0, 5, 10])
    assert [bar.height for bar in plot.bars] == [HEIGHT / 2, HEIGHT]
    assert all(bar.y + bar.height == HEIGHT for bar in plot.bars)
    assert plot.total == 15


def test_one_event_among_a_million_is_seen() -> None:
    assert sparkline([1, 1_000_000]).bars[0].height >= 1


def test_bars_stay_inside_in_their_order() -> None:
    bars = sparkline([1] * 24).bars
    assert [bar.x for bar in bars] == sorted({bar.x for bar in bars})
    assert bars[-1].x + bars[-1].width <= WIDTH
