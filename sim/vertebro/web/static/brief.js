// @ts-check
/** Before and after the needle: choice of a case, patient record, questions, check-list, reading of the leaks. */
import { $, make, store } from "./store.js";

const BEFORE = new Set(["A1", "A2", "A3", "K9"]);
const LEAKS = ["canal", "foramen", "vein", "disc", "paravertebral", "track"]; // where no case says more

/** @param {any} entry */
function facts(entry) {
  const p = entry.patient, list = (/** @type {string[]} */ x) => (x?.length ? x.join(", ") : "none known");
  const rows = [["Patient", `${p.age} years, ${p.sex}`], ["History", p.history], ["Pain", p.pain], ["Imaging", p.imaging],
    ["INR", p.inr], ["Platelets", `${p.platelets} ·10⁹/l`], ["Allergies", list(p.allergies)], ["Drugs", list(p.drugs)], ["Diseases", list(p.diseases)]];
  return make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: String(value) })]));
}

/** @param {any[]} items @param {(command: any) => void} send */
function checks(items, send) {
  return items.map((item) => make("label", { class: "inline" },
    make("input", { type: "checkbox", checked: store.state.checked?.includes(item.id), onchange: (/** @type {any} */ e) => { if (e.target.checked) { send({ kind: "check", item: item.id }); e.target.disabled = true; } } }), item.text));
}

/** @param {any[]} questions @param {(command: any) => void} send @param {string} [group] keeps the same question in two places apart */
function asked(questions, send, group = "") {
  return questions.map((question) => make("fieldset", {}, make("legend", { text: question.text }),
    ...question.options.map((/** @type {string} */ option) => make("label", { class: "inline" },
      make("input", { type: "radio", name: group + question.id, value: option, checked: store.state.answers?.[question.id] === option, onchange: () => send({ kind: "answer", question: question.id, answer: option }) }), option))));
}

/** What was planned on the CT. */
function plan() {
  const needles = Object.entries(store.plan.needles ?? {}), views = Object.entries(store.plan.views ?? {});
  if (!needles.length) return [];
  const degrees = (/** @type {number} */ x) => `${Math.round(x) || 0}°`;
  return [make("h3", { text: "Plan from the CT" }), make("dl", {}, ...needles.flatMap(([name, n]) => [make("dt", { text: `Needle ${name}` }),
    make("dd", { text: `${n.gauge} G, ${degrees(n.convergence_deg)} to the midline, ${degrees(n.caudal_deg)} caudal, ${n.length_mm.toFixed(0)} mm from the skin` })]),
  ...views.flatMap(([name, v]) => [make("dt", { text: `True ${name === "ap" ? "AP" : "lateral"}` }), make("dd", { text: `${degrees(v.orbital_deg)} / ${degrees(v.cranial_deg)}` })]))];
}

/** While the simulator is prepared: the record can be read already. @param {string} text @param {number} fraction */
export function preparing(text, fraction) {
  const entry = store.catalogue.find((each) => each.name === store.chosen.scenario), here = document.getElementById("reading");
  const body = here?.dataset.case === entry?.name ? here : (entry ? make("div", { id: "reading", "data-case": entry.name, class: "record two" }, make("div", {}, facts(entry)), make("div", {}, ...teaching(entry))) : null);
  cover(entry ? entry.title : "Preparing the simulator", text, fraction, ...body ? [body] : []);
}

/** @param {any} entry */
function teaching(entry) {
  return [make("h3", { text: "Teaching point" }), make("p", { text: entry.teaching.replace(/\s+/g, " ").trim() }),
    ...entry.pitfalls.length ? [make("h3", { text: "Pitfalls" })] : [], make("ul", {}, ...entry.pitfalls.map((/** @type {string} */ text) => make("li", { text })))];
}

/** The record tab. @param {(command: any) => void} send */
export function record(send) {
  const entry = store.catalogue.find((each) => each.name === store.chosen.scenario);
  if (!entry) return;
  const before = entry.checklist.filter((/** @type {any} */ item) => BEFORE.has(item.rule)), after = entry.checklist.filter((/** @type {any} */ item) => !BEFORE.has(item.rule));
  $("p-record").replaceChildren(facts(entry), ...plan(), make("h3", { text: "Decide" }), ...asked(entry.questions, send, "record-"),
    make("h3", { text: "Check-list" }), ...checks(before, send), make("h3", { text: "After-care" }), ...checks(after, send));
}

/** Briefing over the room, before the first action. @param {(command: any) => void} send @param {() => void} go */
export function briefing(send, go) {
  const entry = store.catalogue.find((each) => each.name === store.chosen.scenario);
  if (!entry) { go(); return; }
  const before = entry.checklist.filter((/** @type {any} */ item) => BEFORE.has(item.rule) && item.id !== "count-levels");
  const told = teaching(entry), point = told.slice(0, 2), pitfalls = told.slice(2);
  cover(entry.title, "", null, make("div", { class: "record two" },
    make("div", {}, facts(entry), ...point),
    make("div", {}, make("h3", { text: "Decide" }), ...asked(entry.questions, send), make("h3", { text: "Before the needle" }),
      make("div", { class: "fields" }, ...checks(before, send)),
      make("div", { class: "actions" }, make("button", { type: "button", class: "primary", id: "go", text: "To the table", onclick: go })), ...pitfalls)));
  $("go").focus();
}

/** @param {string} title @param {string} text @param {number | null} fraction @param {...Node} body */
export function cover(title, text, fraction, ...body) {
  $("cover").hidden = false;
  $("cover-title").textContent = title;
  $("cover-text").textContent = text;
  const bar = /** @type {HTMLProgressElement} */ ($("cover-bar"));
  bar.hidden = fraction === null;
  if (fraction !== null) bar.value = fraction;
  $("chooser").replaceChildren(...body);
}

/** How far the trainee has come with a case. @param {string} name */
function progress(name) {
  const mine = store.standings[name];
  return mine ? make("span", { class: "standing", "data-mastered": String(mine.mastered), text: mine.mastered ? `✓ Mastered. ${mine.say}` : mine.say }) : "";
}

/** @param {(command: any) => void} send */
export function chooser(send) {
  const choice = { scenario: store.chosen.scenario ?? store.catalogue[0]?.name, seed: null, mode: "coach" };
  const seeds = make("select", { "aria-label": "Anatomy" }), mode = make("select", { "aria-label": "Mode" }, make("option", { value: "coach", text: "Coach: hints that fade" }), make("option", { value: "exam", text: "Exam: silent" }));
  const pick = (/** @type {any} */ entry) => {
    choice.scenario = entry.name;
    for (const node of list.querySelectorAll("button")) node.setAttribute("aria-pressed", String(node.dataset.name === entry.name));
    seeds.replaceChildren(...entry.seeds.map((/** @type {number} */ seed, /** @type {number} */ k) => make("option", { value: seed, text: `Anatomy ${k + 1}` })));
  };
  const list = make("ul", { class: "cases" }, ...store.catalogue.map((entry) => make("li", {}, make("button", { type: "button", "data-name": entry.name, onclick: () => pick(entry) },
    make("strong", { text: entry.title }), make("span", { class: "muted", text: `${"●".repeat(entry.difficulty)}${"○".repeat(5 - entry.difficulty)}  ${entry.kind === "case" ? "case" : "drill"}` }), progress(entry.name)))));
  const start = make("button", { type: "button", class: "primary", id: "begin", text: "Begin", onclick: () => send({ kind: "begin", scenario: choice.scenario, seed: Number(/** @type {any} */ (seeds).value), mode: /** @type {any} */ (mode).value }) });
  cover("Choose a case", "", null, list, make("div", { class: "actions" }, seeds, mode, start));
  if (store.catalogue.length) pick(store.catalogue.find((entry) => entry.name === choice.scenario) ?? store.catalogue[0]);
  start.focus();
}

/** The end: after-care, and the leaks read before the truth is shown. @param {(command: any) => void} send */
export function finish(send) {
  const dialog = /** @type {HTMLDialogElement} */ ($("confirm"));
  const entry = store.catalogue.find((each) => each.name === store.chosen.scenario);
  const after = (entry?.checklist ?? []).filter((/** @type {any} */ item) => !BEFORE.has(item.rule));
  const places = entry?.places ?? LEAKS, boxes = places.map((/** @type {string} */ name) => make("input", { type: "checkbox", value: name }));
  dialog.replaceChildren(make("h2", { id: "confirm-title", text: "Finish the procedure?" }),
    make("div", { class: "fields" }, make("p", { text: "Leaks you read on the final pictures, before the truth is shown:" }),
      make("div", { class: "row" }, ...boxes.map((/** @type {HTMLElement} */ box, /** @type {number} */ k) => make("label", { class: "inline" }, box, places[k]))),
      ...after.length ? [make("p", { text: "After-care you order:" }), ...checks(after, send)] : []),
    make("div", { class: "actions" }, make("button", { type: "button", text: "Go on", onclick: () => dialog.close() }),
      make("button", { type: "button", class: "primary", id: "finish", text: "Finish and debrief", onclick: () => {
        dialog.close();
        send({ kind: "report", leaks: boxes.filter((/** @type {any} */ box) => /** @type {any} */ (box).checked).map((/** @type {any} */ box) => box.value) });
        send({ kind: "finish" });
      } })));
  dialog.showModal();
}
