"""One self-contained HTML page: no script, no foreign site, all text escaped."""

import html
import re

STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1c1c1e; --dim: #5c5f66;
  --line: #d5d7dc; --soft: #f4f5f7; --good: #1a6b37; --bad: #a3211b; --open: #7a5000; }
@media (prefers-color-scheme: dark) { :root { --back: #16181c; --text: #e8e8ea; --dim: #a6a9b1;
  --line: #3a3d45; --soft: #22252b; --good: #79d18f; --bad: #ff9a91; --open: #f0bd5e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; background: var(--back);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
body.wide { max-width: 76rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 .25rem; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: .9rem; margin: 0 0 .25rem; color: var(--dim); }
p { margin: .5rem 0; }
.dim { color: var(--dim); }
.total { font-size: 1.3rem; font-weight: 600; }
.note { border-left: .25rem solid var(--open); background: var(--soft); padding: .5rem .75rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .75rem 0; }
dt { color: var(--dim); } dd { margin: 0; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: .45rem .5rem .45rem 0;
  border-top: 1px solid var(--line); }
thead th { color: var(--dim); font-weight: normal; font-size: .85rem; border-top: 0; }
tbody th { font-weight: normal; }
.part { border-top: 0; padding-top: 1.75rem; vertical-align: bottom; }
.part h2 { margin: 0; }
th small { display: block; color: var(--dim); font-size: .8rem; line-height: 1.3; }
.name { width: 30%; } .points { width: 4.8rem; text-align: right; padding-right: 0; }
code, pre { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { margin: .25rem 0; white-space: pre-wrap; }
.text { white-space: pre-line; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.box { border: 1px solid var(--line); border-radius: .25rem; padding: .5rem .75rem; min-width: 0; }
.box pre { white-space: pre; overflow-x: auto; }
.soft { background: var(--soft); border: 0; }
pre.wrap, .box pre.wrap { font: inherit; white-space: pre-wrap; overflow-x: visible; }
img { display: block; max-width: min(100%, 36rem); background: #fff; margin: .25rem 0; }
summary { cursor: pointer; }
article { border-top: 1px solid var(--line); margin-top: 1.5rem; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); font-size: .85rem; }
@media (max-width: 44rem) { .pair { grid-template-columns: 1fr; } }
@media (max-width: 30rem) { .name { width: 30%; } .points { width: 5rem; } }
@media print { :root { color-scheme: light; --back: #fff; --text: #000; --dim: #444;
  --line: #999; --soft: #fff; --good: #000; --bad: #000; --open: #000; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  tr, .box { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(title, body, wide=False):
    """Return a whole page; `title` is plain text, `body` a list of pieces of HTML."""
    return "\n".join([
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style></head>",
        f'<body{" class=wide" if wide else ""}><main>',
        *body,
        "</main></body></html>\n",
    ])  # fmt: skip


def escape(text):
    """Escape text for HTML; characters that HTML forbids become a question mark in a diamond."""
    return html.escape(re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", str(text)))


def tag(name, text, kind="", **attributes):
    """Return <name>text</name> with escaped text; attributes: dir, scope, ..."""
    attributes = ({"class": kind} if kind else {}) | attributes
    inside = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{inside}>{escape(text)}</{name}>"


def number(points):
    """Return points as people write them: 2, 1.5, 0.25; at most two decimals."""
    return f"{round(points, 2):g}"


def counted(points, of=None):
    """Return '1 point', '2 points' or, with a maximum, '1.5 of 2 points'."""
    of_all = "" if of is None else f" of {number(of)}"
    last = points if of is None else of
    return f"{number(points)}{of_all} point{'' if number(last) == '1' else 's'}"
