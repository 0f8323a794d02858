// Moves what stands in the page: lines, dots, pictures of a small decoder. No kernel, no other site.
(function (root, data, compute) {
  const all = css => [...root.querySelectorAll(css)];
  const out = root.querySelector("output"), inputs = all("input"), drawings = all("svg");
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const number = (v, n = 2) => v.toFixed(n).replace("-", "\u2212");
  const place = ({xlim: [x0, x1], ylim: [y0, y1], box: [l, t, r, b]}) => ({
    X: v => l + (v - x0) / (x1 - x0) * (r - l), Y: v => b - (v - y0) / (y1 - y0) * (b - t),
    x: p => x0 + (p - l) / (r - l) * (x1 - x0), y: p => y0 + (b - p) / (b - t) * (y1 - y0)});
  const tell = (input, text) => {
    input.setAttribute("aria-valuetext", text);
    input.nextElementSibling.textContent = text;
  };

  // Sliders of named values; the index of their combination, first slider slowest
  const index = () => inputs.reduce((sum, input, i) => {
    tell(input, data.sliders[i][input.value]);
    return sum * data.sliders[i].length + Number(input.value);
  }, 0);

  // The ground: a point that is dragged, or moved by arrow keys, sets the first two sliders
  const nearest = (values, v) => values.reduce((best, u, i) => Math.abs(u - v) < Math.abs(values[best] - v) ? i : best, 0);
  function ground(panel, drawing) {
    const at = place(panel), grip = drawing.querySelector(".grip");
    const move = (...v) => {
      v.forEach((u, j) => { inputs[j].value = nearest(data.values[j], u); });
      stop();
      draw();
    };
    drag(drawing, (x, y) => move(at.x(x), at.y(y)), step => inputs.forEach((input, j) => {
      if (j < 2 && step[j]) { input.value = +input.value + 5 * step[j]; stop(); draw(); }
    }));
    return () => {
      const [u, v] = inputs.map((input, j) => data.values[j][input.value]);
      grip.setAttribute("cx", at.X(u).toFixed(1));
      grip.setAttribute("cy", at.Y(v).toFixed(1));
    };
  }
  function bars(panel, drawing) {
    const {X} = place(panel), rects = drawing.querySelectorAll(".bar"), names = drawing.querySelectorAll(".bar-name");
    return found => panel.bars.forEach((name, j) => {
      const [a, b] = found[name].map(X), left = Math.min(a, b).toFixed(1);
      rects[j].setAttribute("x", left);
      rects[j].setAttribute("width", Math.abs(b - a).toFixed(1));
      names[j].setAttribute("x", left);
    });
  }
  const drag = (drawing, moved, stepped) => {
    const follow = event => {
      const box = drawing.getBoundingClientRect(), scale = drawing.viewBox.baseVal.width / box.width;
      moved((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    };
    drawing.addEventListener("pointerdown", event => { drawing.setPointerCapture(event.pointerId); follow(event); });
    drawing.addEventListener("pointermove", event => { if (event.buttons) follow(event); });
    drawing.addEventListener("keydown", event => {
      const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      stepped(step);
    });
  };

  function curves() {
    const panels = data.panels.map((panel, i) => {
      if (panel.ground) return ground(panel, drawings[i]);
      if (panel.bars) return bars(panel, drawings[i]);
      const {X, Y} = place(panel), [x0, x1] = panel.xlim, [y0, y1] = panel.ylim, n = panel.points;
      const paths = [...drawings[i].querySelectorAll(".line")];
      const lines = panel.lines.map(line => ({...line, values: bytes(line.data)}));
      const draw = (j, height) => {
        let d = "";
        for (let k = 0; k < n; k++)
          d += (k ? "L" : "M") + X(x0 + (x1 - x0) * k / (n - 1)).toFixed(1) + " "
            + Y(Math.min(y1, Math.max(y0, height(k)))).toFixed(1);
        paths[j].setAttribute("d", d);
      };
      return at => lines.forEach((line, j) => {
        if (typeof at === "object") { if (at[line.name]) draw(j, k => at[line.name][k]); }
        else if (!line.fixed) draw(j, k => y0 + (y1 - y0) * line.values[at * n + k] / 255);
      });
    });
    return () => {
      const at = index(), found = compute ? compute(inputs.map((input, i) => data.values[i][input.value])) : at;
      panels.forEach(draw => draw(found));
      out.textContent = (compute ? found.readout : (data.readout || [])[at]) || "";
    };
  }

  const dots = (drawing, codes, from, labels, {X, Y}) => {
    const paths = {}, limit = data.limit;
    labels.forEach((label, i) => {
      const x = limit * codes[2 * (from + i)] / 127, y = limit * codes[2 * (from + i) + 1] / 127;
      paths[label] = (paths[label] || "") + `M${X(x).toFixed(1)} ${Y(y).toFixed(1)}h0`;
    });
    const keys = Object.keys(paths).sort((a, b) => a - b);
    drawing.querySelectorAll(".dots").forEach((path, i) => path.setAttribute("d", paths[keys[i]]));
  };

  function film() {
    const panels = data.panels.map(panel => ({codes: new Int8Array(bytes(panel.codes).buffer), at: place(panel)}));
    return () => {
      const frame = index();
      panels.forEach((panel, i) => dots(drawings[i], panel.codes, frame * data.labels.length, data.labels, panel.at));
    };
  }

  // The decoder: float16 weights, layer by layer
  const half = h => {
    const sign = h & 0x8000 ? -1 : 1, exponent = h >> 10 & 31, rest = h & 1023;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + rest / 1024) : 2 ** -14 * rest / 1024);
  };
  const act = {"": v => v, tanh: Math.tanh, relu: v => Math.max(v, 0), sigmoid: v => 1 / (1 + Math.exp(-v))};
  const network = member => {
    const weights = Float32Array.from(new Uint16Array(bytes(member.weights).buffer), half);
    return z => {
      let at = 0, h = z;
      member.layers.forEach(([n, m, name], l) => {
        const f = act[name || (l === member.layers.length - 1 ? member.squash : "")], next = new Float32Array(m);
        for (let j = 0; j < m; j++) {
          let sum = weights[at + n * m + j];
          for (let i = 0; i < n; i++) sum += weights[at + j * n + i] * h[i];
          next[j] = f(sum);
        }
        at += (n + 1) * m;
        h = next;
      });
      return h;
    };
  };
  const painter = canvas => {
    const ink = canvas.getContext("2d"), image = ink.createImageData(canvas.width, canvas.height);
    return pixels => {
      pixels.forEach((v, i) => {
        const grey = Math.round(255 * (1 - Math.min(1, Math.max(0, v))));
        image.data.set([grey, grey, grey, 255], 4 * i);
      });
      ink.putImageData(image, 0, 0);
    };
  };

  // The class of the nearest code
  const closest = (near, labels, z) => {
    let best = 0, least = Infinity;
    labels.forEach((_, i) => {
      const d = Math.hypot(data.limit * near[2 * i] / 127 - z[0], data.limit * near[2 * i + 1] / 127 - z[1]);
      if (d < least) [best, least] = [i, d];
    });
    return labels[best];
  };

  function planes() {
    const members = data.members.map((member, i) => ({
      ...member, decode: network(member), paint: painter(all("canvas")[i]), at: place(member),
      mark: drawings[i].querySelector(".cross"), near: new Int8Array(bytes(member.codes).buffer)}));
    const draw = () => {
      const z = inputs.map(input => Number(input.value));
      inputs.forEach((input, i) => tell(input, number(z[i])));
      for (const m of members) {
        m.paint(m.decode(z));
        m.mark.setAttribute("transform", `translate(${m.at.X(z[0]).toFixed(1)} ${m.at.Y(z[1]).toFixed(1)})`);
      }
      out.textContent = `z = (${number(z[0])}, ${number(z[1])}); class of the nearest code: `
        + members.map(m => `${closest(m.near, m.labels, z)} (${m.name})`).join(" \u00b7 ");
    };
    const move = (x, y) => { inputs[0].value = x; inputs[1].value = y; draw(); };
    drawings.forEach((drawing, i) => {
      drag(drawing, (x, y) => move(members[i].at.x(x), members[i].at.y(y)),
        step => move(...inputs.map((input, j) => Number(input.value) + 0.1 * step[j])));
    });
    return draw;
  }

  function traversal() {
    const decode = network(data.members[0]), paint = painter(root.querySelector("canvas"));
    const menu = root.querySelector("select");
    const draw = () => {
      const z = inputs.map(input => Number(input.value));
      inputs.forEach((input, i) => tell(input, number(z[i])));
      paint(decode(z));
    };
    menu.addEventListener("change", () => {
      inputs.forEach((input, i) => { input.value = data.starts[menu.selectedIndex][i]; });
      draw();
    });
    return draw;
  }

  const draw = {curves, film, planes, traversal}[data.kind]();
  inputs.forEach(input => input.addEventListener("input", draw));
  // In JupyterLab arrow keys would otherwise move to another cell.
  root.addEventListener("keydown", event => { if (event.target.matches("input, select")) event.stopPropagation(); });
  const button = root.querySelector("button"), label = button?.textContent;
  let timer = null;
  function stop() {
    clearTimeout(timer);
    timer = null;
    if (button) button.textContent = label;
  }
  const play = () => {
    const first = inputs[0];
    if (+first.value >= +first.max) first.value = 0;
    return () => +first.value < +first.max && (first.value = +first.value + 1, true);
  };
  // Uphill in steps of a tenth of the slope; the sliders show the nearest of their values
  const climb = () => {
    let z = inputs.map((input, j) => data.values[j][input.value]);
    return () => {
      const slope = compute(z).uphill;
      z = z.map((v, j) => v + 0.1 * slope[j]);
      inputs.forEach((input, j) => { input.value = nearest(data.values[j], z[j]); });
      return Math.hypot(...slope) > 0.01;
    };
  };
  if (button) button.addEventListener("click", () => {
    if (timer) return stop();
    const step = "climb" in button.dataset ? climb() : play();
    button.textContent = "\u275A\u275A Pause";
    const tick = () => {
      if (!root.isConnected || !step()) return stop();
      draw();
      timer = setTimeout(tick, 120);
    };
    timer = setTimeout(tick, 120);
  });
  root.classList.add("live");
  draw();
})
