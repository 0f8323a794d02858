"""Draw the heads of the chapters, each composed of symbols, lines, arrows and short labels.

    python book/tools/heads.py            # writes book/_static/heads/NAME.svg
    python book/tools/heads.py --check    # exits 1 and names the files that differ

The symbols are those of drawings.py, so that all chapters look alike.
"""

import argparse
import math
from pathlib import Path

from drawings import (
    PINK,
    RED,
    alice,
    arrow,
    beetle,
    bill,
    bits,
    bob,
    chart,
    cloud,
    code,
    column,
    die,
    ellipse,
    exhibit,
    gaussian_points,
    gear,
    head,
    judge,
    label,
    lens,
    line,
    members,
    note,
    picture,
    pile,
    price,
    proposal,
    strip,
    table,
    thermometer,
    timeline,
    wall_with_keyhole,
)

FOLDER = Path(__file__).resolve().parents[1] / "_static" / "heads"


def alice_looks(desk):
    """The desk, a picture on its left end, and Alice who looks at it."""
    return [
        line((10, desk), (750, desk)),
        picture(22, desk - 87, 1.3),
        arrow(118, desk - 44, 142, desk - 44),
        alice(182, desk, 1.2),
    ]


def elbo():
    """The bill of a message, and its least possible amount."""
    desk = 124
    parts = [
        *alice_looks(desk),
        label("Alice", 182, desk + 21, 19),
        code(276, 62),
        label("message *z*", 306, desk + 21, 19),
        wall_with_keyhole(412, desk),
        line((353, 62), (412, 62), colour=PINK),
        arrow(412, 62, 504, 62, PINK),
        note(336, 62),
        bob(560, desk, 1.2),
        label("Bob", 560, desk + 21, 19),
        picture(645, desk - 87, 1.3, blurred=True),
        label("bill", 22, 208, 21, "start", font_weight="bold"),
        label("reconstruction", 187, 175, 19),
        label("information", 370, 175, 19),
        label("mismatch", 510, 175, 19),
        bill(80, 188, 1, 215, 165, 90, least=335),
        arrow(240, 227, 82, 227),
        arrow(240, 227, 409, 227),
        label("−log *p*(*x*): nobody can pay less", 240, 254, 18),
        line((552, 225), (592, 202), colour=RED),
        proposal(645, 198, 1.2),
        label("ideal", 730, 177, 16),
        label("gap: what Alice's proposal wastes", 594, 254, 18),
    ]
    return head("The bill of a message, and its least possible amount", 260, parts)


def own_data():
    """Pictures, a table and a long file become a sample x; at the end there is a report."""
    desk = 176
    parts = [
        line((228, desk), (750, desk)),
        picture(20, 8, 0.75),
        picture(32, 18, 0.75),
        label("pictures", 154, 52),
        table(22, 92, empty=True),
        label("a table", 154, 128),
        strip(20, 176),
        label("a long file", 154, 191),
        arrow(204, 50, 246, 88),
        arrow(204, 122, 246, 118),
        arrow(204, 184, 246, 148),
        column(254, 62),
        label("*x*", 267, desk + 21, 19),
        arrow(288, 118, 318, 118),
        alice(356, desk, 1.2),
        label("Alice", 356, desk + 21, 19),
        arrow(412, 114, 524, 114, PINK),
        wall_with_keyhole(470, desk),
        note(436, 114, 0.85),
        bob(580, desk, 1.2),
        label("Bob", 580, desk + 21, 19),
        label("which likelihood?", 604, desk + 44, font_style="italic"),
        arrow(640, 114, 668, 114),
        table(674, 88),
        label("report", 712, desk + 21, 19),
    ]
    return head("From files of your own to a sample, to Alice and Bob, and to a report", 230, parts)


def diagnosis():
    """Alice, her code and Bob's picture are examined; a chart shows the fever."""
    desk = 124
    parts = [
        *alice_looks(desk),
        thermometer(189, 60, 1.2),
        label("Alice", 182, desk + 21, 19),
        label("NaN? silent?", 182, desk + 48, 19, font_style="italic"),
        arrow(240, 92, 268, 80, PINK),
        code(318, 62),
        lens(318, 62),
        label("code", 318, desk + 21, 19),
        label("holes?", 318, desk + 48, 19, font_style="italic"),
        arrow(376, 62, 402, 62, PINK),
        bob(446, desk, 1.2),
        label("Bob", 446, desk + 21, 19),
        picture(534, desk - 87, 1.3, blurred=True),
        label("his picture", 576, desk + 21, 19),
        label("blurred?", 576, desk + 48, 19, font_style="italic"),
        chart(662, desk - 108, 1.1),
        label("chart", 704, desk + 21, 19),
    ]
    return head("An examination of Alice, of her code and of Bob's picture", 185, parts)


def autoencoding():
    """A message of three bits, and the list that Alice and Bob have agreed on."""
    desk = 124
    parts = [
        *alice_looks(desk),
        label("Alice", 182, desk + 21, 19),
        bits(316, 62),
        label("message: 3 bits", 316, 28, 18),
        wall_with_keyhole(430, desk),
        arrow(240, 62, 270, 62, PINK),
        line((362, 62), (430, 62), colour=PINK),
        arrow(430, 62, 516, 62, PINK),
        bob(566, desk, 1.2),
        label("Bob", 566, desk + 21, 19),
        picture(645, desk - 87, 1.3, blurred=True),
        table(392, 166),
        line((182, desk + 30), (182, 196), (384, 196), stroke_dasharray="5 4"),
        line((566, desk + 30), (566, 196), (476, 196), stroke_dasharray="5 4"),
        label("agreed beforehand: what each message means", 430, 252, 18),
    ]
    return head("Alice sends three bits; what they mean was agreed beforehand", 260, parts)


def reparameterization():
    """The die lies beside the road from Alice to Bob, on which the gradient comes back."""
    desk = 166
    parts = [
        *alice_looks(desk),
        label("Alice: *μ* and *σ*", 182, desk + 23, 19),
        arrow(240, 104, 282, 104, PINK),
        label("*z* = *μ* + *σε*", 348, 110, 20),
        ellipse(348, 104, 64, 25, stroke=PINK),
        die(348, 206),
        label("*ε*", 384, 212, 20),
        arrow(348, 178, 348, 132),
        arrow(413, 104, 444, 104, PINK),
        wall_with_keyhole(470, desk),
        arrow(496, 104, 524, 104, PINK),
        bob(580, desk, 1.2),
        label("Bob", 580, desk + 23, 19),
        picture(655, desk - 87, 1.3, blurred=True),
        line((700, 70), (700, 34), (182, 34), colour=RED),
        arrow(182, 34, 182, 52, RED),
        label("the gradient comes back this way, past the die", 441, 24, 18),
    ]
    return head("The die lies beside the path of the gradient", 240, parts)


def iwae():
    """Several messages for one picture; their weights are averaged."""
    desk = 150
    parts = [
        *alice_looks(desk),
        label("Alice", 182, desk + 22, 19),
    ]
    for i, (height, weight) in enumerate(((44, 14), (86, 62), (128, 26))):
        parts.append(arrow(240, 84 + (height - 84) / 4, 278, height, PINK))
        parts.append(note(304, height, 0.95))
        parts.append(arrow(326, height, 372, 84 + (height - 84) / 3, PINK))
        x = 592 + 57 * i
        parts.append(picture(x, 66, 0.7, blurred=True) if i != 1 else picture(x, 66, 0.7))
        parts.append(pile(x + 22, 250, height=weight))
    parts += [
        wall_with_keyhole(402, desk),
        arrow(428, 84, 456, 84, PINK),
        bob(500, desk, 1.2),
        label("Bob", 500, desk + 22, 19),
        label("one score for all three:", 300, 208, 18),
        label("the logarithm of the average weight", 300, 234, 18),
        label("weights *w*", 530, 246, 18),
        line((585, 250), (755, 250)),
    ]
    return head("Three messages for one picture, and their weights", 260, parts)


def aae():
    """A judge compares the cloud of all codes with draws of the prior."""
    desk = 124
    codes = [
        (16 * math.cos(t) * (1 + t / 9) - 2, 13 * math.sin(t) * (1 + t / 9)) for t in range(26)
    ]
    parts = [
        *alice_looks(desk),
        label("Alice", 182, desk + 22, 19),
        arrow(240, 66, 272, 66, PINK),
        cloud(338, 68, points=codes),
        label("all codes", 338, desk + 22, 18),
        judge(486, desk, 1.1),
        label("discriminator", 486, desk + 22, 18),
        label("code or draw?", 486, 16, 18, font_style="italic"),
        arrow(402, 66, 426, 66),
        arrow(572, 66, 548, 66),
        cloud(640, 66, 0.85, colour="#777777"),
        label("draws of the prior", 640, desk + 22, 18),
        line((486, desk + 34), (486, 190), (182, 190), colour=RED),
        arrow(182, 190, 182, desk + 32, RED),
        label("Alice learns what would have fooled it", 334, 212, 18),
    ]
    return head("A discriminator compares codes with draws of the prior", 222, parts)


def beta():
    """A price on every nat of the message, and the bills at a low and at a high price."""
    desk = 124
    parts = [
        *alice_looks(desk),
        label("Alice", 182, desk + 21, 19),
        code(296, 66),
        arrow(240, 66, 258, 66, PINK),
        line((334, 66), (410, 66), colour=PINK),
        wall_with_keyhole(410, desk),
        arrow(436, 66, 504, 66, PINK),
        price(474, 34),
        label("a nat costs *β*", 412, desk + 21, 19),
        bob(560, desk, 1.2),
        label("Bob", 566, desk + 21, 19),
        picture(645, desk - 87, 1.3, blurred=True),
        label("*β* = 1", 22, 192, 19, "start"),
        bill(96, 172, 1, 240, 190, 100),
        label("*β* = 4", 22, 240, 19, "start"),
        bill(96, 220, 1, 470, 62, 22),
        label("reconstruction", 216, 192, 17),
        label("information", 431, 192, 17),
        label("mismatch", 576, 192, 17),
        label("more to correct", 331, 240, 17),
        label("less is said", 664, 240, 17, "start"),
    ]
    return head("A price on every nat, and the bills at two prices", 260, parts)


def total_correlation():
    """The bill of the KL term, and the three bills that it is made of."""
    tilted = [(0.95 * x - 0.3 * y, -0.85 * x - 0.3 * y) for x, y in gaussian_points(37, 18)]
    shifted = [(0.7 * x + 20, 0.7 * y - 14) for x, y in gaussian_points(25, 18)]
    parts = [
        label("the KL term", 380, 22, 19),
        bill(60, 32, 1, 0, 300, 340),
        line((60, 64), (30, 96), stroke_dasharray="5 4"),
        line((360, 64), (246, 96), stroke_dasharray="5 4"),
        line((530, 64), (502, 96), stroke_dasharray="5 4"),
        line((700, 64), (736, 96), stroke_dasharray="5 4"),
        label("information", 210, 52, 18),
        label("mismatch", 530, 52, 18),
        code(76, 166, 0.62),
        code(136, 122, 0.62),
        code(200, 160, 0.62),
        label("information:", 138, 228, 18),
        label("codes that differ", 138, 250, 17),
        cloud(376, 146, points=tilted),
        line((300, 146), (452, 146), stroke_dasharray="2 4"),
        line((376, 92), (376, 200), stroke_dasharray="2 4"),
        label("total correlation:", 376, 228, 18),
        label("coordinates that depend", 376, 250, 17),
        ellipse(622, 146, 46, 46, stroke_dasharray="5 4"),
        cloud(622, 146, points=shifted),
        line((546, 146), (698, 146), stroke_dasharray="2 4"),
        line((622, 92), (622, 200), stroke_dasharray="2 4"),
        label("each coordinate by itself", 622, 228, 18),
        label("off the prior (dashed)", 622, 250, 17),
    ]
    return head(
        "Three bills in one: information, dependence, and coordinates off the prior", 260, parts
    )


def info_vae():
    """Codes that each look like the prior, and codes that do so together."""
    desk = 124
    spread = [
        (0, 0),
        *((31 * math.cos(a), 25 * math.sin(a)) for a in (0.3, 1.35, 2.4, 3.44, 4.49, 5.54)),
    ]
    parts = [
        *alice_looks(desk),
        label("Alice", 182, desk + 22, 19),
        arrow(240, 66, 272, 66),
        code(336, 58, 1.25),
        code(348, 72, 1.25),
        code(352, 60, 1.25),
        ellipse(345, 64, 62, 46, stroke_dasharray="5 4"),
        label("each like the prior", 345, desk + 22, 18),
        *(code(510 + a, 64 + b, 0.44) for a, b in spread),
        ellipse(510, 64, 62, 46, stroke_dasharray="5 4"),
        label("only together", 510, desk + 22, 18),
        arrow(582, 66, 612, 66),
        bob(668, desk, 1.2),
        label("Bob", 668, desk + 22, 19),
        label("or", 428, 70, 19),
        label("little is said", 345, desk + 46, 18, font_style="italic"),
        label("much is said", 510, desk + 46, 18, font_style="italic"),
    ]
    return head("Codes that resemble the prior (dashed) one by one, or only together", 182, parts)


def vim():
    """Bob draws a message of the prior; Alice reads it from his picture."""
    desk = 124
    parts = [
        line((10, desk), (750, desk)),
        note(726, 40),
        label("drawn from", 692, desk + 22, 18),
        label("the prior", 692, desk + 44, 18),
        arrow(702, 40, 646, 40, PINK),
        bob(600, desk, 1.2),
        label("Bob", 600, desk + 22, 19),
        arrow(556, 80, 506, 80),
        picture(410, desk - 87, 1.3),
        arrow(396, 80, 350, 80),
        alice(270, desk, 1.2),
        label("Alice", 270, desk + 22, 19),
        arrow(228, 62, 160, 62, PINK),
        note(128, 62),
        label("what she reads", 112, desk + 22, 18),
        bill(90, 186, 1, 0, 400, 0),
        label("information of picture and message", 290, 206, 17),
        line((540, 174), (540, 228), stroke_dasharray="5 4"),
        label("what the prior holds", 552, 206, 18, "start"),
    ]
    return head("Bob draws a message of the prior, and Alice reads it from his picture", 236, parts)


def family():
    """One row of numbers for each member; everything else is the same."""
    desk = 130
    parts = [
        members(12, 14),
        label("one row each", 68, desk + 22, 18),
        arrow(132, 70, 168, 70),
        line((160, desk), (622, desk)),
        alice(218, desk, 1.2),
        note(320, 68),
        arrow(276, 68, 296, 68, PINK),
        line((342, 68), (400, 68), colour=PINK),
        wall_with_keyhole(400, desk),
        arrow(400, 68, 462, 68, PINK),
        bob(518, desk, 1.2),
        label("the same Alice, Bob and data for all", 390, desk + 22, 18),
        arrow(592, 70, 634, 70),
        chart(652, desk - 112, 1.1),
        label("ledger", 694, desk + 22, 18),
    ]
    return head("The same Alice and Bob with one row of prices for each member", 164, parts)


def museum():
    """Alice and Bob look at exhibits; under the lens sits a beetle."""
    floor = 244
    parts = [
        line((10, floor), (750, floor)),
        exhibit(60, 22, kind="curve"),
        label("the loss goes down", 108, 132, 18),
        exhibit(250, 22, kind="digit"),
        label("the digits look right", 298, 132, 18),
        beetle(466, 62, 1.3, 14),
        lens(466, 62, 1.1),
        exhibit(600, 22, kind="bars"),
        label("a bound is crossed", 648, 132, 18),
        alice(190, floor, 1.1),
        bob(570, floor, 1.1),
        label("Alice", 130, floor - 12, 19),
        label("Bob", 652, floor - 12, 19),
        label("what would have shown it?", 384, 192, 18, font_style="italic"),
    ]
    return head("Exhibits that look right, and a beetle under the lens", 254, parts)


def engine():
    """Many small starts, or one start for many copies."""
    desk = 124
    parts = [
        line((10, desk), (750, desk)),
        alice(60, desk),
        alice(104, desk),
        alice(148, desk),
        label("copies", 104, desk + 22, 19),
        arrow(206, 70, 262, 70),
        gear(316, 74, 1.2),
        gear(384, 98, 0.75),
        label("one program", 340, desk + 22, 19),
        arrow(424, 70, 480, 70),
        bob(530, desk),
        bob(600, desk),
        bob(670, desk),
        label("all trained at once", 600, desk + 22, 19),
        label("one by one", 22, 192, 18, "start"),
        timeline(150, 174, 1, ((34, 8),) * 14),
        label("together", 22, 238, 18, "start"),
        timeline(150, 220, 1, ((34, 112),)),
        label("starting (grey) and working (blue)", 316, 238, 18, "start"),
    ]
    return head("Copies that start together", 256, parts)


HEADS = {
    "01_autoencoding": autoencoding,
    "02_elbo": elbo,
    "03_reparameterization": reparameterization,
    "04_iwae": iwae,
    "05_aae": aae,
    "06_beta_vae": beta,
    "07_total_correlation": total_correlation,
    "08_mmd_vae": info_vae,
    "09_vim": vim,
    "10_family": family,
    "11_bug_museum": museum,
    "12_your_data": own_data,
    "13_diagnosis": diagnosis,
    "A_engine": engine,
}


def main(arguments=None):
    """Write the heads, or name those that differ from what is written; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only name the files that differ")
    check = parser.parse_args(arguments).check
    differ = 0
    for name, draw in HEADS.items():
        path = FOLDER / f"{name}.svg"
        if not check:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(draw(), encoding="utf-8", newline="\n")
        elif not path.is_file() or path.read_text(encoding="utf-8") != draw():
            print(f"{path} differs: run python book/tools/heads.py")
            differ = 1
    return differ


if __name__ == "__main__":
    raise SystemExit(main())
