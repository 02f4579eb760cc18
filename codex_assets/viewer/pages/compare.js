// A media in two states: two players in step with a wipe between them, and the numbers of both.
import { html, render, useState, useEffect, useRef, data, Header, coded, isTyping, number, clock, bytes, kbits, money, duration, NOTHING } from "/pages/elements.js";
import { keepStep } from "/pages/playback.js";
import { draw, colour, stepped, straight, useDrawn } from "/pages/charts.js";
import { Span, Zoom, zoomKeys, ZOOM_KEYS } from "/pages/span.js";

const sheet = data();
const SIDES = [0, 1];
const NAMES = sheet.sides.map((side) => side.name);
const COLOURS = ["rung0", "rung2"];
const players = {};
document.title = `${sheet.id}: ${NAMES.join(" and ")} – codex-assets`;

function start(side, element) {
  const hls = new Hls({ enableWorker: true, maxBufferLength: 20 });
  players[side] = { element, hls };
  hls.loadSource(sheet.sides[side].master);
  hls.attachMedia(element);
  return () => { hls.destroy(); delete players[side]; };
}

function show(rung) {
  for (const { hls } of Object.values(players)) {
    const set = () => (hls.currentLevel = hls.levels.findIndex((level) => level.url[0].split("/").at(-2) === rung));
    hls.levels.length ? set() : hls.once(Hls.Events.MANIFEST_PARSED, set);
  }
}

const seek = (at) => SIDES.forEach((side) => players[side] && (players[side].element.currentTime = at));
const lead = () => players[0]?.element;
const now = () => lead()?.currentTime ?? 0;

function toggle() {
  const isPaused = lead().paused;
  SIDES.forEach((side) => (isPaused ? players[side].element.play().catch(() => {}) : players[side].element.pause()));
}

// The second keeps step with the first, which leads.
function step() {
  const [one, other] = SIDES.map((side) => players[side]?.element);
  if (one && other) keepStep(one, other);
  requestAnimationFrame(step);
}

function Stage({ rung, setRung, length, span }) {
  const boxes = [useRef(), useRef()];
  const [wipe, setWipe] = useState(50);
  const [time, setTime] = useState(0);
  const [heard, setHeard] = useState(0);
  const [paused, setPaused] = useState(true);
  useEffect(() => {
    const ends = SIDES.map((side) => start(side, boxes[side].current));
    const told = () => (setTime(boxes[0].current.currentTime), span.follow(boxes[0].current.currentTime));
    const changed = () => setPaused(boxes[0].current.paused);
    ["timeupdate", "seeking"].forEach((name) => boxes[0].current.addEventListener(name, told));
    ["play", "pause"].forEach((name) => boxes[0].current.addEventListener(name, changed));
    requestAnimationFrame(step);
    return () => ends.forEach((end) => end());
  }, []);
  useEffect(() => show(rung.name), [rung]);
  useEffect(() => SIDES.forEach((side) => (boxes[side].current.muted = side !== heard)), [heard]);
  useEffect(() => {
    const onKey = (event) => {
      if (isTyping(event) || document.querySelector("dialog[open]")) return;
      const actions = { k: toggle, " ": () => (["BUTTON", "A", "SUMMARY"].includes(event.target.tagName) ? false : toggle()), ArrowLeft: () => seek(now() - 5), ArrowRight: () => seek(now() + 5), ",": () => seek(now() - 0.04), ".": () => seek(now() + 0.04), "[": () => setWipe((at) => Math.max(0, at - 5)), "]": () => setWipe((at) => Math.min(100, at + 5)), x: () => setHeard((side) => 1 - side), r: () => setRung((one) => sheet.rungs[(sheet.rungs.indexOf(one) + 1) % sheet.rungs.length]), ...zoomKeys(span, now) };
      if (actions[event.key] && actions[event.key]() !== false) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const sound = sheet.type === "audio";
  const drag = (event) => {
    if (event.buttons !== 1) return;
    if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
    const { left, width } = event.currentTarget.getBoundingClientRect();
    setWipe(Math.max(0, Math.min(100, (100 * (event.clientX - left)) / width)));
  };
  return html`<section class="card player" aria-label="Players">
    <div class=${`wipe ${sound ? "sound" : ""}`} style=${`--wipe:${wipe}%`} onPointerDown=${drag} onPointerMove=${drag}>
      <video ref=${boxes[0]} playsinline preload="auto" aria-label=${NAMES[0]}></video><video ref=${boxes[1]} class="other" playsinline preload="auto" muted aria-label=${NAMES[1]}></video>
      <span>${NAMES[0]}</span><span>${NAMES[1]}</span>
    </div>
    ${!sound && html`<label class="position"><span>Wipe</span><input id="wipe" type="range" min="0" max="100" value=${wipe} aria-label="Wipe" aria-valuetext=${`${Math.round(wipe)} % ${NAMES[0]}`} onInput=${(event) => setWipe(Number(event.target.value))} /><span>${Math.round(wipe)} %</span></label>`}
    <label class="position"><span>${clock(time, 1)}</span><input id="position" type="range" min="0" max=${length} step="0.04" value=${time} aria-label="Position" aria-valuetext=${clock(time)} onInput=${(event) => seek(Number(event.target.value))} /><span>${clock(length, 1)}</span></label>
    <div class="controls"><button type="button" class="primary" onClick=${toggle}>${paused ? "Play" : "Pause"}</button>
      <label>Rung <select id="rung" onChange=${(event) => setRung(sheet.rungs.find((each) => each.name === event.target.value))}>${sheet.rungs.map((each) => html`<option value=${each.name} selected=${each === rung}>${each.name}</option>`)}</select></label>
      <label>Hear <select id="heard" onChange=${(event) => setHeard(Number(event.target.value))}>${SIDES.map((side) => html`<option value=${side} selected=${heard === side}>${NAMES[side]}</option>`)}</select></label></div>
  </section>`;
}

function Chart({ title, rung, span, tables, range, height, digits, about }) {
  const [read, setRead] = useState(null);
  const place = useDrawn((element) => draw(element, { tables: SIDES.map((side) => tables(rung.sides[side])), series: SIDES.map((side) => ({ stroke: colour(COLOURS[side]), paths: digits ? straight : stepped, width: 2 })), span, range, height, onSeek: seek, onRead: setRead }), [rung]);
  return html`<div class="lane"><header><h3>${title}</h3><ul>${SIDES.map((side) => html`<li><span class="swatch" style=${`--own: var(--${COLOURS[side]})`}></span>${NAMES[side]} <b>${read?.[side + 1] != null ? number(read[side + 1], digits) : ""}</b></li>`)}</ul></header><div class="plot" ref=${place} style=${`height:${height}rem`} role="img" aria-label=${about}></div></div>`;
}

const rates = ({ segments }) => {
  let at = 0;
  const starts = segments.map((segment) => ((at += segment.duration), at - segment.duration));
  const values = segments.map((segment) => (8 * segment.size) / segment.duration / 1000);
  return [[...starts, at], [...values, values.at(-1)]];
};
const mean = (values) => values.reduce((sum, each) => sum + each, 0) / values.length;
const lowest = (curve) => curve && Math.min(...curve.values);
const typical = (curve) => curve && mean(curve.values);
const each = (rung, read, format) => SIDES.map((side) => `${format(read(rung.sides[side]))} ${NAMES[side]}`).join(", ");

// --- Numbers ---

const vmaf = (value) => (value == null ? NOTHING : number(value, 1));
const ssim = (value) => (value == null ? NOTHING : number(Math.floor(value * 1e4) / 1e4, 4));
// Of outputs that were made together only the time of all of them is known.
const encode = (side) => (side ? `${duration(side.seconds)}${side.shared > 1 ? `, with ${side.shared - 1} more` : ""}` : NOTHING);
// Name, value of a side, how it is written, and whether the change is worth a column.
const ROWS = [
  ["Bytes", (side) => side.bytes, bytes, true], ["Average kbit/s", (side) => side.average, kbits, true], ["Peak kbit/s", (side) => side.bandwidth, kbits, true],
  ["Mean SSIM", (side) => typical(side.likeness), ssim], ["SSIM of the lowest second", (side) => lowest(side.likeness), ssim],
  ["Mean VMAF", (side) => typical(side.vmaf), vmaf], ["VMAF of the lowest second", (side) => lowest(side.vmaf), vmaf],
  ["Loudness, LUFS", (side) => side.loudness, (value) => number(value, 1)], ["Encode", (side) => (side.seconds == null ? null : side), encode], ["Cost", (side) => side.cost, money], ["Encoder", (side) => side.encoder, (value) => value ?? NOTHING],
];

function Change({ before, after }) {
  if (!before || after == null) return null;
  return html`<span class=${after < before ? "less" : after > before ? "more" : "muted"}>${after >= before ? "+" : "−"}${number(Math.abs(100 * (after / before - 1)), 1)} %</span>`;
}

// How far below 1 the chart of likeness reaches: what is there has to fit.
const UNLIKE = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
const shown = (value) => (value === undefined ? NOTHING : typeof value === "object" ? JSON.stringify(value) : String(value));

function Numbers() {
  return html`<div class="numbers">${sheet.rungs.map((rung) => {
    const [one, other] = rung.sides;
    const names = [...new Set([...Object.keys(one.recipe), ...Object.keys(other.recipe)])].filter((name) => shown(one.recipe[name]) !== shown(other.recipe[name]));
    return html`<section class="card" aria-labelledby=${`numbers-${rung.name}`}><header><h2 id=${`numbers-${rung.name}`}>${rung.name}</h2>${one.width && html`<span class="muted small-text">${one.width}×${one.height}</span>`}</header>
      <div class="scroll" tabindex="0" role="region" aria-label=${`Numbers of ${rung.name}`}><table>
        <thead><tr><th scope="col"><span class="hidden">Number</span></th>${SIDES.map((side) => html`<th scope="col" class="number"><span class="swatch" style=${`--own: var(--${COLOURS[side]})`}></span>${NAMES[side]}</th>`)}<th scope="col" class="number">Change</th></tr></thead>
        <tbody>${ROWS.filter(([, read]) => rung.sides.some((side) => read(side) != null)).map(([name, read, format, isChange]) => html`<tr><th scope="row">${name}</th>${rung.sides.map((side) => html`<td class="number">${format(read(side))}</td>`)}<td class="number">${isChange && html`<${Change} before=${read(one)} after=${read(other)} />`}</td></tr>`)}
          ${names.map((name) => html`<tr class="recipe-row"><th scope="row"><code>${name.replace(/^variant\./, "").replace(".-", ".")}</code></th>${rung.sides.map((side) => html`<td class="number"><code>${shown(side.recipe[name])}</code></td>`)}<td></td></tr>`)}</tbody></table></div></section>`;
  })}</div>`;
}

const KEYS = [["Space", "play or pause"], ["← →", "5 seconds back or on"], [", .", "a frame back or on"], ["[ ]", "wipe"], ["X", "hear the other one"], ["R", "next rung"], ...ZOOM_KEYS, ["?", "these keys"]];

const length = Math.max(...sheet.rungs[0].sides.map((side) => side.duration));
const span = new Span(length);

function Page() {
  const [rung, setRung] = useState(sheet.rungs[0]);
  const likenesses = rung.sides.flatMap((side) => side.likeness?.values ?? []);
  const hasBoth = (name) => rung.sides.every((side) => side[name]);
  const unlike = 1 - Math.min(...likenesses);
  const floor = 1 - (UNLIKE.find((each) => each > 1.1 * unlike) ?? 1);
  const lowestVmaf = Math.max(0, 10 * Math.floor((Math.min(...rung.sides.map((side) => lowest(side.vmaf) ?? 100)) - 2) / 10));
  const top = Math.max(...rung.sides.flatMap((side) => rates(side)[1]));
  return html`<${Header} trail=${[html`<a href=${`/media/${sheet.id}`}>${sheet.id}</a>`, "comparison"]} keys=${KEYS} /><main class="page">
    <h1>${sheet.id}: ${NAMES[0]} and ${NAMES[1]}</h1><p class="recipe">On the left ${coded(sheet.sides[0].about)}, on the right ${coded(sheet.sides[1].about)}. Nothing is published by comparing.</p>
    <${Stage} rung=${rung} setRung=${setRung} length=${length} span=${span} />
    <section class="card charts" aria-labelledby="over-time">
      <header style="margin-bottom:.2rem"><h2 id="over-time">Over time</h2><${Zoom} span=${span} now=${now} /></header>
      ${hasBoth("likeness") && html`<${Chart} title="Likeness to the mezzanine (SSIM of the worst plane, each second)" rung=${rung} span=${span} tables=${(side) => [side.likeness.at, side.likeness.values]} range=${[floor, 1]} height=${10} digits=${4} about=${`SSIM of ${rung.name}: lowest ${each(rung, (side) => lowest(side.likeness), ssim)}`} />`}
      ${hasBoth("vmaf") && html`<${Chart} title="VMAF, each second" rung=${rung} span=${span} tables=${(side) => [side.vmaf.at, side.vmaf.values]} range=${[lowestVmaf, 100]} height=${10} digits=${1} about=${`VMAF of ${rung.name}: lowest ${each(rung, (side) => lowest(side.vmaf), vmaf)}`} />`}
      <${Chart} title="kbit/s per segment" rung=${rung} span=${span} tables=${rates} range=${[0, top * 1.08]} height=${9} digits=${0} about=${`Bit rate of ${rung.name}: ${each(rung, (side) => side.average, kbits)}`} />
    </section>
    <${Numbers} />
  </main>`;
}

render(html`<${Page} />`, document.body);
Object.assign(window, { players, span });
