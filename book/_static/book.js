// What a page does beside being read: boxes that scroll can be reached by keyboard, and self-tests answer.

// A box that scrolls sideways takes the focus, so that arrow keys scroll it.
const reach = () => {
  for (const box of document.querySelectorAll(".bd-article :is(figure, table, pre, .math, .cell_output, .output)")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(box).overflowX);
    if (scrolls && !box.querySelector("a[href]:not(.headerlink), button, input, [tabindex]")) box.tabIndex = 0;
  }
};

// A full stop stays with the formula before it, and a formula with the bracket that opens before it.
const punctuation = () => {
  for (const math of document.querySelectorAll(".bd-article span.math")) {
    const before = math.previousSibling, after = math.nextSibling, width = math.offsetWidth;
    const opened = before?.nodeType === 3 && /\($/.exec(before.data), closed = after?.nodeType === 3 && /^[.,;:)?!]+/.exec(after.data);
    if (!(opened || closed) || width > 180) continue;
    const kept = document.createElement("span");
    kept.style.whiteSpace = "nowrap";
    math.before(kept);
    if (opened) { before.data = before.data.slice(0, -1); kept.append("("); }
    kept.append(math);
    if (closed) { after.data = after.data.slice(closed[0].length); kept.append(closed[0]); }
  }
};

// docutils gives the entries of the bibliography a role that ARIA has dropped.
const entries = () => document.querySelectorAll('[role="doc-biblioentry"]').forEach(e => e.setAttribute("role", "listitem"));
addEventListener("load", () => {
  entries();
  reach();
  window.MathJax?.startup?.promise?.then(() => { punctuation(); reach(); });
});
addEventListener("resize", reach);

// On a phone a figure of class parts-N is cut into N parts, which stand one above the other.
addEventListener("load", () => {
  const phone = matchMedia("(max-width: 600px)"), images = document.querySelectorAll(".bd-article figure img[class*='parts-']");
  const cut = image => {
    const n = Number(/parts-(\d)/.exec(image.className)[1]), box = document.createElement("div");
    image.before(box);
    for (let i = 0; i < n; i++) {
      const part = document.createElement("div"), piece = i ? image.cloneNode() : image;
      part.className = "part";
      part.style.maxWidth = `${1.25 * image.naturalWidth / n}px`;  // a narrow part is not blown up
      piece.style.cssText = `width: ${100 * n}%; margin-left: -${100 * i}%`;
      if (i) piece.alt = `Part ${i + 1} of the figure`;
      part.append(piece);
      box.append(part);
    }
  };
  const join = image => {
    const box = image.parentElement.parentElement;
    image.removeAttribute("style");
    box.replaceWith(image);
  };
  if (phone.matches) images.forEach(cut);
  phone.addEventListener("change", () => images.forEach(phone.matches ? cut : join));
});

// The answers of a self-test become buttons that say what is right and why. Without scripts they stand in a fold.
// Nothing is kept, nothing is sent.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".admonition.self-test")) {
    const fold = box.querySelector("details"), options = [...box.querySelectorAll("ol:not(details ol) > li")];
    const answers = fold ? [...fold.querySelectorAll("ol > li")] : [];
    if (!options.length || options.length !== answers.length) continue;
    const list = options[0].parentElement, said = document.createElement("div");
    said.className = "said";
    said.setAttribute("role", "status");
    list.classList.add("options");
    options.forEach((option, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...option.childNodes);
      option.append(button);
      button.addEventListener("click", () => {
        const right = /^\s*Yes\b/.test(answers[i].textContent);
        options.forEach(other => other.classList.remove("right", "wrong"));
        option.classList.add(right ? "right" : "wrong");
        said.replaceChildren(...[...answers[i].childNodes].map(node => node.cloneNode(true)));
      });
    });
    list.after(said);
    fold.hidden = true;
  }
});

// An excerpt in the list of what a search found: around the word, from the article alone. Formulas become ellipses,
// code comes after the prose. Sphinx would show the page's buttons, its contents and the formulas' source as well.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  Search.makeSearchSummary = (html, words, anchor) => {
    const article = new DOMParser().parseFromString(html, "text/html").querySelector("article");
    if (!article) return null;
    const part = article.querySelector(`[id="${(anchor ?? "").slice(1)}"]`) ?? article;
    if (part.localName === "dt") part.append(": ", part.nextElementSibling ?? "");
    part.querySelector("h1, h2, h3, h4")?.remove(); // the link above says it
    part.querySelectorAll(".headerlink, .label, script, style, summary").forEach(e => e.remove());
    part.querySelectorAll(".math").forEach(e => e.replaceWith("…"));
    part.querySelectorAll("h2, h3, h4, .admonition-title, dt").forEach(e => e.append(": "));
    part.append(...part.querySelectorAll("pre"));
    const text = part.textContent.replace(/([?!.:]):(?=\s)/g, "$1").replace(/\s+/g, " ").trim();
    // The words are stems: "surgeri" for "surgery".
    const at = [...words].flatMap(word => [word, word.slice(0, -1)]).map(word => text.toLowerCase().indexOf(word));
    const from = text.lastIndexOf(" ", Math.max(0, (at.find(i => i >= 0) ?? 0) - 120)) + 1;
    const shown = text.slice(from, from + 240).replace(/\S*$/, end => from + 240 < text.length ? "…" : end);
    const excerpt = document.createElement("p");
    excerpt.className = "context";
    excerpt.textContent = (from ? "… " : "") + shown;
    return excerpt;
  };
});
