// The set-up page: numbers and boxes are one state; every change is checked and previewed.

const data = readJson("data");
const NAMES = ["bar", "tip", "specimen", "base"];
const TRACKED = ["bar", "tip", "base"];
const COLOURS = { bar: "#0072b2", tip: "#009e73", specimen: "#d55e00", base: "#cc79a7" };
const UNSURE = 0.5;
const root = document.documentElement;
const overlay = byId("overlay");
const slider = byId("slider");
const finished = data.worst !== null;
const state = {
  frame: 0, boxes: {}, references: {}, outlines: {}, places: {}, timer: null, asked: 0, shapes: {},
  drawing: null, bar: null, found: data,
};

async function call(name, values = {}) {
  const answer = await fetch(`/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function keyField(key) {
  return document.querySelector(`[data-key="${key}"]`);
}

// ---------------------------------------------------------------- values

function fieldValue(field) {
  const text = field.value.trim();
  if (text === "" || field.tagName === "SELECT" || field.dataset.key === "specimen.material") return text || null;
  const number = Number(text.replace(",", "."));
  return Number.isFinite(number) ? number : text;
}

function values() {
  const out = {};
  for (const field of document.querySelectorAll("[data-key]")) out[field.dataset.key] = fieldValue(field);
  for (const name of NAMES) out[`${name}.box_px`] = state.boxes[name] ?? null;
  for (const name of TRACKED) out[`${name}.reference`] = state.references[name];
  if (out["frames.reference"] === 0 && data.values["frames.reference"] === null) out["frames.reference"] = null;
  if (!state.boxes.specimen) {
    delete out["specimen.shape"];
    delete out["specimen.material"];
  }
  if (out.mode === "growth") {
    delete out["cantilever.stiffness_N_per_m"];
    delete out["cantilever.u_stiffness_N_per_m"];
  }
  return out;
}

function reference() {
  const frame = fieldValue(keyField("frames.reference"));
  return Number.isInteger(frame) ? frame : 0;
}

function fillFields() {
  for (const field of document.querySelectorAll("[data-key]")) {
    const value = data.values[field.dataset.key];
    if (value !== null && value !== undefined) field.value = value;
  }
  keyField("frames.reference").value = data.reference;
  for (const name of NAMES) {
    state.boxes[name] = data.values[`${name}.box_px`];
    fillBox(name);
  }
  for (const name of TRACKED) {
    state.references[name] = data.values[`${name}.reference`] ?? [];
    state.places[name] = new Map((data.places[name] ?? []).map(([frame, x, y]) => [frame, [x, y]]));
  }
}

function fillBox(name) {
  for (const field of document.querySelectorAll(`[data-box="${name}"]`)) {
    field.value = state.boxes[name] ? state.boxes[name][field.dataset.side] : "";
  }
}

function readBox(name) {
  const texts = [...document.querySelectorAll(`[data-box="${name}"]`)].map((field) => field.value.trim());
  if (texts.every((text) => text === "")) return null;
  return texts.map((text) => {
    const number = Number(text.replace(",", "."));
    return text !== "" && Number.isFinite(number) ? number : text;
  });
}

// ---------------------------------------------------------------- what was found

function showFindings(found) {
  state.found = found;
  for (const name of NAMES) {
    const sure = found.confidence[name];
    const place = byId(`confidence-${name}`);
    place.textContent = sure === undefined ? "" : sure < UNSURE ? `unsure, ${sure.toFixed(2)}` : `sure, ${sure.toFixed(2)}`;
    if (sure !== undefined && !state.boxes[name]) place.textContent = "not found";
    place.classList.toggle("unsure", sure !== undefined && (sure < UNSURE || !state.boxes[name]));
    byId(`note-${name}`).textContent = sure !== undefined && sure < 0.9 ? found.notes[name] ?? "" : "";
  }
  const list = byId("warnings");
  list.replaceChildren();
  for (const text of found.warnings) addHtml(list, "li", {}, text);
  list.hidden = !found.warnings.length;
}

async function findAgain() {
  const button = byId("find");
  button.disabled = true;
  byId("preview-state").textContent = "looking through the movie …";
  try {
    const { mode, polarity } = values();
    const found = await call("propose", { mode, polarity: polarity ?? "dark" });
    if (found.problems) return showProblems(found.problems);
    for (const name of NAMES) {
      state.boxes[name] = found.values[`${name}.box_px`];
      fillBox(name);
    }
    keyField("frames.reference").value = found.reference;
    keyField("axis_deg").value = found.values.axis_deg ?? "";
    keyField("specimen.shape").value = found.values["specimen.shape"] ?? "";
    showFindings(found);
    show(found.reference);
    afterChange();
  } finally {
    button.disabled = false;
  }
}

// ---------------------------------------------------------------- boxes

function drawable(box) {
  return box && box.length === 4 && box.every((v) => typeof v === "number") && box[2] > 0 && box[3] > 0;
}

// The box of a part in the shown frame, and what it is there: its own, a further reference, or a
// place where the run has found it or saw it last.
function boxHere(name) {
  const own = state.boxes[name];
  if (!drawable(own)) return { box: null, kind: "none" };
  if (state.frame === reference()) return { box: own, kind: "own" };
  const further = (state.references[name] ?? []).find((one) => one.frame === state.frame);
  if (further) return { box: further.box_px, kind: "further" };
  const places = state.places[name];
  const start = places?.get(reference());
  if (!start) return { box: own, kind: "elsewhere" };
  let frame = state.frame;
  while (frame > 0 && !places.has(frame)) frame -= 1;
  const now = places.get(frame) ?? start;
  const box = [Math.round(own[0] + now[0] - start[0]), Math.round(own[1] + now[1] - start[1]), own[2], own[3]];
  return { box: insideFrame(box), kind: frame === state.frame ? "tracked" : "lost" };
}

function insideFrame([x, y, width, height]) {
  return [within(x, 0, data.width - width), within(y, 0, data.height - height), width, height];
}

function mayChange(name) {
  return state.frame === reference() || (finished && TRACKED.includes(name) && drawable(state.boxes[name]));
}

function makeShape(name) {
  const group = addSvg(overlay, "g", { id: `box-${name}` });
  const rect = addSvg(group, "rect", {
    class: "box", stroke: COLOURS[name], tabindex: "0", role: "button", "aria-label": `${name} box`,
  });
  const size = data.width / 45;
  const grip = addSvg(group, "rect", { class: "grip", width: size, height: size });
  const label = addSvg(group, "text", { class: "label", fill: COLOURS[name], "font-size": data.width / 34 }, name);
  state.shapes[name] = { group, rect, grip, label };
  rect.addEventListener("pointerdown", (event) => startDrag(event, name, false));
  grip.addEventListener("pointerdown", (event) => startDrag(event, name, true));
  rect.addEventListener("keydown", (event) => nudge(event, name));
}

function drawBox(name) {
  const { group, rect, grip, label } = state.shapes[name];
  const { box, kind } = boxHere(name);
  group.classList.toggle("hidden", !drawable(box));
  if (!drawable(box)) return;
  const [x, y, width, height] = box;
  const size = data.width / 45;
  const sure = state.found.confidence[name];
  rect.classList.toggle("unsure", kind === "own" && sure !== undefined && sure < UNSURE);
  group.classList.toggle("faint", !mayChange(name));
  rect.classList.toggle("lost", kind === "lost");
  setAttributes(rect, { x: x - 0.5, y: y - 0.5, width, height });
  setAttributes(grip, { x: x + width - 0.5 - size, y: y + height - 0.5 - size });
  const low = y < data.width / 28;
  setAttributes(label, { x: x + 3, y: low ? y + data.width / 30 : y - 5 });
  label.textContent = { further: `${name}: further reference`, lost: `${name}: lost, last seen here` }[kind] ?? name;
}

function toPixels(event) {
  const frame = overlay.getBoundingClientRect();
  const scale = data.width / frame.width;
  return [(event.clientX - frame.left) * scale - 0.5, (event.clientY - frame.top) * scale - 0.5];
}

// Follow the pointer from a press to its release.
function follow(event, move, done = () => {}) {
  event.preventDefault();
  event.stopPropagation();
  const target = event.currentTarget;
  target.setPointerCapture(event.pointerId);
  const step = (next) => move(toPixels(next));
  const end = () => {
    target.removeEventListener("pointermove", step);
    target.removeEventListener("pointerup", end);
    target.removeEventListener("pointercancel", end);
    done();
  };
  target.addEventListener("pointermove", step);
  target.addEventListener("pointerup", end);
  target.addEventListener("pointercancel", end);
}

function startDrag(event, name, sizing) {
  if (state.drawing || !mayChange(name)) return;
  const start = toPixels(event);
  const before = [...boxHere(name).box];
  follow(event, ([x, y]) =>
    setBox(name, changed(before, Math.round(x - start[0]), Math.round(y - start[1]), sizing && isOwn())));
}

function isOwn() {
  return state.frame === reference();
}

function changed([x, y, width, height], dx, dy, sizing) {
  if (sizing) {
    return [x, y, within(width + dx, 4, data.width - x), within(height + dy, 4, data.height - y)];
  }
  return [within(x + dx, 0, data.width - width), within(y + dy, 0, data.height - height), width, height];
}

function within(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function nudge(event, name) {
  if (!(event.key in ARROWS) || !mayChange(name)) return;
  const [dx, dy] = ARROWS[event.key];
  setBox(name, changed(boxHere(name).box, dx, dy, event.shiftKey && isOwn()));
  event.preventDefault();
}

function setBox(name, box) {
  if (isOwn()) {
    state.boxes[name] = box;
    fillBox(name);
  } else {
    const others = state.references[name].filter((one) => one.frame !== state.frame);
    state.references[name] = [...others, { frame: state.frame, box_px: box }];
    showReferences();
  }
  drawBox(name);
  drawAxis();
  afterChange();
}

// A new box: press at one corner, release at the other.
function startDrawing(name) {
  if (!isOwn() && !(finished && TRACKED.includes(name))) show(reference());
  state.drawing = state.drawing === name ? null : name;
  overlay.classList.toggle("drawing", state.drawing !== null);
  showHint();
}

function drawNew(event) {
  const name = state.drawing;
  if (!name) return;
  const start = toPixels(event).map(Math.round);
  follow(event, ([x, y]) => {
    const [left, right] = [start[0], Math.round(x)].sort((a, b) => a - b).map((v) => within(v, 0, data.width - 1));
    const [top, bottom] = [start[1], Math.round(y)].sort((a, b) => a - b).map((v) => within(v, 0, data.height - 1));
    if (right - left >= 4 && bottom - top >= 4) setBox(name, [left, top, right - left + 1, bottom - top + 1]);
  }, () => {
    state.drawing = null;
    overlay.classList.remove("drawing");
    showHint();
  });
}

function showReferences() {
  const place = byId("references");
  place.replaceChildren();
  for (const name of TRACKED) {
    for (const one of state.references[name]) {
      const row = addHtml(place, "div", { class: "row" });
      addHtml(row, "span", { class: `name ${name}` }, name);
      const go = addHtml(row, "button", { type: "button", class: "small" }, `further reference in frame ${one.frame}`);
      go.addEventListener("click", () => show(one.frame));
      const remove = addHtml(row, "button", { type: "button", class: "small", "aria-label": `remove the ${name}'s reference in frame ${one.frame}` }, "remove");
      remove.addEventListener("click", () => {
        state.references[name] = state.references[name].filter((other) => other !== one);
        showReferences();
        drawBox(name);
        afterChange();
      });
    }
    addHtml(place, "span", { class: "problem", "data-problem": `${name}.reference` });
  }
}

// ---------------------------------------------------------------- axis and scale bar

function axisDeg() {
  const given = fieldValue(keyField("axis_deg"));
  return typeof given === "number" ? given : given === null ? state.found.axis_deg : null;
}

function makeAxis() {
  const group = addSvg(overlay, "g", { id: "axis" });
  const line = addSvg(group, "line", { id: "axis-line", class: "axis" });
  const grip = addSvg(group, "circle", {
    id: "axis-grip", class: "grip round", r: data.width / 70, tabindex: "0", role: "slider", "aria-label": "loading axis",
  });
  grip.addEventListener("pointerdown", (event) => {
    const [cx, cy] = middle();
    follow(event, ([x, y]) => setAxis((Math.atan2(x - cx, cy - y) * 180) / Math.PI));
  });
  grip.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.5, ArrowRight: 0.5 }[event.key];
    if (step === undefined) return;
    setAxis(axisDeg() + step);
    event.preventDefault();
  });
  state.axis = { group, line, grip };
}

function setAxis(angle) {
  keyField("axis_deg").value = Math.round(angle * 10) / 10;
  drawAxis();
  afterChange();
}

function middle() {
  const [x, y, width, height] = state.boxes.specimen;
  return [x + (width - 1) / 2, y + (height - 1) / 2];
}

function drawAxis() {
  const { group, line, grip } = state.axis;
  const angle = axisDeg();
  const shown = drawable(state.boxes.specimen) && typeof angle === "number" && isOwn();
  group.classList.toggle("hidden", !shown);
  if (!shown) return;
  const half = 0.45 * Math.max(state.boxes.specimen[2], state.boxes.specimen[3]);
  const dx = half * Math.sin((angle * Math.PI) / 180);
  const dy = -half * Math.cos((angle * Math.PI) / 180);
  const [cx, cy] = middle();
  line.classList.toggle("unsure", fieldValue(keyField("axis_deg")) === null);
  setAttributes(line, { x1: cx - dx, y1: cy - dy, x2: cx + dx, y2: cy + dy });
  setAttributes(grip, { cx: cx + dx, cy: cy + dy, "aria-valuenow": angle });
}

function makeScaleBar() {
  const group = addSvg(overlay, "g", { id: "scale-bar" });
  const line = addSvg(group, "line", { class: "scale-bar" });
  const grips = [0, 1].map((end) => {
    const grip = addSvg(group, "circle", {
      class: "grip round", r: data.width / 80, tabindex: "0", role: "slider", "aria-label": `${end ? "right" : "left"} end of the scale bar`,
    });
    grip.addEventListener("pointerdown", (event) => follow(event, ([x]) => setBarEnd(end, x)));
    grip.addEventListener("keydown", (event) => {
      if (!(event.key in ARROWS)) return;
      setBarEnd(end, state.bar.ends[end] + ARROWS[event.key][0]);
      event.preventDefault();
    });
    return grip;
  });
  state.scaleBar = { group, line, grips };
}

function setBarEnd(end, x) {
  state.bar.ends[end] = within(Math.round(x * 2) / 2, -0.5, data.width - 0.5);
  drawScaleBar();
  scaleFromBar();
}

function drawScaleBar() {
  const { group, line, grips } = state.scaleBar;
  group.classList.toggle("hidden", !state.bar);
  byId("scale-bar-row").hidden = !state.bar;
  byId("scale-bar-draw").hidden = Boolean(state.bar);
  if (!state.bar) return;
  const { ends, y } = state.bar;
  setAttributes(line, { x1: ends[0], x2: ends[1], y1: y, y2: y });
  grips.forEach((grip, end) => setAttributes(grip, { cx: ends[end], cy: y }));
  byId("scale-bar-px").textContent = barLength().toFixed(1);
}

function barLength() {
  return Math.abs(state.bar.ends[1] - state.bar.ends[0]);
}

function scaleFromBar() {
  const length = Number(byId("scale-bar-nm").value.replace(",", "."));
  if (!(length > 0) || !barLength()) return;
  keyField("calibration.scale_nm_per_px").value = (length / barLength()).toPrecision(5);
  afterChange();
}

function startScaleBar() {
  if (data.scale_bar_px) {
    const [x, y, width, height] = data.scale_bar_box;
    const centre = x + (width - 1) / 2;
    const half = data.scale_bar_px / 2;
    state.bar = { ends: [centre - half, centre + half], y: y + (height - 1) / 2 };
    if (data.scale_bar_nm) byId("scale-bar-nm").value = data.scale_bar_nm;
  }
  drawScaleBar();
}

// ---------------------------------------------------------------- frames

function show(frame) {
  state.frame = within(frame, 0, Number(slider.max));
  slider.value = state.frame;
  byId("frame-number").textContent = `frame ${state.frame}`;
  byId("still").src = `/frame/${state.frame}.jpg`;
  root.dataset.frame = state.frame;
  byId("elsewhere").hidden = isOwn() || finished;
  for (const name of NAMES) drawBox(name);
  drawAxis();
  drawOutline();
  markPoint();
  showHint();
}

function showHint() {
  const steps = "Comma and full stop step frames.";
  const drag = "Drag a box to move it, its corner to size it, the arrow's end to turn the axis; arrow keys move the chosen box.";
  let text = `${drag} ${steps}`;
  if (state.drawing) text = `Press at one corner of the ${state.drawing} and release at the opposite one.`;
  else if (!isOwn() && finished) text = `Where bar, tip or base was lost or looks different, drag its box to where it is in this frame: that adds a further reference frame, and Run measures only the frames that it changes. ${steps}`;
  else if (!isOwn()) text = `The boxes belong to frame ${reference()}. ${steps}`;
  byId("hint").textContent = text;
}

function drawOutline() {
  for (const old of overlay.querySelectorAll(".outline")) old.remove();
  const rows = state.outlines[state.frame];
  if (!rows) return;
  const left = rows.map((row) => [row[2], row[3]]);
  const right = rows.map((row) => [row[4], row[5]]).reverse();
  const seen = [...left, ...right].filter(([x, y]) => x !== null && y !== null);
  addSvg(overlay, "polygon", { class: "outline", points: seen.map((p) => p.join(",")).join(" ") });
}

function listWorst() {
  const place = byId("worst");
  addHtml(place, "h2", {}, data.worst.length ? "Frames to look at, worst first" : "No frame of the run is in doubt");
  for (const one of data.worst.slice(0, 12)) {
    const button = addHtml(place, "button", { type: "button", class: "small" }, `${one.frames}: ${one.words}`);
    button.addEventListener("click", () => show(one.frame));
  }
}

// ---------------------------------------------------------------- checks and preview

function showProblems(problems) {
  for (const place of document.querySelectorAll("[data-problem]")) {
    const text = problems[place.dataset.problem] ?? "";
    place.textContent = text;
    const field = keyField(place.dataset.problem);
    if (field) field.setAttribute("aria-invalid", text !== "");
  }
  for (const name of NAMES) {
    for (const field of document.querySelectorAll(`[data-box="${name}"]`)) {
      field.setAttribute("aria-invalid", Boolean(problems[`${name}.box_px`]));
    }
  }
  const placed = new Set([...document.querySelectorAll("[data-problem]")].map((p) => p.dataset.problem));
  const rest = Object.entries(problems).filter(([key]) => !placed.has(key)).map(([, text]) => text);
  byId("problem-whole").textContent = rest.join("; ");
  root.dataset.problems = Object.keys(problems).length;
}

function afterChange() {
  root.dataset.preview = "waiting";
  clearTimeout(state.timer);
  state.timer = setTimeout(refresh, 400);
}

async function refresh() {
  const turn = ++state.asked;
  byId("state").textContent = "";
  try {
    const { problems } = await call("check", values());
    if (turn !== state.asked) return;
    showProblems(problems);
    if (Object.keys(problems).length) return finishPreview("follows when the messages in red are dealt with", "problems");
    byId("preview-state").textContent = "measuring about twenty frames …";
    const found = await call("preview", values());
    if (turn !== state.asked) return;
    if (found.problems) {
      showProblems(found.problems);
      return finishPreview("none: see the message in red", "problems");
    }
    state.outlines = found.outlines;
    drawOutline();
    drawCurve(found);
    const lost = found.lost.filter((flags) => flags.includes("LOST")).length;
    finishPreview(`${found.frames.length} frames measured, ${lost || "none"} with something lost`, "done");
  } catch (error) {
    finishPreview(`the server does not answer: ${error.message}`, "problems");
  }
}

function finishPreview(text, kind) {
  byId("preview-state").textContent = text;
  root.dataset.preview = kind;
}

function drawCurve({ force_nN, deformation_nm, length_nm, frames }) {
  const curve = byId("curve");
  curve.replaceChildren();
  const [name, xsAll] = pickAbscissa(deformation_nm, frames);
  const [yName, ysAll] = force_nN.some((v) => v !== null) ? ["force / nN", force_nN] : ["length / nm", length_nm];
  const points = frames.map((frame, i) => [xsAll[i], ysAll[i], frame]).filter(([x, y]) => x !== null && y !== null);
  state.points = [];
  if (!points.length) return addSvg(curve, "text", { x: 230, y: 115, "text-anchor": "middle", "font-size": 13 }, "nothing to draw yet");
  const spanX = nice(points.map((p) => p[0]));
  const spanY = nice(points.map((p) => p[1]));
  const px = (v) => 52 + ((v - spanX.low) / (spanX.high - spanX.low)) * 396;
  const py = (v) => 188 - ((v - spanY.low) / (spanY.high - spanY.low)) * 168;
  for (const v of spanX.ticks) tick(curve, px(v), 188, px(v), 20, v, { x: px(v), y: 204, "text-anchor": "middle" });
  for (const v of spanY.ticks) tick(curve, 52, py(v), 448, py(v), v, { x: 46, y: py(v) + 4, "text-anchor": "end" });
  addSvg(curve, "text", { x: 448, y: 224, "text-anchor": "end", "font-size": 12 }, name);
  addSvg(curve, "text", { x: 4, y: 12, "font-size": 12 }, yName);
  addSvg(curve, "polyline", { class: "line", points: points.map(([x, y]) => `${px(x)},${py(y)}`).join(" ") });
  for (const [x, y, frame] of points) {
    const circle = addSvg(curve, "circle", { cx: px(x), cy: py(y), r: 3.5 });
    addSvg(circle, "title", {}, `frame ${frame}`);
    circle.addEventListener("click", () => show(frame));
    state.points.push([frame, circle]);
  }
  markPoint();
}

function pickAbscissa(deformation_nm, frames) {
  return deformation_nm.every((v) => v === null) ? ["frame", frames] : ["deformation / nm", deformation_nm];
}

function markPoint() {
  for (const [frame, circle] of state.points ?? []) circle.classList.toggle("now", frame === state.frame);
}

function tick(curve, x1, y1, x2, y2, value, place) {
  addSvg(curve, "line", { class: "grid", x1, y1, x2, y2 });
  addSvg(curve, "text", { "font-size": 11, ...place }, String(Number(value.toPrecision(6))));
}

function nice(all) {
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const raw = (high - low || Math.abs(high) || 1) / 4;
  const ten = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * ten).find((s) => s >= raw);
  const first = Math.floor(low / step) * step;
  const last = Math.max(Math.ceil(high / step) * step, first + step);
  const ticks = [];
  for (let i = 0; first + i * step <= last + step / 2; i += 1) ticks.push(first + i * step);
  return { low: first, high: last, ticks };
}

// ---------------------------------------------------------------- save and run

async function save() {
  const { problems, path } = await call("save", values());
  showProblems(problems);
  byId("state").textContent = Object.keys(problems).length ? "not saved: see the messages in red" : `saved ${path}`;
}

async function run() {
  const { problems } = await call("run", values());
  showProblems(problems);
  if (Object.keys(problems).length) {
    byId("state").textContent = "not started: see the messages in red";
    return;
  }
  byId("run").disabled = true;
  watch();
}

const STAGES = { template: "building the templates", measure: "measuring", overlay: "drawing the film", report: "writing the report" };

async function watch() {
  const now = await call("progress");
  const bar = byId("progress");
  bar.hidden = false;
  if (now.total) setAttributes(bar, { max: now.total, value: now.done });
  byId("state").textContent = now.error || `${STAGES[now.stage] ?? now.stage}: ${now.done} of ${now.total}`;
  byId("state").classList.toggle("warn", Boolean(now.error));
  if (!now.over) return setTimeout(watch, 500);
  byId("run").disabled = false;
  bar.hidden = true;
  if (now.report) location.assign("/report");
}

// ---------------------------------------------------------------- start

function onKey(event) {
  if (event.target.closest("input:not([type=range]), select") || event.ctrlKey || event.metaKey) return;
  if (event.key === ",") show(state.frame - 1);
  else if (event.key === ".") show(state.frame + 1);
  else if (event.key === "Escape" && state.drawing) startDrawing(state.drawing);
  else return;
  event.preventDefault();
}

function onField(field) {
  if (field.dataset.key === "axis_deg") drawAxis();
  if (field.dataset.key === "frames.reference") show(reference());
  afterChange();
}

document.documentElement.style.setProperty("--ratio", data.width / data.height);
fillFields();
for (const name of [...NAMES].reverse()) makeShape(name);
makeAxis();
makeScaleBar();
startScaleBar();
showFindings(data);
showReferences();
if (finished) listWorst();
for (const field of document.querySelectorAll("[data-key]")) field.addEventListener("input", () => onField(field));
for (const field of document.querySelectorAll("[data-box]")) {
  field.addEventListener("input", () => {
    state.boxes[field.dataset.box] = readBox(field.dataset.box);
    drawBox(field.dataset.box);
    drawAxis();
    afterChange();
  });
}
for (const button of document.querySelectorAll("[data-draw]")) {
  button.addEventListener("click", () => startDrawing(button.dataset.draw));
}
byId("scale-bar-nm").addEventListener("input", scaleFromBar);
byId("scale-bar-draw").addEventListener("click", () => {
  state.bar = { ends: [0.1 * data.width, 0.3 * data.width], y: 0.9 * data.height };
  drawScaleBar();
});
byId("find").addEventListener("click", findAgain);
byId("go-reference").addEventListener("click", () => show(reference()));
byId("take-frame").addEventListener("click", () => {
  keyField("frames.reference").value = state.frame;
  show(state.frame);
  afterChange();
});
byId("form").addEventListener("submit", (event) => event.preventDefault());
overlay.addEventListener("pointerdown", drawNew, true);
slider.addEventListener("input", () => show(Number(slider.value)));
byId("previous").addEventListener("click", () => show(state.frame - 1));
byId("next").addEventListener("click", () => show(state.frame + 1));
byId("save").addEventListener("click", save);
byId("run").addEventListener("click", run);
document.addEventListener("keydown", onKey);
addEventListener("pagehide", () => {
  if (!byId("run").disabled) navigator.sendBeacon("/bye", "{}");
});

// The server answers after a while; it ends soon after this line is cut.
async function stayInTouch() {
  for (;;) {
    await call("alive").catch(() => new Promise((again) => setTimeout(again, 2000)));
  }
}
stayInTouch();
show(finished && data.worst.length ? data.worst[0].frame : data.reference);
afterChange();
