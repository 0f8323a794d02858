"""Schedules: functions of the step, for `fit`'s lr and for its hyper-parameters."""

import math

from .checks import number


def cosine(start, steps, end=0.0):
    """From `start` down (or up) to `end` along half a cosine over `steps` steps, then constant."""
    number("cosine", "steps", steps, above=0)
    return lambda step: (
        end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
    )


def ramp(start, steps, end=0.0):
    """From `start` to `end` linearly over `steps` steps, then constant.

    `ramp(0, 1000, 1)` is a warm-up to 1.
    """
    number("ramp", "steps", steps, above=0)
    return lambda step: start + (end - start) * min(step, steps) / steps


def staircase(start, steps, stairs=8):
    """The learning rates of Burda et al. (2016): start 10^(-i/7) in stage i = 0, 1, ...

    Stage i lasts proportionally to 3^i, all stages `steps` steps.
    """
    number("staircase", "steps", steps, above=0)
    ends = [
        sum(3**j for j in range(i + 1)) / sum(3**j for j in range(stairs)) for i in range(stairs)
    ]

    def rate(step):
        stage = next((i for i, end in enumerate(ends) if step < end * steps), stairs - 1)
        return start * 10 ** (-stage / 7)

    return rate
