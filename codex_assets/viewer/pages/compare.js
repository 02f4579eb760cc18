// A media by two recipes: two players in step with a wipe between them, and the numbers of both.
import { html, render, useState, useEffect, useRef, data, Header, isTyping, number, clock, bytes, kbits, money, duration, NOTHING } from "/pages/elements.js";
import { keepStep } from "/pages/playback.js";
import { draw, colour, stepped, straight, useDrawn } from "/pages/charts.js";

const sheet = data();
const SIDES = ["published", "other"];
const NAMES = { published: "published", other: "what if" };
const COLOURS = { published: "rung0", other: "rung2" };
const players = {};
document.title = `${sheet.id} by two recipes – codex-assets`;

function start(side, element) {
  const hls = new Hls({ enableWorker: true, maxBufferLength: 20 });
  players[side] = { element, hls };
  hls.loadSource(sheet.masters[side]);
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
const lead = () => players.published?.element;

function toggle() {
  const isPaused = lead().paused;
  SIDES.forEach((side) => (isPaused ? players[side].element.play().catch(() => {}) : players[side].element.pause()));
}

// The other keeps step with the published one, which leads.
function step() {
  const [one, other] = SIDES.map((side) => players[side]?.element);
  if (one && other) keepStep(one, other);
  requestAnimationFrame(step);
}

function Stage({ rung, setRung, length }) {
  const boxes = { published: useRef(), other: useRef() };
  const [wipe, setWipe] = useState(50);
  const [time, setTime] = useState(0);
  const [heard, setHeard] = useState("published");
  const [paused, setPaused] = useState(true);
  useEffect(() => {
    const ends = SIDES.map((side) => start(side, boxes[side].current));
    const told = () => setTime(boxes.published.current.currentTime);
    const changed = () => setPaused(boxes.published.current.paused);
    ["timeupdate", "seeking"].forEach((name) => boxes.published.current.addEventListener(name, told));
    ["play", "pause"].forEach((name) => boxes.published.current.addEventListener(name, changed));
    requestAnimationFrame(step);
    return () => ends.forEach((end) => end());
  }, []);
  useEffect(() => show(rung.name), [rung]);
  useEffect(() => SIDES.forEach((side) => (boxes[side].current.muted = side !== heard)), [heard]);
  useEffect(() => {
    const onKey = (event) => {
      if (isTyping(event)) return;
      const actions = { k: toggle, " ": () => (event.target.tagName === "BUTTON" ? false : toggle()), ArrowLeft: () => seek(lead().currentTime - 5), ArrowRight: () => seek(lead().currentTime + 5), ",": () => seek(lead().currentTime - 0.04), ".": () => seek(lead().currentTime + 0.04), "[": () => setWipe((at) => Math.max(0, at - 5)), "]": () => setWipe((at) => Math.min(100, at + 5)), x: () => setHeard((side) => (side === "other" ? "published" : "other")) };
      if (actions[event.key] && actions[event.key]() !== false) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const sound = sheet.type === "audio";
  return html`<section class="card player" aria-label="Players">
    <div class=${`wipe ${sound ? "sound" : ""}`} style=${`--wipe:${wipe}%`}>
      <video ref=${boxes.published} playsinline preload="auto" aria-label="As it is published"></video><video ref=${boxes.other} class="other" playsinline preload="auto" muted aria-label="As it would be"></video>
      <span>published</span><span>what if</span>
    </div>
    ${!sound && html`<label class="wiper"><span class="hidden">Wipe</span><input id="wipe" type="range" min="0" max="100" value=${wipe} aria-valuetext=${`${wipe} % published`} onInput=${(event) => setWipe(Number(event.target.value))} /></label>`}
    <label class="position"><span>${clock(time, 1)}</span><input id="position" type="range" min="0" max=${length} step="0.04" value=${time} aria-label="Position" aria-valuetext=${clock(time)} onInput=${(event) => seek(Number(event.target.value))} /><span>${clock(length, 1)}</span></label>
    <div class="controls"><button type="button" class="primary" onClick=${toggle}>${paused ? "Play" : "Pause"}</button>
      <label>Rung <select id="rung" onChange=${(event) => setRung(sheet.rungs.find((each) => each.name === event.target.value))}>${sheet.rungs.map((each) => html`<option value=${each.name} selected=${each === rung}>${each.name}</option>`)}</select></label>
      <label>Hear <select id="heard" onChange=${(event) => setHeard(event.target.value)}>${SIDES.map((side) => html`<option value=${side} selected=${heard === side}>${NAMES[side]}</option>`)}</select></label></div>
  </section>`;
}

function Chart({ title, rung, length, tables, range, height, digits, about }) {
  const [read, setRead] = useState(null);
  const place = useDrawn((element) => draw(element, { tables: SIDES.map((side) => tables(rung[side])), series: SIDES.map((side) => ({ stroke: colour(COLOURS[side]), paths: digits ? straight : stepped, width: 2 })), duration: length, range, height, onSeek: seek, onRead: setRead }), [rung]);
  return html`<div class="lane"><header><h3>${title}</h3><ul>${SIDES.map((side, index) => html`<li><span class="swatch" style=${`--own: var(--${COLOURS[side]})`}></span>${NAMES[side]} <b>${read?.[index + 1] != null ? number(read[index + 1], digits) : ""}</b></li>`)}</ul></header><div class="plot" ref=${place} style=${`height:${height}rem`} role="img" aria-label=${about}></div></div>`;
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
const hasVmaf = sheet.rungs.some((rung) => SIDES.some((side) => rung[side].vmaf));

function Numbers() {
  const change = (before, after) => (before && after != null ? html`<small class=${after < before ? "less" : after > before ? "more" : ""}>${after >= before ? "+" : "−"}${number(Math.abs(100 * (after / before - 1)), 1)} %</small>` : "");
  const cell = (rung, read, format, isChange = true) => html`<td class="number">${format(read(rung.published))}</td><td class="number">${format(read(rung.other))}${isChange ? change(read(rung.published), read(rung.other)) : ""}</td>`;
  const vmaf = (value) => (value == null ? NOTHING : number(value, 1));
  const ssim = (value) => (value == null ? NOTHING : number(Math.floor(value * 1e4) / 1e4, 4));
  return html`<section class="card numbers" aria-labelledby="numbers"><header><h2 id="numbers">Numbers</h2><span class="muted small-text">of each pair: published, what if</span></header><div class="scroll" tabindex="0" role="region" aria-label="Table of numbers"><table>
    <thead><tr><th scope="col">Rung</th>${["Bytes", "Average kbit/s", "Peak kbit/s", "Mean SSIM", "Lowest second", ...(hasVmaf ? ["Mean VMAF", "Lowest second"] : []), "Encode", "Cost"].map((name) => html`<th scope="col" colspan="2" class="number">${name}</th>`)}</tr></thead>
    <tbody>${sheet.rungs.map((rung) => html`<tr><th scope="row">${rung.name}</th>${cell(rung, (side) => side.bytes, bytes)}${cell(rung, (side) => side.average, kbits)}${cell(rung, (side) => side.bandwidth, kbits)}${cell(rung, (side) => typical(side.likeness), ssim, false)}${cell(rung, (side) => lowest(side.likeness), ssim, false)}${hasVmaf && [typical, lowest].map((of) => cell(rung, (side) => of(side.vmaf), vmaf, false))}${cell(rung, (side) => side.seconds, duration, false)}${cell(rung, (side) => side.cost, money, false)}</tr>`)}</tbody></table></div></section>`;
}

const KEYS = [["Space", "play or pause"], ["← →", "5 seconds back or on"], [", .", "a frame back or on"], ["[ ]", "wipe"], ["X", "hear the other one"], ["?", "these keys"]];

function Page() {
  const [rung, setRung] = useState(sheet.rungs[0]);
  const length = rung.published.duration;
  const both = SIDES.flatMap((side) => rung[side].likeness?.values ?? []);
  const floor = both.length ? Math.max(0, Math.floor(20 * (Math.min(...both) - 0.005)) / 20) : 0;
  const lowestVmaf = Math.max(0, 10 * Math.floor((Math.min(...SIDES.map((side) => lowest(rung[side].vmaf) ?? 100)) - 2) / 10));
  const top = Math.max(...SIDES.flatMap((side) => rates(rung[side])[1]));
  return html`<${Header} trail=${[html`<a href=${`/media/${sheet.id}`}>${sheet.id}</a>`, "comparison"]} keys=${KEYS} /><main class="page">
    <h1>${sheet.id} by two recipes</h1><p class="recipe">As it is published, and with <code>${sheet.recipe}</code>. Nothing is published.</p>
    <${Stage} rung=${rung} setRung=${setRung} length=${length} />
    <section class="card charts" aria-label="Over time">
      ${both.length > 0 && html`<${Chart} title="Likeness to the mezzanine (SSIM of the worst plane, each second)" rung=${rung} length=${length} tables=${(side) => [side.likeness.at, side.likeness.values]} range=${[floor, 1]} height=${10} digits=${4} about=${`SSIM of ${rung.name}: lowest ${number(lowest(rung.published.likeness), 4)} published, ${number(lowest(rung.other.likeness), 4)} what if`} />`}
      ${SIDES.every((side) => rung[side].vmaf) && html`<${Chart} title="VMAF, each second" rung=${rung} length=${length} tables=${(side) => [side.vmaf.at, side.vmaf.values]} range=${[lowestVmaf, 100]} height=${10} digits=${1} about=${`VMAF of ${rung.name}: lowest ${number(lowest(rung.published.vmaf), 1)} published, ${number(lowest(rung.other.vmaf), 1)} what if`} />`}
      <${Chart} title="kbit/s per segment" rung=${rung} length=${length} tables=${rates} range=${[0, top * 1.08]} height=${9} digits=${0} about=${`Bit rate of ${rung.name}: ${kbits(rung.published.average)} published, ${kbits(rung.other.average)} what if`} />
    </section>
    <${Numbers} />
  </main>`;
}

render(html`<${Page} />`, document.body);
window.players = players;
