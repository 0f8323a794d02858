// Curves that follow sliders, drawn as SVG from numbers that stand in the page: no kernel, no other site.
(function (root, data) {
  const W = 340, H = 216, left = 42, right = 8, top = 40, bottom = 34;
  const colors = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"], dashes = ["", "5 3", "2 2", "7 2 2 2"];
  const svg = (name, attributes, parent, text) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    return parent.appendChild(e);
  };
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const number = v => String(+v.toPrecision(3)).replace("-", "\u2212");
  const at = [], out = root.querySelector("output"), inputs = [...root.querySelectorAll("input")];
  const drawings = data.panels.map(panel => {
    const [x0, x1] = panel.xlim, [y0, y1] = panel.ylim;
    const X = v => left + (v - x0) / (x1 - x0) * (W - left - right);
    const Y = v => H - bottom - (v - y0) / (y1 - y0) * (H - top - bottom);
    const box = svg("svg", {viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": panel.title}, root.querySelector(".panels"));
    svg("text", {x: left, y: 13, class: "title"}, box, panel.title);
    svg("path", {d: `M${left} ${top}V${H - bottom}H${W - right}`, class: "axis"}, box);
    for (let i = 0; i <= 4; i++) {
      const x = x0 + (x1 - x0) * i / 4, y = y0 + (y1 - y0) * i / 4;
      svg("text", {x: X(x), y: H - bottom + 13, "text-anchor": "middle"}, box, number(x));
      svg("text", {x: left - 4, y: Y(y) + 4, "text-anchor": "end"}, box, number(y));
    }
    svg("text", {x: (left + W - right) / 2, y: H - 5, "text-anchor": "middle"}, box, panel.xlabel);
    const lines = panel.lines.map((line, i) => {
      const style = {fill: "none", stroke: colors[i], "stroke-width": 2, "stroke-dasharray": dashes[i]};
      svg("text", {x: W - right, y: 13 + 13 * i, "text-anchor": "end", fill: colors[i]}, box, line.name);
      return {path: svg("path", style, box), values: bytes(line.data), fixed: line.fixed};
    });
    const n = panel.points;
    return index => {
      for (const {path, values, fixed} of lines) {
        const from = fixed ? 0 : index * n;
        let d = "";
        for (let i = 0; i < n; i++)
          d += (i ? "L" : "M") + X(x0 + (x1 - x0) * i / (n - 1)).toFixed(1) + " "
            + Y(y0 + (y1 - y0) * values[from + i] / 255).toFixed(1);
        path.setAttribute("d", d);
      }
    };
  });
  const draw = () => {
    let index = 0;
    inputs.forEach((input, i) => {
      const labels = data.sliders[i].values;
      index = index * labels.length + Number(input.value);
      input.setAttribute("aria-valuetext", labels[input.value]);
      input.nextElementSibling.textContent = labels[input.value];
    });
    drawings.forEach(f => f(index));
    out.textContent = data.readout[index] || "";
  };
  inputs.forEach(input => input.addEventListener("input", draw));
  const button = root.querySelector("button");
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "\u25B6 Play"; };
  button.addEventListener("click", () => {
    if (timer) return stop();
    const first = inputs[0];
    if (+first.value >= +first.max) first.value = 0;
    button.textContent = "\u25A0 Stop";
    timer = setInterval(() => {
      if (!root.isConnected || +first.value >= +first.max) return stop();
      first.value = +first.value + 1;
      draw();
    }, 120);
  });
  draw();
})
