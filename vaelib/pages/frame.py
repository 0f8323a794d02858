"""The drawings of the explorers as SVG: axes, lines and clouds of codes."""

import html
from dataclasses import dataclass

import numpy as np

from .notebook import with_minus
from .plotting import CLASS_COLORS

COLORS, DASHES = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"], ["", "5 3", "2 2", "7 2 2 2"]


def square(limit, side, top=4):
    """The frame of a square part of the plane, (-limit, limit) both ways, with room for a title."""
    height = side + top - 4
    return Frame((-limit, limit), (-limit, limit), side, height, left=4, right=4, top=top, bottom=4)


@dataclass(frozen=True)
class Frame:
    """The axes of a drawing, from data coordinates to picture coordinates."""

    xlim: tuple
    ylim: tuple
    width: int = 340
    height: int = 216
    left: int = 42
    right: int = 8
    top: int = 8
    bottom: int = 8

    @property
    def geometry(self):
        return {
            "xlim": self.xlim,
            "ylim": self.ylim,
            "box": [self.left, self.top, self.width - self.right, self.height - self.bottom],
        }

    def X(self, v):
        return self.left + (v - self.xlim[0]) / np.ptp(self.xlim) * (
            self.width - self.left - self.right
        )

    def Y(self, v):
        return (
            self.height
            - self.bottom
            - (v - self.ylim[0]) / np.ptp(self.ylim) * (self.height - self.top - self.bottom)
        )

    def line(self, heights, color, dash):
        """A line through heights at equal steps."""
        x = self.X(np.linspace(*self.xlim, len(heights)))
        d = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, self.Y(heights), strict=True))
        return f'<path class="line" d="M{d}" stroke="{color}" stroke-dasharray="{dash}"/>'

    def name(self, i, text, color):
        x, y = self.width - self.right, 13 + 13 * i
        return f'<text x="{x}" y="{y}" text-anchor="end" fill="{color}">{html.escape(text)}</text>'

    def dots(self, codes):
        a, b = self.X(np.clip(codes[:, 0], *self.xlim)), self.Y(np.clip(codes[:, 1], *self.ylim))
        return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(a, b, strict=True))

    def cloud(self, codes, labels, draws=None):
        """The codes, one path per class, over the prior: rings at 1, 2 and 3, or dots of its draws.

        The script writes the paths again in the same order.
        """
        if draws is None:
            paths = "".join(f'<circle class="axis" cx="{self.X(0):.1f}" cy="{self.Y(0):.1f}" '
                            f'r="{self.X(r) - self.X(0):.1f}"/>' for r in (1, 2, 3))  # fmt: skip
        else:
            paths = f'<path class="prior" d="{self.dots(draws)}"/>'
        for label in np.unique(labels):
            color = CLASS_COLORS.colors[int(label) % 10]
            paths += (
                f'<path class="dots" d="{self.dots(codes[labels == label])}" stroke="{color}"/>'
            )
        return paths

    def svg(self, title, xlabel, body, ticks=True, focusable=None, ylabel=""):
        """The drawing with its axes; focusable: what arrow keys move in it. ticks: or "x" only."""
        base, edge = self.height - self.bottom, self.width - self.right
        axes = (
            f'<text x="{self.left}" y="13" class="title">{html.escape(title)}</text>'
            if self.top > 13
            else ""
        )
        if ticks:
            axes += f'<path class="axis" d="M{self.left} {self.top}V{base}H{edge}"/>'
            for x, y in zip(np.linspace(*self.xlim, 5), np.linspace(*self.ylim, 5), strict=True):
                axes += (
                    f'<text x="{self.X(x):.1f}" y="{base + 13}" '
                    f'text-anchor="middle">{_number(x)}</text>'
                )
                if ticks != "x":
                    axes += (
                        f'<text x="{self.left - 4}" y="{self.Y(y) + 4:.1f}" '
                        f'text-anchor="end">{_number(y)}</text>'
                    )
            middle = (self.left + edge) / 2
            axes += (
                f'<text x="{middle}" y="{self.height - 5}" '
                f'text-anchor="middle">{html.escape(xlabel)}</text>'
                f'<text x="{self.left}" y="{self.top - 5}">{html.escape(ylabel)}</text>'
            )
        else:
            axes += (
                f'<rect class="axis" x="{self.left}" y="{self.top}" width="{edge - self.left}" '
                f'height="{base - self.top}"/>'
            )
        kind = (
            f'tabindex="0" role="application" aria-roledescription="plane, with a {focusable}"'
            if focusable
            else 'role="img"'
        )
        more = f". Arrow keys move the {focusable}." if focusable else ""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" {kind} '
            f'aria-label="{html.escape(title)}{more}">'
            f"{axes}{body}</svg>"
        )


def _number(v):
    return with_minus(f"{v:.3g}")
