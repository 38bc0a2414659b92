// @ts-check
/** The vertebra all round: pictures the worker has drawn, to drag through; no WebGL is needed. */
import { clock, make } from "./store.js";
import { kept } from "./monitors.js";

const TURN = 0.6; // degrees a pixel

export class Turntable {
  constructor() {
    /** @type {any[]} */ this.rings = [];
    this.ring = -1;
    this.angle = 0;
    /** @type {number[] | null} */ this.from = null;
    this.moments = make("div", { class: "row", role: "group", "aria-label": "Moment" });
    this.image = /** @type {HTMLImageElement} */ (make("img", { alt: "", draggable: "false", hidden: true }));
    this.slider = /** @type {HTMLInputElement} */ (make("input", { type: "range", min: 0, max: 359, value: 0, "aria-label": "Turn the vertebra", hidden: true, oninput: () => this.turn(Number(this.slider.value)) }));
    this.note = make("p", { class: "muted", role: "status", text: "The 3-D pictures are being drawn …" });
    this.root = make("div", { class: "turn" }, this.moments, this.image, this.slider, this.note);
    /** @type {Set<string>} */ this.loaded = new Set();
    this.image.addEventListener("pointerdown", (event) => { this.from = [event.clientX, this.angle]; this.image.setPointerCapture(event.pointerId); });
    this.image.addEventListener("pointermove", (event) => { if (this.from) this.turn(this.from[1] - (event.clientX - this.from[0]) * TURN); });
    this.image.addEventListener("pointerup", () => { this.from = null; });
  }

  /** @param {any[]} rings */
  fill(rings) {
    this.rings = rings.filter((ring) => ring.files.length);
    if (!this.rings.length) return;
    if (this.ring < 0 || this.ring >= this.rings.length) this.ring = this.rings.length - 1;
    for (const ring of this.rings) for (const name of ring.files) if (!this.loaded.has(name)) { this.loaded.add(name); new Image().src = kept(name); }
    if (this.moments.childElementCount !== this.rings.length) {
      this.ring = this.rings.length - 1;
      this.moments.replaceChildren(...this.rings.map((ring, k) => make("button", { type: "button", "aria-pressed": String(k === this.ring), text: `${ring.words}, ${clock(ring.t)}`, onclick: () => this.choose(k) })));
    }
    this.image.hidden = this.slider.hidden = false;
    this.note.textContent = "Drag the picture, or use the slider. Glass: bone, dura (yellow), veins (blue). Cement by the time it left the needle, dark first; leaks in bright colours.";
    this.draw();
  }

  /** @param {number} k */
  choose(k) {
    this.ring = k;
    [...this.moments.children].forEach((node, n) => node.setAttribute("aria-pressed", String(n === k)));
    this.draw();
  }

  /** @param {number} angle */
  turn(angle) { this.angle = ((angle % 360) + 360) % 360; this.draw(); }

  draw() {
    const ring = this.rings[this.ring];
    if (!ring) return;
    const source = kept(ring.files[Math.round((this.angle / 360) * ring.files.length) % ring.files.length]);
    if (this.image.getAttribute("src") !== source) this.image.src = source;
    this.image.alt = `The vertebra in 3-D, ${ring.words}, turned by ${Math.round(this.angle)} degrees`;
    this.slider.value = String(Math.round(this.angle));
  }

  none() { this.note.textContent = "No 3-D pictures: this machine has no OpenGL (vertebro doctor says what to install)."; }
}
