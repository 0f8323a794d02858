"""The symbols of the drawn heads: Alice, Bob, the keyhole between them, and the bill.

Every symbol is a function of x, y and a scale that returns SVG. heads.py composes them.
"""

import math

WIDTH = 760
LINE = 1.6
INK, PAPER, SKIN = "#222222", "#ffffff", "#f4e2d2"
BLUE, GREEN, PINK, ORANGE, RED = "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#D55E00"
SMALLEST = 15  # no letter is smaller, or it cannot be read on a phone

# A five, number 32 of scikit-learn's load_digits: rows of squares from 0 (paper) to 16 (ink).
ROWS = "0 2 13 16 16 16 11 0  0 5 16 10 5 4 1 0  0 6 16 7 3 0 0 0  0 9 16 16 16 6 0 0  "
ROWS += "0 3 8 4 11 15 0 0  0 0 0 1 12 15 0 0  0 0 4 13 16 6 0 0  0 2 16 15 8 0 0 0"
FIVE = tuple(map(int, ROWS.split()))


def number(value):
    """A coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def mix(colour, share):
    """The colour with the given share of it, the rest being paper."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in parts)


def tag(attributes):
    """The attributes as SVG writes them; an underscore stands for a hyphen."""
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())


def shape(d, fill="none", **attributes):
    """A path."""
    return f'<path d="{d}" fill="{fill}"{tag(attributes)}/>'


def box(x, y, width, height, fill="none", **attributes):
    """A rectangle."""
    x, y, width, height = map(number, (x, y, width, height))
    return shape(f"M{x} {y}h{width}v{height}h-{width}z", fill, **attributes)


def ellipse(x, y, a, b=None, fill="none", **attributes):
    """An ellipse, or a circle, with the half-axes a and b."""
    across, turn = number(2 * a), f"a{number(a)} {number(b or a)} 0 1 0"
    path = f"M{number(x - a)} {number(y)}{turn} {across} 0{turn} -{across} 0z"
    return shape(path, fill, **attributes)


def symbol(name, x, y, scale, parts):
    """A group at (x, y) in which lines keep their width, whatever the scale."""
    place = f"translate({number(x)} {number(y)})" + (f" scale({number(scale)})" * (scale != 1))
    width = f' stroke-width="{number(LINE / scale)}"' * (scale != 1)
    return f'<g class="{name}" transform="{place}"{width}>{"".join(parts)}</g>'


def line(*points, colour=INK, **attributes):
    """A line through points (x, y)."""
    path = "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return shape(f"M{path}", stroke=colour, **attributes)


def arrow(x1, y1, x2, y2, colour=INK):
    """A straight arrow from (x1, y1) to (x2, y2)."""
    back = math.atan2(y1 - y2, x1 - x2)
    barbs = [(x2 + 9 * math.cos(back + a), y2 + 9 * math.sin(back + a)) for a in (-0.5, 0.5)]
    tip = line(barbs[0], (x2, y2), barbs[1], colour=colour)
    return line((x1, y1), (x2, y2), colour=colour) + tip


def label(text, x, y, size=17, anchor="middle", **attributes):
    """A short text whose baseline is at y; *z* in stars is set in italics."""
    if size < SMALLEST:
        raise ValueError(f"size must be at least {SMALLEST}, got {size}")
    parts = text.split("*")
    parts[1::2] = [f'<tspan font-style="italic">{part}</tspan>' for part in parts[1::2]]
    place = f'x="{number(x)}" y="{number(y)}" font-size="{number(size)}" text-anchor="{anchor}"'
    return f'<text {place} fill="{INK}" stroke="none"{tag(attributes)}>{"".join(parts)}</text>'


def alice(x, y, scale=1):
    """Alice, 90 units high, looking right; (x, y) is the middle of her lower edge.

    Long hair, a blue dress with a white collar.
    """
    hair, dress = "#b98a5e", mix(BLUE, 0.6)
    parts = [
        shape("M-21 -37C-29 -62 -22 -90 0 -90C22 -90 29 -62 21 -37z", hair),
        shape("M-27 0C-27 -27 -22 -41 -7 -44L7 -44C22 -41 27 -27 27 0z", dress),
        shape("M-9 -44L0 -33L9 -44z", PAPER),
        ellipse(0, -64, 16.5, 17.5, SKIN),
        shape("M-17 -62C-18 -88 18 -88 17 -62C11 -67 6 -71 4 -76C-2 -69 -9 -64 -17 -62z", hair),
        ellipse(-1.5, -61, 1.3, fill=INK),
        ellipse(8.5, -61, 1.3, fill=INK),
        shape("M-1 -53.5Q4 -50 8.5 -53.5"),
        ellipse(41, -26, 5, fill=SKIN),
        shape("M13 -33C21 -33 30 -31 38 -32L39 -21C30 -18 20 -17 12 -19", dress),
    ]
    return symbol("alice", x, y, scale, parts)


def bob(x, y, scale=1):
    """Bob, 90 units high, looking left, with a pencil; (x, y) is the middle of his lower edge.

    Short hair, glasses, a green pullover.
    """
    hair, wool = "#7d6a5c", mix(GREEN, 0.6)
    parts = [
        shape("M-31 0C-31 -28 -26 -41 -8 -43L8 -43C26 -41 31 -28 31 0z", wool),
        shape("M-10 -43Q0 -33 10 -43M-30 -7L30 -7"),
        ellipse(0, -64, 16, 18.5, SKIN),
        shape("M-16 -68C-24 -93 22 -97 17 -60C14 -62 13 -67 12 -72C4 -71 -8 -71 -16 -68z", hair),
        ellipse(-8.5, -61, 5.2, fill=PAPER),
        ellipse(5, -61, 5.2, fill=PAPER),
        shape("M-3.3 -61L-.2 -61M10.2 -61L15 -63"),
        ellipse(-9.5, -61, 1.3, fill=INK),
        ellipse(4, -61, 1.3, fill=INK),
        shape("M-7 -51.5Q-3 -49.5 1 -51.5"),
        shape("M37 -19L55 -39L62 -42L59.5 -35L41 -15z", mix(ORANGE, 0.6)),
        shape("M55 -39L59.5 -35"),
        ellipse(44, -24, 5, fill=SKIN),
        shape("M15 -31C23 -31 33 -30 41 -30L42 -19C32 -15 22 -14 13 -17", wool),
    ]
    return symbol("bob", x, y, scale, parts)


def wall_with_keyhole(x, y, scale=1):
    """A wall, 120 units high; (x, y) is the middle of its foot, the keyhole is at y - 62."""
    joints = "M-24 -96h48M-24 -72h12M12 -72h12M-24 -48h12M12 -48h12M-24 -24h48"
    parts = [
        box(-24, -120, 48, 120, "#e4e4e4"),
        shape(joints + "M0 -120v24M-10 -24v24M12 -24v24", stroke="#a8a8a8"),
        box(-12, -80, 24, 40, "#f6f6f6"),
        shape("M-2.8 -61.5L-5.5 -46h11L2.8 -61.5A6.5 6.5 0 1 0 -2.8 -61.5z", INK),
    ]
    return symbol("wall_with_keyhole", x, y, scale, parts)


def spot(a, b, rings):
    """Ellipses with the half-axes a and b, each shrunk by r and with a share of the code's pink."""
    return [ellipse(0, 0, a * r, b * r, mix(PINK, share), stroke="none") for r, share in rings]


def code(x, y, scale=1, tilt=0):
    """A Gaussian code: a soft spot around (x, y), 68 by 40 units, tilted by degrees."""
    rings = spot(34, 20, ((1, 0.22), (0.8, 0.38), (0.58, 0.58), (0.34, 0.8), (0.14, 1)))
    turned = f'<g transform="rotate({number(tilt)})">{"".join(rings)}</g>'
    return symbol("code", x, y, scale, [turned])


def proposal(x, y, scale=1):
    """Alice's code over the ideal posterior (dashed); what lies outside it is hatched.

    The posterior is tilted, which a code with separate coordinates cannot be.
    """
    ideal = {"stroke_dasharray": "5 4", "transform": "rotate(-24)"}
    parts = [
        ellipse(0, 0, 44, 25, "url(#hatch)", stroke=PINK),
        ellipse(0, 0, 47, 15, mix(PINK, 0.15), **ideal),
        *spot(44, 25, ((0.5, 0.38), (0.34, 0.65), (0.14, 1))),
    ]
    return symbol("proposal", x, y, scale, parts)


def note(x, y, scale=1, text="*z*"):
    """A message: a slip of paper around (x, y) with a folded corner and one letter."""
    parts = [
        shape("M-17 -13H10L17 -6V13H-17z", mix(PINK, 0.35)),
        shape("M10 -13V-6H17"),
        label(text, -1, 6, max(18, SMALLEST / scale)),
    ]
    return symbol("note", x, y, scale, parts)


def blur(values):
    """The 64 values averaged with their neighbours, as Bob draws them."""
    weights = {(i, j): (3 - 2 * abs(i)) * (3 - 2 * abs(j)) for i in (-1, 0, 1) for j in (-1, 0, 1)}
    blurred = [0] * 64
    for k in range(64):
        for (i, j), weight in weights.items():
            row, column = k // 8 + i, k % 8 + j
            if 0 <= row < 8 and 0 <= column < 8:
                blurred[8 * row + column] += weight * values[k]
    return [round(value / 25) for value in blurred]


def picture(x, y, scale=1, values=FIVE, blurred=False):
    """A picture of 8 x 8 grey squares, 64 units wide, with a frame 3 units outside.

    (x, y) is the upper left corner of the squares.
    """
    values = blur(values) if blurred else values
    parts = [box(-3, -3, 70, 70, PAPER)]
    for level in sorted({*values} - {0}):
        places = [divmod(k, 8) for k in range(64) if values[k] == level]
        squares = "".join(f"M{8 * column} {8 * row}h8v8h-8z" for row, column in places)
        parts.append(shape(squares, mix(INK, level / 16)))
    inner = f'<g stroke="none" shape-rendering="crispEdges">{"".join(parts[1:])}</g>'
    return symbol("picture", x, y, scale, [parts[0], inner])


def bill(x, y, scale=1, reconstruction=0, information=0, mismatch=0, least=None, height=28):
    """The bill as a bar of three amounts; (x, y) is its upper left corner.

    least: the least possible amount, -log p(x): a dashed line. The gap, hatched, is below the bar:
    it is the rest of the whole bill, not of one amount.
    """
    parts, end = [], 0
    for amount, colour in ((reconstruction, GREEN), (information, BLUE), (mismatch, ORANGE)):
        parts.append(box(end, 0, amount, height, mix(colour, 0.5)))
        end += amount
    if least is not None:
        parts.append(box(least, height, end - least, 18, "url(#hatch)", stroke=RED))
        parts.append(line((least, -7), (least, height + 24), stroke_dasharray="5 4"))
    return symbol("bill", x, y, scale, parts)


def thermometer(x, y, scale=1):
    """A clinical thermometer, 44 units long, from its tip at (x, y) to the right and up."""
    parts = [
        shape("M0 -2.5H36A2.5 2.5 0 0 1 36 2.5H0z", PAPER),
        shape("M-5 -1.2H24V1.2H-5z", RED, stroke="none"),
        shape("M14 -2.5v2M20 -2.5v2M26 -2.5v2M32 -2.5v2"),
    ]
    turned = f'<g transform="rotate(-22)">{"".join(parts)}</g>'
    return symbol("thermometer", x, y, scale, [turned])


def lens(x, y, scale=1):
    """A magnifying glass around (x, y), 92 units wide, its handle to the lower right."""
    wide = number(6 / scale)
    parts = [
        shape("M33 33L52 52", stroke="#7d6a5c", stroke_width=wide),
        ellipse(0, 0, 46, fill="none"),
        ellipse(0, 0, 43, fill="none", stroke="#a8a8a8"),
        shape("M-32 -14A35 35 0 0 1 -12 -33", stroke="#a8a8a8"),
    ]
    return symbol("lens", x, y, scale, parts)


def chart(x, y, scale=1):
    """A patient's chart on a clipboard, 76 by 96 units; (x, y) is the upper left corner.

    A fever curve that rises, and three lines of notes.
    """
    parts = [
        box(0, 6, 76, 90, mix("#b98a5e", 0.6)),
        box(6, 14, 64, 76, PAPER),
        box(24, 0, 28, 12, "#e4e4e4"),
        shape("M12 26V58H64", stroke="#a8a8a8"),
        line((14, 54), (24, 49), (32, 51), (42, 42), (50, 44), (60, 24), colour=RED),
        shape("M13 68H60M13 76H52M13 84H44", stroke="#a8a8a8"),
    ]
    return symbol("chart", x, y, scale, parts)


def table(x, y, scale=1, empty=False):
    """A table of four columns, 76 by 60 units, perhaps with an empty cell (dashed).

    (x, y) is its upper left corner.
    """
    cells = [(i, j) for i in range(4) for j in (1, 2, 3) if not (empty and (i, j) == (2, 2))]
    parts = [
        box(0, 0, 76, 60, PAPER),
        box(0, 0, 76, 15, mix(BLUE, 0.3)),
        *(shape(f"M{19 * i} 0v60") for i in (1, 2, 3)),
        *(shape(f"M0 {15 * j}h76") for j in (1, 2, 3)),
        *(shape(f"M{19 * i + 5} {15 * j + 8}h9", stroke="#777777") for i, j in cells),
    ]
    if empty:
        parts.append(box(40, 32, 15, 11, mix(ORANGE, 0.5), stroke_dasharray="3 2"))
    return symbol("table", x, y, scale, parts)


def column(x, y, scale=1):
    """A sample: seven numbers as grey levels, one below the other; (x, y) is the upper left."""
    levels = (0.1, 0.55, 0.3, 0, 0.75, 0.2, 0.45)
    parts = [box(0, 16 * i, 26, 16, mix(INK, level)) for i, level in enumerate(levels)]
    return symbol("column", x, y, scale, parts)


def strip(x, y, scale=1):
    """A long file: bytes side by side, 77 by 18 units; (x, y) is the upper left corner."""
    levels = (0.2, 0.6, 0.35, 0.8, 0.5, 0.15, 0.7)
    parts = [box(11 * i, 0, 11, 18, mix(GREEN, level)) for i, level in enumerate(levels)]
    return symbol("strip", x, y, scale, parts)


def bits(x, y, scale=1, text="0 1 1"):
    """A message of a few bits: a slip of paper around (x, y), a square for each bit."""
    marks = text.split()
    left = -13 * len(marks)
    parts = [box(left, -13, 26 * len(marks), 26, mix(PINK, 0.35))]
    for i, mark in enumerate(marks):
        parts.append(label(mark, left + 26 * i + 13, 6, max(17, SMALLEST / scale)))
        if i:
            parts.append(shape(f"M{left + 26 * i} -13v26"))
    return symbol("bits", x, y, scale, parts)


def die(x, y, scale=1):
    """A die, 44 units wide, around (x, y), with a five on top."""
    dots = [(0, 0), *((11 * i, 11 * j) for i in (-1, 1) for j in (-1, 1))]
    parts = [
        shape("M-22 -15Q-22 -22 -15 -22H15Q22 -22 22 -15V15Q22 22 15 22H-15Q-22 22 -22 15z", PAPER),
        *(ellipse(a, b, 3.6, fill=INK, stroke="none") for a, b in dots),
    ]
    return symbol("die", x, y, scale, [f'<g transform="rotate(-8)">{"".join(parts)}</g>'])


def gaussian_points(count, size, turn=2.399963):
    """Points that lie like draws of a normal distribution with this standard deviation."""
    radii = [size * math.sqrt(-2 * math.log(1 - (i + 0.5) / count)) for i in range(count)]
    return [(r * math.cos(turn * i), r * math.sin(turn * i)) for i, r in enumerate(radii)]


def cloud(x, y, scale=1, points=None, colour=PINK, count=41):
    """Points around (x, y), 3.4 units large on the page; those of a normal distribution."""
    points = gaussian_points(count, 24) if points is None else points
    dots = [ellipse(a, b, 3.4 / scale, fill=colour, stroke="none") for a, b in points]
    return symbol("cloud", x, y, scale, dots)


def price(x, y, scale=1, text="*β*"):
    """A price tag around (x, y), 52 by 28 units, on a string to the left."""
    parts = [
        shape("M-40 -6Q-32 -14 -20 -2", stroke="#777777"),
        shape("M-26 0L-14 -15H26V15H-14z", mix(ORANGE, 0.35)),
        ellipse(-15, 0, 3, fill=PAPER),
        label(text, 7, 6, max(18, SMALLEST / scale)),
    ]
    return symbol("price", x, y, scale, parts)


def judge(x, y, scale=1):
    """A pair of scales, 84 units wide and 90 high; (x, y) is the middle of its foot."""
    parts = [
        shape("M-20 0H20M0 0V-84", stroke_width=number(2.4 / scale)),
        ellipse(0, -86, 4, fill=INK),
        shape("M-34 -70L34 -82", stroke_width=number(2.4 / scale)),
        shape("M-34 -70L-50 -32M-34 -70L-18 -32M34 -82L18 -44M34 -82L50 -44"),
        shape("M-52 -32H-16Q-18 -20 -34 -20Q-50 -20 -52 -32z", mix(PINK, 0.35)),
        shape("M16 -44H52Q50 -32 34 -32Q18 -32 16 -44z", "#e4e4e4"),
    ]
    return symbol("judge", x, y, scale, parts)


def beetle(x, y, scale=1, tilt=0):
    """A beetle seen from above, 40 by 52 units, around (x, y)."""
    shell = mix(RED, 0.75)
    legs = "M-14 -8L-25 -15M-16 3L-28 3M-13 13L-23 22M14 -8L25 -15M16 3L28 3M13 13L23 22"
    parts = [
        shape(legs + "M-4 -24L-9 -33M4 -24L9 -33"),
        ellipse(0, -18, 9, 8, INK),
        ellipse(0, 4, 17, 21, shell),
        shape("M0 -16V25"),
        *(
            ellipse(a, b, 3, fill=INK, stroke="none")
            for a, b in ((-8, -3), (8, -3), (-8, 11), (8, 11))
        ),
    ]
    turned = f'<g transform="rotate({number(tilt)})">{"".join(parts)}</g>'
    return symbol("beetle", x, y, scale, [turned])


def pile(x, y, scale=1, height=40, colour=PINK):
    """A bar 30 units wide; (x, y) is the middle of its foot."""
    return symbol("pile", x, y, scale, [box(-15, -height, 30, height, mix(colour, 0.5))])


def exhibit(x, y, scale=1, kind=None):
    """A picture in a wooden frame, 96 by 72 units; (x, y) is its upper left corner.

    kind: "curve", a loss that goes down; "bars", one of them through the dashed line that none
    may cross; "digit", a picture; None, nothing.
    """
    parts = [box(-7, -7, 110, 86, mix("#b98a5e", 0.6)), box(0, 0, 96, 72, PAPER)]
    if kind == "curve":
        parts.append(shape("M12 10V62H86", stroke="#a8a8a8"))
        parts.append(shape("M15 14C22 46 34 54 84 57", stroke=BLUE, stroke_width="2.4"))
    if kind == "digit":
        parts.append(picture(20, 8, 0.88))
    if kind == "bars":
        parts.append(shape("M12 10V62H86", stroke="#a8a8a8"))
        for i, height in enumerate((22, 27, 44)):
            parts.append(
                box(20 + 22 * i, 62 - height, 14, height, mix(RED if i == 2 else BLUE, 0.5))
            )
        parts.append(line((12, 29), (86, 29), stroke_dasharray="5 4"))
    return symbol("exhibit", x, y, scale, parts)


def members(x, y, scale=1):
    """A table with a row for each of six members, 112 by 108 units, each with its own colour.

    (x, y) is its upper left corner.
    """
    colours = (BLUE, "#56B4E9", ORANGE, PINK, RED, GREEN)  # of vaelib.pages.plotting.FAMILY
    parts = [box(0, 0, 112, 108, PAPER)]
    for i, colour in enumerate(colours):
        parts.append(box(0, 18 * i, 28, 18, mix(colour, 0.6)))
        parts += [shape(f"M{38 + 26 * j} {18 * i + 9}h10", stroke="#777777") for j in range(3)]
    return symbol("members", x, y, scale, parts)


def timeline(x, y, scale=1, steps=((10, 6),) * 3, height=24):
    """What a processor does, from left to right: for each step it starts (grey) and works (blue).

    (x, y) is the upper left corner; steps are pairs of widths.
    """
    parts, end = [], 0
    for start, work in steps:
        parts.append(box(end, 0, start, height, "#e4e4e4"))
        parts.append(box(end + start, 0, work, height, mix(BLUE, 0.5)))
        end += start + work
    return symbol("timeline", x, y, scale, parts)


def gear(x, y, scale=1, teeth=10):
    """A gear wheel around (x, y), 72 units wide."""
    points = []
    for i in range(teeth):
        for part, radius in ((-0.32, 28), (-0.2, 36), (0.2, 36), (0.32, 28)):
            angle = 2 * math.pi * (i + part) / teeth
            points.append((radius * math.cos(angle), radius * math.sin(angle)))
    path = "L".join(f"{number(a)} {number(b)}" for a, b in points)
    parts = [shape(f"M{path}z", "#e4e4e4"), ellipse(0, 0, 11, fill=PAPER)]
    return symbol("gear", x, y, scale, parts)


def head(title, height, parts):
    """The file of a head."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="DejaVu Sans, Verdana, Arial, sans-serif">\n'
        f"<title>{title}</title>\n"
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><path d="M0 0H7V7H0z" fill="{mix(RED, 0.15)}"/>'
        f'<path d="M2 0V7" stroke="{RED}" stroke-width="2"/></pattern></defs>\n'
        f'<g stroke="{INK}" stroke-width="{LINE}" stroke-linejoin="round" stroke-linecap="round">\n'
        + "\n".join(parts)
        + "\n</g>\n</svg>\n"
    )


SYMBOLS = (
    alice,
    bob,
    wall_with_keyhole,
    code,
    proposal,
    note,
    picture,
    bill,
    thermometer,
    lens,
    chart,
    table,
    column,
    strip,
    bits,
    die,
    cloud,
    price,
    judge,
    beetle,
    pile,
    exhibit,
    members,
    timeline,
    gear,
)  # fmt: skip
