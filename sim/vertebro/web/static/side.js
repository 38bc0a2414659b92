// @ts-check
/** The side column: patient, phases, messages, stored pictures, record. */
import { Trace } from "./curves.js";
import { decoded } from "./panes.js";
import { button } from "./strip.js";
import { $, clock, make, store, write } from "./store.js";

const PHASES = [["position", "Views"], ["needle", "Needle"], ["cement", "Cement"], ["after", "Withdraw"], ["end", "Debrief"]];
const STORED = 60;
const LEVELS = [
  [/alarm|radicular|perforated|cracked|no-go|leak visible|stuck/, "alarm"], [/pain|mask lost|pulled back|redirected|capped|arm stopped/, "warn"], [/confirmed|anaesthetic|mixed/, "good"],
];
// events the trainee could not perceive are for the debrief, not for the screen
const SILENT = /^(leak|contrast seen|decision point|image|answered|checked|beam|medial line|posterior wall|no-go|anterior wall|needle moved|arm sets out)/;
const WORDS = /** @type {Record<string, (e: any) => string>} */ ({
  "needle placed": (e) => `Needle ${e.needle} on the skin, ${e.gauge} G`,
  "bone contact": (e) => `Bone contact at ${e.depth_mm?.toFixed(0)} mm`,
  "needle confirmed": (e) => `Needle ${e.needle} confirmed`,
  "anaesthetic given": (e) => `Local anaesthetic ${e.needle}${e.periosteum ? ", periosteum reached" : ""}`,
  "cement mixed": (e) => `Cement mixed: ${e.preset}`,
  "injection starts": (e) => `Injection starts: cement ${e.state}, ${clock(e.age_s)} old`,
  "injection stops": (e) => `Injection stops at ${e.injected_ml?.toFixed(2)} ml`,
  "arm stopped": () => "The C-arm stops: too near to patient or table",
  "patient in pain": () => "The patient moves with pain",
  "vital signs alarming": (e) => `Alarm: mean pressure ${e.map_mmhg?.toFixed(0)} mmHg, SpO₂ ${e.spo2?.toFixed(0)} %`,
  "radicular pain": () => "New leg pain",
  "needle withdrawn": (e) => `Needle ${e.needle} out`,
  "mask taken": (e) => `Mask taken: ${e.plane === "ap" ? "AP" : "lateral"}${e.after_contrast ? "; contrast is still in it" : ""}`,
  "mask lost": () => "The mask no longer fits: something has moved",
  "contrast injected": (e) => `Contrast is in, ${e.volume_ml.toFixed(1)} ml: where did it go?`,
  ct: (e) => `${e.mode === "shot" ? "CT shot" : "CT sequence"} done, ${e.dlp_mgy_cm} mGy·cm`,
  called: (e) => `Called: ${e.whom}`,
});

export class Side {
  constructor() {
    this.trend = new Trace(/** @type {HTMLCanvasElement} */ ($("trend")), 180, [
      { name: "mean pressure", unit: "mmHg", colour: "#ff9a8d", low: 40, high: 120, silent: true }, { name: "SpO₂", unit: "%", colour: "#6fd6ef", low: 80, high: 101, silent: true }]);
    this.voice = "";
    this.tabs();
    $("orders").replaceChildren(button("call.analgesia", "Analgesia"), button("call.oxygen", "Oxygen"), button("call.surgeon", "Surgeon"), button("call.emergency", "Emergency"), button("session.level", "Next level"));
    $("phases").replaceChildren(...PHASES.map(([id, text]) => make("li", { "data-phase": id, text })));
  }

  clear() { this.trend.clear(); $("log").replaceChildren(); $("thumbs").replaceChildren(); $("stored-none").hidden = false; this.voice = ""; }

  tabs() {
    const tabs = [...document.querySelectorAll("[role=tab]")];
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => this.tab(tab.id));
      tab.addEventListener("keydown", (/** @type {any} */ event) => {
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (step) { const next = /** @type {HTMLElement} */ (tabs[(index + step + tabs.length) % tabs.length]); this.tab(next.id); next.focus(); }
      });
    });
  }

  /** @param {string} id */
  tab(id) {
    for (const tab of document.querySelectorAll("[role=tab]")) {
      const on = tab.id === id;
      tab.setAttribute("aria-selected", String(on));
      tab.setAttribute("tabindex", on ? "0" : "-1");
      $(/** @type {string} */ (tab.getAttribute("aria-controls"))).hidden = !on;
    }
    dispatchEvent(new Event("resize"));
  }

  /** @param {any} state */
  show(state) {
    const { vitals, dose } = state;
    if (!vitals) return;
    const pressure = vitals.map_mmhg;
    write("v-hr", vitals.pulse); write("v-ox", Math.round(vitals.spo2)); write("v-pain", Math.round(vitals.pain));
    write("v-bp", Math.round(pressure)); 
    for (const [name, bad] of /** @type {[string, boolean][]} */ ([["bp", pressure < 67], ["ox", vitals.spo2 < 88], ["pain", vitals.pain >= 5]])) {
      /** @type {HTMLElement} */ (document.querySelector(`.vital.${name}`)).dataset.alarm = String(bad);
    }
    this.trend.add(state.time_s, [pressure, vitals.spo2]);
    write("r-fluoro", clock(dose.fluoro_s)); write("r-dap", dose.dap_gy_cm2.toFixed(2)); write("r-kerma", dose.kerma_mgy.toFixed(1));
    write("r-images", dose.exposures); write("r-dlp", (dose.dlp_mgy_cm ?? 0).toFixed(0)); $("r-ct").hidden = !dose.dlp_mgy_cm; write("r-time", clock(state.time_s));
    this.phases(state);
    /** @type {HTMLElement} */ (document.querySelector("[data-action='session.level']")).hidden = (state.levels?.length ?? 1) < 2;
    const said = (state.voice ?? []).slice(-1)[0] ?? "";
    if (said && said !== this.voice) { write("says", `“${said}”`); $("says").hidden = false; this.say(said, "warn", state.time_s); }
    this.voice = said;
    if (vitals.pain < 0.5) $("says").hidden = true;
  }

  /** @param {any} state */
  phases(state) {
    const now = state.finished ? "end" : state.phase;
    const place = PHASES.findIndex(([id]) => id === now);
    [...$("phases").children].forEach((node, index) => {
      const mine = index < place ? "done" : index === place ? "now" : "todo";
      if (/** @type {HTMLElement} */ (node).dataset.state !== mine) {
        /** @type {HTMLElement} */ (node).dataset.state = mine;
        if (mine === "now") node.setAttribute("aria-current", "step"); else node.removeAttribute("aria-current");
      }
    });
  }

  /** @param {any} line @param {boolean} [past] */
  event(line, past = false) {
    const event = line.event ?? "";
    if (SILENT.test(event)) return;
    const text = (WORDS[event] ?? (() => event))(line);
    const level = LEVELS.find(([pattern]) => /** @type {RegExp} */ (pattern).test(event))?.[1] ?? "plain";
    this.say(text, /** @type {string} */ (level), line.t ?? store.state.time_s, past);
  }

  /** @param {string} text @param {string} level @param {number} time */
  say(text, level, time, past = false) {
    const log = $("log");
    log.prepend(make("li", { "data-level": level }, make("time", { text: clock(time) }), make("span", { text })));
    while (log.children.length > 200) log.lastChild?.remove();
    if (!past && (level === "alarm" || level === "warn")) announce(text);
  }

  /** A picture the session has stored; one that is here already stays. @param {any} message @param {(kept: any) => void} recall */
  async keep(message, recall) {
    const { about } = message, id = `stored-${about.stored}`, thumbs = $("thumbs");
    if (document.getElementById(id)) return;
    const whole = /** @type {HTMLCanvasElement} */ (make("canvas")), small = /** @type {HTMLCanvasElement} */ (make("canvas", { width: 128, height: 128 }));
    const kept = { ...await decoded(message, whole), about, plane: about.plane, title: `${about.plane === "ap" ? "AP" : "LAT"} ${clock(about.time_s)}` };
    if (document.getElementById(id)) return;
    small.getContext("2d")?.drawImage(whole, 0, 0, 128, 128);
    $("stored-none").hidden = true;
    const button = make("button", { type: "button", id, "aria-label": `Show stored picture ${kept.title}`, onclick: () => recall(kept) }, small, kept.title);
    const later = [...thumbs.children].find((node) => Number(node.id.slice("stored-".length)) < about.stored);
    thumbs.insertBefore(button, later ?? null);
    while (thumbs.children.length > STORED) thumbs.lastChild?.remove();
  }
}

/** A message for eyes and screen readers. @param {string} text */
export function announce(text) {
  const hint = $("hint");
  hint.textContent = text;
  hint.dataset.show = "true";
  clearTimeout(Number(hint.dataset.timer));
  hint.dataset.timer = String(setTimeout(() => { hint.dataset.show = "false"; }, 7000));
}

/** @param {string} text */
export function refuse(text) {
  const toast = $("toast");
  toast.textContent = text;
  toast.dataset.show = "true";
  clearTimeout(Number(toast.dataset.timer));
  toast.dataset.timer = String(setTimeout(() => { toast.dataset.show = "false"; }, 6000));
}
