// On a phone a figure of class parts-N is cut into N parts, which stand one above the other.
addEventListener("load", () => {
  const phone = matchMedia("(max-width: 600px)"), images = document.querySelectorAll(".bd-article figure img[class*='parts-']");
  const cut = image => {
    const n = Number(/parts-(\d)/.exec(image.className)[1]), box = document.createElement("div");
    image.before(box);
    for (let i = 0; i < n; i++) {
      const part = document.createElement("div"), piece = i ? image.cloneNode() : image;
      part.className = "part";
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
