// @ts-check
/** What the page knows: the read-outs of the session, and its own choices. */

export const store = {
  /** @type {any} */ state: {},
  page: {
    needle: "left", plane: "ap", rate: 3, pixel: /** @type {number[] | null} */ (null),
    entry: [0, 0], convergence: 15, caudal: 0, placing: false, cross: false, way: /** @type {number[][] | null} */ (null), target: /** @type {any} */ ({}),
  },
  /** @type {any[]} */ actions: [],
  /** @type {any} */ chosen: {},
  /** @type {any[]} */ catalogue: [],
  /** @type {Record<string, {mastered: boolean, say: string}>} */ standings: {},
  /** @type {any} */ plan: {},
  control: true,
};

/** @param {string} path */
export function look(path) {
  const [head, ...rest] = path.split(".");
  let value = head === "page" ? store.page : store.state[head];
  for (const part of rest) value = value?.[part];
  return value;
}

/** A command with its fields taken from the read-outs; what moves is remembered, so that quick presses add up. */
export function filled(command) {
  const out = {};
  for (const [name, value] of Object.entries(command)) {
    if (value === null || typeof value !== "object" || !("from" in value)) { out[name] = value; continue; }
    const base = look(value.from);
    if (base === undefined || base === null) continue;
    out[name] = "add" in value ? Number(base) + value.add : base;
    if ("add" in value) put(value.from, out[name]);
  }
  return out;
}

/** @param {string} path */
function put(path, value) {
  const parts = path.split(".");
  let place = parts[0] === "page" ? store.page : store.state;
  for (const part of parts.slice(parts[0] === "page" ? 1 : 0, -1)) place = place[part] ??= {};
  place[parts[parts.length - 1]] = value;
}

const KEPT = "vertebro";
export const settings = {
  sticky: false, sound: false, keys: /** @type {Record<string, string>} */ ({}), ...JSON.parse(localStorage.getItem(KEPT) ?? "{}"),
};
export const keep = () => localStorage.setItem(KEPT, JSON.stringify(settings));

/** m:ss @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds ?? 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {string} id */
export const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** An element. @param {string} tag @param {Record<string, any>} [attributes] @param {...any} children */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") node.textContent = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
/** @param {string} id @param {any} text */
export function write(id, text) { const node = $(id); if (node.textContent !== String(text)) node.textContent = String(text); }
