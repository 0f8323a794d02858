"""Write the figures of the built chapters as slides: a page a chapter, and the pictures as files.

    make slides            # after `make book`: _build/slides/04_iwae/index.html, *.svg

A slide has the section's title, the figure, its number and caption. The page prints as one slide a
sheet (16:9); its pictures are named as the figures are in the book, for use in slides of your own.
Explorers, which need a reader, are left out.
"""

import argparse
import html
import shutil
import sys
from pathlib import Path

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
STYLE = """
@page { size: 32cm 18cm; margin: 0 }
body { margin: 0; background: #ddd; font: 20px/1.4 system-ui, sans-serif; color: #222 }
section { box-sizing: border-box; width: 32cm; height: 18cm; margin: 1rem auto;
  padding: 1.1cm 1.4cm; display: flex; flex-direction: column;
  background: #fff; page-break-after: always }
h1 { margin: auto 0 .5rem; font-size: 2.2rem } section.first p { margin: 0 0 auto }
h2 { margin: 0 0 .8rem; font-size: 1.35rem }
.pictures { flex: 1; min-height: 0; display: flex; flex-wrap: wrap; gap: .5cm;
  justify-content: center; align-items: center }
.pictures img { max-width: 100%; max-height: 100%; min-height: 60%; object-fit: contain }
.pictures img:not(:only-child) { max-width: 48% }
p { margin: .7rem 0 0; font-size: .95rem } small { color: #555 }
@media print { body { background: none } section { margin: 0 } }
"""
SLIDE = """<section><h2>{title}</h2>
<div class="pictures">{pictures}</div>
<p><b>{number}</b> {caption}</p></section>"""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}: figures</title><style>{style}</style>
<section class="first"><h1>{title}</h1><p>{book}</p></section>
{slides}
</html>
"""


def heading(element):
    """Return the title of the section that an element stands in."""
    found = element.find_previous(["h1", "h2", "h3"])
    return found.get_text().rstrip("#").strip()


def formulas_as_text(caption):
    """Return a caption without the marks around its formulas: a slide has no MathJax."""
    return caption.replace("\\(", "").replace("\\)", "")


def slides(page):
    """Yield (label, title, number, caption, images) of each numbered figure of a built page."""
    article = BeautifulSoup(page.read_bytes(), "html.parser").find("article")
    for figure in article.select("figure[id]"):
        images, caption = figure.select("img"), figure.find("figcaption")
        if not images or not caption:
            continue
        number, words = (caption.select_one(f".caption-{part}") for part in ("number", "text"))
        yield (
            figure["id"],
            heading(figure),
            number.get_text().strip() if number else "",
            formulas_as_text((words or caption).get_text().rstrip("#").strip()),
            [(image["src"], image.get("alt", "")) for image in images],
        )


def write(page, folder):
    """Write a chapter's slides and pictures into a folder; returns the number of slides."""
    article = BeautifulSoup(page.read_bytes(), "html.parser").find("article")
    title = article.find("h1").get_text().rstrip("#").strip()
    made = []
    for label, above, number, caption, images in slides(page):
        pictures = []
        for i, (source, alt) in enumerate(images):
            name = label + (f"-{i + 1}" if len(images) > 1 else "") + Path(source).suffix
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page.parent / source, folder / name)
            pictures.append(f'<img src="{name}" alt="{html.escape(alt)}">')
        texts = {"title": above, "number": number, "caption": caption}
        texts = {key: html.escape(value) for key, value in texts.items()}
        made.append(SLIDE.format(pictures="\n".join(pictures), **texts))
    if made:
        book = "The VAE family. Text and figures: CC BY 4.0; give credit and say what you changed."
        content = PAGE.format(
            title=html.escape(title), style=STYLE, book=book, slides="\n".join(made)
        )
        (folder / "index.html").write_text(content, encoding="utf-8")
    return len(made)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="chapters, such as 04_iwae; all if none is given")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "slides")
    given = parser.parse_args(argv)
    pages = {path.stem: path for path in sorted((given.html / "chapters").glob("*.html"))}
    if not pages:
        print(f"{given.html} has no chapters; run `make book` first.", file=sys.stderr)
        return 2
    if unknown := [name for name in given.names if name not in pages]:
        print(f"names must be among {', '.join(pages)}, got {unknown[0]!r}.", file=sys.stderr)
        return 2
    for name in given.names or pages:
        shutil.rmtree(given.out / name, ignore_errors=True)
        count = write(pages[name], given.out / name)
        print(f"{name}: {count} slides")
    print(f"written to {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
