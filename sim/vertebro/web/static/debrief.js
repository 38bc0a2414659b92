// @ts-check
/** After the session: verdict, what to do next, timeline, leaks with their three times, every rule of the score. */
import { sized } from "./curves.js";
import { clock, make } from "./store.js";

const PLANES = { ap: "#7fb4ff", lateral: "#ffb070" };
const ROWS = [["Beam", 0], ["Needle depth", 26], ["Volume", 96], ["Pressure", 166]];

/** @param {HTMLElement} root @param {any} found @param {() => void} again @param {(change: string) => void} ask */
export function debrief(root, found, again, ask) {
  const { score } = found, bad = score.critical.length > 0;
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { class: "timeline", role: "img", "aria-label": "Timeline: beam, needle depth, volume, pressure, leaks" }));
  const mark = { t: -1 };
  root.replaceChildren(
    make("p", { class: "muted" }, make("span", { class: "draft", text: score.rubric.status }), " Score of a training run; not validated, no measure of a person. Education and research only."),
    make("p", { class: "verdict", role: "status", "data-level": bad ? "alarm" : score.points >= 60 ? "good" : "plain", text: found.verdict }),
    make("div", { class: "two" },
      make("section", {}, make("h2", { text: "Next time" }), make("ol", { class: "next" }, ...found.next.map((/** @type {any} */ step) => make("li", {}, step.text, " ",
        step.t === null ? "" : make("button", { type: "button", text: `at ${clock(step.t)}`, "aria-label": `Show ${clock(step.t)} in the timeline`, onclick: () => { mark.t = step.t; draw(canvas, found, mark.t); canvas.scrollIntoView({ block: "center" }); } })))),
        found.next.length ? "" : make("p", { text: "Nothing cost points." })),
      make("section", {}, make("h2", { text: `Points: ${score.points.toFixed(0)} of 100 · ${score.label}` }), domains(score))),
    make("section", {}, make("h2", { text: "Timeline" }), canvas, legend()),
    make("section", {}, make("h2", { text: "Leaks: when they happened, when your pictures showed them, when you stopped" }), leaks(found.leaks)),
    make("section", {}, make("h2", { text: "What if" }), make("p", { class: "muted", text: "Your own session again, with one thing changed. It takes as long as the injection did to compute." }),
      make("div", { class: "row" }, ...Object.entries(found.changes).map(([change, text]) => make("button", { type: "button", "data-change": change, text, onclick: (/** @type {any} */ e) => { e.currentTarget.disabled = true; ask(change); } }))),
      make("div", { id: "alternatives", role: "status" })),
    make("section", {}, make("h2", { text: "Every rule" }), rules(found)),
    make("div", { class: "two" }, make("section", {}, make("h2", { text: "Needles" }), needles(found.needles)), make("section", {}, make("h2", { text: "Result" }), measures(found))),
    make("div", { class: "actions" }, make("a", { href: `log${location.search}`, download: "events.jsonl", text: "Log (events.jsonl)" }), make("button", { type: "button", class: "primary", id: "again", text: "Another case", onclick: again })));
  root.hidden = false;
  root.scrollTop = 0;
  draw(canvas, found, mark.t);
  addEventListener("resize", () => draw(canvas, found, mark.t));
  document.getElementById("again")?.focus({ preventScroll: true });
}

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

/** @param {any[]} found */
function leaks(found) {
  if (!found.length) return make("p", { text: "No cement left the bone." });
  return table(["Where", "Type", "Volume", "Happened", "Visible", "Stopped", "Hidden", "After visible"], found.map((leak) => [
    leak.words ?? leak.region, leak.kind, `${leak.volume_ml.toFixed(2)} ml`, when(leak.t_leak_s),
    leak.t_visible_s === null ? "○ never on your pictures" : `● ${clock(leak.t_visible_s)} (${leak.plane === "ap" ? "AP" : "lateral"})`,
    when(leak.t_stop_s), `${leak.hidden_ml.toFixed(2)} ml`, leak.t_visible_s === null ? "–" : `${leak.after_visible_ml.toFixed(2)} ml, ${leak.reaction_s.toFixed(1)} s`]));
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

/** @param {any} value @returns {string} */
const words = (value) => (typeof value === "number" ? String(Math.round(100 * value) / 100) : value === null ? "–" : typeof value === "object" ? Object.entries(value).map(([name, each]) => `${name} ${words(each)}`).join(", ") : String(value));

/** @param {any} found */
const needles = (found) => table(["Needle", "Findings"], Object.entries(found).map(([name, facts]) => [name, words(facts)]));

/** What a change would have made of the session. @param {any} answer */
export function alternative(answer) {
  const box = document.getElementById("alternatives");
  if (!answer.applies) { box?.append(make("p", { text: `${answer.text}: does not apply to this run.` })); return; }
  box?.append(make("h3", { text: answer.text }), table(["", "As it was", "As it would have been"], Object.keys(answer.before).map((name) => [name.replaceAll("_", " "), words(answer.before[name]), words(answer.after[name])])));
}

/** @param {any} found */
function measures(found) {
  const rows = Object.entries(found.measures).flatMap(([level, facts]) => (facts ? Object.entries(facts).map(([name, value]) => [`${level} ${name.replaceAll("_", " ")}`, words(value)]) : [[level, "nothing injected"]]));
  return table(["", ""], rows);
}

function legend() {
  const key = (/** @type {string} */ sign, /** @type {string} */ text) => `${sign} ${text}   `;
  return make("p", { class: "muted", text: [key("blue", "AP beam"), key("orange", "lateral beam"), key("◆", "leak visible"), key("◇", "leak, not visible yet"), key("▼", "you said: I see a leak"), key("│", "needle, mixing, start and stop")].join("") });
}

/** @param {HTMLCanvasElement} canvas @param {any} found @param {number} at */
function draw(canvas, found, at) {
  const { context: c, width, height } = sized(canvas);
  if (!width) return;
  const line = found.strip, end = Math.max(line.end, 1), left = 92, x = (/** @type {number} */ t) => left + ((width - left - 10) * t) / end;
  c.font = "13px system-ui, sans-serif";
  c.fillStyle = "#a3aeba";
  for (const [name, y] of ROWS) c.fillText(String(name), 6, Number(y) + 16);
  c.strokeStyle = "#262c33";
  for (let t = 0; t <= end; t += end > 1200 ? 300 : 60) { c.beginPath(); c.moveTo(x(t), 0); c.lineTo(x(t), height - 16); c.stroke(); c.fillText(clock(t), x(t) - 10, height - 3); }
  for (const span of line.beam) { c.fillStyle = PLANES[/** @type {"ap" | "lateral"} */ (span.plane)]; c.fillRect(x(span.from), 5, Math.max(2, x(span.to) - x(span.from)), 14); }
  curve(c, line.depth.map((/** @type {any} */ p) => [p.t, p.mm]), 30, 60, x, "#dfe5ec", "mm", true);
  curve(c, line.rows.map((/** @type {any} */ p) => [p.t, p.injected_ml]), 100, 60, x, "#55bccb", "ml");
  curve(c, line.rows.map((/** @type {any} */ p) => [p.t, p.syringe_kpa]), 170, 60, x, "#f0b252", "kPa");
  c.strokeStyle = "#55606c";
  for (const mark of line.marks) { c.beginPath(); c.moveTo(x(mark.t), 24); c.lineTo(x(mark.t), height - 18); c.stroke(); }
  c.textAlign = "center";
  c.fillStyle = "#ff7a6b";
  for (const leak of found.leaks) { c.fillText("◇", x(leak.t_leak_s), 100); if (leak.t_visible_s !== null) c.fillText("◆", x(leak.t_visible_s), 100); }
  c.fillStyle = "#f3d27a";
  for (const t of line.seen) c.fillText("▼", x(t), 100);
  c.textAlign = "left";
  if (at >= 0) { c.strokeStyle = "#fff"; c.lineWidth = 2; c.beginPath(); c.moveTo(x(at), 0); c.lineTo(x(at), height - 16); c.stroke(); c.lineWidth = 1; }
}

/** @param {CanvasRenderingContext2D} c @param {number[][]} points @param {number} top @param {number} tall @param {(t: number) => number} x @param {string} colour @param {string} unit */
function curve(c, points, top, tall, x, colour, unit, steps = false) {
  if (!points.length) return;
  const high = Math.max(...points.map((point) => point[1]), 1e-9);
  c.strokeStyle = colour;
  c.beginPath();
  points.forEach(([t, value], k) => {
    const y = top + tall * (1 - value / high);
    if (!k) c.moveTo(x(t), y);
    else { if (steps) c.lineTo(x(t), top + tall * (1 - points[k - 1][1] / high)); c.lineTo(x(t), y); }
  });
  c.stroke();
  c.fillStyle = colour;
  c.fillText(`${high.toFixed(high < 10 ? 1 : 0)} ${unit}`, 6, top + 28);
}
