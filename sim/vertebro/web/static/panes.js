// @ts-check
/** A monitor: greys through a look-up table in the page, so that window and level never ask the server. */
import { make, store } from "./store.js";

const FULL = { low: 0, high: 255 };
const TREATED = /** @type {Record<string, string>} */ ({ dsa: "SUBTRACTED", roadmap: "ROADMAP" });

/** Greys of a JPEG. @param {any} message @param {HTMLCanvasElement} canvas takes its size and is drawn on */
export async function decoded(message, canvas) {
  const bitmap = await createImageBitmap(new Blob([message.blocks[0]], { type: "image/jpeg" }));
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const words = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer), grey = new Uint8Array(words.length);
  for (let i = 0; i < words.length; i += 1) grey[i] = words[i] & 255;
  return { grey, width, height };
}

export class Pane {
  /** @param {HTMLElement} root @param {string} plane @param {(pane: Pane) => void} chosen @param {(pane: Pane, pixel: number[]) => void} clicked */
  constructor(root, plane, chosen, clicked) {
    this.root = root;
    this.plane = plane;
    this.canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { "aria-hidden": "true" }));
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.grey = new Uint8Array(0);
    this.width = this.height = 0;
    this.about = /** @type {any} */ ({});
    this.number = this.arrival = this.session = 0;
    this.raw = /** @type {HTMLCanvasElement} */ (document.createElement("canvas")); // where pictures are decoded
    this.plain = /** @type {HTMLCanvasElement} */ (document.createElement("canvas"));
    this.view = { ...FULL, inverted: false, zoom: 1, x: 0, y: 0 };
    this.marks = /** @type {number[][]} */ ([]);
    this.drawn = 0;
    this.overlay(root);
    this.watch(chosen, clicked);
    new ResizeObserver(() => this.fit()).observe(root);
  }

  /** @param {HTMLElement} root */
  overlay(root) {
    const text = (/** @type {string} */ place) => make("span", { class: `txt ${place}` });
    this.text = { tl: text("tl"), tr: text("tr"), bl: text("bl"), br: text("br"), l: text("letter l"), r: text("letter r"), t: text("letter t"), b: text("letter b") };
    this.scale = make("span", { class: "scale", "aria-hidden": "true", hidden: true });
    this.held = ""; // what a picture is that is not the newest
    this.empty = make("p", { class: "empty", text: this.plane === "ap" ? "FRONTAL\nno picture yet: hold the pedal" : "LATERAL\nno picture yet" });
    this.spots = make("div", { "aria-hidden": "true" });
    root.append(this.canvas, this.spots, ...Object.values(this.text), this.scale, this.empty);
  }

  /** @param {(pane: Pane) => void} chosen @param {(pane: Pane, pixel: number[]) => void} clicked */
  watch(chosen, clicked) {
    /** @type {{x: number, y: number, button: number, view: any, far: boolean} | null} */
    let drag = null;
    this.root.addEventListener("focus", () => chosen(this));
    this.canvas.addEventListener("pointerdown", (event) => {
      chosen(this);
      this.root.focus({ preventScroll: true });
      this.canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, y: event.clientY, button: event.button, view: { ...this.view }, far: false };
      event.preventDefault();
    });
    this.canvas.addEventListener("pointermove", (event) => {
      store.page.pixel = this.pixel(event);
      if (!drag) return;
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      drag.far ||= Math.hypot(dx, dy) > 3;
      if (!drag.far) return;
      if (drag.button === 0) this.window(drag.view, dx, dy);
      else if (drag.button === 1) Object.assign(this.view, { x: drag.view.x + dx, y: drag.view.y + dy });
      else this.view.zoom = Math.min(8, Math.max(1, drag.view.zoom * Math.exp(-dy / 200)));
      this.draw();
    });
    this.canvas.addEventListener("pointerup", (event) => {
      if (drag && !drag.far && drag.button === 0) clicked(this, this.pixel(event));
      drag = null;
    });
    this.canvas.addEventListener("pointerleave", () => { store.page.pixel = null; });
    this.canvas.addEventListener("dblclick", () => this.reset());
    this.canvas.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15); }, { passive: false });
  }

  /** (row, column) of the picture under the pointer. @param {PointerEvent} event */
  pixel(event) {
    const box = this.canvas.getBoundingClientRect();
    const { side, left, top } = this.place(box.width, box.height);
    return [((event.clientY - box.top - top) / side) * this.height - 0.5, ((event.clientX - box.left - left) / side) * this.width - 0.5];
  }

  /** Where the picture lies in a box. @param {number} width @param {number} height */
  place(width, height) {
    const side = Math.min(width, height) * this.view.zoom;
    return { side, left: (width - side) / 2 + this.view.x, top: (height - side) / 2 + this.view.y };
  }

  /** @param {any} from @param {number} dx @param {number} dy */
  window(from, dx, dy) {
    const width = Math.max(8, (from.high - from.low) * Math.exp(dx / 250));
    const level = (from.high + from.low) / 2 + (dy * 128) / 250;
    this.view.low = level - width / 2;
    this.view.high = level + width / 2;
  }

  /** @param {number} factor */
  zoom(factor) {
    this.view.zoom = Math.min(8, Math.max(1, this.view.zoom * factor));
    if (this.view.zoom === 1) Object.assign(this.view, { x: 0, y: 0 });
    this.draw();
  }

  invert() { this.view.inverted = !this.view.inverted; this.draw(); }
  reset() { Object.assign(this.view, { ...FULL, inverted: false, zoom: 1, x: 0, y: 0 }); this.draw(); }
  /** @param {number} wide @param {number} up */
  shift(wide, up) { this.window({ ...this.view }, wide, up); this.draw(); }

  /** No picture: another session begins. */
  clear() {
    this.session += 1;
    Object.assign(this, { width: 0, height: 0, grey: new Uint8Array(0), about: {}, marks: [], held: "" });
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.empty.hidden = false;
    this.scale.hidden = true;
    this.spots.replaceChildren();
    this.words();
  }

  /** @param {any} message */
  async show(message) {
    const session = this.session;
    const { grey, width, height } = await decoded(message, this.raw);
    if (session !== this.session || message.arrival < this.arrival) return; // another session, or a newer picture was faster
    this.arrival = message.arrival;
    if (this.plain.width !== width || this.plain.height !== height) Object.assign(this.plain, { width, height });
    Object.assign(this, { grey, width, height, about: message.about, number: message.number });
    this.empty.hidden = true;
    if (!store.page.placing) this.marks = [];
    this.draw();
    this.drawn += 1;
  }

  table() {
    const { low, high, inverted } = this.view;
    const table = new Uint32Array(256);
    for (let i = 0; i < 256; i += 1) {
      const grey = Math.round(255 * Math.min(1, Math.max(0, (i - low) / (high - low))));
      const shade = inverted ? 255 - grey : grey;
      table[i] = (255 << 24) | (shade << 16) | (shade << 8) | shade;
    }
    return table;
  }

  fit() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const width = Math.round(this.root.clientWidth * ratio), height = Math.round(this.root.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.draw();
  }

  draw() {
    this.words();
    if (!this.width) return;
    const picture = new ImageData(this.width, this.height);
    const words = new Uint32Array(picture.data.buffer), table = this.table();
    for (let i = 0; i < words.length; i += 1) words[i] = table[this.grey[i]];
    /** @type {CanvasRenderingContext2D} */ (this.plain.getContext("2d", { willReadFrequently: true })).putImageData(picture, 0, 0);
    const { side, left, top } = this.place(this.canvas.width / this.ratio, this.canvas.height / this.ratio);
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.context.imageSmoothingQuality = "high";
    this.context.drawImage(this.plain, left * this.ratio, top * this.ratio, side * this.ratio, side * this.ratio);
    this.spots.replaceChildren(...this.marks.map(([row, column]) => {
      const spot = make("i", { class: "mark" });
      spot.style.left = `${left + ((column + 0.5) / this.width) * side}px`;
      spot.style.top = `${top + ((row + 0.5) / this.height) * side}px`;
      return spot;
    }));
    this.ruler(side);
    this.cross(left + side / 2, top + side / 2);
  }

  /** Lines through the middle of the field, where the isocentre is. @param {number} x @param {number} y */
  cross(x, y) {
    if (!store.page.cross) return;
    const r = this.ratio;
    this.context.strokeStyle = "rgba(120, 220, 255, 0.65)";
    this.context.lineWidth = 1;
    this.context.beginPath();
    this.context.moveTo(Math.round(x * r) + 0.5, 0);
    this.context.lineTo(Math.round(x * r) + 0.5, this.canvas.height);
    this.context.moveTo(0, Math.round(y * r) + 0.5);
    this.context.lineTo(this.canvas.width, Math.round(y * r) + 0.5);
    this.context.stroke();
  }

  get ratio() { return this.root.clientWidth ? this.canvas.width / this.root.clientWidth : 1; }

  /** @param {number} side */
  ruler(side) {
    const mm = (this.about.mm_per_pixel ?? 0) * this.width;
    this.scale.hidden = !mm;
    if (mm) this.scale.style.width = `${(20 / mm) * side}px`;
  }

  words() {
    const { about, text, view } = this;
    const live = Boolean(store.state.arm?.pedal) && store.state.arm?.plane === this.plane && about.live;
    const angle = (/** @type {number} */ value, /** @type {string[]} */ names) => `${value < 0 ? names[1] : names[0]} ${Math.abs(value).toFixed(0)}°`;
    text.tl.replaceChildren(...this.width ? [make("b", { class: `tag ${live ? "live" : "lih"}`, text: live ? "● LIVE" : "LIH" })] : [],
      ...view.inverted ? [" ", make("b", { class: "tag ref", text: "INVERTED" })] : [], ...this.width && TREATED[about.treatment] ? [" ", make("b", { class: "tag ref", text: TREATED[about.treatment] })] : [],
      ...this.held ? [" ", make("b", { class: "tag ref", text: this.held })] : []);
    text.tr.textContent = this.plane === "ap" ? "FRONTAL" : "LATERAL";
    text.bl.textContent = this.width ? `ORB ${this.orbital().toFixed(0)}°  ${angle(about.cranial_deg ?? 0, ["CRA", "CAU"])}\n${(about.time_s ?? 0).toFixed(1)} s` : "";
    text.br.textContent = this.width ? `20 mm at isocentre\nW ${Math.round(view.high - view.low)} L ${Math.round((view.high + view.low) / 2)}${view.zoom > 1 ? `  ×${view.zoom.toFixed(1)}` : ""}` : "";
    const letters = this.width ? this.letters() : ["", "", "", ""];
    [text.l, text.r, text.t, text.b].forEach((node, i) => { node.textContent = letters[i]; });
  }

  orbital() { return this.about.orbital_deg ?? 0; }

  /** Left, right, top, bottom of the picture. */
  letters() { return this.about.letters ?? ["", "", "", ""]; }
}
