"""The panels of an explorer whose drawings follow sliders: lines, a ground, bars.

Each function returns a panel for `explorer.curves`: a function of (values of each slider, their
starting indices, whether the page computes) that gives its data for the script and its SVG.
"""

import html

import numpy as np
from contourpy import contour_generator

from .frame import COLORS, DASHES, Frame
from .packing import encoded, png

HATCH = (
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="6" height="6" fill="{0}" opacity=".25"/>'
    '<path d="M0 0V6" stroke="{0}" stroke-width="2.5"/></pattern>'
)


def panel(title, xlabel, xlim, ylim, lines, colors=COLORS):
    """Lines over x.

    lines: name -> heights at equal steps over xlim, (n,) if the sliders do not matter, or (number
        of values of each slider..., n). Heights outside ylim are cut off.
    ValueError: more lines than colors, lines whose shape does not fit.
    """
    if len(lines) > len(colors):
        raise ValueError(
            f"curves: a panel must have at most {len(colors)} lines, got {len(lines)}."
        )

    def draw(sliders, at, computed):
        counts = tuple(len(values) for values in sliders)
        frame = Frame(xlim, ylim, left=42, right=8, top=40, bottom=34)
        points, packed, body = {np.shape(line)[-1] for line in lines.values()}, [], ""
        for i, (name, line) in enumerate(lines.items()):
            line = np.asarray(line, float)
            if len(points) != 1 or line.shape[:-1] not in ((), () if computed else counts):
                raise ValueError(
                    f"curves: line {name!r} must have shape (n,)"
                    + ("" if computed else f" or {(*counts, 'n')}")
                    + f", with the same n in all lines of a panel, got {line.shape}."
                )
            level = np.clip(np.nan_to_num((line - ylim[0]) / np.ptp(ylim)), 0, 1)
            data = encoded(255 * level, np.uint8)
            packed.append({"name": name, "data": data, "fixed": line.ndim == 1})
            first = (level if line.ndim == 1 else level[at]) * np.ptp(ylim) + ylim[0]
            body += frame.name(i, name, colors[i]) + frame.line(first, colors[i], DASHES[i])
        data = {**frame.geometry, "lines": packed, "points": points.pop()}
        return data, frame.svg(title, xlabel, body)

    return draw


def ground(title, xlabel, ylabel, xlim, ylim, values, levels, marks=()):
    """A landscape under a point that the reader drags; its coordinates are the first two sliders.

    values: (H, W), from the low to the high ends of xlim and ylim. levels: of the contour lines,
        each with its number. marks: (x, y, text), fixed.
    """
    values = np.asarray(values, float)

    def draw(sliders, at, computed):
        frame = Frame(xlim, ylim, left=42, right=8, top=40, bottom=34, height=250)
        a, b = frame.X(xlim[0]), frame.X(xlim[1])
        c, d = frame.Y(ylim[1]), frame.Y(ylim[0])
        body = (
            f'<image href="{_shades(values)}" x="{a:.1f}" y="{c:.1f}" '
            f'width="{b - a:.1f}" height="{d - c:.1f}" preserveAspectRatio="none"/>'
        )
        rows, columns = values.shape
        lines = contour_generator(np.linspace(*xlim, columns), np.linspace(*ylim, rows), values)
        for level in levels:
            for line in lines.lines(level):
                x, y = frame.X(line[:, 0]), frame.Y(line[:, 1])
                d_ = "L".join(f"{u:.1f} {v:.1f}" for u, v in zip(x[::2], y[::2], strict=True))
                body += f'<path class="contour" d="M{d_}"/>'
            x, y = _beside(lines.lines(level), frame)
            body += f'<text class="level" x="{x:.1f}" y="{y:.1f}">{level:g}</text>'
        for u, v, text in marks:
            x, y = frame.X(u), frame.Y(v)
            body += (
                f'<circle class="fixed" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
                f'<text class="halo" x="{x + 6:.1f}" y="{y - 5:.1f}">{html.escape(text)}</text>'
            )
        x, y = (frame_at(sliders[i][at[i]]) for i, frame_at in enumerate((frame.X, frame.Y)))
        body += f'<circle class="grip" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
        drawing = frame.svg(title, xlabel, body, focusable="point", ylabel=ylabel)
        return {**frame.geometry, "ground": True}, drawing

    return draw


def bars(title, xlabel, xlim, rows, bounds):
    """Rows of horizontal bars whose ends the page computes.

    rows: lists of (name, color, hatched). bounds: name -> (from, to) at the start.
    """

    def draw(sliders, at, computed):
        height = 68 + 42 * len(rows)
        frame = Frame(xlim, (0, 1), height=height, left=12, right=12, top=26, bottom=34)
        body = ""
        for i, row in enumerate(rows):
            for name, color, hatched in row:
                low, high = (float(v) for v in bounds[name])
                fill = f"url(#hatch-{color[1:]})" if hatched else color
                if hatched:
                    body += HATCH.format(color).replace('"hatch"', f'"hatch-{color[1:]}"')
                x, top = frame.X(min(low, high)), 34 + 42 * i
                body += (
                    f'<rect class="bar" x="{x:.1f}" y="{top + 14}" height="18" '
                    f'width="{frame.X(max(low, high)) - x:.1f}" fill="{fill}"/>'
                    f'<text class="bar-name" x="{x:.1f}" y="{top + 9}">{html.escape(name)}</text>'
                )
        names = [name for row in rows for name, *_ in row]
        return {**frame.geometry, "bars": names}, frame.svg(title, xlabel, body, ticks="x")

    return draw


def _shades(values):
    """The landscape as a small PNG, darker where it is higher."""
    shade = 1 - 0.5 * np.clip(values / np.quantile(values, 0.95), 0, 1)
    return png(shade[::-1], "Blues_r", 1.05)


def _beside(lines, frame):
    """A place for a contour's number: its highest point that is well inside the frame."""
    points = np.concatenate(lines)
    inside = points[points[:, 1] < frame.ylim[1] - 0.05 * np.ptp(frame.ylim)]
    x, y = inside[inside[:, 1].argmax()]
    return frame.X(x), frame.Y(y) + 4
