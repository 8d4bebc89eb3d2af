// One plot in SVG: points by phase, uncertainty, events, a cursor; wheel zooms, dragging moves.

const MARGIN = { left: 62, right: 14, top: 12, bottom: 42 };

const MOVES = {
  ArrowLeft: [-0.125, 0], ArrowRight: [0.125, 0], ArrowUp: [0, 0.125], ArrowDown: [0, -0.125],
};

function niceStep(span, count) {
  const raw = span / count;
  const decade = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((s) => s * decade).find((s) => s >= raw * 0.999);
}

function ticksOf([low, high], count) {
  const step = niceStep(high - low, count);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    ticks.push(i * step);
  }
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function tickText(value, digits) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-4)) return value.toExponential(1);
  return value.toFixed(Math.min(digits, 6)).replace("-", "\u2212");
}

function rangeOf(columns) {
  let low = Infinity;
  let high = -Infinity;
  for (const column of columns) {
    for (const value of column) {
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (!(low <= high)) return [0, 1];
  const pad = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  return [low - pad, high + pad];
}

function overlap(a, b) {
  const apart = a.left > b.left + b.width || b.left > a.left + a.width;
  return !apart && a.top < b.top + b.height && b.top < a.top + a.height;
}

class Plot {
  constructor(host, panel, data, choose) {
    this.panel = panel;
    this.data = data;
    this.choose = choose;
    this.x = data.columns[panel.x];
    this.series = panel.ys.map((name) => data.columns[name]);
    this.breaks = new Set(panel.breaks);
    this.row = 0;
    this.build(host);
    this.showAll();
    this.listen();
    new ResizeObserver(() => this.render()).observe(this.root);
  }

  build(host) {
    this.figure = addHtml(host, "figure", { class: "plot" });
    const head = addHtml(this.figure, "figcaption");
    addHtml(head, "span", { class: "plot-name" }, this.panel.title);
    this.value = addHtml(head, "span", { class: "plot-value" });
    this.back = addHtml(head, "button", { type: "button", class: "small", hidden: "" }, "whole curve");
    const sheet = addHtml(this.figure, "div", { class: "sheet" });
    this.root = addSvg(sheet, "svg", {
      tabindex: "0",
      role: "img",
      "aria-label": `${this.panel.title}. Arrow keys step through the frames, plus and minus zoom, shift with the arrow keys moves, 0 shows all.`,
      "data-panel": this.panel.key,
    });
    // The cursor has a sheet of its own: moving it must not paint thousands of points again.
    this.cursor = addSvg(sheet, "svg", { class: "cursor", "aria-hidden": "true" });
    if (this.panel.ys.length > 1) this.buildLegend();
  }

  buildLegend() {
    const legend = addHtml(this.figure, "div", { class: "legend" });
    this.panel.names.forEach((name, i) => {
      const item = addHtml(legend, "span");
      const key = addSvg(item, "svg", { width: 18, height: 8 });
      addSvg(key, "line", {
        x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 2.5, stroke: this.data.series_colours[i],
      });
      item.append(` ${name}`);
    });
  }

  showAll() {
    this.x_range = rangeOf([this.x]);
    this.y_range = this.reach();
    this.back.hidden = true;
  }

  // Values and what shades them; a poorly known column's band does not flatten the others.
  reach() {
    const [low, high] = rangeOf(this.series);
    const most = high - low;
    const ends = this.panel.ys.map((name, i) => {
      const u = this.data.columns[`u_${name}`];
      const shade = (v, row) => Math.min(2 * ((u && u[row]) || 0) + Math.abs(v) * this.panel.common, most);
      const least = this.panel.never_negative ? 0 : -Infinity;
      const moved = (sign) => this.series[i].map((v, row) => (v === null ? null : Math.max(v + sign * shade(v, row), least)));
      return [moved(-1), moved(1)];
    });
    return rangeOf([...this.series, ...ends.flat()]);
  }

  reset() {
    this.showAll();
    this.render();
  }

  get box() {
    const { left, right, top, bottom } = MARGIN;
    return { left, top, width: this.width - left - right, height: this.height - top - bottom };
  }

  toX(value) {
    const { left, width } = this.box;
    return left + ((value - this.x_range[0]) / (this.x_range[1] - this.x_range[0])) * width;
  }

  toY(value) {
    const { top, height } = this.box;
    return top + (1 - (value - this.y_range[0]) / (this.y_range[1] - this.y_range[0])) * height;
  }

  render() {
    this.width = Math.max(220, this.root.clientWidth);
    this.height = Math.max(160, this.root.clientHeight);
    for (const sheet of [this.root, this.cursor]) {
      setAttributes(sheet, { viewBox: `0 0 ${this.width} ${this.height}` });
    }
    this.root.replaceChildren();
    this.placeAll();
    this.drawAxes();
    const clip = `clip-${this.panel.key}`;
    const { left, top, width, height } = this.box;
    const clipPath = addSvg(addSvg(this.root, "defs"), "clipPath", { id: clip });
    addSvg(clipPath, "rect", { x: left, y: top, width, height });
    this.area = addSvg(this.root, "g", { "clip-path": `url(#${clip})` });
    this.series.forEach((column, i) => this.drawSeries(column, i));
    this.drawModulus();
    this.drawEquations();
    this.drawFlags();
    this.drawEvents();
    this.drawCursor();
  }

  drawAxes() {
    const { left, top, width, height } = this.box;
    addSvg(this.root, "rect", { x: left, y: top, width, height, class: "frame" });
    const across = ticksOf(this.x_range, Math.max(2, width / 70));
    for (const tick of across.ticks) {
      const x = this.toX(tick);
      addSvg(this.root, "path", { d: `M${x} ${top}V${top + height}`, class: "grid" });
      const text = tickText(tick, across.digits);
      addSvg(this.root, "text", { x, y: top + height + 16, class: "tick middle" }, text);
    }
    const unit = this.panel.y_unit;
    const up = ticksOf(this.y_range.map((v) => v / unit), Math.max(2, height / 38));
    for (const tick of up.ticks) {
      const y = this.toY(tick * unit);
      addSvg(this.root, "path", { d: `M${left} ${y}H${left + width}`, class: "grid" });
      addSvg(this.root, "text", { x: left - 6, y: y + 4, class: "tick end" }, tickText(tick, up.digits));
    }
    const x_label = { x: left + width / 2, y: top + height + 35, class: "label middle" };
    addSvg(this.root, "text", x_label, this.panel.x_label);
    const turn = `translate(14 ${top + height / 2}) rotate(-90)`;
    addSvg(this.root, "text", { transform: turn, class: "label middle" }, this.panel.y_label);
  }

  // The places of all points in pixels, as [x, y] arrays for each series.
  placeAll() {
    this.places = this.series.map((column) => {
      const xs = new Float32Array(column.length).fill(NaN);
      const ys = new Float32Array(column.length).fill(NaN);
      for (const [row, x, y] of this.placed(column)) [xs[row], ys[row]] = [x, y];
      return [xs, ys];
    });
  }

  // Rows whose point is there, as [row, x, y] in pixels.
  *placed(column, rows = null) {
    const count = rows ? rows.length : column.length;
    for (let i = 0; i < count; i += 1) {
      const row = rows ? rows[i] : i;
      if (this.x[row] === null || column[row] === null) continue;
      yield [row, this.toX(this.x[row]), this.toY(column[row])];
    }
  }

  drawSeries(column, i) {
    const name = this.panel.ys[i];
    const colour = this.data.series_colours[i];
    this.drawCommon(column);
    this.drawUncertainty(column, this.data.columns[`u_${name}`], colour);
    let path = "";
    const lowest = this.panel.never_negative ? this.toY(0) : Infinity;
    let last = -2;
    for (const [row, x, y] of this.placed(column)) {
      path += `${row === last + 1 && !this.breaks.has(row) ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      last = row;
    }
    const by_phase = this.panel.by_phase;
    addSvg(this.area, "path", { d: path, class: "line", stroke: by_phase ? "#aaa" : colour });
    if (by_phase) this.drawPhases(column);
    else addSvg(this.area, "path", { d: this.dots(column), class: "dots fine", stroke: colour });
  }

  dots(column, rows = null) {
    let path = "";
    for (const [, x, y] of this.placed(column, rows)) path += `M${x.toFixed(1)} ${y.toFixed(1)}h0`;
    return path;
  }

  drawPhases(column) {
    for (const [phase, rows] of Object.entries(this.data.rows_of_phase)) {
      const stroke = this.data.phase_colours[phase] || "#777";
      addSvg(this.area, "path", { d: this.dots(column, rows), class: "dots", stroke });
    }
  }

  // One standard uncertainty of what stretches all points alike. Every piece turns the same way
  // round, so that pieces that lie on each other make one even tint.
  drawCommon(column) {
    const share = this.panel.common;
    if (!share) return;
    let path = "";
    let last = null;
    for (const [row, x] of this.placed(column)) {
      const edges = [1 - share, 1 + share].map((part) => this.toY(part * column[row]));
      const here = { row, x, low: Math.max(...edges), high: Math.min(...edges) };
      if (last && row === last.row + 1 && !this.breaks.has(row)) {
        const [a, b] = last.x <= x ? [last, here] : [here, last];
        const corners = [[a.x, a.low], [b.x, b.low], [b.x, b.high], [a.x, a.high]];
        path += `M${corners.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join("L")}Z`;
      }
      last = here;
    }
    addSvg(this.area, "path", { d: path, class: "common" });
  }

  // Where the first contact equation ends and the second begins.
  drawEquations() {
    const { top, height } = this.box;
    for (const row of [...this.breaks].slice(0, 1)) {
      const x = (this.toX(this.x[row - 1]) + this.toX(this.x[row])) / 2;
      addSvg(this.area, "path", { d: `M${x} ${top}V${top + height}`, class: "border" });
      addSvg(this.area, "text", { x: x - 5, y: top + 13, class: "event-name end" }, "eq. 1");
      addSvg(this.area, "text", { x: x + 5, y: top + 13, class: "event-name" }, "eq. 2");
    }
  }

  drawUncertainty(column, u_column, colour) {
    if (!u_column) return;
    if (this.panel.x === "time_s" || this.panel.x === "frame") {
      this.drawBand(column, u_column, colour);
      return;
    }
    const u_x = this.data.columns[`u_${this.panel.x}`];
    let path = "";
    for (const [row, x, y] of this.placed(column)) {
      const reach = this.toY(0) - this.toY(2 * (u_column[row] || 0));
      path += `M${x.toFixed(1)} ${(y - reach).toFixed(1)}v${(2 * reach).toFixed(1)}`;
      const side = u_x ? this.toX(2 * (u_x[row] || 0)) - this.toX(0) : 0;
      if (side) path += `M${(x - side).toFixed(1)} ${y.toFixed(1)}h${(2 * side).toFixed(1)}`;
    }
    addSvg(this.area, "path", { d: path, class: "bars" });
  }

  drawBand(column, u_column, colour) {
    let path = "";
    let run = [];
    const close = () => {
      if (run.length > 1) {
        const upper = run.map(([x, y, r]) => `${x.toFixed(1)} ${(y - r).toFixed(1)}`);
        const lower = run.map(([x, y, r]) => `${x.toFixed(1)} ${Math.min(y + r, lowest).toFixed(1)}`).reverse();
        path += `M${upper.join("L")}L${lower.join("L")}Z`;
      }
      run = [];
    };
    const lowest = this.panel.never_negative ? this.toY(0) : Infinity;
    let last = -2;
    for (const [row, x, y] of this.placed(column)) {
      if (row !== last + 1 || u_column[row] === null) close();
      if (u_column[row] !== null) run.push([x, y, this.toY(0) - this.toY(2 * u_column[row])]);
      last = row;
    }
    close();
    addSvg(this.area, "path", { d: path, class: "band", fill: colour });
  }

  drawModulus() {
    const modulus = this.data.modulus;
    if (!modulus || this.panel.key !== "stress_strain") return;
    const [x0, x1] = modulus.x.map((v) => this.toX(v));
    const { top, height } = this.box;
    addSvg(this.area, "rect", { x: x0, y: top, width: x1 - x0, height, class: "window" });
    const [y0, y1] = modulus.y.map((v) => this.toY(v));
    const beyond = (top - y0) / (y1 - y0);
    const guide = `M${x0} ${y0}L${x0 + beyond * (x1 - x0)} ${top}`;
    addSvg(this.area, "path", { d: guide, class: "modulus guide" });
    addSvg(this.area, "path", { d: `M${x0} ${y0}L${x1} ${y1}`, class: "modulus" });
  }

  drawFlags() {
    const column = this.series[0];
    for (const [, x, y] of this.placed(column, this.data.flagged)) {
      addSvg(this.area, "circle", { cx: x, cy: y, r: 4.6, class: "flagged" });
    }
  }

  drawEvents() {
    const used = [];
    for (const { row, name } of this.data.events) {
      for (const [, x, y] of this.placed(this.series[0], [row])) {
        addSvg(this.area, "path", { d: `M${x} ${y - 6}l6 6l-6 6l-6 -6z`, class: "event" });
        const spot = this.freeSpot(x, y, 6.4 * name.length, used);
        used.push(spot);
        const place = { x: spot.left, y: spot.top + 11, class: "event-name" };
        addSvg(this.area, "text", place, name);
      }
    }
  }

  // Where a name beside (x, y) hides the fewest points and no other name.
  freeSpot(x, y, width, used) {
    let best = null;
    for (const rise of [-20, 5, -8, -36, 21, 38]) {
      for (const left of [x + 9, x - 9 - width, x - width / 2]) {
        if (left < x && left + width > x && Math.abs(rise + 8) < 12) continue;
        const spot = { left, top: y + rise, width, height: 15 };
        spot.cost = this.hidden(spot) + 1000 * used.filter((other) => overlap(spot, other)).length;
        if (best === null || spot.cost < best.cost) best = spot;
      }
    }
    return best;
  }

  hidden(spot) {
    const { left, top, width, height } = this.box;
    const inside = spot.left >= left && spot.left + spot.width <= left + width;
    if (!inside || spot.top < top || spot.top + spot.height > top + height) return 500;
    let count = 0;
    for (const [xs, ys] of this.places) {
      for (let row = 0; row < xs.length; row += 1) {
        // The middle of the way to the next point stands for the line between them.
        if (this.isIn(spot, xs[row], ys[row])) count += 1;
        const [x, y] = [(xs[row] + xs[row + 1]) / 2, (ys[row] + ys[row + 1]) / 2];
        if (this.isIn(spot, x, y)) count += 1;
      }
    }
    return count;
  }

  isIn(spot, px, py) {
    const [x, y] = [px - spot.left, py - spot.top];
    return x > -4 && x < spot.width + 4 && y > -4 && y < spot.height + 4;
  }

  setRow(row) {
    this.row = row;
    this.drawCursor();
  }

  drawCursor() {
    this.cursor.replaceChildren();
    if (!this.width) return;
    const row = this.row;
    const words = [];
    const { left, top, width, height } = this.box;
    this.series.forEach((column, i) => {
      for (const [, x, y] of this.placed(column, [row])) {
        words.push(this.data.short(column[row] / this.panel.y_unit));
        if (x < left || x > left + width || y < top || y > top + height) continue;
        if (i === 0) {
          const d = `M${x} ${top}V${top + height}M${left} ${y}H${left + width}`;
          addSvg(this.cursor, "path", { d, class: "hair" });
        }
        const fill = this.series.length > 1 ? this.data.series_colours[i] : "#D55E00";
        addSvg(this.cursor, "circle", { cx: x, cy: y, r: 6, fill });
      }
    });
    this.value.textContent = words.length ? `${words.join(" / ")} ${this.panel.unit}` : "\u2013";
  }

  nearest(px, py) {
    let best = null;
    let least = Infinity;
    for (const [xs, ys] of this.places) {
      for (let row = 0; row < xs.length; row += 1) {
        const distance = (xs[row] - px) ** 2 + (ys[row] - py) ** 2;
        if (distance < least) [best, least] = [row, distance];
      }
    }
    return best;
  }

  place(event) {
    const rect = this.root.getBoundingClientRect();
    return [event.clientX - rect.left, event.clientY - rect.top];
  }

  listen() {
    const root = this.root;
    root.addEventListener("pointerdown", (event) => {
      this.drag = { at: this.place(event), x: this.x_range, y: this.y_range, moved: false };
      root.setPointerCapture(event.pointerId);
    });
    root.addEventListener("pointerup", (event) => {
      if (this.drag && !this.drag.moved) this.pick(event);
      this.drag = null;
    });
    root.addEventListener("pointercancel", () => (this.drag = null));
    root.addEventListener("pointermove", (event) => (this.drag ? this.pan(event) : this.pick(event)));
    root.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    root.addEventListener("dblclick", () => this.reset());
    root.addEventListener("keydown", (event) => this.key(event));
    this.back.addEventListener("click", () => this.reset());
  }

  pick(event) {
    const row = this.nearest(...this.place(event));
    if (row !== null) this.choose(row);
  }

  pan(event) {
    const [px, py] = this.place(event);
    const [dx, dy] = [px - this.drag.at[0], py - this.drag.at[1]];
    if (Math.hypot(dx, dy) > 4) this.drag.moved = true;
    if (!this.drag.moved) return;
    const { width, height } = this.box;
    const across = (dx / width) * (this.drag.x[1] - this.drag.x[0]);
    const up = (dy / height) * (this.drag.y[1] - this.drag.y[0]);
    this.x_range = this.drag.x.map((v) => v - across);
    this.y_range = this.drag.y.map((v) => v + up);
    this.changed();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(event.deltaY * 0.0015), ...this.place(event));
  }

  zoom(factor, px, py) {
    const { left, top, width, height } = this.box;
    const scale = ([low, high], share) => {
      const fixed = low + (high - low) * share;
      return [fixed + (low - fixed) * factor, fixed + (high - fixed) * factor];
    };
    this.x_range = scale(this.x_range, (px - left) / width);
    this.y_range = scale(this.y_range, 1 - (py - top) / height);
    this.changed();
  }

  // The chosen point where it is in sight, the middle otherwise: what the keys zoom about.
  focus() {
    const { left, top, width, height } = this.box;
    const [x, y] = [this.places[0][0][this.row], this.places[0][1][this.row]];
    const inside = x >= left && x <= left + width && y >= top && y <= top + height;
    return inside ? [x, y] : [left + width / 2, top + height / 2];
  }

  // Move the view by shares of its width and height.
  shift(across, up) {
    const moved = ([low, high], share) => [low + share * (high - low), high + share * (high - low)];
    this.x_range = moved(this.x_range, across);
    this.y_range = moved(this.y_range, up);
    this.changed();
  }

  changed() {
    this.back.hidden = false;
    this.render();
  }

  key(event) {
    const move = event.shiftKey && MOVES[event.key];
    if (move) this.shift(...move);
    else if (event.key === "+" || event.key === "=") this.zoom(0.8, ...this.focus());
    else if (event.key === "-") this.zoom(1.25, ...this.focus());
    else if (event.key === "0") this.reset();
    else return;
    event.preventDefault();
  }
}
