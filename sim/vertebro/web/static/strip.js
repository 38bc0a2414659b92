// @ts-check
/** The control strip: C-arm, needle, cement. Built once from the table of actions, then only its read-outs change. */
import { keyOf, shown } from "./keys.js";
import { $, clock, make, store, write } from "./store.js";

const RATES = [3, 7.5, 15];
const LIMIT_FORCE = 250; // N, end of the force bar: what two hands can do

/** A button of an action. @param {string} id @param {string} text @param {string} [look] */
export function button(id, text, look) {
  const action = store.actions.find((each) => each.id === id);
  return make("button", { type: "button", "data-action": id, class: look, title: action ? `${action.label} (${shown(keyOf(action))})` : id, "aria-label": action?.label }, text);
}

function pad(title, rows, centre) {
  const cells = rows.flat().map((cell) => (cell === null ? make("i", { "aria-hidden": "true" }) : cell === "=" ? make("output", { id: centre }) : button(...cell.split("|"))));
  return make("div", { class: "pad" }, make("span", { text: title }), ...cells);
}

/** @param {string} id @param {string} label */
function gauge(id, label) {
  return make("div", { class: "bar-gauge", id }, make("div", { class: "label" }, make("span", { text: label }), make("b", { text: "–" })),
    make("div", { class: "track" }, make("div", { class: "fill" })));
}

/** @param {string} id @param {number} share @param {string} text @param {string} [level] */
export function fill(id, share, text, level = "ok") {
  const node = $(id);
  /** @type {HTMLElement} */ (node.querySelector(".fill")).style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  const label = /** @type {HTMLElement} */ (node.querySelector("b"));
  if (label.textContent !== text) label.textContent = text;
  node.dataset.level = level;
}

export function build() {
  $("c-carm").replaceChildren(
    pad("Arm", [[null, "arm.cranial_up|CRA", null], ["arm.orbital_down|−", "=", "arm.orbital_up|+"], [null, "arm.cranial_down|CAU", null]], "o-arm"),
    pad("Table", [["arm.up|⤒", "arm.head|↑", "arm.down|⤓"], ["arm.left|←", "=", "arm.right|→"], [null, "arm.feet|↓", null]], "o-table"),
    make("div", { class: "column" }, make("span", { text: "Pulses a second" }),
      make("div", { class: "segments", role: "group", "aria-label": "Pulses a second" }, ...RATES.map((rate) => make("button", { type: "button", "data-rate": rate, "aria-pressed": "false", text: String(rate) }))),
      make("span", {}, "Collimator ", make("output", { id: "o-collimator" })),
      make("div", { class: "row" }, button("xray.close", "▸◂"), button("xray.open", "◂▸")),
      make("div", { class: "row tight" }, button("xray.magnify", "Mag"), make("output", { id: "o-mag" })),
      make("div", { class: "row tight" }, button("xray.mask", "Mask"), button("xray.subtract", "DSA"))),
    make("div", { class: "column" }, button("xray.pedal", "X-RAY PEDAL", "pedal"),
      make("div", { class: "row" }, button("xray.expose", "Single"), button("xray.store", "Store")),
      make("div", { class: "row" }, button("arm.view", "AP ⇄ LAT", "primary"), button("arm.stop", "Stop"))));
  $("c-needle").replaceChildren(
    pad("Depth", [[null, "needle.advance5|+5", null], ["needle.withdraw|−½", "=", "needle.advance|+½"], [null, "needle.withdraw5|−5", null]], "o-depth"),
    pad("Angle", [[null, "needle.cranial|▴", null], ["needle.lateral|◂", "=", "needle.medial|▸"], [null, "needle.caudal|▾", null]], "o-angle"),
    make("div", { class: "column" },
      make("div", { class: "segments", role: "group", "aria-label": "Needle", id: "needle-names" }),
      make("div", { class: "row" }, button("needle.numb", "Anaesthetic"), button("needle.place", "Place", "primary")),
      make("div", { class: "row" }, button("needle.confirm", "Confirm"), button("needle.contrast", "Contrast")),
      make("div", { class: "row" }, button("needle.remove", "Take out"), button("call.ct", "CT"), button("call.shot", "Shot")),
      make("p", { class: "muted", id: "o-needle" })));
  $("c-syringe").replaceChildren(
    make("div", { class: "column" }, button("cement.inject", "INJECT", "inject"),
      make("div", { class: "row" }, button("cement.slower", "−"), make("output", { id: "o-rate" }), button("cement.faster", "+")),
      make("div", { class: "row" }, button("cement.leak", "I see a leak")),
      make("div", { class: "row" }, button("cement.mix", "Mix", "primary"), button("cement.stylet", "Stylet"))),
    make("div", { class: "column" }, gauge("g-force", "Plunger"), gauge("g-volume", "Volume"), gauge("g-cement", "Cement"),
      make("p", { class: "muted", id: "o-cement" })),
    make("div", { class: "gauge" }, make("canvas", { id: "curves", role: "img", "aria-label": "Pressure and volume of the last minute" })));
}

/** Where the consistency stands between mixing and setting. @param {any} cement */
function ripeness(cement) {
  if (!cement.mixed) return 0;
  const [first, last] = cement.window_s ?? [0, 1];
  return cement.age_s / (last * 1.25 || first || 1);
}

/** @param {any} state */
export function show(state) {
  const { arm, syringe, cement } = state, page = store.page;
  if (!arm) return;
  const sign = (/** @type {number} */ x) => `${x < -0.05 ? "−" : ""}${Math.abs(x).toFixed(0)}`;
  write("r-view", `${(state.levels?.length ?? 1) > 1 ? `${state.level}  ` : ""}${arm.plane === "ap" ? "AP" : "LATERAL"}  ${sign(arm.orbital_deg)}° / ${sign(arm.cranial_deg)}°${arm.moving ? "  moving" : ""}`);
  write("o-arm", `${sign(page.target.orbital_deg ?? arm.orbital_deg)}°`);
  write("o-table", `${sign(arm.table_height_mm)}`);
  write("o-mag", String(arm.magnification));
  for (const node of document.querySelectorAll("[data-action='xray.subtract']")) node.setAttribute("aria-pressed", String(arm.treatment === "dsa" || arm.treatment === "roadmap"));
  write("o-collimator", arm.collimation_mm ? `${arm.collimation_mm.map((/** @type {number} */ x) => x.toFixed(0)).join(" × ")} mm` : "open");
  for (const node of document.querySelectorAll("[data-rate]")) node.setAttribute("aria-pressed", String(Number(/** @type {HTMLElement} */ (node).dataset.rate) === arm.pulse_rate));
  showNeedle(state);
  showCement(syringe, cement);
}

/** @param {any} state */
function showNeedle(state) {
  const page = store.page, needle = state.needles?.[page.needle];
  const names = [...new Set(["left", "right", ...Object.keys(state.needles ?? {})])];
  const box = $("needle-names");
  if (box.dataset.names !== names.join()) {
    box.dataset.names = names.join();
    box.replaceChildren(...names.map((name) => make("button", { type: "button", "data-needle": name, text: name })));
  }
  for (const node of box.children) node.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (node).dataset.needle === page.needle));
  write("r-needle", needle ? `${needle.gauge} G  ${needle.depth_mm.toFixed(1)} mm` : "not placed");
  write("o-depth", needle ? needle.depth_mm.toFixed(1) : "–");
  const angles = needle ?? { convergence_deg: page.convergence, caudal_deg: page.caudal };
  write("o-angle", `${angles.convergence_deg.toFixed(0)}°`);
  write("o-needle", `${Math.abs(angles.convergence_deg).toFixed(0)}° ${angles.convergence_deg < -0.5 ? "lateral" : "medial"}, ${Math.abs(angles.caudal_deg).toFixed(0)}° ${angles.caudal_deg < 0 ? "cranial" : "caudal"}${needle ? (needle.in_bone ? " · in bone" : " · soft tissue") : ""}${needle?.resistance_n ? ` · ${needle.resistance_n.toFixed(0)} N` : ""}${needle?.moment_n_m > 0.3 ? ` · levering ${needle.moment_n_m.toFixed(1)} N·m` : ""}`);
}

/** @param {any} syringe @param {any} cement */
function showCement(syringe, cement) {
  write("r-cement", cement.mixed ? `${cement.state} · ${clock(cement.age_s)} after mixing` : "not mixed");
  const force = syringe.force_n ?? 0;
  fill("g-force", force / LIMIT_FORCE, `${force.toFixed(0)} N  ${(syringe.pressure_kpa ?? 0).toFixed(0)} kPa`, syringe.capped ? "alarm" : force > 0.7 * LIMIT_FORCE ? "warn" : "ok");
  fill("g-volume", syringe.injected_ml / 10, `${syringe.injected_ml.toFixed(2)} ml`);
  fill("g-cement", ripeness(cement), cement.mixed ? cement.state : "–");
  zone(cement);
  const [first, last] = cement.window_s ?? [0, 0];
  write("o-cement", cement.mixed ? `working window ${clock(first)} – ${clock(last)}` : `${cement.preset ?? ""}`);
  write("o-rate", `${store.page.rate.toFixed(1)} ml/min`);
}

/** The working window in the cement's bar. @param {any} cement */
function zone(cement) {
  const track = /** @type {HTMLElement} */ ($("g-cement").querySelector(".track"));
  let mark = /** @type {HTMLElement | null} */ (track.querySelector(".zone"));
  if (!cement.mixed || !cement.window_s) { mark?.remove(); return; }
  if (!mark) { mark = make("div", { class: "zone" }); track.prepend(mark); }
  const end = cement.window_s[1] * 1.25;
  mark.style.left = `${(100 * cement.window_s[0]) / end}%`;
  mark.style.right = `${100 * (1 - cement.window_s[1] / end)}%`;
}
