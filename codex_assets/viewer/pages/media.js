// The page of one media: the stage with its player, the timeline, and what is known of the media.
import { html, render, useState, useEffect, useRef, useMemo, useEvents, data, Header, State, Facts, Copy, isTyping, number, clock, duration, bytes, kbits, money, moment, rate, plural, age, NOTHING } from "/pages/elements.js";
import { Playback, VIEWS } from "/pages/playback.js";
import { Timeline, Waveform } from "/pages/timeline.js";
import { RUNG_COLOURS } from "/pages/charts.js";
import { Span, zoomKeys, ZOOM_KEYS } from "/pages/span.js";

const sheet = data();
const playback = new Playback(sheet);
const span = new Span(playback.duration);
const BUILDING_POLL_MS = 4000;
document.title = `${sheet.id} – codex-assets`;

// --- Findings and their moments ---

const toneOf = (finding) => (finding.severity === "ERROR" ? "bad" : "warn");
const nameOf = (output) => output.replace(/^hls_(?=\d)/, "").replaceAll("_", " ");
const variants = sheet.order.map((name) => sheet.outputs[name]).filter((each) => each?.isVariant && each.applicable);

// The second of a finding: its own, or that of the segment which it names.
function secondOf(finding) {
  if (finding.at != null) return finding.at;
  const named = /segment_(\d+)\.ts/.exec(`${finding.where} ${finding.message}`);
  const segments = sheet.outputs[finding.output]?.segments;
  if (!named || !segments || Number(named[1]) >= segments.length) return null;
  return segments.slice(0, Number(named[1])).reduce((sum, segment) => sum + segment.duration, 0);
}

const findings = sheet.checks.categories.flatMap((category) => category.findings.map((finding) => ({ ...finding, category: category.name, second: secondOf(finding) })));
const marks = [
  ...findings.filter((each) => each.second != null).map((each) => ({ tone: toneOf(each), start: each.second, text: `${nameOf(each.output)}: ${each.message}`, output: each.output })),
  ...sheet.notes.map((note) => ({ tone: "info", start: note.start, end: note.end, text: note.sentence })),
].sort((one, other) => one.start - other.start);

// A moment in the address: `#t=7.5`, `#t=7.5&rung=360p`, `#t=3&view=preview`.
function linked() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const second = parseFloat(asked.get("t"));
  return second >= 0 ? { second, rung: asked.get("rung"), view: asked.get("view") ?? "output" } : null;
}

function linkTo(second, rung, view) {
  const parts = { t: Math.round(1000 * second) / 1000, ...(rung && { rung }), ...(view !== "output" && { view }) };
  return `#${new URLSearchParams(parts)}`;
}

const linkToNow = () => location.origin + location.pathname + linkTo(playback.time, playback.chosen === "auto" ? null : playback.chosen, playback.view);

function goToLinked() {
  const link = linked();
  if (link) goTo(link.second, link.rung, link.view);
}

function goTo(second, rung, view) {
  playback.show(view);
  if (variants.some((each) => each.variant === rung)) playback.choose(rung);
  // What is not loaded yet goes there when it is.
  playback.wanted = second;
  playback.seek(second);
}

// To the moment of a finding, which the address then names.
function jump(second, output) {
  const about = sheet.outputs[output];
  const rung = about?.isVariant ? about.variant : null;
  const view = output === "preview" ? "preview" : playback.view === "both" ? "both" : "output";
  goTo(second, rung, view);
  history.replaceState(null, "", linkTo(second, rung, view));
  document.querySelector(".player")?.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  document.getElementById("told").textContent = `At ${clock(second, 1)}`;
}

// --- The player ---

function Screen({ name, label, sound, follows }) {
  const element = useRef();
  useEvents(playback, "problem");
  useEffect(() => {
    playback.attach(name, element.current);
    return () => playback.release(name);
  }, [name]);
  const poster = sheet.play.thumbnail;
  return html`<figure>
    ${sound
      ? html`${name === "output" && html`<${Waveform} playback=${playback} sheet=${sheet} media=${element} />`}<audio ref=${element} controls=${!follows} muted=${follows} preload="metadata" data-screen=${name} aria-label=${label}></audio>`
      : html`<video ref=${element} controls=${!follows} muted=${follows} playsinline preload="metadata" poster=${name === "upload" ? null : poster} data-screen=${name} aria-label=${label}></video>`}
    <figcaption>${label}</figcaption>
    ${playback.problems[name] && html`<p class="cannot" role="alert">${playback.problems[name]}</p>`}
  </figure>`;
}

function Player() {
  useEvents(playback, "view", "rungs");
  const sound = sheet.type === "audio";
  const view = playback.view;
  const names = view === "both" ? ["upload", "output"] : [view];
  const labels = { output: "Ladder", preview: "Preview", upload: "Upload" };
  const rungs = playback.rungs.length ? playback.rungs : variants.map((each) => ({ name: each.variant, rate: each.average_bandwidth }));
  const inPlay = rungs.find((each) => each.name === playback.inPlay);
  const streams = view === "output" || view === "both";
  const views = VIEWS.filter(([name]) => playback.can(name));
  return html`<section class="card player" aria-label="Player">
    <div class=${`screens ${sound ? "sound" : ""} ${names.length > 1 ? "two" : ""}`}>
      ${names.map((name) => html`<${Screen} key=${`${name}-${names.length}`} name=${name} label=${labels[name]} sound=${sound} follows=${names.length > 1 && name === "upload"} />`)}
    </div>
    ${(views.length > 1 || playback.can("output")) && html`<div class="bar">
      ${views.length > 1 && html`<fieldset class="choice"><legend class="hidden">What is played</legend>
        ${views.map(([name, label]) => html`<label><input type="radio" name="view" value=${name} checked=${view === name} onChange=${() => playback.show(name)} />${label}</label>`)}
      </fieldset>`}
      ${playback.can("output") && html`<label class="quality">Quality <select id="quality" disabled=${!streams} onChange=${(event) => playback.choose(event.target.value)}>
        <option value="auto" selected=${playback.chosen === "auto"}>Auto</option>
        ${rungs.map((rung) => html`<option value=${rung.name} selected=${playback.chosen === rung.name}>${rung.name} · ${kbits(rung.rate)} kbit/s</option>`)}
      </select></label>
      <span class="playing" id="playing">${streams && playback.inPlay ? html`<span class="swatch" style=${`--own: var(--${RUNG_COLOURS[variants.findIndex((each) => each.variant === playback.inPlay) % 5]})`}></span>playing <b>${playback.inPlay}</b> ${inPlay ? `${kbits(inPlay.rate)} kbit/s` : ""}` : ""}</span>`}
    </div>`}
  </section>`;
}

// --- Checks ---

function Checks() {
  const { categories, checkedAt, judged } = sheet.checks;
  const musts = findings.filter((each) => each.severity === "ERROR").length;
  const passed = categories.reduce((sum, each) => sum + each.passed, 0);
  return html`<section class="card checks" aria-labelledby="checks">
    <header><h2 id="checks">Checks</h2><span class=${`pill ${musts ? "bad" : findings.length ? "warn" : "good"}`}>${musts ? `${musts} must be put right` : findings.length ? plural(findings.length, "warning") : `${number(passed)} passed`}</span></header>
    <div class="list" tabindex="0" role="region" aria-label="Checks by category">
      <p class="muted small-text" style="padding-bottom:.6rem">${checkedAt ? `What is published was checked ${moment(checkedAt)}` : "As the build found it, before it was published"}${judged && judged !== "today" ? ", not by today's rules" : ""}.</p>
      ${categories.map((category) => {
        const own = findings.filter((each) => each.category === category.name);
        const bad = own.filter((each) => each.severity === "ERROR").length;
        return html`<div class="category">
          <div><h3>${category.name}</h3><span>${bad > 0 && html`<span class="off">${bad} failed</span>${" "}`}${own.length > bad && html`<span class="so">${plural(own.length - bad, "warning")}</span>${" "}`}<span class="ok">${number(category.passed)} passed</span></span></div>
          ${own.map((finding) => html`<${Finding} finding=${finding} />`)}
        </div>`;
      })}
      ${sheet.notes.length > 0 && html`<div class="category"><div><h3>Notes on the programme</h3><span class="muted">${sheet.notes.length}</span></div>
        ${sheet.notes.map((note) => html`<div class="finding info"><p>${note.sentence}</p><button type="button" class="small jump" onClick=${() => jump(note.start)} aria-label=${`Jump to ${clock(note.start, 1)}: ${note.sentence}`}>${clock(note.start, 1)}</button></div>`)}
      </div>`}
    </div>
  </section>`;
}

function Finding({ finding }) {
  const { second } = finding;
  return html`<div class=${`finding ${toneOf(finding)}`} data-rule=${finding.rule}>
    <p><b>${nameOf(finding.output)}</b> ${finding.message}</p>
    ${second != null && html`<button type="button" class="small jump" onClick=${() => jump(second, finding.output)} aria-label=${`Jump to ${clock(second, 1)}: ${finding.message}`}>${clock(second, 1)}</button>`}
    <small>${finding.rule}${finding.expected ? ` · expected ${finding.expected}` : ""}${finding.observed ? ` · found ${finding.observed}` : ""}${finding.where ? ` · ${finding.where}` : ""}</small>
  </div>`;
}

// --- A refused upload of which nothing plays ---

function Refusal({ refusal }) {
  const { key, role, size, url } = sheet.upload;
  const remove = `codex-assets delete ${sheet.id}${sheet.storeOption}`;
  return html`<section class="card refusal" aria-labelledby="refused"><div>
      <h2 id="refused">What was refused, and why</h2>
      <p class="sentence">${refusal.sentence}</p>
      <${Facts} facts=${[["Upload", `${role}: ${key}`], ["Size", size == null ? "it is not there any more" : bytes(size)], ["Uploaded", refusal.uploadedAt && moment(refusal.uploadedAt)], ["Refused", `${moment(refusal.at)}, ${age(refusal.at)}`], ["Code", html`<code>${refusal.code}</code>`]]} />
      ${url && html`<p class="small-text" style="margin-top:.8rem"><a href=${url} download>Download the upload</a></p>`}
    </div><div>
      <h2>What to do</h2>
      <ol class="steps"><li><b>${refusal.remedy ?? "Upload another file"}.</b> Another job with this upload ends in the same way.</li>
        <li>Send a job with the new upload. Once it is accepted, this page shows what is built of it.</li>
        <li>If nobody is going to upload it again: <code>${remove}</code> <${Copy} text=${remove} /> lists all that there is of it, and deletes it with <code>--yes</code>.</li></ol>
    </div></section>`;
}

// --- What is known ---

function Rungs() {
  const playlists = [...variants, ...(sheet.outputs.preview?.applicable ? [sheet.outputs.preview] : [])];
  if (!playlists.length) return null;
  const measured = (each) => {
    const seconds = each.segments.reduce((sum, segment) => sum + segment.duration, 0);
    return { average: seconds ? (8 * each.segments.reduce((sum, segment) => sum + segment.size, 0)) / seconds : null, peak: Math.max(...each.segments.filter((segment) => segment.duration > 0).map((segment) => (8 * segment.size) / segment.duration)) };
  };
  return html`<section class="card whole" aria-labelledby="rungs"><header><h2 id="rungs">Rungs</h2><span class="muted small-text">kbit/s as the master declares it, and as it is by the bytes of the segments</span></header>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of rungs"><table>
      <thead><tr><th scope="col">Rung</th><th scope="col">Picture</th><th scope="col" class="number">Average<small>declared</small></th><th scope="col" class="number">Average<small>measured</small></th><th scope="col" class="number">Peak<small>declared</small></th><th scope="col" class="number">Highest<small>segment</small></th><th scope="col" class="number">Segments</th><th scope="col" class="number">Lengths, s</th><th scope="col" class="number">Size</th><th scope="col">Codecs</th><th scope="col" class="number">Loudness</th><th scope="col">State</th></tr></thead>
      <tbody>${playlists.map((each, index) => {
        const { average, peak } = measured(each);
        const lengths = each.segments.map((segment) => segment.duration);
        const verdict = sheet.verdicts[each.output];
        return html`<tr><th scope="row">${each.isVariant && html`<span class="swatch" style=${`--own: var(--${RUNG_COLOURS[index % 5]})`}></span>`}${each.isVariant ? each.variant : "preview"}${!each.isVariant && html`<small>of ${each.variant}</small>`}</th>
          <td>${each.width ? `${each.width}×${each.height}` : "sound"}${each.frame_rate ? html`<small>${rate(each.frame_rate)} frames/s</small>` : ""}</td>
          <td class="number">${kbits(each.average_bandwidth)}</td><td class="number">${kbits(average)}</td><td class="number">${kbits(each.bandwidth)}</td><td class="number">${kbits(peak)}</td>
          <td class="number">${number(lengths.length)}</td><td class="number">${number(Math.min(...lengths), 1)} – ${number(Math.max(...lengths), 1)}</td><td class="number">${bytes(each.bytes)}</td><td><code>${each.codecs ?? NOTHING}</code></td>
          <td class="number">${each.loudness ? `${number(each.loudness.integrated, 1)} LUFS` : NOTHING}</td><td>${verdict?.stale ? html`<span class="pill warn">stale</span>` : html`<span class="pill good">fresh</span>`}</td></tr>`;
      })}</tbody></table></div></section>`;
}

function Upload() {
  const { facts, key, role, size, gone, url } = sheet.upload;
  const f = facts ?? {};
  const warnings = sheet.warnings;
  return html`<section class="card" aria-labelledby="upload"><header><h2 id="upload">Upload</h2>${url ? html`<a href=${url} download class="small-text">Download</a>` : html`<span class="pill">${gone ? (gone.deleted ? "deleted" : "missing") : "not there"}</span>`}</header>
    <${Facts} facts=${[
      ["Container", f.container?.split(",")[0]], ["Size", bytes(size ?? f.size)], ["Length", f.duration && clock(f.duration, 2)],
      ["Picture", f.width && `${f.width}×${f.height}${f.coded_width && (f.coded_width !== f.width || f.coded_height !== f.height) ? ` (stored as ${f.coded_width}×${f.coded_height})` : ""}`],
      ["Codec", f.video_codec && `${f.video_codec}${f.pixel_format ? `, ${f.pixel_format}` : ""}`],
      ["Frames a second", f.frame_rate && rate(f.frame_rate)],
      ["Colours", [f.color_primaries, f.color_transfer, f.color_matrix, f.color_range].filter(Boolean).filter((each, index, all) => all.indexOf(each) === index).join(", ")],
      ["Sound", f.audio_codec && `${f.audio_codec}${f.audio_channels ? `, ${plural(f.audio_channels, "channel")}` : ""}${f.audio_sample_rate ? `, ${f.audio_sample_rate / 1000} kHz` : ""}`],
      ["Loudness", sheet.outputs.loudness?.measurement && `${number(sheet.outputs.loudness.measurement.integrated, 1)} LUFS, peak ${number(sheet.outputs.loudness.measurement.true_peak, 1)} dBTP, range ${number(sheet.outputs.loudness.measurement.range, 1)} LU`],
      ["Captions", f.captions?.length ? f.captions.join(", ") : null],
      ["Uploaded", f.uploaded_at && moment(f.uploaded_at)], ["Key", `${role}: ${key}`],
      ["Gone since", gone && moment(gone.since)],
    ]} />
    ${(sheet.treatment.length > 0 || warnings.length > 0) && html`<h3 style="margin-top:1.1rem">What was done to it</h3><ul class="done">${sheet.treatment.map((sentence) => html`<li>${sentence}</li>`)}${warnings.map((sentence) => html`<li class="warn">${sentence}</li>`)}</ul>`}
    <${Pictures} />
  </section>`;
}

function Pictures() {
  const { thumbnail, waveform_png } = sheet.play;
  const { thumbnail: record } = sheet.outputs;
  if (!thumbnail && !waveform_png) return null;
  return html`<div class="pictures">
    ${thumbnail && html`<figure><img src=${thumbnail} width="1280" height="720" alt=${`Thumbnail of ${sheet.id}`} /><figcaption>Thumbnail, the frame at ${clock(record.at, 1)}</figcaption></figure>`}
    ${waveform_png && html`<figure><img src=${waveform_png} width="1280" height="720" alt=${`Waveform of ${sheet.id}`} /><figcaption>Waveform picture</figcaption></figure>`}
  </div>`;
}

function Freshness() {
  const rebuild = `codex-assets rebuild ${sheet.id}${sheet.storeOption}`;
  const compare = `codex-assets compare ${sheet.id}${sheet.storeOption}`;
  const changesRungs = sheet.stale.some((name) => sheet.outputs[name]?.isVariant && sheet.outputs[name].applicable);
  // What is stale for the same reasons is one line.
  const reasons = new Map();
  for (const [name, { causes, blocked }] of Object.entries(sheet.verdicts).filter(([, verdict]) => verdict.causes.length)) {
    const reason = JSON.stringify([causes, blocked]);
    reasons.set(reason, [...(reasons.get(reason) ?? []), nameOf(name)]);
  }
  const rows = [...reasons].map(([reason, names]) => [names.length === sheet.order.length ? "all outputs" : names.join(", "), ...JSON.parse(reason)]);
  return html`<section class="card" aria-labelledby="fresh"><header><h2 id="fresh">${sheet.stale.length ? "Stale" : "Fresh"}</h2>${sheet.stale.length ? html`<span class="pill warn">${sheet.stale.length} of ${sheet.order.length}</span>` : html`<span class="pill good">as it would be built now</span>`}</header>
    ${rows.length ? html`<dl class="causes">${rows.map(([names, causes, blocked]) => html`<div><dt>${names}</dt><dd>${causes.map((cause) => html`<div>${cause}</div>`)}${blocked && html`<small>cannot be rebuilt: ${blocked}</small>`}</dd></div>`)}</dl>` : html`<p class="muted small-text">No output would come out differently with today's recipes, tools and inputs.</p>`}
    ${sheet.stale.length > 0 && html`<p style="margin-top:.8rem" class="small-text"><code>${rebuild}</code> <${Copy} text=${rebuild} /></p>`}
    ${changesRungs && html`<p style="margin-top:.6rem" class="small-text"><span class="muted">What that would change, side by side:</span> <code>${compare}</code> <${Copy} text=${compare} /></p>`}
  </section>`;
}

// How many outputs from this one on were built together, and share one time; 0 where the one before is of them.
function togetherFrom(built, index) {
  const isTogether = ({ build: one }, other) => other && one.shared > 1 && one.run_id === other.build.run_id && one.shared === other.build.shared && Math.abs(one.wall_seconds - other.build.wall_seconds) < 1;
  if (isTogether(built[index], built[index - 1])) return 0;
  let end = index + 1;
  while (isTogether(built[index], built[end])) end += 1;
  return end - index;
}

function Receipt() {
  const built = sheet.order.map((name) => sheet.outputs[name]).filter((each) => each?.build);
  if (!built.length) return null;
  const tools = Object.assign({}, ...built.map((each) => each.build.tool_versions));
  const costs = built.map((each) => each.build.cost_usd).filter((each) => each != null);
  return html`<section class="card whole recipes" aria-labelledby="receipt"><header><h2 id="receipt">Receipt</h2><span class="muted small-text">${Object.entries(tools).map(([name, version]) => `${name} ${version}`).join(" · ")}${costs.length ? ` · ${money(costs.reduce((sum, each) => sum + each, 0))} in all` : ""}</span></header>
    <div class="scroll" style="margin-bottom:0" tabindex="0" role="region" aria-label="Table of builds"><table>
      <thead><tr><th scope="col">Output</th><th scope="col">Built</th><th scope="col" class="number">Took</th><th scope="col" class="number">Speed</th><th scope="col" class="after">Encoder</th><th scope="col" class="number">Cost</th><th scope="col" class="number">Size</th><th scope="col" class="after">Recipe</th><th scope="col">Run</th></tr></thead>
      <tbody>${built.map(({ output, build, code_version, bytes: size, reason, applicable }, index) => html`<tr><th scope="row">${nameOf(output)}${!applicable && html`<small>${reason}</small>`}</th>${togetherFrom(built, index) > 0 && html`<td rowspan=${togetherFrom(built, index)}>${moment(build.built_at)}</td><td class="number" rowspan=${togetherFrom(built, index)}>${duration(build.wall_seconds)}${build.shared > 1 && html`<small>${togetherFrom(built, index) === build.shared ? `for all ${build.shared}` : `with ${plural(build.shared - 1, "other")}`}</small>`}</td>`}<td class="number">${build.speed ? `${number(build.speed, 1)}×` : NOTHING}</td><td class="after">${build.encoder ?? NOTHING}${build.gpu && html`<small>${build.gpu}</small>`}</td><td class="number">${money(build.cost_usd)}</td><td class="number">${size ? bytes(size) : NOTHING}</td><td class="after"><code>${code_version}</code></td><td><code>${build.run_id ?? NOTHING}</code></td></tr>`)}</tbody></table></div>
    <div class="all-recipes">${built.filter((each) => Object.keys(each.build.recipe ?? {}).length).map((each) => html`<details><summary>Recipe of ${nameOf(each.output)}</summary><dl>${Object.entries(each.build.recipe).map(([name, value]) => html`<div><dt>${name.replaceAll("_", " ")}</dt><dd>${typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>`)}</dl>${each.build.encoder_reason && html`<p class="muted">${each.build.encoder}: ${each.build.encoder_reason}</p>`}</details>`)}</div>
  </section>`;
}

function Webhook() {
  const text = JSON.stringify(sheet.webhook, null, 2);
  return html`<section class="card filling" aria-labelledby="webhook"><header><h2 id="webhook">Webhook</h2><${Copy} text=${text} /></header>
    <p class="muted small-text" style="margin-bottom:.6rem">The body that announces what is published now.</p><pre tabindex="0" role="region" aria-label="Body of the webhook">${text}</pre>
  </section>`;
}

// A job that is on record as running and is no more: nobody lived to say how it ended.
const isAbandoned = (job) => job.outcome === "running" && !(job === sheet.jobs[0] && sheet.state === "building");

function Outcome({ job }) {
  if (isAbandoned(job)) return html`<span class="pill bad">never ended</span>`;
  return html`<span class=${`pill ${{ completed: "good", failed: "bad", running: "info" }[job.outcome] ?? ""}`}>${job.outcome}</span>`;
}

function Job({ job }) {
  const numbers = [job.error_code, job.seconds != null && duration(job.seconds), job.speed && `${number(job.speed, 1)}× real time`, job.encoder, job.gpu, job.cost_usd != null && money(job.cost_usd)].filter(Boolean);
  const phases = Object.entries(job.phases ?? {}).filter(([, seconds]) => seconds >= 0.05).sort(([, one], [, other]) => other - one);
  return html`<li><div><span><${Outcome} job=${job} /> <code>${job.id}</code></span><span class="muted">${moment(job.started_at)}</span></div>
    ${numbers.length > 0 && html`<p>${numbers.join(" · ")}</p>`}
    ${job.failure && job.failure.sentence !== sheet.refusal?.sentence && html`<p class="off">${job.failure.sentence}</p>`}
    ${phases.length > 0 && html`<p class="muted">${phases.map(([name, seconds], index) => html`${index > 0 && ", "}<span>${name} ${duration(seconds)}</span>`)}</p>`}</li>`;
}

function Jobs() {
  const [first, ...others] = sheet.jobs;
  if (!first) return null;
  return html`<section class="card" aria-labelledby="jobs"><header><h2 id="jobs">${others.length ? "Jobs" : "Job"}</h2>${others.length > 0 && html`<span class="muted small-text">the last ${sheet.jobs.length}</span>`}</header>
    <ul class="works"><${Job} job=${first} /></ul>
    ${others.length > 0 && html`<details class="works"><summary>${plural(others.length, "earlier job")}</summary><ul>${others.map((job) => html`<${Job} job=${job} />`)}</ul></details>`}
  </section>`;
}

function Files() {
  const rows = sheet.order.map((name) => sheet.outputs[name]).filter((each) => each?.key);
  if (!rows.length) return null;
  return html`<section class="card whole" aria-labelledby="files"><header><h2 id="files">Where it lies</h2></header><div class="scroll" tabindex="0" role="region" aria-label="Table of objects"><table><thead><tr><th scope="col">Output</th><th scope="col" class="number">Objects</th><th scope="col" class="number">Size</th><th scope="col">Key</th></tr></thead><tbody>
    ${rows.map((each) => html`<tr><th scope="row">${nameOf(each.output)}</th><td class="number">${number(each.objects)}</td><td class="number">${bytes(each.bytes)}</td><td><a href=${each.url}><code>${each.key}</code></a></td></tr>`)}</tbody></table></div></section>`;
}

// --- The page ---

const KEYS = [["Space", "play or pause"], ["← →", "5 seconds back or on"], ["J L", "10 seconds back or on"], [", .", "a frame back or on"], ["N P", "next or previous finding"], ["Q", "next quality"], ["V", "what is played: ladder, preview, upload, side by side"], ["M", "mute"], ["F", "full screen"], ...ZOOM_KEYS, ["?", "these keys"]];

function onKey(event) {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  const { main, time } = playback;
  if (!main) return;
  const frame = 1 / (framesASecond(sheet.outputs.mezzanine?.frame_rate) || 25);
  const isButton = ["BUTTON", "A", "SUMMARY"].includes(event.target.tagName);
  const isMedia = ["VIDEO", "AUDIO"].includes(event.target.tagName);
  const next = (after) => (after ? marks.find((mark) => mark.start > time + 0.05) : marks.findLast((mark) => mark.start < time - 0.5));
  const actions = {
    " ": () => (isButton || isMedia ? false : playback.toggle()),
    k: () => playback.toggle(),
    ArrowLeft: () => (isMedia ? false : playback.seek(time - 5)), ArrowRight: () => (isMedia ? false : playback.seek(time + 5)),
    j: () => playback.seek(time - 10), l: () => playback.seek(time + 10),
    ",": () => (main.pause(), playback.seek(time - frame)), ".": () => (main.pause(), playback.seek(time + frame)),
    n: () => { const mark = next(true); if (mark) jump(mark.start, mark.output); },
    p: () => { const mark = next(false); if (mark) jump(mark.start, mark.output); },
    q: () => { const names = ["auto", ...playback.rungs.map((rung) => rung.name)]; playback.choose(names[(names.indexOf(playback.chosen) + 1) % names.length]); },
    v: () => { const names = VIEWS.map(([name]) => name).filter((name) => playback.can(name)); playback.show(names[(names.indexOf(playback.view) + 1) % names.length]); },
    ...zoomKeys(span, () => playback.time),
    m: () => (main.muted = !main.muted),
    f: () => (document.fullscreenElement ? document.exitFullscreen() : main.requestFullscreen?.()),
  };
  const action = actions[event.key] ?? actions[event.key.toLowerCase()];
  if (action && action() !== false) event.preventDefault();
}

function framesASecond(fraction) {
  const [above, below = 1] = String(fraction ?? "").split("/").map(Number);
  return above / below;
}

// Notices when the job ends. Whoever watches what was built before is asked, a page without it shows what came by itself.
function Building({ since }) {
  const [hasEnded, setHasEnded] = useState(false);
  const isWatched = playback.can("output");
  useEffect(() => {
    let timer;
    const ask = async () => {
      const response = document.hidden ? null : await fetch(`/media/${sheet.id}/sheet`).catch(() => null);
      const now = response?.ok ? await response.json() : null;
      if (!now || (now.state === "building" && now.jobs[0]?.started_at === since)) timer = setTimeout(ask, BUILDING_POLL_MS);
      else if (isWatched) setHasEnded(true);
      else location.reload();
    };
    timer = setTimeout(ask, BUILDING_POLL_MS);
    return () => clearTimeout(timer);
  }, []);
  if (!hasEnded) return html`<div class="banner info" role="status"><strong>It is being built.</strong><span>Since ${moment(since)}.${isWatched ? " Until that ends, this is what was built before." : ""}</span></div>`;
  return html`<div class="banner info" role="status"><strong>The job has ended.</strong><span>This is what was built before.</span><button type="button" class="small" onClick=${() => location.reload()}>Show what there is now</button></div>`;
}

function Undelivered({ webhooks }) {
  const { reason, since } = webhooks.at(-1);
  const again = `codex-assets redeliver ${sheet.id}${sheet.storeOption}`;
  return html`<div class="banner warn"><strong>${webhooks.length > 1 ? `${number(webhooks.length)} webhooks were not delivered.` : "A webhook was not delivered."}</strong><span>${reason}</span><small>${moment(since)}</small><small><code>${again}</code> <${Copy} text=${again} /></small></div>`;
}

function Page() {
  const { refusal, outputs } = sheet;
  const mezzanine = outputs.mezzanine;
  // Of a refused upload there is nothing to see: most are no media at all.
  const isRefused = refusal && !refusal.published;
  const isPlayable = !isRefused && (playback.can("output") || playback.can("upload"));
  const last = sheet.jobs[0];
  const hasChecks = sheet.checks.categories.length > 0 || sheet.notes.length > 0;
  // Findings need all the room beside the player.
  const isFreshBeside = sheet.webhook && isPlayable && hasChecks && !findings.length && !sheet.notes.length;
  useEffect(() => {
    addEventListener("keydown", onKey);
    addEventListener("hashchange", goToLinked);
    return () => (removeEventListener("keydown", onKey), removeEventListener("hashchange", goToLinked));
  }, []);
  const built = Object.values(outputs).map((each) => each.build?.built_at).filter(Boolean).sort().at(-1);
  return html`<${Header} trail=${[sheet.id]} keys=${isPlayable && KEYS} />
  <main class="page">
    <div class="title"><h1>${sheet.id}</h1><${State} state=${sheet.state} />${sheet.warnings.length > 0 && html`<a class="pill warn" href="#upload">${plural(sheet.warnings.length, "warning")}</a>`}
      <p>${[`${sheet.type} of ${sheet.creator}`, mezzanine && clock(mezzanine.duration, 1), mezzanine?.width && `${mezzanine.width}×${mezzanine.height}`, mezzanine?.frame_rate && `${rate(mezzanine.frame_rate)} frames/s`, built && `built ${age(built)}`].filter(Boolean).join(" · ")}</p></div>
    ${isRefused && html`<${Refusal} refusal=${refusal} />`}
    ${refusal?.published && html`<div class="banner warn"><strong>Its last upload was refused; an earlier one is published.</strong><span>${refusal.sentence}</span><small><code>${refusal.code}</code>, ${moment(refusal.at)}</small></div>`}
    ${last?.outcome === "failed" && !refusal && html`<div class="banner bad"><strong>The last job failed.</strong><span>${last.failure?.sentence ?? html`The log of <code>${last.id}</code> says more.`}</span><small><code>${last.error_code}</code>, ${moment(last.finished_at ?? last.started_at)}</small></div>`}
    ${sheet.state === "building" && html`<${Building} since=${last.started_at} />`}
    ${last && isAbandoned(last) && html`<div class="banner bad"><strong>The last job never ended.</strong><span>It began ${moment(last.started_at)}, and nothing was heard of it since.</span></div>`}
    ${sheet.undelivered.length > 0 && html`<${Undelivered} webhooks=${sheet.undelivered} />`}
    ${isPlayable && html`<div class=${`stage ${hasChecks ? "" : "alone"}`}><${Player} />${hasChecks && html`<div class="beside"><div class="stack"><${Checks} />${isFreshBeside && html`<${Freshness} />`}</div></div>`}</div>`}
    ${playback.can("output") && html`<${Timeline} sheet=${sheet} playback=${playback} span=${span} variants=${variants} marks=${marks} jump=${jump} link=${linkToNow} />`}
    <div class="below"><${Rungs} />
      ${isRefused
        ? html`<div class="column whole"><${Jobs} /></div>`
        : html`<div class="column"><${Upload} />${!sheet.webhook && html`<${Freshness} />`}</div>
          <div class="column">${sheet.webhook && html`${!isFreshBeside && html`<${Freshness} />`}<${Webhook} />`}<${Jobs} /></div>`}
      <${Receipt} /><${Files} /></div>
    <p class="hidden" role="status" id="told"></p>
  </main>`;
}

goToLinked();
render(html`<${Page} />`, document.body);
Object.assign(window, { playback, span });
