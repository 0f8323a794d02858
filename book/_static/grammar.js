// On a phone a figure of class parts-N is cut into N parts, which stand one above the other.
addEventListener("load", () => {
  const phone = matchMedia("(max-width: 600px)");
  const cut = () => {
    for (const image of document.querySelectorAll(".bd-article figure img[class*='parts-']")) {
      const n = Number(/parts-(\d)/.exec(image.className)[1]), whole = image.closest(".part")?.parentElement ?? image.parentElement;
      const parts = [...whole.querySelectorAll(":scope > .part")];
      if (phone.matches === parts.length > 0) continue;
      if (!phone.matches) {
        const first = parts[0].querySelector("img");
        first.removeAttribute("style");
        parts[0].before(first);
        parts.forEach(part => part.remove());
        continue;
      }
      const made = Array.from({length: n}, (_, i) => {
        const part = document.createElement("div"), copy = i ? image.cloneNode() : image;
        part.className = "part";
        if (i) copy.alt = "", copy.classList.remove(`parts-${n}`);
        whole.insertBefore(part, image.parentElement === whole ? image : null);
        part.append(copy);
        copy.style.cssText = `width: ${100 * n}%; margin-left: -${100 * i}%`;
        return part;
      });
    }
  };
  cut();
  phone.addEventListener("change", cut);
});
