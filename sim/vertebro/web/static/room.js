// @ts-check
/** The CT room: axial, coronal and sagittal slices through one point, where X-ray panes are otherwise. A needle's way is
 * drawn here from the skin to its target; what a scan does not hold is shown of the planning CT. */
import { AXES, PLANES, presets, Sheet } from "./ct.js";
import { button } from "./strip.js";
import { $, make, store, write } from "./store.js";

const NEAR = 16; // pixels from an end of the drawn way at which it is grasped
const SKIN = -95, LONG = 75; // mm, where a way begins that nobody has planned, and how long it is
const DEGREE = Math.PI / 180;
const COLOURS = { cross: "rgba(120, 220, 255, 0.55)", way: "#ffd21f", plan: "rgba(255, 210, 31, 0.6)" };

const signOf = (/** @type {string} */ name) => (name.includes("right") ? 1 : -1);

/** Length [mm] and angles [deg] of a way, medial and caudal positive. @param {number[][]} way @param {string} name */
export function bearing(way, name) {
  const d = way[1].map((x, k) => x - way[0][k]), length = Math.hypot(...d);
  return { length, convergence: Math.atan2(-signOf(name) * d[0], d[1]) / DEGREE, caudal: -Math.asin(d[2] / length) / DEGREE };
}

/** The same way turned about the skin. @param {number[][]} way @param {string} name @param {number} medial @param {number} caudal [deg] */
export function turned(way, name, medial, caudal) {
  const now = bearing(way, name), c = (now.convergence + medial) * DEGREE, k = (now.caudal + caudal) * DEGREE;
  const d = [-signOf(name) * Math.sin(c) * Math.cos(k), Math.cos(c) * Math.cos(k), -Math.sin(k)];
  return [way[0], way[0].map((x, axis) => x + now.length * d[axis])];
}

export class CtRoom {
  /** @param {HTMLElement} root @param {import("./ct.js").Stack} stack */
  constructor(root, stack) {
    this.root = root;
    this.stack = stack;
    this.source = "scan";
    this.number = 0;
    this.followed = "none"; // the needles of the last read-outs
    this.marked = ""; // where the needles were when the last scan was made
    this.sheets = PLANES.map((plane) => {
      const sheet = new Sheet(stack, plane, `CT ${plane}: the wheel scrolls, a click moves the other two planes here`, {
        scroll: (steps) => stack.scroll(plane, steps),
        click: (event) => { stack.point = sheet.world(event); stack.changed(); },
        pick: (event) => this.pick(sheet, event), drag: (event) => this.drag(sheet, event), drop: () => { this.end = -1; },
        over: (context) => this.over(sheet, context),
      });
      sheet.arrows = false; // they move the needle
      sheet.pane.classList.add(plane);
      return sheet;
    });
    this.end = -1; // of the way that is held
    this.sources = ["planning", "scan"].map((source) => make("button", { type: "button", text: source === "scan" ? "last scan" : "planning CT", "data-source": source, onclick: () => { this.source = source; this.refresh(); } }));
    root.replaceChildren(...this.sheets.map((sheet) => sheet.pane), make("div", { class: "row" }, make("div", { class: "segments", role: "group", "aria-label": "Scan" }, ...this.sources),
      presets((k) => this.sheets[0].preset(k)), button("call.shot", "Quick shot"), button("call.ct", "Sequence"), make("output", { id: "o-ct", class: "muted" })));
    stack.watchers.push(() => {
      if ((stack.scan?.number ?? 0) !== this.number) { this.number = stack.scan?.number ?? 0; this.source = "scan"; this.marked = this.needles(); }
      this.refresh();
    });
    new ResizeObserver(() => this.refresh()).observe(root);
  }

  get open() { return !this.root.hidden; }

  needles() { return JSON.stringify(Object.values(store.state.needles ?? {}).map((n) => [n.depth_mm.toFixed(1), n.convergence_deg.toFixed(1), n.caudal_deg.toFixed(1)])); }

  /** @param {boolean} on */
  toggle(on) {
    this.root.hidden = !on;
    $("pane-ap").hidden = $("pane-lateral").hidden = on;
    for (const node of document.querySelectorAll("[data-room]")) node.setAttribute("aria-pressed", String((/** @type {HTMLElement} */ (node).dataset.room === "ct") === on));
    if (on) this.refresh(); else dispatchEvent(new Event("resize"));
  }

  /** Read-outs have come: what is said about the needles may have changed. */
  follow() {
    const now = this.needles();
    if (this.open && now !== this.followed) this.refresh(); else if (this.open) this.words();
    this.followed = now;
  }

  refresh() {
    if (!this.open) return;
    for (const node of this.sources) {
      node.setAttribute("aria-pressed", String(node.dataset.source === (this.stack.scan ? this.source : "planning")));
      /** @type {any} */ (node).disabled = node.dataset.source === "scan" && !this.stack.scan;
    }
    const moved = this.stack.scan && this.needles() !== this.marked;
    for (const sheet of this.sheets) {
      const scan = this.source === "scan" && this.stack.scanned(sheet.plane);
      sheet.draw(scan ? "control" : "planning");
      if (scan && moved) sheet.note.textContent += " – the needle has moved since";
    }
    this.words();
  }

  words() {
    const way = store.page.way, dlp = store.state.dose?.dlp_mgy_cm ?? 0;
    const told = way ? bearing(way, store.page.needle) : null;
    write("o-ct", `${told ? `way ${told.length.toFixed(0)} mm, ${Math.abs(told.convergence).toFixed(0)}° ${told.convergence < 0 ? "lateral" : "medial"}, ${Math.abs(told.caudal).toFixed(0)}° ${told.caudal < 0 ? "cranial" : "caudal"} · ` : ""}CT dose ${dlp.toFixed(1)} mGy·cm`);
  }

  // the way of a needle ---------------------------------------------------------------------------------------------------
  /** Begin to draw: as planned for a coach's pupil, else straight from behind at the slice on display. */
  aim() {
    const plan = store.chosen.mode === "coach" ? store.plan.needles?.[store.page.needle]?.line_mm : undefined, sign = signOf(store.page.needle), height = this.stack.point[2];
    this.way(plan ? plan.map((/** @type {number[]} */ end) => [...end]) : [[sign * 30, SKIN, height], [sign * 30, SKIN + LONG, height]]);
    this.stack.point = [...(store.page.way?.[1] ?? this.stack.point)];
    this.source = "planning";
    this.stack.changed();
    this.sheets[0].pane.focus();
  }

  /** @param {number[][] | null} way */
  way(way) {
    store.page.way = way;
    if (way) { const { convergence, caudal } = bearing(way, store.page.needle); Object.assign(store.page, { convergence, caudal }); }
    this.refresh();
  }

  /** @param {number} medial @param {number} caudal [deg] */
  turn(medial, caudal) { if (store.page.way) this.way(turned(store.page.way, store.page.needle, medial, caudal)); }

  /** @param {number} right @param {number} up [mm] */
  shift(right, up) {
    const way = store.page.way;
    if (!way) return;
    for (const end of way) { end[0] += right; end[2] += up; }
    this.stack.point = [...way[1]];
    this.way(way);
    this.stack.changed();
  }

  /** @param {Sheet} sheet @param {PointerEvent} event */
  pick(sheet, event) {
    const way = store.page.way, box = sheet.canvas.getBoundingClientRect();
    if (!way) return false;
    const far = way.map((end) => { const [x, y] = sheet.pixel(end); return Math.hypot(x - event.clientX + box.left, y - event.clientY + box.top); });
    this.end = far[0] < far[1] ? 0 : 1;
    return far[this.end] < NEAR;
  }

  /** @param {Sheet} sheet @param {PointerEvent} event */
  drag(sheet, event) {
    const way = store.page.way, where = sheet.world(event), { normal } = AXES[sheet.plane];
    if (!way || this.end < 0) return;
    if (sheet.plane !== "axial") where[normal] = way[this.end][normal];
    way[this.end] = where;
    this.way(way);
  }

  /** Lines over a slice: the point's cross, the planned and the drawn way. @param {Sheet} sheet @param {CanvasRenderingContext2D} context */
  over(sheet, context) {
    const { width, height } = sheet.place(), [x, y] = sheet.pixel(this.stack.point).map((at) => Math.round(at) + 0.5);
    context.lineWidth = 1;
    stroke(context, COLOURS.cross, [[0, y], [x - 9, y]], [[x + 9, y], [width, y]], [[x, 0], [x, y - 9]], [[x, y + 9], [x, height]]);
    const way = store.page.way;
    if (!way) return;
    const ends = way.map((end) => sheet.pixel(end));
    context.lineWidth = 2;
    stroke(context, COLOURS.way, ends);
    ends.forEach(([cx, cy], k) => { context.beginPath(); if (k) context.rect(cx - 5, cy - 5, 10, 10); else context.arc(cx, cy, 6, 0, 7); context.stroke(); });
  }
}

/** @param {CanvasRenderingContext2D} context @param {string} colour @param {...number[][]} lines */
function stroke(context, colour, ...lines) {
  context.strokeStyle = colour;
  context.beginPath();
  for (const [from, to] of lines) { context.moveTo(from[0], from[1]); context.lineTo(to[0], to[1]); }
  context.stroke();
}
