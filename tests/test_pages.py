"""Every page of the built book, and all links within it, in a browser: wide, narrow, light, dark.

VAELIB_BOOK names the folder of built pages (`make pages`); without it the tests of pages are
skipped.
"""

import gzip
import os
import re
import shutil
import time
import tomllib
from collections import Counter
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from bs4 import BeautifulSoup
from conftest import need

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
           --disable-background-networking --disable-component-update --disable-sync""".split()
PAGES = re.findall(
    r"^[ -]*(?:root|file): *(\S+)", (ROOT / "book/_toc.yml").read_text(encoding="utf-8"), re.M
)
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]

LOOK = r"""async scheme => {
  const found = [], html = document.documentElement, article = document.querySelector("article");
  if (!article) return ["has no <article>"];
  const all = css => [...article.querySelectorAll(css)];
  const name = e =>
    "<" + [e.localName, ...e.classList].join(".") + "> " + e.textContent.trim().slice(0, 60);
  const report = (what, list, show = name) => {
    for (const e of list) found.push(what + ": " + show(e));
  };
  const overflow = e => getComputedStyle(e).overflowX, right = e => e.getBoundingClientRect().right;
  // Solutions; from here on they and the folded cells are open, to be measured with the rest
  for (const box of all(".solution")) {
    const shown = () => box.lastElementChild.checkVisibility({visibilityProperty: true});
    const early = shown();
    box.querySelector(".toggle-button")?.click();
    if (early || !shown())
      found.push(`solution ${early ? "starts open" : "does not open"}: ` + name(box));
  }
  all("details").forEach(e => e.open = true);
  if (document.querySelector("script[src*=mathjax]")) {
    const late = new Promise((_, no) => setTimeout(no, 20000, "no answer in 20 seconds"));
    const ready = window.MathJax?.startup?.promise ?? Promise.reject("it did not load");
    await Promise.race([ready, late])
      .catch(e => found.push("MathJax did not finish: " + e));
  }
  await document.fonts.ready;
  report("formula not typeset", all(".math").filter(e => !e.querySelector("mjx-container")));
  report("formula refused by MathJax", all("mjx-merror"));
  report("undefined macro (red) in a formula", all("mjx-mtext").filter(e =>
    getComputedStyle(e).color === "rgb(255, 0, 0)" || /color:\s*red/.test(e.getAttribute("style"))),
    e => name(e.closest("mjx-container") ?? e));
  report("formula cut off", all(".math").filter(e => overflow(e) === "hidden" &&
    [...e.querySelectorAll("mjx-math")].some(m =>
      right(m) > right(e) + 1 && overflow(m.parentElement) === "visible")));
  const copy = article.cloneNode(true);
  copy.querySelectorAll("pre, code, script, style, template, mjx-container")
    .forEach(e => e.remove());
  for (const m of copy.textContent.matchAll(
    /\$\$|\\begin\{|\?\?|\{(glue|eq|numref|ref|cite|doc|term|prf)[:\w]*\}/g))
    found.push("raw markup: " + copy.textContent.slice(m.index, m.index + 60));
  report("message of the builder", all(".system-message, .problematic"));
  // Width: neither the window nor a box around the article may scroll sideways
  const boxed = e => (e = e.parentElement) !== article && (overflow(e) !== "visible" || boxed(e));
  for (let e = article; e; e = e.parentElement)
    if ((e === html || overflow(e) !== "visible") &&
        e.scrollWidth > (e === html ? innerWidth : e.clientWidth) + 1) {
      const wide = all("*").filter(i => right(i) > innerWidth + 1 && !boxed(i))
        .sort((a, b) => right(b) - right(a));
      found.push(
        `scrolls sideways (${e.scrollWidth} px): ` + wide.slice(0, 3).map(name).join("; "));
      break;
    }
  report("image without alt text", all("img").filter(e => !e.alt.trim()), e => e.src.slice(0, 100));
  report("image not loaded", all("img").filter(e => !e.naturalWidth), e => e.src.slice(0, 100));
  report("figure without caption", all("figure").filter(e => !e.querySelector("figcaption")));
  // One more is for print
  const titles = [...document.querySelectorAll("h1")].filter(e => e.checkVisibility());
  if (titles.length !== 1) found.push(`has ${titles.length} <h1>`);
  if (!document.title.trim()) found.push("has no title");
  if (!html.lang) found.push("does not say its language");
  if (html.dataset.theme !== scheme) found.push(`theme is ${html.dataset.theme}, not ${scheme}`);
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
  const dark = (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 < 0.3;
  if (dark !== (scheme === "dark"))
    found.push(`background is rgb(${r}, ${g}, ${b}) in ${scheme} mode`);
  return found;
}"""


def problems(page, url, scheme="light", wait="load"):
    """Open a URL in a Playwright page; returns the problems that its reader would see."""
    site, found = urljoin(url, "/"), []
    # The console's message lacks the address; the "response" handler below reports it.
    say, missing = found.append, "Failed to load resource"
    foreign = re.compile(rf"^(?!{re.escape(site)}|data:|blob:|about:)")
    page.route(
        foreign, lambda route: (say(f"asks another site: {route.request.url}"), route.abort())
    )
    page.on("websocket", lambda socket: say(f"opens a socket: {socket.url}"))
    page.on("response", lambda r: r.status >= 400 and say(f"request failed: {r.url} {r.status}"))
    page.on(
        "requestfailed",
        lambda r: r.url.startswith(site) and say(f"request failed: {r.url} {r.failure}"),
    )
    page.on(
        "console",
        lambda m: m.type == "error" and missing not in m.text and say(f"console error: {m.text}"),
    )
    page.on("pageerror", lambda error: say(f"script error: {error}"))
    # Waits until the page's scripts have run: on a slow machine the network can be idle before.
    page.goto(url)
    page.wait_for_load_state(wait)
    looks = page.evaluate(LOOK, scheme)
    return found + looks


def need_browser():
    need(
        find_spec("playwright") is not None,
        "Playwright is missing: pip install -e '.[browser]' -c requirements.txt",
    )
    need(CHROMIUM is not None, "no Chromium on this machine: apt install chromium")


@pytest.fixture(scope="session")
def book():
    """The folder of built pages."""
    need(os.environ.get("VAELIB_BOOK"), "run by `make book pages`, on the book as built", ci=False)
    return Path(os.environ["VAELIB_BOOK"]).resolve()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    # With the usual 5 a browser's burst of connections is dropped and tried again much later.
    request_queue_size = 64


@contextmanager
def served(folder, handler=Quiet):
    with Server(("127.0.0.1", 0), partial(handler, directory=folder)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


# No wider scope: Playwright's event loop would keep running during the tests of other files.
@pytest.fixture(scope="module")
def browser():
    need_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def view(request, book, browser):
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    with served(book) as site:
        yield context, site, width, scheme
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page(book, view, name):
    assert (book / f"{name}.html").is_file(), f"{name} was not built"
    context, site, width, scheme = view
    # Waiting for late requests in one view per page is enough.
    wait = "networkidle" if (width, scheme) == VIEWS[0] else "load"
    with context.new_page() as page:
        found = problems(page, f"{site}{name}.html", scheme, wait)
    assert not found, "\n- ".join([f"{name} at {width} px, {scheme}:", *found])


# WCAG 2.1, levels A and AA. Not checked: the inside of formulas, which MathJax makes. Code is
# checked on one page only.
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}


# These two take minutes, and check the book that readers get.
real_book = pytest.mark.skipif(
    not os.environ.get("VAELIB_BOOK"), reason="run by make pages, on the book as built"
)


@real_book
@pytest.mark.parametrize("name", PAGES)
def test_accessible(book, browser, name):
    from axe_playwright_python.sync_playwright import Axe

    found = []
    with served(book) as site:
        for width, scheme in (VIEWS[0], VIEWS[1], VIEWS[2]):
            with browser.new_page(
                viewport={"width": width, "height": 844}, color_scheme=scheme
            ) as page:
                page.goto(f"{site}{name}.html", wait_until="load")
                page.evaluate("() => window.MathJax?.startup?.promise.then(() => 1)")
                page.wait_for_timeout(100)  # by then scrolling boxes can be focused
                parts = {
                    "exclude": [["mjx-container"]]
                    + ([["pre"]] if name != "chapters/A_engine" else [])
                }
                for violation in Axe().run(page, context=parts, options=AXE).response["violations"]:
                    nodes = [node["html"][:110] for node in violation["nodes"]]
                    found.append(
                        f"{width} px, {scheme}: {violation['id']} ({len(nodes)}): "
                        + "; ".join(nodes[:3])
                    )
    assert not found, "\n- ".join([f"{name}:", *found])


class Line:
    """A slow line: senders take turns, at `rate` bytes per second."""

    def __init__(self, rate):
        self.rate, self.free, self.lock = rate, 0.0, Lock()

    def wait(self, size):
        with self.lock:
            self.free = max(self.free, time.monotonic()) + size / self.rate
            until = self.free
        time.sleep(max(0, until - time.monotonic()))


class Zipped(SimpleHTTPRequestHandler):
    """Serves like GitHub Pages, text compressed and connections kept alive, over a slow line.

    The server is slow, not the browser: with Network.emulateNetworkConditions one load in a hundred
    never ended in Chromium 156; all its requests stood still."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, line, **kwargs):
        self.line = line
        super().__init__(*args, **kwargs)

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            return self.send_error(404)
        time.sleep(LATENCY)
        body, kind = path.read_bytes(), self.guess_type(str(path))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if not kind.startswith(("image/png", "font/")):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), CHUNK):
            chunk = body[start : start + CHUNK]
            self.line.wait(len(chunk))
            self.wfile.write(chunk)


HEAVIEST, SLOWEST = 1.2e6, 2.0  # bytes without images; seconds to the first view
LATENCY, RATE, CHUNK = 0.04, 10e6 / 8, 8192  # seconds; 10 Mbit/s in bytes per second; bytes


@real_book
@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("chapters/")])
def test_light_and_quick(book, browser, name):
    weight, times = Counter(), []
    with served(book, partial(Zipped, line=Line(RATE))) as site:
        for _ in range(3):
            with browser.new_context() as context, context.new_page() as page:
                weight.clear()

                def weigh(response):
                    if response.request.resource_type != "image":
                        weight[response.url] = int(response.headers.get("content-length", 0))

                page.on("response", weigh)
                page.goto(f"{site}{name}.html", wait_until="load")
                page.wait_for_load_state("networkidle")
                times.append(
                    page.evaluate(
                        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
                    )
                    / 1e3
                )
    heaviest = ", ".join(
        f"{url.rsplit('/', 1)[-1]} {size / 1e3:.0f} kB" for url, size in weight.most_common(4)
    )
    assert sum(weight.values()) <= HEAVIEST, (
        f"{name} weighs {sum(weight.values()) / 1e6:.2f} MB: {heaviest}"
    )
    assert sorted(times)[1] <= SLOWEST, f"the first view of {name} takes {sorted(times)[1]:.1f} s"


def test_self_tests_answer(book, browser):
    """In every chapter the right answers are accepted, others corrected, by pointer and by key."""
    with served(book) as site, browser.new_page() as page:
        for name in (name for name in PAGES if re.match(r"chapters/(0[1-9]|1[01]|A_)", name)):
            page.goto(f"{site}{name}.html", wait_until="load")
            boxes = page.locator(".self-test")
            assert boxes.count() >= 5, name
            for box in boxes.all():
                assert not box.locator("details").is_visible()
                buttons, verdicts = box.locator(".options button"), []
                for i, button in enumerate(buttons.all()):
                    if i == 0:
                        button.focus()
                        page.keyboard.press("Enter")
                    else:
                        button.click()
                    said, kind = (
                        box.locator(".said").text_content(),
                        button.locator("..").get_attribute("class"),
                    )
                    verdicts.append(kind)
                    assert (
                        said.startswith({"right": "Yes:", "wrong": "No:"}[kind]) and len(said) > 15
                    )
                assert sorted(verdicts)[0] == "right" and verdicts.count("right") == 1, (
                    name,
                    verdicts,
                )
                assert box.locator("li.right, li.wrong").count() == 1


def test_search(book, view):
    """The field shows the whole query; an excerpt is prose around the word, without markup."""
    context, site, _, _ = view
    clear = """form => form.querySelector(".fa-magnifying-glass").getBoundingClientRect().right <
      form.querySelector("input").getBoundingClientRect().left +
      parseFloat(getComputedStyle(form.querySelector("input")).paddingLeft)"""
    with context.new_page() as page:
        page.goto(f"{site}search.html?q=surgery", wait_until="load")
        page.wait_for_selector(".bd-article-container .bd-search .fa-magnifying-glass")
        assert page.eval_on_selector(".bd-article-container .bd-search", clear)
        page.keyboard.press("Control+k")
        assert page.eval_on_selector("#pst-search-dialog .bd-search", clear)
        page.wait_for_load_state("networkidle")
        excerpts = page.locator("#search-results .context").all_text_contents()
    assert len(excerpts) > 3 and sum("surgery" in text.lower() for text in excerpts) > 3
    for text in excerpts:
        assert 20 < len(text) < 300 and not re.search(r"\\[(\[]|\.pdf|Contents", text), text


def test_search_finds_the_words_that_people_type(book, browser):
    """Each leads to the glossary or to one of the chapters on one's own data and troubles."""
    words = ["BCE", "blurry", "NaN", "annealing", "slerp", "anomaly", "conditional", "saving",
             "overfitting", "GPU memory", "missing", "bits", "imputation"]  # fmt: skip
    with served(book) as site, browser.new_page() as page:
        for word in words:
            page.goto(f"{site}search.html?q={word}", wait_until="networkidle")
            page.wait_for_selector("#search-results li a")
            links = page.locator("#search-results li a").evaluate_all("all => all.map(a => a.href)")
            assert any(re.search("glossary|12_your_data|13_diagnosis", a) for a in links), word


def test_works_stand_apart_without_labels(book, browser):
    with served(book) as site, browser.new_page() as page:
        page.goto(f"{site}book/bibliography.html", wait_until="load")
        works = page.locator(".citation")
        first, second = works.nth(0).bounding_box(), works.nth(1).bounding_box()
        assert not [text for text in works.all_inner_texts() if text.startswith("[")]
    assert second["y"] > first["y"] + first["height"] + 6


def test_notation_fits_its_page(book, view):
    """On a phone a row is stacked; nowhere a cell is wider than its table."""
    context, site, _, _ = view
    with context.new_page() as page:
        page.goto(f"{site}book/notation.html", wait_until="load")
        page.evaluate("() => window.MathJax.startup.promise.then(() => 1)")
        wide = """rows => rows.filter(row => row.closest("div").scrollWidth >
          row.closest("section").clientWidth + 1 || [...row.querySelectorAll("td > *")].some(e =>
          e.scrollWidth > e.clientWidth + 1 && e.clientWidth)).map(row => row.textContent)"""
        assert page.eval_on_selector_all("#symbols tbody tr", wide) == []


@pytest.mark.parametrize("name", PAGES)
def test_tables_have_no_raw_formulas(book, name):
    """A table that a cell makes shows the signs of TeX as they are."""
    soup = BeautifulSoup((book / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    cells = [cell.get_text() for cell in soup.select("article :is(td, th)")]
    assert not [text for text in cells if re.search(r"\$\s*\\\w", text)]


@pytest.mark.parametrize("name", PAGES)
def test_what_scrolls_on_a_phone_has_a_shadow(book, browser, name):
    """Formulas within a sentence excepted."""
    plain = """boxes => boxes.filter(e => e.scrollWidth > e.clientWidth + 1 &&
      /auto|scroll/.test(getComputedStyle(e).overflowX) && !e.matches("span.math") &&
      getComputedStyle(e).backgroundImage === "none").map(e => e.outerHTML.slice(0, 100))"""
    with served(book) as site, browser.new_page(viewport={"width": 390, "height": 844}) as page:
        page.goto(f"{site}{name}.html", wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise.then(() => 1)")
        page.evaluate("() => document.querySelectorAll('details').forEach(e => e.open = true)")
        assert page.eval_on_selector_all("article *", plain) == []


@pytest.mark.parametrize("name", PAGES)
def test_foot_says_licences_version_and_how_to_cite(book, name):
    foot = BeautifulSoup((book / f"{name}.html").read_bytes(), "html.parser").select_one(
        ".bd-footer-content p"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for part in ("CC BY 4.0", "Code: MIT", f"vaelib {project['version']}"):
        assert part in foot.get_text()
    assert foot.find("a", string="How to cite")["href"].endswith("#how-to-cite")


@cache
def parsed(path):
    """The addresses a page refers to, and the places on it that can be referred to."""
    tags = BeautifulSoup(path.read_bytes(), "html.parser").find_all(True)
    return [
        {t[key] for t in tags for key in keys if key in t.attrs}
        for keys in (("href", "src"), ("id", "name"))
    ]


@pytest.mark.parametrize("name", ["index", *PAGES])
def test_links(book, name):
    broken = []
    for address in sorted(parsed(book / f"{name}.html")[0]):
        # The book need not be at the root of a site.
        target = urlsplit(urljoin(f"http://site/book/{name}.html", address))
        path = book / unquote(target.path).removeprefix("/book/")
        if target.netloc != "site":
            continue
        if not path.is_file():
            broken.append(f"{address}: no such file")
        elif (
            target.fragment
            and path.suffix == ".html"
            and unquote(target.fragment) not in parsed(path)[1]
        ):
            broken.append(f"{address}: no such place on that page")
    assert not broken, "\n- ".join([f"{name}:", *broken])


SOUND = """<!doctype html><html lang="en" data-theme="light"><head><title>A page</title></head>
<body style="background: #fff"><article><h1>A page</h1>%s</article></body></html>"""
BROKEN = {
    "asks another site": '<img src="https://example.org/a.png" alt="a dot">',
    "request failed": '<img src="missing.png" alt="a dot">',
    "image not loaded": '<img src="data:image/png;base64,AAAA" alt="a dot">',
    "image without alt": (
        "<img src='data:image/svg+xml,<svg xmlns=\"http://www.w3.org/2000/svg\"/>'>"
    ),
    "figure without caption": "<figure>A drawing</figure>",
    "console error": "<script>console.error('oh')</script>",
    "script error": "<script>throw Error('oh')</script>",
    "MathJax did not finish: it did not load": '<script src="data:,/mathjax.js"></script>',
    "formula refused": "<mjx-merror>Undefined control sequence</mjx-merror>",
    "undefined macro": '<mjx-mtext style="color: red">\\macro</mjx-mtext>',
    "formula not typeset": '<span class="math">x</span>',
    "formula cut off": (
        '<p class="math" style="overflow: hidden; width: 9px"><mjx-container><mjx-math>a long one'
    ),
    "message of the builder": '<span class="problematic">x</span>',
    "scrolls sideways (3000 px): <div.wide>": (
        '<div class="wide" style="width: 3000px; margin: -8px">x</div>'
    ),
    "has 2 <h1>": "<h1>Another</h1>",
    "theme is dark, not light": "<script>document.documentElement.dataset.theme = 'dark'</script>",
    "background is rgb(0, 0, 0) in light": "<style>body { background: #000 !important; }</style>",
    "solution starts open": '<div class="solution"><p>Solution</p><p>42</p></div>',
    "solution does not open": (
        '<div class="solution"><p>Solution</p><p style="visibility: hidden">42</p></div>'
    ),
} | {
    f"raw markup: {text}": f"<p>{text}" for text in ("$$ x", "\\begin{aligned}", "{eq}`elbo`", "??")
}


@pytest.mark.parametrize("message", ["", *BROKEN])
def test_problems_are_seen(browser, tmp_path, message):
    (tmp_path / "index.html").write_text(SOUND % BROKEN.get(message, ""))
    with served(tmp_path) as site, browser.new_page() as page:
        found = problems(page, site)
    assert any(message in problem for problem in found) if message else not found, found


def test_a_phone_stacks_the_parts_of_a_wide_figure(book, browser):
    """In order, above the caption; a wide window has one picture again."""
    name = "chapters/02_elbo"
    assert (book / f"{name}.html").is_file()
    parts = """() => [...document.querySelectorAll("#fig-gauge > *")].map(e =>
        e.localName + e.querySelectorAll(".part").length)"""
    with served(book) as site, browser.new_page(viewport={"width": 390, "height": 844}) as page:
        page.goto(f"{site}{name}.html")
        assert page.evaluate(parts) == ["div3", "figcaption0"]
        lefts = page.evaluate("""() => [...document.querySelectorAll("#fig-gauge .part")].map(
            part => {
              const at = part.getBoundingClientRect();
              return Math.round((part.firstChild.getBoundingClientRect().x - at.x) / at.width);
            })""")
        assert lefts == [0, -1, -2]
        page.set_viewport_size({"width": 1280, "height": 844})
        page.wait_for_function("""() => !document.querySelector("#fig-gauge .part")""")
        assert page.evaluate(parts) == ["img0", "figcaption0"]


def test_seals_and_folds_of_a_passed_chapter(book, browser):
    name = "chapters/02_elbo"
    with served(book) as site, browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        page.goto(f"{site}{name}.html")
        seals = page.locator(".seal")
        assert seals.count() > 20 and page.locator(".seal.fails").count() == 0
        assert "Checked:" not in page.locator("article").inner_text()
        first = page.locator("article figure").first.bounding_box()
        assert first["y"] + first["height"] < 900  # the head drawing is on the first screen
        cell = page.locator("div.cell", has=page.locator(".seal")).first
        assert not cell.locator("pre").is_visible()
        cell.locator("summary").click()
        assert "vp.claim(" in cell.locator("pre").inner_text()


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("chapters/")])
@pytest.mark.parametrize("width", [1280, 390])
def test_words_of_folds_cover_nothing(book, browser, name, width):
    covered = """() => {
      const folds = [...document.querySelectorAll("article details.hide:not([open]) > summary")];
      const texts = [...document.querySelectorAll("article .seal > :last-child")].flatMap(e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return [...range.getClientRects()];
      });
      const boxes = folds.filter(e => e.checkVisibility()).map(e => e.getBoundingClientRect());
      const meet = (a, b) => a.left < b.right && b.left < a.right &&
        a.top < b.bottom && b.top < a.bottom;
      return boxes.filter((a, i) => boxes.some((b, j) => j > i && meet(a, b)) ||
        texts.some(b => meet(a, b))).map(a => Math.round(a.top + scrollY));
    }"""
    with served(book) as site, browser.new_page(viewport={"width": width, "height": 844}) as page:
        page.goto(f"{site}{name}.html")
        assert page.evaluate(covered) == []
