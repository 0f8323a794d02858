"""Schedules are plain functions of the step."""

import pytest

from vaelib import cosine, ramp, staircase


def test_cosine_and_ramp_reach_their_ends_and_stay_there():
    for schedule in (cosine, ramp):
        values = [schedule(1.0, 10, 0.2)(step) for step in (0, 5, 10, 50)]
        assert values == pytest.approx([1.0, 0.6, 0.2, 0.2])
    assert ramp(0, 100, 1)(25) == 0.25 and cosine(1.0, 8)(2) == pytest.approx(0.5 * (1 + 0.5**0.5))


def test_staircase_is_the_papers():
    """3^i passes at each of eight rates, 3,280 in all: one step a pass here."""
    rate = staircase(1e-3, 3280)
    first = [0, 1, 4, 13, 40, 121, 364, 1093]  # where the stages begin
    assert [rate(step) for step in first] == pytest.approx(
        [1e-3 * 10 ** (-i / 7) for i in range(8)]
    )
    assert [rate(step - 1) for step in first[1:]] == pytest.approx(
        [1e-3 * 10 ** (-i / 7) for i in range(7)]
    )
    assert rate(3279) == rate(10_000) == pytest.approx(1e-4)
