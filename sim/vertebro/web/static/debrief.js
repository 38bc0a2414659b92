// @ts-check
/** After the session: verdict, what to do next, timeline with both monitors, leaks, 3-D, every rule of the score. */
import { clock, make, store } from "./store.js";
import { Monitors, kept } from "./monitors.js";
import { Turntable } from "./turntable.js";

const NAMES = { ap: "AP", lateral: "lateral" };
/** @type {{monitors: Monitors, turntable: Turntable, gallery: HTMLElement, file: HTMLElement, root: HTMLElement} | null} */
let shown = null;

/** @param {HTMLElement} root @param {any} found @param {() => void} again @param {(command: any) => void} ask */
export function debrief(root, found, again, ask) {
  const { score } = found, bad = score.critical.length > 0;
  const monitors = new Monitors(found.strip, (t) => ask({ kind: "moment", t }));
  const turntable = new Turntable(), gallery = make("div", { id: "pictures", class: "gallery", role: "status" }, make("p", { class: "muted", text: "The pictures are being drawn …" }));
  const file = make("span", { id: "debrief-file", class: "muted", role: "status", text: "The debrief as a file is being made …" });
  shown = { monitors, turntable, gallery, file, root };
  const go = (/** @type {number | null} */ t, /** @type {string} */ why) => (t === null ? "" : make("button", { type: "button", class: "when", text: `at ${clock(t)}`, "aria-label": `Show the monitors at ${clock(t)}`, onclick: () => { monitors.go(t, why); monitors.root.scrollIntoView({ block: "nearest" }); } }));
  monitors.side.append(legend());
  root.replaceChildren(
    make("p", { class: "muted" }, make("span", { class: "draft", text: score.rubric.status }), " Score of a training run; not validated, no measure of a person. Education and research only."),
    make("p", { class: "verdict", role: "status", "data-level": bad ? "alarm" : /^(competent|proficient)/.test(score.label) ? "good" : "plain", text: found.verdict }),
    make("div", { class: "two" },
      make("section", {}, make("h2", { text: "Next time" }), make("ol", { class: "next" }, ...found.next.map((/** @type {any} */ step) => make("li", {}, make("strong", { text: step.text }), " ", go(step.t, step.why), make("span", { class: "why muted", text: step.why })))),
        found.next.length ? "" : make("p", { text: "Nothing cost points." })),
      make("section", {}, make("h2", { text: `Points: ${score.points.toFixed(0)} of 100 · ${score.label}` }), domains(score), make("p", { id: "standing", class: "muted" }))),
    make("section", {}, make("h2", { text: "Course of the session and what stood on the monitors" }), monitors.root),
    make("section", {}, make("h2", { text: "Leaks: when they happened, when your pictures showed them, when you stopped" }), leaks(found.leaks, go)),
    make("section", { id: "best", hidden: true }, make("h2", { text: "Where each leak shows best" }), make("p", { class: "muted", text: "The end of your session from another turn of the C-arm, the leak outlined; your own views are in the course above." }), make("div", { class: "gallery" })),
    make("section", {}, make("h2", { text: "All round" }), turntable.root),
    make("section", {}, make("h2", { text: "The procedure in pictures" }), gallery),
    make("section", {}, make("h2", { text: "What if" }), make("p", { class: "muted", text: "Your own session again, with one thing changed. It takes about as long as the X-ray was on; the page stays usable." }),
      make("div", { class: "row" }, ...Object.entries(found.changes).map(([change, text]) => make("button", { type: "button", "data-change": change, text, onclick: (/** @type {any} */ e) => { e.currentTarget.disabled = true; wait(change, text); ask({ kind: "what_if", change }); } }))),
      make("div", { id: "alternatives", role: "status" })),
    make("section", {}, make("h2", { text: "Every rule" }), rules(found), make("h2", { class: "small", text: "Gates: one of them, and the case is not passed" }), gates(found)),
    make("div", { class: "two" }, make("section", {}, make("h2", { text: "Needles" }), needles(found.needles)), make("section", {}, make("h2", { text: "Result" }), measures(found))),
    make("div", { class: "actions" }, file, make("a", { href: `log${location.search}`, download: "events.jsonl", text: "Log (events.jsonl)" }), make("button", { type: "button", class: "primary", id: "again", text: "Another case", onclick: again })));
  standing();
  root.hidden = false;
  root.scrollTop = 0;
  const first = found.leaks.find((/** @type {any} */ leak) => leak.t_visible_s !== null), step = found.next.find((/** @type {any} */ each) => each.t !== null);
  if (first) monitors.go(first.t_visible_s, "You could have seen the leak here.");
  else if (step) monitors.go(step.t, step.why);
  document.getElementById("again")?.focus({ preventScroll: true });
}

/** How far the case has come over all sessions. */
export function standing() {
  const place = document.getElementById("standing"), mine = store.standings[store.chosen.scenario];
  if (place && mine) place.textContent = `This case over all your sessions: ${mine.mastered ? "mastered. " : ""}${mine.say}`;
}

/** Pictures have been made. @param {any} contents */
export function album(contents) {
  if (!shown) return;
  shown.turntable.fill(contents.rings);
  const plates = (/** @type {any[]} */ rows) => rows.map((plate) => make("figure", {}, make("img", { src: kept(plate.file), alt: plate.alt, loading: "lazy" }), make("figcaption", { class: "muted", text: plate.caption })));
  if (contents.quartet.length) shown.gallery.replaceChildren(make("div", { class: "three" }, ...plates(contents.leaflet)), make("div", { class: "four" }, ...plates(contents.quartet)));
  const best = /** @type {HTMLElement} */ (shown.root.querySelector("#best"));
  if (contents.best.length) { best.hidden = false; best.lastElementChild?.replaceChildren(make("div", { class: "three" }, ...plates(contents.best))); }
  if (contents.page) {
    shown.file.className = "";
    shown.file.replaceChildren(make("a", { href: kept(contents.page), download: contents.page, text: "Debrief (one file, for print and e-mail)" }), " ", make("a", { href: kept("debrief.json"), download: "debrief.json", text: "as JSON" }));
    if (!contents.rings.length) shown.turntable.none();
  }
}

/** Both monitors at a second. @param {any} moment */
export function moment(moment) { shown?.monitors.show(moment); }

/** @param {string[]} heads @param {any[][]} lines */
function table(heads, lines) {
  const numeric = (/** @type {any} */ cell) => typeof cell === "string" && /^(–|[−\d][\d.,:]*( (of \d+|ml.*|s|mm|%))?)$/.test(cell);
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col", text: head })))),
    make("tbody", {}, ...lines.map((line) => make("tr", {}, ...line.map((cell) => make("td", { class: numeric(cell) ? "num" : undefined }, cell ?? "–"))))));
}

/** @param {any} score */
const domains = (score) => table(["Domain", "Points"], Object.entries(score.domains).map(([key, domain]) => [`${key}  ${domain.name}`, domain.possible ? `${domain.points.toFixed(1)} of ${domain.possible.toFixed(0)}` : "does not apply"]));

/** @param {number | null} seconds */
const when = (seconds) => (seconds === null || seconds === undefined ? "never" : clock(seconds));

/** @param {any[]} found @param {(t: number | null, why: string) => any} go */
function leaks(found, go) {
  if (!found.length) return make("p", { text: "No cement left the bone." });
  return table(["Where", "Type", "Volume", "Happened", "Visible", "Stopped", "Hidden", "After visible", "Look"], found.map((leak) => [
    leak.words ?? leak.region, leak.kind, `${leak.volume_ml.toFixed(2)} ml`, when(leak.t_leak_s),
    leak.t_visible_s === null ? "○ never on your pictures" : `● ${clock(leak.t_visible_s)} (${NAMES[/** @type {"ap" | "lateral"} */ (leak.plane)]})`,
    when(leak.t_stop_s), `${leak.hidden_ml.toFixed(2)} ml`, leak.t_visible_s === null ? "–" : `${leak.after_visible_ml.toFixed(2)} ml, ${leak.reaction_s.toFixed(1)} s`,
    leak.t_visible_s === null ? go(leak.t_leak_s, `Leak ${leak.kind} began here; none of your pictures ever showed it.`) : go(leak.t_visible_s, `You could have seen leak ${leak.kind} here.`)]));
}

/** @param {any} found */
function rules(found) {
  return table(["Rule", "What happened", "Points", "Full and none"], found.score.rules.map((/** @type {any} */ row) => {
    const bands = found.rules[row.id]?.bands ?? [];
    return [`${row.id}  ${row.title}`, row.say, row.possible ? `${row.points.toFixed(1)} of ${row.possible.toFixed(0)}` : "–",
      make("details", {}, make("summary", { text: "explain" }), ...bands.map((/** @type {any} */ band) => make("p", { class: "muted", text: `${band.metric}: ${band.meaning}; ${band.full}, ${band.none}` })),
        make("p", { class: "muted", text: (found.rules[row.id]?.sources ?? []).join("; ") }))];
  }));
}

/** @param {any} found */
const gates = (found) => table(["Gate", "Critical error", "Met"], found.gates.map((/** @type {any} */ gate) => [gate.id, gate.text, make("span", { class: gate.met ? "met" : "", text: gate.met ? "yes" : "no" })]));

/** @param {any} value @returns {string} */
const words = (value) => (typeof value === "number" ? String(Math.round(100 * value) / 100) : value === null ? "–" : typeof value === "object" ? Object.entries(value).map(([name, each]) => `${name} ${words(each)}`).join(", ") : String(value));

/** @param {any} found */
function needles(found) {
  const rows = Object.entries(found).map(([name, facts]) => [name, `${facts.grade}, Heary ${facts.heary}`, `${Math.max(0, ...facts.breaches.map((/** @type {any} */ each) => each.depth_mm)).toFixed(1)} mm`, `${facts.target_error_mm.toFixed(1)} mm`, `${facts.angle_error_deg.toFixed(1)}°`, Object.entries(facts.no_go_mm).map(([volume, way]) => `${volume} ${Number(way).toFixed(0)} mm`).join(", ") || "none"]);
  return rows.length ? table(["Needle", "Grade", "Breach", "Off target", "Off plan", "No-go"], rows) : make("p", { text: "No needle was confirmed or injected through." });
}

/** @param {string} change @param {string} text */
function wait(change, text) { document.getElementById("alternatives")?.append(make("p", { "data-waiting": change, class: "muted", text: `Computing: ${text} …` })); }

/** What a change would have made of the session. @param {any} answer */
export function alternative(answer) {
  const box = document.getElementById("alternatives");
  box?.querySelector(`[data-waiting="${answer.change}"]`)?.remove();
  if (!answer.applies) { box?.append(make("p", { text: `${answer.text}: does not apply to this run.` })); return; }
  box?.append(make("h3", { text: answer.text }), table(["", "As it was", "As it would have been"], Object.keys(answer.before).map((name) => [name.replaceAll("_", " "), words(answer.before[name]), words(answer.after[name])])));
}

/** @param {any} found */
function measures(found) {
  const yes = (/** @type {boolean | null} */ is) => (is === null ? "–" : is ? "yes" : "no");
  const rows = Object.entries(found.measures).map(([level, m]) => (m ? [level, `${m.volume_in_body_ml.toFixed(2)} of ${m.body_volume_ml.toFixed(0)} ml`, `${(100 * m.fill_fraction).toFixed(0)} %`, m.symmetry === null ? "–" : m.symmetry.toFixed(2), yes(m.crosses_midline), yes(m.both_endplates)] : [level, "nothing injected", "–", "–", "–", "–"]));
  return table(["Level", "In the body", "Filling", "Lesser half over larger", "Past midline", "Both endplates"], rows);
}

const legend = () => make("p", { class: "muted", text: "Click the strip, or focus it and use ← → (Shift: 10 s), to see both monitors at that second. Leak: hollow dot when cement left the bone, filled dot when a picture of yours first showed it, bar when the injection stopped after that." });
