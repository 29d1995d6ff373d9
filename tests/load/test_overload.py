"""What the watch over memory says of samples."""

import os

from tests.load.overload import Sample, growth, plot, resident_mib


def test_memory_that_levels_off_has_a_growth_of_one_and_a_leak_has_more() -> None:
    samples = [Sample(float(number), {"flat": 100.0, "leak": 10.0 * number}, number) for number in range(31)]

    assert growth(samples) == {"flat": 1.0, "leak": round(30 / 19, 3)}


def test_the_plot_has_a_line_for_each_process() -> None:
    drawn = plot([Sample(0.0, {"sink": 80.0, "edge": 60.0}, 0), Sample(2.0, {"sink": 90.0, "edge": 60.0}, 5)], "memory")

    assert drawn.count("<polyline") == 2
    assert ">sink</text>" in drawn


def test_the_memory_of_this_process_is_known_and_of_none_is_nothing() -> None:
    assert resident_mib(os.getpid()) > 10
    assert resident_mib(2**22 + 1) == 0
