// @ts-check
/** Keys and buttons: both start the actions of the one table. A held action ends when anything lets go of it. */
import { $, keep, make, settings, store } from "./store.js";

const REPEAT = [350, 90]; // ms: before and between repeats of a held button

/** Name of a key as the table writes it. @param {KeyboardEvent} event */
export function keyName(event) {
  let name = event.code === "Space" ? "Space" : event.key;
  const letter = name.length === 1;
  if (letter) name = name.toLowerCase();
  const shifted = event.shiftKey && (!letter || name !== name.toUpperCase());
  const typed = event.getModifierState("AltGraph"); // signs of some keyboards are typed with it
  return `${(event.ctrlKey || event.metaKey) && !typed ? "Ctrl+" : ""}${event.altKey && !typed ? "Alt+" : ""}${shifted ? "Shift+" : ""}${name}`;
}

/** @param {any} action */
export const keyOf = (action) => settings.keys[action.id] ?? action.key;

/** Key as people read it. @param {string} key */
export const shown = (key) => key.replace("Arrow", "").replace("Up", "↑").replace("Down", "↓").replace("Left", "←")
  .replace("Right", "→").replace("Page↑", "PgUp").replace("Page↓", "PgDn").replace(/(^|\+)([a-z])$/, (_, a, b) => a + b.toUpperCase());

export class Hands {
  /** @param {(action: any, held: boolean) => void} start @param {(action: any) => void} end */
  constructor(start, end) {
    this.start = start;
    this.end = end;
    /** @type {Map<string, any>} what is held, by the key or pointer that holds it */
    this.held = new Map();
    this.timers = new Map();
    addEventListener("keydown", (event) => this.down(event));
    addEventListener("keyup", (event) => this.up(event));
    addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.letGo(); });
    document.addEventListener("pointerdown", (event) => this.press(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      document.addEventListener(name, (event) => this.lift(/** @type {PointerEvent} */ (event)));
    }
    document.addEventListener("click", (event) => this.click(event));
    document.addEventListener("contextmenu", (event) => { if (/** @type {Element} */ (event.target).closest("main")) event.preventDefault(); });
  }

  /** @param {string} key */
  find(key) { return store.actions.find((action) => keyOf(action) === key); }

  /** @param {KeyboardEvent} event */
  down(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("dialog, .cover, .debrief, input[type=text], textarea")) return;
    const name = keyName(event);
    if (["select", "input"].includes(target.localName) && name !== "Space" && !name.startsWith("F")) return;
    if (target.getAttribute("role") === "tab" && ["ArrowLeft", "ArrowRight"].includes(name)) return;
    const action = this.find(name);
    if (!action) return;
    event.preventDefault();
    const held = action.release !== null;
    if (event.repeat && (held || !action.repeats)) return;
    if (held) this.hold(`key ${event.code}`, action); else this.start(action, false);
  }

  /** @param {KeyboardEvent} event */
  up(event) {
    if (this.held.has(`key ${event.code}`)) { event.preventDefault(); this.drop(`key ${event.code}`); } else if (event.code === "Space" && !(/** @type {HTMLElement} */ (event.target).closest("dialog, .cover, .debrief, input[type=text], textarea"))) event.preventDefault();
  }

  /** @param {PointerEvent} event */
  press(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest?.("button[data-action]");
    if (!button || event.button !== 0) return;
    const action = store.actions.find((each) => each.id === /** @type {HTMLElement} */ (button).dataset.action);
    if (!action) return;
    const by = `pointer ${event.pointerId}`;
    if (action.release !== null) { button.setPointerCapture(event.pointerId); this.hold(by, action); return; }
    if (!action.repeats) return;
    this.start(action, false);
    const again = () => { this.start(action, false); this.timers.set(by, setTimeout(again, REPEAT[1])); };
    this.timers.set(by, setTimeout(again, REPEAT[0]));
  }

  /** @param {PointerEvent} event */
  lift(event) {
    const by = `pointer ${event.pointerId}`;
    clearTimeout(this.timers.get(by));
    this.timers.delete(by);
    this.drop(by);
  }

  /** A press of Enter, or of the mouse on what is neither held nor repeated. @param {MouseEvent} event */
  click(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest?.("button[data-action]");
    const action = store.actions.find((each) => each.id === /** @type {HTMLElement | undefined} */ (button)?.dataset.action);
    if (!action || action.release !== null) return;
    if (!action.repeats || event.detail === 0) this.start(action, false);
  }

  /** @param {string} by @param {any} action */
  hold(by, action) {
    if (this.held.has(by)) return;
    if (action.id === "xray.pedal" && settings.sticky) {
      if (this.held.has("sticky")) this.drop("sticky"); else this.take("sticky", action);
      return;
    }
    this.take(by, action);
  }

  /** @param {string} by @param {any} action */
  take(by, action) {
    const already = [...this.held.values()].includes(action);
    this.held.set(by, action);
    if (!already) this.start(action, true);
    this.paint(action);
  }

  /** @param {string} by */
  drop(by) {
    const action = this.held.get(by);
    if (!action) return;
    this.held.delete(by);
    if (![...this.held.values()].includes(action)) this.end(action);
    this.paint(action);
  }

  letGo() {
    for (const by of [...this.held.keys()]) this.drop(by);
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  /** @param {any} action */
  paint(action) {
    const on = [...this.held.values()].includes(action);
    for (const node of document.querySelectorAll(`[data-action="${action.id}"]`)) node.setAttribute("data-held", String(on));
  }
}

/** The help sheet; a press on a key lets it be changed. @param {() => void} changed */
export function helpSheet(changed) {
  const dialog = /** @type {HTMLDialogElement} */ ($("help"));
  const groups = [...new Set(store.actions.map((action) => action.group))];
  const line = (/** @type {any} */ action) => make("div", {}, make("span", { text: action.label }),
    make("button", { type: "button", "aria-label": `Key for ${action.label}: ${keyOf(action)}. Press to change.`, onclick: (/** @type {any} */ e) => ask(e.currentTarget, action) },
      make("kbd", { text: shown(keyOf(action)) })));
  const note = make("p", { class: "muted", role: "status", text: "Press a key of this sheet to change it. Enter presses the focused button; Tab moves the focus." });
  const ask = (/** @type {HTMLElement} */ button, /** @type {any} */ action) => {
    note.textContent = `Press the new key for “${action.label}”, or Escape.`;
    button.addEventListener("keydown", (/** @type {any} */ event) => {
      if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
      event.preventDefault(); event.stopPropagation();
      const key = keyName(event);
      const taken = store.actions.find((other) => other !== action && keyOf(other) === key);
      if (event.key === "Escape") note.textContent = "Not changed.";
      else if (taken) note.textContent = `${shown(key)} is taken by “${taken.label}”.`;
      else { settings.keys[action.id] = key; keep(); changed(); helpSheet(changed); return; }
    }, { once: true });
  };
  dialog.replaceChildren(make("h2", { id: "help-title", text: "Keys" }),
    make("div", { class: "sheet" }, ...groups.map((group) => make("section", {}, make("h3", { text: group }),
      ...store.actions.filter((action) => action.group === group).map(line)))),
    note,
    make("div", { class: "actions" },
      make("button", { type: "button", text: "Standard keys", onclick: () => { settings.keys = {}; keep(); changed(); helpSheet(changed); } }),
      make("button", { type: "button", class: "primary", text: "Close", onclick: () => dialog.close() })));
  if (!dialog.open) dialog.showModal();
}
