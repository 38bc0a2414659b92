// @ts-check
/** CT: slices in HU through a table in the page. A stack keeps them, a sheet shows one; the pane in the side column
 * shows one plane, the room (room.js) three. */
import { make, store } from "./store.js";

export const PRESETS = /** @type {[string, number, number][]} */ ([["Bone", 2000, 500], ["Soft", 400, 40], ["Cement", 4000, 1500], ["Canal", 500, 100]]);
export const PLANES = ["axial", "coronal", "sagittal"];
/** Axis of a plane's normal, and of its picture's columns (to the right) and rows (downwards) with their signs. */
export const AXES = /** @type {Record<string, {normal: number, across: [number, number], down: [number, number]}>} */ ({
  axial: { normal: 2, across: [0, -1], down: [1, -1] }, coronal: { normal: 1, across: [0, -1], down: [2, -1] }, sagittal: { normal: 0, across: [1, -1], down: [2, -1] } });
const STEP = 2; // mm from slice to slice
const REACH = 60;
const WAIT = 2000; // ms after which a slice is asked for again

/** All slices of a session, planning and control; asks the server for those it lacks. */
export class Stack {
  /** @param {(command: any) => any} send */
  constructor(send) {
    this.send = send;
    /** @type {Map<string, any>} */ this.slices = new Map();
    /** @type {any} */ this.scan = null; // what the last scan holds: mode, centre_mm, reach_mm, time_s
    this.point = [0, 0, 0]; // mm: right, anterior, superior of the body's middle
    this.window = { width: 2000, level: 500 };
    /** @type {Map<string, number>} */ this.asked = new Map();
    /** @type {(() => void)[]} */ this.watchers = [];
  }

  changed() { for (const watcher of this.watchers) watcher(); }

  clear() { this.slices.clear(); this.asked.clear(); this.scan = null; this.point = [0, 0, 0]; this.changed(); }

  /** Whether the last scan shows a plane here. @param {string} plane */
  scanned(plane) {
    if (!this.scan) return false;
    const normal = AXES[plane].normal;
    return this.scan.planes.includes(plane) && (plane !== "axial" || Math.abs(this.point[normal] - this.scan.centre_mm[normal]) <= this.scan.reach_mm + 0.5 * this.step(plane));
  }

  /** mm from slice to slice: those of a shot lie apart as they were taken. @param {string} plane */
  step(plane) { return this.scan?.mode === "shot" && plane === "axial" ? this.scan.reach_mm : STEP; }

  /** @param {string} source @param {string} plane @param {number} offset */
  static key(source, plane, offset) { return `${source} ${plane} ${offset.toFixed(1)}`; }

  /** The slice of a plane at the point, asked for if it is not here. @param {string} source @param {string} plane */
  at(source, plane) {
    const offset = this.offset(source, plane), key = Stack.key(source, plane, offset);
    const found = this.slices.get(key);
    if (!found && store.state.dose && this.wanted(key)) this.send({ kind: "look_ct", source, plane, offset_mm: offset });
    return found;
  }

  /** Whether a slice has to be asked for: not if it is on its way. @param {string} key */
  wanted(key) {
    const now = performance.now(), on = now - (this.asked.get(key) ?? -WAIT) < WAIT;
    if (!on) this.asked.set(key, now);
    return !on;
  }

  /** On the raster of the slices. @param {string} source @param {string} plane */
  offset(source, plane) {
    const normal = AXES[plane].normal, zero = source === "control" && this.scan ? this.scan.centre_mm[normal] : 0, step = source === "control" ? this.step(plane) : STEP;
    return zero + step * Math.round((this.point[normal] - zero) / step);
  }

  /** @param {string} plane @param {number} steps */
  scroll(plane, steps) { this.move(plane, AXES[plane].normal, this.point[AXES[plane].normal] + steps * this.step(plane)); }

  /** @param {string} _plane @param {number} axis @param {number} place */
  move(_plane, axis, place) {
    this.point[axis] = Math.min(REACH, Math.max(-REACH, place));
    this.changed();
  }

  /** @param {any} message */
  show(message) {
    const { about } = message, bytes = message.blocks[0].slice();
    if (about.source === "control") this.scanNew(about);
    this.slices.set(Stack.key(about.source, about.plane, about.offset_mm), { hu: new Int16Array(bytes.buffer), width: message.width, height: message.height, about });
    if (this.slices.size > 120) this.slices.delete(this.slices.keys().next().value ?? "");
    this.changed();
  }

  /** Slices of another scan replace those of the last. @param {any} about */
  scanNew(about) {
    if (this.scan?.number === about.number) return;
    for (const key of [...this.slices.keys(), ...this.asked.keys()]) if (key.startsWith("control")) { this.slices.delete(key); this.asked.delete(key); }
    this.scan = about;
    this.point = [...about.centre_mm];
  }
}

/** One slice on a canvas: letters, notes, window by dragging, scrolling by the wheel. */
export class Sheet {
  /** @param {Stack} stack @param {string} plane @param {string} name @param {{pick?: (event: PointerEvent) => boolean, drag?: (event: PointerEvent) => void, drop?: () => void, click?: (event: PointerEvent) => void, over?: (context: CanvasRenderingContext2D) => void, scroll: (steps: number) => void}} hands */
  constructor(stack, plane, name, hands) {
    this.stack = stack;
    this.plane = plane;
    this.hands = hands;
    this.arrows = true; // whether they scroll
    this.table = new Uint8Array(65536);
    this.canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { "aria-hidden": "true" }));
    this.plain = document.createElement("canvas");
    /** @type {any} */ this.found = null;
    this.note = make("span", { class: "txt bl" });
    this.windowed = make("span", { class: "txt br" });
    this.letters = ["l", "r", "t", "b"].map((place) => make("span", { class: `txt letter ${place}` }));
    this.pane = make("div", { class: "pane", tabindex: "0", role: "group", "aria-label": name }, this.canvas, this.note, this.windowed, ...this.letters);
    this.watch();
  }

  watch() {
    /** @type {any} */ let drag = null;
    this.pane.addEventListener("wheel", (event) => { event.preventDefault(); this.hands.scroll(event.deltaY > 0 ? -1 : 1); }, { passive: false });
    this.pane.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 1, ArrowDown: -1, Home: 99, End: -99 }[event.key];
      if (step && this.arrows && !event.ctrlKey && !event.altKey && !event.shiftKey) { event.preventDefault(); event.stopPropagation(); this.hands.scroll(step); } else if (/^[1-4]$/.test(event.key)) { event.stopPropagation(); this.preset(Number(event.key) - 1); }
    });
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.pane.focus();
      event.preventDefault();
      drag = { x: event.clientX, y: event.clientY, ...this.stack.window, far: false, picked: Boolean(this.hands.pick?.(event)) };
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      drag.far ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3;
      if (drag.picked) this.hands.drag?.(event);
      else if (drag.far) {
        this.stack.window = { width: Math.max(10, drag.width * Math.exp((event.clientX - drag.x) / 200)), level: drag.level + (event.clientY - drag.y) * 4 };
        this.stack.changed();
      }
    });
    this.canvas.addEventListener("pointerup", (event) => {
      if (drag?.picked) this.hands.drop?.(); else if (drag && !drag.far) this.hands.click?.(event);
      drag = null;
    });
  }

  /** @param {number} k */
  preset(k) { this.stack.window = { width: PRESETS[k][1], level: PRESETS[k][2] }; this.stack.changed(); }

  /** Where the picture lies in the pane. */
  place() {
    const width = this.pane.clientWidth, height = this.pane.clientHeight, side = Math.min(width, height);
    return { width, height, side, left: (width - side) / 2, top: (height - side) / 2 };
  }

  /** [mm] of the body under a pointer, the plane's own coordinate from the point. @param {PointerEvent} event */
  world(event) {
    const box = this.canvas.getBoundingClientRect(), { side, left, top } = this.place(), { across, down, normal } = AXES[this.plane], about = this.found?.about;
    const span = (about?.mm_per_pixel ?? 1) * (this.found?.width ?? 1), middle = about?.middle_mm ?? [0, 0, 0], where = [...this.stack.point];
    where[across[0]] = middle[across[0]] + across[1] * ((event.clientX - box.left - left) / side - 0.5) * span;
    where[down[0]] = middle[down[0]] + down[1] * ((event.clientY - box.top - top) / side - 0.5) * span;
    where[normal] = about?.offset_mm ?? this.stack.point[normal];
    return where;
  }

  /** Pixel of the pane that shows a place [mm]. @param {number[]} where */
  pixel(where) {
    const { side, left, top } = this.place(), { across, down } = AXES[this.plane], about = this.found?.about;
    const span = (about?.mm_per_pixel ?? 1) * (this.found?.width ?? 1), middle = about?.middle_mm ?? [0, 0, 0];
    return [left + side * (0.5 + (across[1] * (where[across[0]] - middle[across[0]])) / span), top + side * (0.5 + (down[1] * (where[down[0]] - middle[down[0]])) / span)];
  }

  /** @param {string} source @param {string} none what to say without a slice */
  draw(source, none = "loading …") {
    if (!this.pane.clientWidth) return;
    this.found = this.stack.at(source, this.plane) ?? (this.found?.about.source === source && none === "loading …" ? this.found : null);
    if (!this.found) { this.note.textContent = none; return; }
    const { hu, width, height, about } = this.found, { width: wide, level } = this.stack.window;
    const low = level - wide / 2, scale = 255 / wide;
    for (let i = 0; i < 65536; i += 1) this.table[i] = Math.max(0, Math.min(255, (i - 32768 - low) * scale));
    const picture = new ImageData(width, height), words = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < words.length; i += 1) { const grey = this.table[hu[i] + 32768]; words[i] = (255 << 24) | (grey << 16) | (grey << 8) | grey; }
    Object.assign(this.plain, { width, height });
    this.plain.getContext("2d")?.putImageData(picture, 0, 0);
    const box = this.place();
    Object.assign(this.canvas, { width: box.width, height: box.height });
    const context = this.canvas.getContext("2d");
    if (context) { context.fillStyle = "#000"; context.fillRect(0, 0, box.width, box.height); context.drawImage(this.plain, box.left, box.top, box.side, box.side); this.hands.over?.(context); }
    const place = `${about.offset_mm >= 0 ? "+" : "−"}${Math.abs(about.offset_mm).toFixed(0)} mm`;
    this.note.textContent = about.source === "planning" ? `planning CT ${about.plane} ${place}` : `${about.mode === "shot" ? "CT shot" : "control CT"} ${about.plane} ${place} at ${about.time_s.toFixed(0)} s`;
    this.windowed.textContent = `W ${Math.round(wide)} L ${Math.round(level)}`;
    this.letters.forEach((node, k) => { node.textContent = about.letters[k]; });
  }
}

/** Buttons of the windows. @param {(k: number) => void} preset */
export function presets(preset) {
  return make("div", { class: "segments", role: "group", "aria-label": "Window" }, ...PRESETS.map(([name, width, level], k) => make("button", { type: "button", title: `W ${width} L ${level} (${k + 1})`, text: name, onclick: () => preset(k) })));
}

/** The pane of the side column: one plane of the planning CT or of the last scan. */
export class CtPane {
  /** @param {HTMLElement} root @param {Stack} stack */
  constructor(root, stack) {
    this.stack = stack;
    this.plane = "axial";
    this.source = "planning";
    this.sheet = new Sheet(stack, "axial", "CT: arrow keys scroll, 1 to 4 set the window", { scroll: (steps) => stack.scroll(this.plane, steps) });
    this.sheet.pane.id = "pane-ct";
    this.planes = PLANES.map((plane) => make("button", { type: "button", "aria-pressed": String(plane === "axial"), text: plane, onclick: () => { this.plane = plane; this.refresh(); } }));
    this.sources = ["planning", "control"].map((source) => make("button", { type: "button", "aria-pressed": String(source === "planning"), text: source, onclick: () => { this.source = source; this.refresh(); } }));
    root.append(make("div", { class: "ct" }, this.sheet.pane, make("div", { class: "row" }, make("div", { class: "segments", role: "group", "aria-label": "Plane" }, ...this.planes), make("div", { class: "segments", role: "group", "aria-label": "Scan" }, ...this.sources), presets((k) => this.sheet.preset(k)))));
    let number = 0;
    stack.watchers.push(() => {
      if ((stack.scan?.number ?? 0) !== number) { number = stack.scan?.number ?? 0; this.source = number ? "control" : "planning"; }
      this.refresh();
    });
    new ResizeObserver(() => this.refresh()).observe(this.sheet.pane);
  }

  refresh() {
    this.planes.forEach((node, k) => node.setAttribute("aria-pressed", String(PLANES[k] === this.plane)));
    this.sources.forEach((node) => node.setAttribute("aria-pressed", String(node.textContent === this.source)));
    this.sheet.plane = this.plane;
    const bare = this.source === "control" && !this.stack.scanned(this.plane);
    if (bare) { this.sheet.found = null; this.sheet.note.textContent = this.stack.scan ? "not in the last scan" : "no control CT yet"; return; }
    this.sheet.draw(this.source);
  }
}
