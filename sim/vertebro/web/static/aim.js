// @ts-check
/** A needle is aimed before the skin is punctured: a cross on the held AP picture and angles, or a way drawn on the CT. */
import { announce, refuse } from "./side.js";
import { show } from "./strip.js";
import { store } from "./store.js";

const SKIN = 0.9; // the skin of the back lies nearer to the detector than the isocentre
const TURNS = /** @type {Record<string, [string, number]>} */ ({ "needle.medial": ["convergence", 1], "needle.lateral": ["convergence", -1], "needle.caudal": ["caudal", 1], "needle.cranial": ["caudal", -1] });
const $page = store.page;

export class Aim {
  /** @param {Record<string, any>} panes @param {any} room @param {(pane: any) => void} choose @param {(command: any) => any} send */
  constructor(panes, room, choose, send) {
    this.ap = panes.ap;
    this.room = room;
    this.choose = choose;
    this.send = send;
    /** @type {number[] | undefined} */ this.planned = undefined; // entry of a cross that nobody has moved
  }

  /** Begin to aim; again: puncture. @param {boolean} onCt */
  place(onCt) {
    const pane = this.ap;
    if ($page.placing) { this.puncture(); return; }
    if (onCt) {
      $page.placing = true;
      this.room.aim();
      announce("Drag the ends of the yellow way: circle on the skin, square at the target. Alt + arrows move it, ← → turn it. L numbs along it, P punctures, Escape gives up.");
      return;
    }
    if (!pane.width) { refuse("Take an AP picture first: the needle is aimed on it"); return; }
    $page.placing = true;
    this.choose(pane);
    pane.marks = [this.start()];
    this.planned = store.chosen.mode === "coach" ? store.plan.needles?.[$page.needle]?.entry_mm : undefined;
    pane.root.focus();
    pane.held = "AIM";
    pane.draw();
    announce("Click the entry on AP, or move the cross with Alt + arrows. ← → convergence, Shift ← → tilt. P punctures, Escape gives up.");
  }

  /** Where the cross starts: the entry planned on the CT as a straight view shows it, else beside the middle. */
  start() {
    const pane = this.ap, plan = store.plan.needles?.[$page.needle], scale = SKIN / (pane.about.mm_per_pixel || 0.5), middle = [(pane.height - 1) / 2, (pane.width - 1) / 2];
    if (!plan || store.chosen.mode !== "coach") return [middle[0], middle[1] + (($page.needle === "right" ? -1 : 1) * 30) / (pane.about.mm_per_pixel || 0.5)];
    return [middle[0] - plan.entry_mm[1] * scale, middle[1] - plan.entry_mm[0] * scale];
  }

  /** What an action means while a needle is aimed; false if it means what it always does. @param {string} id */
  turns(id) {
    if (id === "needle.numb" && $page.way) { this.send({ kind: "anaesthetise", needle: $page.needle, line_mm: $page.way }); return true; }
    if (!(id in TURNS)) return false;
    const [name, step] = TURNS[id];
    if ($page.way) this.room.turn(name === "convergence" ? step : 0, name === "caudal" ? step : 0); else $page[name] += step;
    show(store.state);
    return true;
  }

  /** @param {number} down @param {number} right [mm] on the screen */
  nudge(down, right) {
    if (!$page.placing) { this.place(false); return; }
    if ($page.way) { this.room.shift(-right, -down); return; } // the patient's right is on the left
    const step = 1 / (this.ap.about.mm_per_pixel || 0.3), [row, column] = this.ap.marks[0];
    this.ap.marks = [[row + down * step, column + right * step]];
    this.planned = undefined;
    this.ap.draw();
  }

  /** @param {any} pane @param {number[]} pixel */
  clicked(pane, pixel) {
    if (!$page.placing || pane.plane !== "ap") return;
    pane.marks = [pixel];
    this.planned = undefined;
    pane.draw();
  }

  puncture() {
    const way = $page.way, [pixel] = this.ap.marks;
    this.end();
    if (way) { this.send({ kind: "place", needle: $page.needle, line_mm: way }); return; }
    const where = this.planned ? { entry_mm: this.planned } : { pixel }; // a cross nobody moved is the planned entry
    this.send({ kind: "place", needle: $page.needle, ...where, convergence_deg: $page.convergence, caudal_deg: $page.caudal });
  }

  end() {
    $page.placing = false;
    this.room.way(null);
    Object.assign(this.ap, { marks: [], held: "" });
    this.ap.draw();
  }
}
