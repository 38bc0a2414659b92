// @ts-check
/** The page: joins socket, monitors, hands, strip and side column. */
import { Aim } from "./aim.js";
import { briefing, chooser, cover, finish, preparing, record } from "./brief.js";
import { CtPane, Stack } from "./ct.js";
import { Trace } from "./curves.js";
import { album, alternative, debrief, moment, standing } from "./debrief.js";
import { Hands, helpSheet } from "./keys.js";
import { Pane } from "./panes.js";
import { CtRoom } from "./room.js";
import { Side, announce, refuse } from "./side.js";
import { Socket } from "./socket.js";
import { $, filled, keep, make, settings, store } from "./store.js";
import { build, show } from "./strip.js";

const SPEEDS = [0.5, 1, 2, 4, 8];
const OPENINGS = [null, [120, 120], [90, 90], [60, 60], [40, 40]]; // mm at the isocentre
const BUSY = 1000; // ms without read-outs after which the page says that the simulator is working
const PLUNGER = [0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10]; // ml/min
const VIEWS = { ap: 0, lateral: 90 };
const latency = { read: /** @type {number[]} */ ([]), picture: /** @type {number[]} */ ([]) };
const noted = { read: 0, picture: 0 };
const $page = store.page;
let audio = /** @type {AudioContext | undefined} */ (undefined);
let told = 0, phase = "", speed = 1, briefed = "", commanded = 0, hinted = "";

store.actions = await (await fetch("keys.json")).json();
build();
const side = new Side();
const choose = (/** @type {Pane} */ pane) => {
  $page.plane = pane.plane;
  for (const node of document.querySelectorAll(".pane")) node.classList.toggle("active", node === pane.root);
};
const panes = {
  ap: new Pane($("pane-ap"), "ap", choose, (pane, pixel) => aiming.clicked(pane, pixel)),
  lateral: new Pane($("pane-lateral"), "lateral", choose, (pane, pixel) => aiming.clicked(pane, pixel)),
};
const ct = new Stack((/** @type {any} */ command) => { if (store.control) socket.raw(command); }); // reading a CT is no action
new CtPane($("p-ct"), ct);
const room = new CtRoom($("ct-room"), ct);
const aiming = new Aim(panes, room, choose, send);
const syringe = new Trace(/** @type {HTMLCanvasElement} */ ($("curves")), 60, [
  { name: "", unit: "kPa", colour: "#f0b252", low: 0, high: 500, grow: true }, { name: "", unit: "ml", colour: "#55bccb", low: 0, high: 2, grow: true, digits: 2 }]);
choose(panes.ap);

const socket = new Socket({
  text: hear,
  picture: async (message) => {
    if (message.echo) note("picture", message.echo);
    const pane = message.about.pane;
    if (pane === "ct") { ct.show(message); return; }
    if (pane === "stored") { await side.keep(message, (kept) => recall(panes[kept.plane], kept)); return; }
    await panes[pane].show(message);
    if (panes[pane].held && !$page.placing) { panes[pane].held = ""; panes[pane].words(); }
    if (message.about.live && store.state.arm?.pedal && room.open) room.toggle(false); // the beam is on: see it
    if (message.about.live) { choose(panes[pane]); sound(1800, 0.015); }
  },
  lost: (is) => {
    if (is) { hands.letGo(); cover("Connection lost", "The session is kept. Pedal and syringe are released. Trying again …", null); } else if (phase === "run") $("cover").hidden = true;
  },
});
const hands = new Hands(begin, end);

/** @param {any} command */
function send(command) {
  if (!store.control) { refuse("This page watches. “Take control” is in the settings."); return false; }
  commanded = performance.now();
  return socket.send(command);
}

/** @param {keyof typeof latency} what @param {number} sent */
function note(what, sent) {
  if (noted[what] === sent || !socket.mine(sent)) return; // only the first answer counts
  noted[what] = sent;
  const list = latency[what];
  list.push((performance.now() - sent + 2 ** 32) % 2 ** 32);
  if (list.length > 500) list.shift();
}

// ---- from the server ------------------------------------------------------------------------------------------------
/** @param {any} message */
function hear(message) {
  const kind = message.type;
  if (kind === "state") state(message);
  else if (kind === "welcome" || kind === "about") {
    Object.assign(store, { catalogue: message.catalogue, chosen: message.chosen, standings: message.standings });
    if (kind === "welcome") control(message.control);
    title();
    standing();
    if (phase === "prepare") preparing($("cover-text").textContent ?? "", /** @type {HTMLProgressElement} */ ($("cover-bar")).value);
  } else if (kind === "status") status(message);
  else if (kind === "event") side.event(message.event);
  else if (kind === "past") { $("log").replaceChildren(); message.events.forEach((/** @type {any} */ event) => side.event(event, true)); } else if (kind === "refused") refused(message);
  else if (kind === "plan") planned(message.plan);
  else if (kind === "control") control(message.control);
  else if (kind === "display") announce(message.behind ? "The display is behind: this page draws too slowly" : "The display is live again");
  else if (kind === "reset") { room.toggle(false); side.clear(); syringe.clear(); ct.clear(); for (const pane of Object.values(panes)) pane.clear(); briefed = ""; $("debrief").hidden = true; store.state = {}; } else if (kind === "debrief") debrief($("debrief"), message.debrief, again, (command) => socket.raw(command)); else if (kind === "alternative") alternative(message.alternative);
  else if (kind === "album") album(message.album);
  else if (kind === "moment") moment(message.moment);
}

/** @param {any} message */
function refused(message) {
  const error = message.error ?? {};
  refuse([error.message, error.cure].filter(Boolean).join(" – "));
  if (message.command?.kind === "arm") aim(true);
}

/** @param {boolean} mine */
function control(mine) {
  store.control = mine;
  $("notice").textContent = mine ? "TRAINING – NOT A PATIENT" : "WATCHING – TRAINING – NOT A PATIENT";
}

function title() {
  const entry = store.catalogue.find((each) => each.name === store.chosen.scenario);
  $("case-title").textContent = entry ? `${entry.title}` : "";
  $("case-title").title = entry?.title ?? "";
  record(send);
}

/** @param {any} message */
function status(message) {
  phase = message.phase;
  $("room").hidden = !["run"].includes(phase);
  if (phase === "choose") chooser(send);
  else if (phase === "prepare") preparing(message.text, message.fraction);
  else if (phase === "failed") cover("This case cannot be started", [message.error?.message, message.error?.hint].filter(Boolean).join(" – "), null, make("button", { type: "button", text: "Choose another case", onclick: () => chooser(send) }));
  else {
    $("cover").hidden = true;
    for (const pane of Object.values(panes)) pane.fit();
    if (message.text) announce(message.text);
    planned(message.plan ?? {});
    open();
  }
}

/** Angles to start from: what was planned on the CT. @param {any} plan */
function planned(plan) {
  store.plan = plan;
  const mine = plan.needles?.[$page.needle] ?? Object.values(plan.needles ?? {})[0];
  if (mine && !$page.placing) Object.assign($page, { convergence: Math.round(mine.convergence_deg ?? $page.convergence), caudal: Math.round(mine.caudal_deg ?? $page.caudal) });
  record(send);
}

/** Whether this case's needles are placed on CT. */
const guided = () => store.catalogue.find((each) => each.name === store.chosen.scenario)?.guidance === "ct";

/** Where a CT goes through: the needle in the hand, else the point looked at. */
function scanned() {
  const needle = store.state.needles?.[$page.needle] ? $page.needle : undefined;
  return { needle, centre_mm: ct.point };
}

/** Slices come up where the case looks at them. */
function toCt() { if (guided()) room.toggle(true); else side.tab("t-ct"); }

/** Briefing first, for a session that has not begun. */
function open() {
  const key = JSON.stringify(store.chosen);
  if (briefed === key || !store.state.dose) return;
  briefed = key;
  if (store.control && store.state.dose.exposures === 0 && !Object.keys(store.state.needles ?? {}).length && !store.state.finished) {
    speedTo(0);
    briefing(send, () => { $("cover").hidden = true; speedTo(1); $("pane-ap").focus(); });
  }
}

/** @param {any} now */
function state(now) {
  const before = store.state;
  store.state = now;
  if (before.level && before.level !== now.level) { aiming.end(); for (const pane of Object.values(panes)) pane.clear(); } // what was held shows another level
  told = performance.now();
  if (now.echo) note("read", now.echo);
  aim(performance.now() - commanded > 700 && !now.arm?.moving);
  speed = now.speed;
  show(now);
  side.show(now);
  if (!before.dose && guided() && !now.dose?.exposures) room.toggle(true);
  room.follow();
  syringe.add(now.time_s ?? 0, [now.syringe?.pressure_kpa ?? 0, now.syringe?.injected_ml ?? 0]);
  lamp(Boolean(now.arm?.pedal));
  $("b-pause").textContent = speed === 0 ? "Go on" : "Pause";
  const select = /** @type {HTMLSelectElement} */ ($("speed"));
  if (speed > 0 && document.activeElement !== select) select.value = String(speed);
  if (before.arm?.pedal !== now.arm?.pedal || before.arm?.plane !== now.arm?.plane) for (const pane of Object.values(panes)) pane.words();
  const hint = (now.hints ?? [])[0] ?? "";
  if (hint && hint !== hinted) announce(hint);
  hinted = hint;
  if (!Object.keys(before.needles ?? {}).length) follow(now);
  if (phase === "run") open();
  if (now.vitals?.alarm && !before.vitals?.alarm) sound(660, 0.6);
  if (now.finished && !before.finished) socket.raw({ kind: "debrief" });
}

/** A click or a tone, if wanted. @param {number} hertz @param {number} seconds */
function sound(hertz, seconds) {
  if (!settings.sound) return;
  audio ??= new AudioContext();
  const tone = audio.createOscillator(), gain = audio.createGain();
  tone.frequency.value = hertz;
  gain.gain.value = 0.05;
  tone.connect(gain).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + seconds);
}

/** The targets of the motors, when nobody has just moved them. @param {boolean} settled */
function aim(settled) {
  if (settled && store.state.arm) $page.target = { ...store.state.arm };
}

/** The first needle to be placed is the one in the hand; later ones are chosen. @param {any} now */
function follow(now) {
  const names = Object.keys(now.needles ?? {});
  if (names.length === 1 && !names.includes($page.needle)) $page.needle = names[0];
}

/** @param {boolean} on */
function lamp(on) {
  $("lamp").dataset.on = String(on);
  $("lamp-text").textContent = on ? "X-RAY ON" : "X-RAY OFF";
}

// ---- what the trainee does ------------------------------------------------------------------------------------------
/** @param {any} action */
function begin(action) {
  if ($page.placing && aiming.turns(action.id)) return;
  const own = page[action.id];
  if (own) { own(); return; }
  if (action.command) foresee(action.command, send(filled(action.command)));
  if (action.id === "cement.leak") leak();
  if (store.state.arm) show(store.state);
}

/** @param {any} action */
function end(action) { if (action.release) foresee(action.release, send(filled(action.release))); }

/** Draw at once what a command will show; the next read-outs correct it. @param {any} command @param {boolean} sent */
function foresee(command, sent) {
  if (!sent || !store.state.arm) return;
  if (room.open && (command.kind === "expose" || (command.kind === "pedal" && command.down))) room.toggle(false);
  const held = store.state.needles?.[$page.needle];
  if (command.kind === "pedal") {
    store.state.arm.pedal = command.down;
    lamp(command.down);
    for (const pane of Object.values(panes)) pane.words();
  } else if (command.kind === "advance" && held) held.depth_mm = Math.max(0, held.depth_mm + command.distance_mm);
  else if (command.kind === "rotate" && held) {
    held.convergence_deg += command.convergence_deg ?? 0;
    held.caudal_deg += command.caudal_deg ?? 0;
  }
}

/** @type {Record<string, () => void>} */
const page = {
  "xray.faster": () => pulses(1), "xray.slower": () => pulses(-1),
  "xray.close": () => collimate(1), "xray.open": () => collimate(-1),
  "xray.magnify": () => send({ kind: "arm", magnification: ((store.state.arm?.magnification ?? 0) + 1) % 3 }),
  "xray.subtract": subtract,
  "arm.view": () => { const other = store.state.arm?.plane === "ap" ? "lateral" : "ap"; $page.target = { ...$page.target, orbital_deg: VIEWS[other], cranial_deg: 0 }; send({ kind: "arm", orbital_deg: VIEWS[other], cranial_deg: 0 }); },
  "arm.stop": () => { send({ kind: "arm_stop" }); commanded = 0; },
  "needle.other": () => { const names = [...document.querySelectorAll("[data-needle]")].map((node) => /** @type {HTMLElement} */ (node).dataset.needle ?? ""); needle(names[(names.indexOf($page.needle) + 1) % names.length]); },
  "needle.place": () => aiming.place(room.open && guided()),
  "needle.skin_up": () => aiming.nudge(-1, 0), "needle.skin_down": () => aiming.nudge(1, 0), "needle.skin_left": () => aiming.nudge(0, -1), "needle.skin_right": () => aiming.nudge(0, 1),
  "call.ct": () => { send({ kind: "ct", centre_mm: ct.point }); toCt(); },
  "call.shot": () => { send({ kind: "ct", mode: "shot", ...scanned() }); toCt(); },
  "view.room": () => room.toggle(!room.open),
  "view.slice_up": () => ct.scroll("axial", 1), "view.slice_down": () => ct.scroll("axial", -1),
  "cement.faster": () => plunge(1), "cement.slower": () => plunge(-1),
  "view.invert": () => active().invert(), "view.reset": () => active().reset(),
  "view.cross": () => { $page.cross = !$page.cross; for (const pane of Object.values(panes)) pane.draw(); },
  "view.in": () => active().zoom(1.15), "view.out": () => active().zoom(1 / 1.15),
  "view.brighter": () => active().shift(0, -10), "view.darker": () => active().shift(0, 10),
  "view.harder": () => active().shift(-25, 0), "view.softer": () => active().shift(25, 0),
  "session.pause": () => speedTo(speed === 0 ? 1 : 0),
  "session.faster": () => speedTo(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(speed) + 1)]),
  "session.slower": () => speedTo(SPEEDS[Math.max(0, SPEEDS.indexOf(speed) - 1)]),
  "session.help": () => helpSheet(build), "session.settings": preferences,
  "session.level": () => { const levels = store.state.levels ?? []; send({ kind: "level", level: levels[(levels.indexOf(store.state.level) + 1) % levels.length] }); },
  "session.finish": () => finish(send), "session.meter": meter,
};

const active = () => panes[$page.plane === "lateral" ? "lateral" : "ap"];

/** @param {number} step */
function pulses(step) {
  const rates = [3, 7.5, 15];
  const rate = rates[Math.min(2, Math.max(0, rates.indexOf(store.state.arm?.pulse_rate ?? 7.5) + step))];
  send({ kind: "pulse_rate", rate });
}

/** @param {number} step */
function collimate(step) {
  const now = store.state.arm?.collimation_mm;
  const at = OPENINGS.findIndex((each) => (each === null ? !now : now && Math.abs(each[0] - now[0]) < 1));
  const next = OPENINGS[Math.min(OPENINGS.length - 1, Math.max(0, at + step))];
  send({ kind: "collimate", width_mm: next?.[0] ?? 0, height_mm: next?.[1] ?? 0 });
}

/** From plain pictures to subtracted ones (a mask is taken if there is none), to a roadmap if there is a run, and back. */
function subtract() {
  const arm = store.state.arm ?? {}, masked = arm.masks?.includes(arm.plane), run = arm.roadmaps?.includes(arm.plane);
  if (arm.treatment === "off" || !arm.treatment) {
    if (!masked) send({ kind: "mask" });
    send({ kind: "subtract", mode: "dsa" });
  } else send({ kind: "subtract", mode: arm.treatment === "dsa" && run ? "roadmap" : "off" });
}

/** @param {number} step */
function plunge(step) {
  $page.rate = PLUNGER[Math.min(PLUNGER.length - 1, Math.max(0, PLUNGER.indexOf($page.rate) + step))];
  if (store.state.syringe?.injecting) send({ kind: "inject", needle: $page.needle, rate_ml_min: $page.rate });
  show(store.state);
}

/** @param {string} name */
function needle(name) { if ($page.placing) aiming.end(); $page.needle = name; show(store.state); announce(`Needle: ${name}`); }

function leak() {
  const pane = active();
  if ($page.pixel) { pane.marks = [...pane.marks, $page.pixel]; pane.draw(); }
  announce("Leak marked");
}

/** @param {any} pane @param {any} kept */
function recall(pane, kept) {
  Object.assign(pane, { grey: kept.grey, about: kept.about, width: kept.width, height: kept.height, held: `STORED ${kept.title}` });
  pane.draw();
}

/** @param {number} factor */
function speedTo(factor) { socket.send({ kind: "speed", factor }); }

function again() { $("debrief").hidden = true; chooser(send); }

// ---- dialogs --------------------------------------------------------------------------------------------------------
function preferences() {
  const dialog = /** @type {HTMLDialogElement} */ ($("settings"));
  const box = (/** @type {"sticky" | "sound"} */ name, /** @type {string} */ text) => make("label", {}, make("input", { type: "checkbox", checked: settings[name], onchange: (/** @type {any} */ e) => { settings[name] = e.target.checked; keep(); hands.letGo(); socket.send({ kind: "setting", name, value: settings[name] }); } }), text);
  dialog.replaceChildren(make("h2", { id: "settings-title", text: "Settings" }),
    make("div", { class: "fields" }, box("sticky", "Sticky pedal: one press starts the X-ray, the next one ends it (noted in the log)"), box("sound", "Sound: a click for every picture, a tone for alarms"),
      make("p", {}, make("a", { href: `log${location.search}`, download: "events.jsonl", text: "Log of this session" })),
      ...store.control ? [] : [make("button", { type: "button", text: "Take control", onclick: () => { socket.raw({ kind: "take_control" }); dialog.close(); } })]),
    make("div", { class: "actions" }, make("button", { type: "button", text: "Choose another case", onclick: () => { dialog.close(); chooser(send); } }), make("button", { type: "button", class: "primary", text: "Close", onclick: () => dialog.close() })));
  dialog.showModal();
}

/** @param {number[]} list @param {number} share */
const part = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(share * list.length))]?.toFixed(0) ?? "–";
function meter() {
  announce(`Key → read-out ${part(latency.read, 0.5)} ms (95 %: ${part(latency.read, 0.95)}), key → picture ${part(latency.picture, 0.5)} ms (95 %: ${part(latency.picture, 0.95)}), clock at ${store.state.reached ?? "–"}×, open pictures at most ${socket.mostOpen}`);
}

// ---- small things ---------------------------------------------------------------------------------------------------
const select = /** @type {HTMLSelectElement} */ ($("speed"));
select.replaceChildren(...SPEEDS.map((each) => make("option", { value: each, text: `${each}×` })));
select.value = "1";
select.addEventListener("change", () => { speedTo(Number(select.value)); select.blur(); });
document.addEventListener("click", (event) => {
  const node = /** @type {HTMLElement} */ (event.target).closest?.("[data-rate], [data-needle], [data-room]");
  if (node instanceof HTMLElement && node.dataset.rate) send({ kind: "pulse_rate", rate: Number(node.dataset.rate) });
  if (node instanceof HTMLElement && node.dataset.needle) needle(node.dataset.needle);
  if (node instanceof HTMLElement && node.dataset.room) room.toggle(node.dataset.room === "ct");
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && $page.placing) aiming.end();
  if (event.key === "Enter" && $page.placing && !(/** @type {Element} */ (event.target).closest("button"))) { event.preventDefault(); aiming.puncture(); }
});
$("c-needle").addEventListener("wheel", (event) => { event.preventDefault(); send({ kind: "advance", needle: $page.needle, distance_mm: event.deltaY < 0 ? 0.5 : -0.5 }); }, { passive: false });
setInterval(() => { $("busy").hidden = phase !== "run" || performance.now() - told < BUSY; }, 250);
addEventListener("resize", () => { for (const pane of Object.values(panes)) pane.fit(); });
Object.assign(window, { trainer: { store, socket, panes, latency, hands, ct, room } }); // for the latency meter and the tests
