"""Draw the heads of the chapters, each composed of symbols, lines, arrows and short labels.

    python book/tools/heads.py            # writes book/_static/heads/NAME.svg
    python book/tools/heads.py --check    # exits 1 and names the files that differ

The symbols are those of drawings.py, so that all chapters look alike.
"""

import argparse
from pathlib import Path

from drawings import (
    PINK,
    RED,
    alice,
    arrow,
    bill,
    bob,
    chart,
    code,
    column,
    head,
    label,
    lens,
    line,
    note,
    picture,
    proposal,
    strip,
    table,
    thermometer,
    wall_with_keyhole,
)

FOLDER = Path(__file__).resolve().parents[1] / "_static" / "heads"


def alice_looks(desk):
    """The desk, a picture on its left end, and Alice who looks at it."""
    return [
        line((10, desk), (750, desk)),
        picture(22, desk - 87, 1.3),
        arrow(118, 80, 142, 80),
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


HEADS = {"02_elbo": elbo, "12_your_data": own_data, "13_diagnosis": diagnosis}


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
