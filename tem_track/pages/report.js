// The report: one row of the table is chosen, by any means, and everything shows it.

const data = readJson("data");
const stills = readJson("stills");
const root = document.documentElement;
const slider = byId("slider");
const playButton = byId("play");
const view = new FrameView(byId("still"), byId("overlay"), data.colours);

// As many digits as the uncertainty supports; four where there is none.
data.format = (value, u) => {
  if (value === null || value === undefined) return "\u2013";
  return numberText(value, u).replace("-", "\u2212");
};

data.short = (value) => {
  if (value === null || value === undefined) return "\u2013";
  const size = Math.abs(value);
  const plain = size === 0 || (size >= 1e-3 && size < 1e4);
  return (plain ? value.toPrecision(4) : numberText(value, 0)).replace("-", "\u2212");
};

function numberText(value, u) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3 && !u)) return value.toExponential(3);
  if (!u) return String(+value.toPrecision(4));
  const digits = 1 - Math.floor(Math.log10(u));
  if (digits > 0) return value.toFixed(Math.min(digits, 8));
  return String(Math.round(value * 10 ** digits) / 10 ** digits);
}

function twoDigits(value) {
  if (value === 0) return "0";
  return 1 - Math.floor(Math.log10(value)) > 8 ? value.toExponential(1) : numberText(value, value);
}

// The picture leaves room for the controls on a low screen.
byId("view").style.maxWidth = `calc(66vh * ${data.shape})`;

const state = { row: 0, wanted: 0, shown: -1, pending: false, timer: null };
const plots = data.panels.map((panel) => new Plot(byId("plots"), panel, data, chooseByHand));

function chooseByHand(row) {
  stop();
  choose(row);
}

// Many moves of the mouse in one refresh of the screen cost one picture.
function choose(row) {
  state.wanted = Math.min(Math.max(row, 0), data.frame.length - 1);
  if (state.pending) return;
  state.pending = true;
  requestAnimationFrame(() => {
    state.pending = false;
    apply(state.wanted);
  });
}

function apply(row) {
  state.row = row;
  root.dataset.row = row;
  slider.value = row;
  slider.setAttribute("aria-valuetext", `frame ${data.frame[row]}`);
  for (const plot of plots) plot.setRow(row);
  writeRow(row);
  showStill(data.still_of[row]);
}

function showStill(number) {
  if (number === null || number === state.shown) {
    if (number !== null) root.dataset.shown = data.stills[number].frame;
    return;
  }
  state.shown = number;
  const still = data.stills[number];
  view.show(stills[number], still.marks, () => (root.dataset.shown = still.frame));
}

function writeRow(row) {
  const still = data.still_of[row];
  const frame = data.frame[row];
  const shown = still === null ? frame : data.stills[still].frame;
  byId("frame-number").textContent = `frame ${frame}`;
  byId("frame-time").textContent = data.time_text[row];
  byId("frame-phase").textContent = data.phase[row];
  byId("frame-flags").textContent = data.flag_words[row];
  byId("still-note").textContent = shown === frame ? "" : `picture: frame ${shown}`;
  byId("still").alt = [`Frame ${shown}`, data.time_text[row], data.phase[row], data.flag_words[row]]
    .filter(Boolean)
    .join(", ");
  for (const [{ name, size, decimals }, cell] of readout) {
    const value = data.columns[name][row];
    const u = data.columns[`u_${name}`];
    const known = u && u[row] !== null;
    const shown = value === null ? null : value / size;
    const fixed = decimals !== null && shown !== null;
    const text = fixed ? shown.toFixed(decimals) : data.format(shown, known ? u[row] / size : 0);
    cell.value.textContent = text;
    cell.u.textContent = known ? `\u00b1 ${twoDigits(u[row] / size)}` : "";
  }
}

const readout = data.readout.map((quantity) => {
  const line = addHtml(byId("readout"), "tr");
  addHtml(line, "th", { scope: "row" }, quantity.label);
  const value = addHtml(line, "td", { class: "number" });
  const u = addHtml(line, "td", { class: "u" });
  addHtml(line, "td", {}, quantity.unit);
  return [quantity, { value, u }];
});

function play() {
  if (state.row >= data.frame.length - 1) apply(0);
  playButton.textContent = "Pause";
  playButton.setAttribute("aria-pressed", "true");
  state.timer = setInterval(() => {
    if (state.row >= data.frame.length - 1) stop();
    else apply(state.row + 1);
  }, 1000 / data.frames_per_second);
}

function stop() {
  if (state.timer === null) return;
  clearInterval(state.timer);
  state.timer = null;
  playButton.textContent = "Play";
  playButton.setAttribute("aria-pressed", "false");
}

function togglePlay() {
  if (state.timer === null) play();
  else stop();
}

function toggleMarks(visible) {
  byId("show-marks").checked = visible;
  view.overlay.classList.toggle("hidden", !visible);
}

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  const target = event.target;
  if (target.closest("pre, textarea, select, .scroll") && !target.closest("button")) return;
  const last = data.frame.length - 1;
  if (event.key in STEPS) chooseByHand(state.wanted + STEPS[event.key]);
  else if (event.key === "Home") chooseByHand(0);
  else if (event.key === "End") chooseByHand(last);
  else if (event.key === " " && !target.closest("button, input, summary, a")) togglePlay();
  else if (event.key === "o") toggleMarks(!byId("show-marks").checked);
  else return;
  event.preventDefault();
}

function fillList() {
  for (const button of document.querySelectorAll("button[data-row]")) {
    button.addEventListener("click", () => {
      chooseByHand(Number(button.dataset.row));
      byId("viewer").scrollIntoView({ block: "nearest" });
    });
  }
}

slider.addEventListener("input", () => chooseByHand(Number(slider.value)));
playButton.addEventListener("click", togglePlay);
byId("previous").addEventListener("click", () => chooseByHand(state.wanted - 1));
byId("next").addEventListener("click", () => chooseByHand(state.wanted + 1));
byId("show-marks").addEventListener("change", (event) => toggleMarks(event.target.checked));
document.addEventListener("keydown", onKey);
connectCopyButtons();
fillList();
apply(data.first_row);
state.wanted = data.first_row;
