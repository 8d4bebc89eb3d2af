"use strict";
// Shared by all pages: elements, and a frame with marks drawn over it.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function byId(id) {
  return document.getElementById(id);
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function addSvg(parent, name, attributes = {}, text = "") {
  const element = setAttributes(document.createElementNS(SVG_NAMESPACE, name), attributes);
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

function addHtml(parent, name, attributes = {}, text = "") {
  const element = setAttributes(document.createElement(name), attributes);
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

function readJson(id) {
  return JSON.parse(byId(id).textContent);
}

// A picture and the marks that belong to it. Both change together, when the picture has loaded.
class FrameView {
  constructor(image, overlay, colours) {
    this.image = image;
    this.overlay = overlay;
    this.colours = colours;
    this.waiting = null;
    image.decoding = "sync";
    image.addEventListener("load", () => this.loaded());
  }

  show(source, marks, done) {
    this.waiting = { marks, done };
    this.image.src = source;
  }

  loaded() {
    const next = this.waiting;
    if (!next) return;
    this.waiting = null;
    this.draw(next.marks);
    if (next.done) next.done();
  }

  draw(marks) {
    this.overlay.replaceChildren();
    for (const [role, closed, points] of marks) {
      if (points.includes(" ")) this.drawLine(role, closed, points);
      else this.drawCross(role, points);
    }
  }

  drawLine(role, closed, points) {
    const shape = closed ? "polygon" : "polyline";
    addSvg(this.overlay, shape, { points, class: `seam ${role}` });
    addSvg(this.overlay, shape, { points, class: `mark ${role}`, stroke: this.colours[role] });
  }

  drawCross(role, point) {
    const [x, y] = point.split(",").map(Number);
    const reach = this.overlay.viewBox.baseVal.width / 60;
    const d = `M${x - reach} ${y}H${x + reach}M${x} ${y - reach}V${y + reach}`;
    addSvg(this.overlay, "path", { d, class: "seam" });
    addSvg(this.overlay, "path", { d, class: `mark ${role}`, stroke: this.colours[role] });
  }
}

function connectCopyButtons() {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", () => copyText(button));
  }
}

async function copyText(button) {
  const source = byId(button.dataset.copy);
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(source);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => (button.textContent = label), 2000);
}
