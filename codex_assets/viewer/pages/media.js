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
  return html`<section class="card player" aria-label="Player">
    <div class=${`screens ${sound ? "sound" : ""} ${names.length > 1 ? "two" : ""}`}>
      ${names.map((name) => html`<${Screen} key=${`${name}-${names.length}`} name=${name} label=${labels[name]} sound=${sound} follows=${names.length > 1 && name === "upload"} />`)}
    </div>
    <div class="bar">
      <fieldset class="choice"><legend class="hidden">What is played</legend>
        ${VIEWS.filter(([name]) => !(sound && name === "preview")).map(([name, label]) => html`<label><input type="radio" name="view" value=${name} checked=${view === name} disabled=${!playback.can(name)} onChange=${() => playback.show(name)} />${label}</label>`)}
      </fieldset>
      <label class="quality">Quality <select id="quality" disabled=${!streams} onChange=${(event) => playback.choose(event.target.value)}>
        <option value="auto" selected=${playback.chosen === "auto"}>Auto</option>
        ${rungs.map((rung) => html`<option value=${rung.name} selected=${playback.chosen === rung.name}>${rung.name} · ${kbits(rung.rate)} kbit/s</option>`)}
      </select></label>
      <span class="playing" id="playing">${streams && playback.inPlay ? html`<span class="swatch" style=${`--own: var(--${RUNG_COLOURS[variants.findIndex((each) => each.variant === playback.inPlay) % 5]})`}></span>playing <b>${playback.inPlay}</b> ${inPlay ? `${kbits(inPlay.rate)} kbit/s` : ""}` : ""}</span>
    </div>
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
  const causes = Object.entries(sheet.verdicts).filter(([, verdict]) => verdict.causes.length);
  return html`<section class="card" aria-labelledby="fresh"><header><h2 id="fresh">${sheet.stale.length ? "Stale" : "Fresh"}</h2>${sheet.stale.length ? html`<span class="pill warn">${sheet.stale.length} of ${sheet.order.length}</span>` : html`<span class="pill good">as it would be built now</span>`}</header>
    ${causes.length ? html`<table><tbody>${causes.map(([name, verdict]) => html`<tr><th scope="row" style="padding-left:0">${nameOf(name)}</th><td style="white-space:normal">${verdict.causes.map((cause) => html`<div>${cause}</div>`)}${verdict.blocked && html`<small>cannot be rebuilt: ${verdict.blocked}</small>`}</td></tr>`)}</tbody></table>` : html`<p class="muted small-text">No output would come out differently with today's recipes, tools and inputs.</p>`}
    ${sheet.stale.length > 0 && html`<p style="margin-top:.8rem" class="small-text"><code>${rebuild}</code> <${Copy} text=${rebuild} /></p>`}
    ${changesRungs && html`<p style="margin-top:.6rem" class="small-text"><span class="muted">What that would change, side by side:</span> <code>${compare}</code> <${Copy} text=${compare} /></p>`}
  </section>`;
}

function Receipt() {
  const built = sheet.order.map((name) => sheet.outputs[name]).filter((each) => each?.build);
  if (!built.length) return null;
  const tools = Object.assign({}, ...built.map((each) => each.build.tool_versions));
  const costs = built.map((each) => each.build.cost_usd).filter((each) => each != null);
  return html`<section class="card whole recipes" aria-labelledby="receipt"><header><h2 id="receipt">Receipt</h2><span class="muted small-text">${Object.entries(tools).map(([name, version]) => `${name} ${version}`).join(" · ")}${costs.length ? ` · ${money(costs.reduce((sum, each) => sum + each, 0))} in all` : ""}</span></header>
    <div class="scroll" style="margin-bottom:0" tabindex="0" role="region" aria-label="Table of builds"><table>
      <thead><tr><th scope="col">Output</th><th scope="col">Built</th><th scope="col" class="number">Took</th><th scope="col" class="number">Speed</th><th scope="col">Encoder</th><th scope="col" class="number">Cost</th><th scope="col" class="number">Size</th><th scope="col">Recipe</th><th scope="col">Run</th></tr></thead>
      <tbody>${built.map(({ output, build, code_version, bytes: size, files, reason, applicable }) => html`<tr><th scope="row">${nameOf(output)}${!applicable && html`<small>${reason}</small>`}</th><td>${moment(build.built_at)}</td><td class="number">${duration(build.wall_seconds)}${build.shared > 1 && html`<small>with ${plural(build.shared - 1, "other")}</small>`}</td><td class="number">${build.speed ? `${number(build.speed, 1)}×` : NOTHING}</td><td>${build.encoder ?? NOTHING}${build.gpu && html`<small>${build.gpu}</small>`}</td><td class="number">${money(build.cost_usd)}</td><td class="number">${size ? bytes(size) : NOTHING}</td><td><code>${code_version}</code></td><td><code>${build.run_id ?? NOTHING}</code></td></tr>`)}</tbody></table></div>
    <div class="all-recipes">${built.filter((each) => Object.keys(each.build.recipe ?? {}).length).map((each) => html`<details><summary>Recipe of ${nameOf(each.output)}</summary><dl>${Object.entries(each.build.recipe).map(([name, value]) => html`<div><dt>${name.replaceAll("_", " ")}</dt><dd>${typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>`)}</dl>${each.build.encoder_reason && html`<p class="muted">${each.build.encoder}: ${each.build.encoder_reason}</p>`}</details>`)}</div>
  </section>`;
}

function Webhook() {
  const text = JSON.stringify(sheet.webhook, null, 2);
  return html`<section class="card" aria-labelledby="webhook"><header><h2 id="webhook">Webhook</h2>${sheet.webhook && html`<${Copy} text=${text} />`}</header>
    ${sheet.undelivered.map((each) => html`<p class="banner warn" style="margin:0 0 .8rem">Not delivered since ${moment(each.since)}: ${each.reason}</p>`)}
    ${sheet.webhook ? html`<p class="muted small-text" style="margin-bottom:.6rem">The body that announces what is published now.</p><pre tabindex="0" role="region" aria-label="Body of the webhook">${text}</pre>` : html`<p class="muted small-text">Nothing is published.</p>`}
  </section>`;
}

// A job that is on record as running and is no more: nobody lived to say how it ended.
const isAbandoned = (job) => job.outcome === "running" && !(job === sheet.jobs[0] && sheet.state === "building");

function Outcome({ job }) {
  if (isAbandoned(job)) return html`<span class="pill bad">never ended</span>`;
  return html`<span class=${`pill ${{ completed: "good", failed: "bad", running: "info" }[job.outcome] ?? ""}`}>${job.outcome}</span>`;
}

function Jobs() {
  if (!sheet.jobs.length) return null;
  return html`<section class="card" aria-labelledby="jobs"><header><h2 id="jobs">Jobs</h2><span class="muted small-text">the last ${sheet.jobs.length}</span></header>
    <ul class="works">${sheet.jobs.map((job) => html`<li><div style="display:flex;justify-content:space-between;gap:1rem;flex-wrap:wrap"><span><${Outcome} job=${job} /> <code>${job.id}</code></span><span class="muted">${moment(job.started_at)}</span></div>
      <div class="muted" style="margin-top:.3rem">${[job.error_code, job.seconds != null && duration(job.seconds), job.speed && `${number(job.speed, 1)}× real time`, job.encoder, job.gpu, job.cost_usd != null && money(job.cost_usd)].filter(Boolean).join(" · ")}</div>
      ${job.failure && html`<p style="color:var(--bad);margin-top:.3rem">${job.failure.sentence}</p>`}
      ${job.phases && html`<div class="muted">${Object.entries(job.phases).sort(([, one], [, other]) => other - one).map(([name, seconds]) => `${name} ${duration(seconds)}`).join(", ")}</div>`}</li>`)}</ul>
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

function Page() {
  const { refusal, outputs } = sheet;
  const mezzanine = outputs.mezzanine;
  const isPlayable = playback.can("output") || playback.can("upload");
  const last = sheet.jobs[0];
  const hasChecks = sheet.checks.categories.length > 0 || sheet.notes.length > 0;
  useEffect(() => {
    addEventListener("keydown", onKey);
    addEventListener("hashchange", goToLinked);
    return () => (removeEventListener("keydown", onKey), removeEventListener("hashchange", goToLinked));
  }, []);
  const built = Object.values(outputs).map((each) => each.build?.built_at).filter(Boolean).sort().at(-1);
  return html`<${Header} trail=${[sheet.id]} keys=${KEYS} />
  <main class="page">
    <div class="title"><h1>${sheet.id}</h1><${State} state=${sheet.state} />${sheet.warnings.length > 0 && html`<a class="pill warn" href="#upload">${plural(sheet.warnings.length, "warning")}</a>`}
      <p>${[`${sheet.type} of ${sheet.creator}`, mezzanine && clock(mezzanine.duration, 1), mezzanine?.width && `${mezzanine.width}×${mezzanine.height}`, mezzanine?.frame_rate && `${rate(mezzanine.frame_rate)} frames/s`, built && `built ${age(built)}`].filter(Boolean).join(" · ")}</p></div>
    ${refusal && html`<div class=${`banner ${refusal.published ? "warn" : "bad"}`}><strong>${refusal.published ? "Its last upload was refused; an earlier one is published." : "Refused."}</strong><span>${refusal.sentence}</span><small><code>${refusal.code}</code>, ${moment(refusal.at)}</small></div>`}
    ${last?.outcome === "failed" && !refusal && html`<div class="banner bad"><strong>The last job failed.</strong><span>${last.failure?.sentence ?? ""}</span><small><code>${last.error_code}</code>, ${moment(last.finished_at ?? last.started_at)}</small></div>`}
    ${sheet.state === "building" && html`<${Building} since=${last.started_at} />`}
    ${last && isAbandoned(last) && html`<div class="banner bad"><strong>The last job never ended.</strong><span>It began ${moment(last.started_at)}, and nothing was heard of it since.</span></div>`}
    ${isPlayable && html`<div class=${`stage ${hasChecks ? "" : "alone"}`}><${Player} />${hasChecks && html`<div class="beside"><${Checks} /></div>`}</div>`}
    ${playback.can("output") && html`<${Timeline} sheet=${sheet} playback=${playback} span=${span} variants=${variants} marks=${marks} jump=${jump} link=${linkToNow} />`}
    <div class="below"><${Rungs} />
      <div class="column"><${Upload} /></div>
      <div class="column">${!refusal || refusal.published ? html`<${Freshness} /><${Webhook} />` : null}<${Jobs} /></div>
      <${Receipt} /><${Files} /></div>
    <p class="hidden" role="status" id="told"></p>
  </main>`;
}

goToLinked();
render(html`<${Page} />`, document.body);
Object.assign(window, { playback, span });
