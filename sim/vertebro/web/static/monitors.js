// @ts-check
/** The strip of the session to click on, and below it what stood on both monitors at that second. */
import { clock, make } from "./store.js";

const SOON = 120; // ms without another wish before the worker is asked

/** Where the worker's pictures are. @param {string} name */
export const kept = (name) => `debrief/${name}${location.search}`;

export class Monitors {
  /** @param {{svg: string, end: number, from: number, to: number}} strip @param {(t: number) => void} ask */
  constructor(strip, ask) {
    this.strip = strip;
    this.ask = ask;
    this.t = 0;
    this.why = "";
    this.timer = 0;
    this.line = make("span", { class: "cursor" });
    this.band = make("div", { class: "strip-svg", role: "slider", tabindex: 0, "aria-label": "Second of the session", "aria-valuemin": 0, "aria-valuemax": Math.round(strip.end), "aria-valuenow": 0 });
    this.band.innerHTML = strip.svg; // drawn by the server from numbers; every word in it is escaped there
    this.band.append(this.line);
    this.words = make("p", { class: "moment-words", role: "status" });
    this.outline = /** @type {HTMLInputElement} */ (make("input", { type: "checkbox", checked: true, id: "outline", onchange: () => this.draw() }));
    this.views = make("div", { class: "monitors" });
    /** @type {any} */ this.moment = null;
    this.side = make("div", { class: "moment-head" }, this.words, make("label", { class: "inline" }, this.outline, "outline the leaks"));
    this.root = make("div", { class: "course" }, this.band, this.side, this.views);
    this.band.addEventListener("pointerdown", (event) => { this.follow(event); this.band.setPointerCapture(event.pointerId); });
    this.band.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.follow(event); });
    this.band.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {PointerEvent} event */
  follow(event) {
    const box = this.band.getBoundingClientRect(), { from, to, end } = this.strip;
    this.go(end * (((event.clientX - box.left) / box.width - from) / (to - from)), "");
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.go(this.t + step * (event.shiftKey ? 10 : 1), "");
  }

  /** @param {number} t @param {string} why */
  go(t, why) {
    this.t = Math.min(Math.max(t, 0), this.strip.end);
    this.why = why;
    const { from, to, end } = this.strip;
    this.line.style.left = `${100 * (from + ((to - from) * this.t) / end)}%`;
    this.band.setAttribute("aria-valuenow", String(Math.round(this.t)));
    this.band.setAttribute("aria-valuetext", clock(this.t));
    this.words.textContent = `${clock(this.t)}  ${why}`;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(this.t), SOON);
  }

  /** @param {any} moment */
  show(moment) {
    if (Math.abs(moment.t - this.t) > 0.01) return; // an older wish
    this.moment = moment;
    this.draw();
  }

  draw() {
    if (!this.moment) return;
    const rows = this.moment.monitors;
    this.views.replaceChildren(...(rows.length ? rows : []).map((/** @type {any} */ row) => make("figure", { "data-plane": row.plane },
      make("img", { src: kept(this.outline.checked && row.outlined ? row.outlined : row.file), alt: row.words }), make("figcaption", { class: row.outlined ? "leaking" : "muted", text: row.words }))));
    if (!rows.length) this.views.replaceChildren(make("p", { class: "muted", text: "Both monitors were still empty." }));
  }
}
