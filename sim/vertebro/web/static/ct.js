// @ts-check
/** The CT pane: slices in HU through a table in the page; wheel and arrows scroll, dragging windows. */
import { make, store } from "./store.js";

const PRESETS = /** @type {[string, number, number][]} */ ([["Bone", 2000, 500], ["Soft", 400, 40], ["Cement", 4000, 1500], ["Canal", 500, 100]]);
const PLANES = ["axial", "coronal", "sagittal"];
const STEP = 2; // mm from slice to slice
const REACH = 60;

export class CtPane {
  /** @param {HTMLElement} root @param {(command: any) => void} send */
  constructor(root, send) {
    this.send = send;
    this.plane = "axial";
    this.source = "planning";
    this.offset = { axial: 0, coronal: 0, sagittal: 0 };
    /** @type {Map<string, any>} */ this.slices = new Map();
    this.width = 2000; this.level = 500;
    this.table = new Uint8Array(65536);
    this.canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { "aria-hidden": "true" }));
    this.note = make("span", { class: "txt bl" });
    this.windowed = make("span", { class: "txt br" });
    this.letters = ["l", "r", "t", "b"].map((place) => make("span", { class: `txt letter ${place}` }));
    this.pane = make("div", { class: "pane", tabindex: "0", role: "group", "aria-label": "CT: arrow keys scroll, 1 to 4 set the window", id: "pane-ct" }, this.canvas, this.note, this.windowed, ...this.letters);
    this.planes = PLANES.map((plane) => make("button", { type: "button", "aria-pressed": String(plane === "axial"), text: plane, onclick: () => this.turn(plane) }));
    this.sources = ["planning", "control"].map((source) => make("button", { type: "button", "aria-pressed": String(source === "planning"), text: source, onclick: () => { this.source = source; this.refresh(); } }));
    root.append(make("div", { class: "ct" }, this.pane, make("div", { class: "row" }, make("div", { class: "segments" }, ...this.planes), make("div", { class: "segments" }, ...this.sources),
      make("div", { class: "segments" }, ...PRESETS.map(([name, width, level], k) => make("button", { type: "button", title: `W ${width} L ${level} (${k + 1})`, text: name, onclick: () => this.preset(k) }))))));
    this.watch();
    new ResizeObserver(() => { if (this.pane.clientWidth) this.refresh(); }).observe(this.pane);
  }

  watch() {
    /** @type {any} */ let drag = null;
    this.pane.addEventListener("wheel", (event) => { event.preventDefault(); this.scroll(event.deltaY > 0 ? -1 : 1); }, { passive: false });
    this.pane.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 1, ArrowDown: -1, Home: 99, End: -99 }[event.key];
      if (step && !event.ctrlKey && !event.altKey) { event.preventDefault(); event.stopPropagation(); this.scroll(step); } else if (/^[1-4]$/.test(event.key)) { event.stopPropagation(); this.preset(Number(event.key) - 1); }
    });
    this.canvas.addEventListener("pointerdown", (event) => { this.canvas.setPointerCapture(event.pointerId); this.pane.focus(); drag = { x: event.clientX, y: event.clientY, width: this.width, level: this.level }; event.preventDefault(); });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      this.width = Math.max(10, drag.width * Math.exp((event.clientX - drag.x) / 200));
      this.level = drag.level + (event.clientY - drag.y) * 4;
      this.draw();
    });
    this.canvas.addEventListener("pointerup", () => { drag = null; });
  }

  /** @param {number} k */
  preset(k) { [, this.width, this.level] = PRESETS[k]; this.draw(); }

  /** @param {string} plane */
  turn(plane) { this.plane = plane; this.refresh(); }

  /** @param {number} step */
  scroll(step) {
    if (this.source !== "planning") { this.source = "planning"; }
    this.offset[this.plane] = Math.min(REACH, Math.max(-REACH, this.offset[this.plane] + STEP * step));
    this.refresh();
  }

  /** Ask for what is missing, draw what is there. */
  refresh() {
    this.planes.forEach((node, k) => node.setAttribute("aria-pressed", String(PLANES[k] === this.plane)));
    this.sources.forEach((node) => node.setAttribute("aria-pressed", String(node.textContent === this.source)));
    if (this.source === "planning" && !this.slices.has(this.key()) && store.state.dose) this.send({ kind: "look_ct", plane: this.plane, offset_mm: this.offset[this.plane] });
    this.draw();
  }

  key(about = { source: this.source, plane: this.plane, offset_mm: this.offset[this.plane] }) {
    return about.source === "planning" ? `planning ${about.plane} ${about.offset_mm}` : `control ${about.plane}`;
  }

  clear() { this.slices.clear(); this.offset = { axial: 0, coronal: 0, sagittal: 0 }; }

  /** @param {any} message */
  show(message) {
    const bytes = message.blocks[0].slice();
    this.slices.set(this.key(message.about), { hu: new Int16Array(bytes.buffer), width: message.width, height: message.height, about: message.about });
    if (message.about.source === "control") this.source = "control";
    this.refresh();
  }

  draw() {
    const found = this.slices.get(this.key());
    if (!found) { this.note.textContent = this.source === "control" ? "no control CT yet" : "loading …"; return; }
    const { hu, width, height, about } = found;
    const low = this.level - this.width / 2, scale = 255 / this.width;
    for (let i = 0; i < 65536; i += 1) this.table[i] = Math.max(0, Math.min(255, (i - 32768 - low) * scale));
    const picture = new ImageData(width, height), words = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < words.length; i += 1) { const grey = this.table[hu[i] + 32768]; words[i] = (255 << 24) | (grey << 16) | (grey << 8) | grey; }
    const plain = document.createElement("canvas");
    Object.assign(plain, { width, height });
    plain.getContext("2d")?.putImageData(picture, 0, 0);
    const box = this.pane.getBoundingClientRect(), side = Math.min(box.width, box.height);
    Object.assign(this.canvas, { width: Math.round(box.width), height: Math.round(box.height) });
    const context = this.canvas.getContext("2d");
    if (context) { context.fillStyle = "#000"; context.fillRect(0, 0, box.width, box.height); context.drawImage(plain, (box.width - side) / 2, (box.height - side) / 2, side, side); }
    this.note.textContent = about.source === "planning" ? `planning CT ${about.plane} ${about.offset_mm >= 0 ? "+" : "−"}${Math.abs(about.offset_mm)} mm` : `control CT ${about.plane} at ${about.time_s} s`;
    this.windowed.textContent = `W ${Math.round(this.width)} L ${Math.round(this.level)}`;
    this.letters.forEach((node, k) => { node.textContent = about.letters[k]; });
  }
}
