// The set-up page: numbers and boxes are one state; every change is checked and previewed.

const data = readJson("data");
const NAMES = ["bar", "tip", "specimen", "base"];
const COLOURS = { bar: "#0072b2", tip: "#009e73", specimen: "#d55e00", base: "#cc79a7" };
const root = document.documentElement;
const overlay = byId("overlay");
const slider = byId("slider");
const state = { frame: data.reference, boxes: {}, outlines: {}, timer: null, asked: 0, shapes: {} };

async function call(name, values = {}) {
  const answer = await fetch(`/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
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

function fillFields() {
  for (const field of document.querySelectorAll("[data-key]")) {
    const value = data.values[field.dataset.key];
    if (value !== null && value !== undefined) field.value = value;
  }
  for (const name of NAMES) {
    state.boxes[name] = data.values[`${name}.box_px`];
    const sure = data.confidence[name];
    if (sure !== undefined) byId(`confidence-${name}`).textContent = `confidence ${sure.toFixed(2)}`;
    fillBox(name);
  }
}

function fillBox(name) {
  for (const field of document.querySelectorAll(`[data-box="${name}"]`)) {
    field.value = state.boxes[name] ? state.boxes[name][field.dataset.side] : "";
  }
}

function readBox(name) {
  const fields = [...document.querySelectorAll(`[data-box="${name}"]`)];
  const texts = fields.map((field) => field.value.trim());
  if (texts.every((text) => text === "")) return null;
  return texts.map((text) => {
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : text;
  });
}

// ---------------------------------------------------------------- boxes

function drawable(box) {
  return box && box.length === 4 && box.every((v) => typeof v === "number") && box[2] > 0 && box[3] > 0;
}

function makeShape(name) {
  const group = addSvg(overlay, "g", { id: `box-${name}` });
  const rect = addSvg(group, "rect", {
    class: "box", stroke: COLOURS[name], tabindex: "0", role: "button", "aria-label": `${name} box`,
  });
  const size = data.width / 45;
  const grip = addSvg(group, "rect", { class: "grip", width: size, height: size });
  const label = addSvg(group, "text", { fill: COLOURS[name], "font-size": data.width / 36 }, name);
  state.shapes[name] = { group, rect, grip, label };
  rect.addEventListener("pointerdown", (event) => startDrag(event, name, false));
  grip.addEventListener("pointerdown", (event) => startDrag(event, name, true));
  rect.addEventListener("keydown", (event) => nudge(event, name));
}

function drawBox(name) {
  const { group, rect, grip, label } = state.shapes[name];
  const box = state.boxes[name];
  group.classList.toggle("hidden", !drawable(box));
  if (!drawable(box)) return;
  const [x, y, width, height] = box;
  const size = data.width / 45;
  setAttributes(rect, { x: x - 0.5, y: y - 0.5, width, height });
  setAttributes(grip, { x: x + width - 0.5 - size, y: y + height - 0.5 - size });
  const low = y < data.width / 30;
  setAttributes(label, { x: x + 3, y: low ? y + data.width / 32 : y - 5 });
  if (name !== "bar" && name !== "base") drawAxis();
}

function drawAxis() {
  const line = byId("axis-line") ?? addSvg(overlay, "line", { id: "axis-line", class: "axis" });
  const angle = Number(document.querySelector('[data-key="axis_deg"]').value);
  const box = state.boxes.specimen;
  if (!drawable(box) || !Number.isFinite(angle)) return;
  const [x, y, width, height] = box;
  const half = 0.45 * Math.max(width, height);
  const dx = half * Math.sin((angle * Math.PI) / 180);
  const dy = -half * Math.cos((angle * Math.PI) / 180);
  const [cx, cy] = [x + width / 2, y + height / 2];
  setAttributes(line, { x1: cx - dx, y1: cy - dy, x2: cx + dx, y2: cy + dy });
}

function toPixels(event) {
  const frame = overlay.getBoundingClientRect();
  const scale = data.width / frame.width;
  return [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
}

function startDrag(event, name, sizing) {
  event.preventDefault();
  const start = toPixels(event);
  const before = [...state.boxes[name]];
  const target = event.currentTarget;
  target.setPointerCapture(event.pointerId);
  const move = (next) => {
    const [x, y] = toPixels(next);
    setBox(name, changed(before, Math.round(x - start[0]), Math.round(y - start[1]), sizing));
  };
  const end = () => {
    target.removeEventListener("pointermove", move);
    target.removeEventListener("pointerup", end);
    target.removeEventListener("pointercancel", end);
  };
  target.addEventListener("pointermove", move);
  target.addEventListener("pointerup", end);
  target.addEventListener("pointercancel", end);
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
  if (!(event.key in ARROWS)) return;
  const [dx, dy] = ARROWS[event.key];
  setBox(name, changed(state.boxes[name], dx, dy, event.shiftKey));
  event.preventDefault();
}

function setBox(name, box) {
  state.boxes[name] = box;
  fillBox(name);
  drawBox(name);
  afterChange();
}

// ---------------------------------------------------------------- frames

function show(frame) {
  state.frame = within(frame, 0, Number(slider.max));
  slider.value = state.frame;
  byId("frame-number").textContent = `frame ${state.frame}` + (state.frame === data.reference ? ", reference" : "");
  byId("still").src = `/frame/${state.frame}.jpg`;
  root.dataset.frame = state.frame;
  drawOutline();
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

// ---------------------------------------------------------------- checks and preview

function showProblems(problems) {
  for (const place of document.querySelectorAll("[data-problem]")) {
    const text = problems[place.dataset.problem] ?? "";
    place.textContent = text;
    const field = document.querySelector(`[data-key="${place.dataset.problem}"]`);
    if (field) field.setAttribute("aria-invalid", text !== "");
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
    if (Object.keys(problems).length) return finishPreview("no preview yet: see the messages in red", "problems");
    byId("preview-state").textContent = "measuring about twenty frames …";
    const found = await call("preview", values());
    if (turn !== state.asked) return;
    if (found.problems) {
      showProblems(found.problems);
      return finishPreview("no preview: see the message under the picture", "problems");
    }
    state.outlines = found.outlines;
    drawOutline();
    drawCurve(found);
    const lost = found.lost.filter((flags) => flags.includes("LOST")).length;
    finishPreview(`${found.frames.length} frames measured, ${lost} with something lost`, "done");
  } catch (error) {
    finishPreview(`the server does not answer: ${error.message}`, "problems");
  }
}

function finishPreview(text, kind) {
  byId("preview-state").textContent = text;
  root.dataset.preview = kind;
}

function drawCurve({ force_nN, deformation_nm, frames }) {
  const curve = byId("curve");
  curve.replaceChildren();
  const byFrame = deformation_nm.every((v) => v === null);
  const points = frames
    .map((frame, i) => [byFrame ? frame : deformation_nm[i], force_nN[i]])
    .filter(([x, y]) => x !== null && y !== null);
  if (!points.length) return;
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  const place = (v, all, low, high) => low + ((v - Math.min(...all)) / (Math.max(...all) - Math.min(...all) || 1)) * (high - low);
  const at = points.map(([x, y]) => [place(x, xs, 20, 385), place(y, ys, 170, 15)]);
  addSvg(curve, "polyline", { class: "line", points: at.map((p) => p.join(",")).join(" ") });
  for (const [cx, cy] of at) addSvg(curve, "circle", { cx, cy, r: 2.5 });
  const label = byFrame ? "frame" : "deformation / nm";
  addSvg(curve, "text", { x: 385, y: 192, "text-anchor": "end", "font-size": 12 }, `${label}, up to ${Math.max(...xs).toPrecision(3)}`);
  addSvg(curve, "text", { x: 20, y: 12, "font-size": 12 }, `force / nN, up to ${Math.max(...ys).toPrecision(3)}`);
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

async function watch() {
  const now = await call("progress");
  const bar = byId("progress");
  bar.hidden = false;
  if (now.total) setAttributes(bar, { max: now.total, value: now.done });
  byId("state").textContent = now.error || `${now.stage} ${now.done} of ${now.total}`;
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
  else return;
  event.preventDefault();
}

for (const name of NAMES) makeShape(name);
fillFields();
for (const name of NAMES) drawBox(name);
for (const field of document.querySelectorAll("[data-key]")) {
  field.addEventListener("input", () => {
    if (field.dataset.key === "axis_deg") drawAxis();
    afterChange();
  });
}
for (const field of document.querySelectorAll("[data-box]")) {
  field.addEventListener("input", () => {
    state.boxes[field.dataset.box] = readBox(field.dataset.box);
    drawBox(field.dataset.box);
    afterChange();
  });
}
if (data.scale_bar_px) {
  byId("scale-bar-row").hidden = false;
  byId("scale-bar-px").textContent = data.scale_bar_px.toFixed(1);
  byId("scale-bar-nm").addEventListener("input", (event) => {
    const length = Number(event.target.value);
    if (!(length > 0)) return;
    document.querySelector('[data-key="calibration.scale_nm_per_px"]').value = (length / data.scale_bar_px).toPrecision(5);
    afterChange();
  });
  const [x, y, width, height] = data.scale_bar_box;
  addSvg(overlay, "rect", { x, y, width, height, fill: "none", stroke: "#e69f00", "stroke-width": 2 });
}
byId("form").addEventListener("submit", (event) => event.preventDefault());
slider.addEventListener("input", () => show(Number(slider.value)));
byId("previous").addEventListener("click", () => show(state.frame - 1));
byId("next").addEventListener("click", () => show(state.frame + 1));
byId("save").addEventListener("click", save);
byId("run").addEventListener("click", run);
document.addEventListener("keydown", onKey);
addEventListener("pagehide", () => {
  if (!byId("run").disabled) navigator.sendBeacon("/bye", "{}");
});
setInterval(() => call("alive").catch(() => {}), 5000);
show(state.frame);
afterChange();
