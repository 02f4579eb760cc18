// Everything that a media has over time, one under the other with the same edges, and one line for the moment.
import { html, useState, useEffect, useRef, Copy, clock, kbits, number, plural } from "/pages/elements.js";
import { draw, useDrawn, colour, dashed, stepped, straight, RUNG_COLOURS } from "/pages/charts.js";
import { useSpan, Zoom } from "/pages/span.js";
import { useStoryboard, Glimpse } from "/pages/storyboard.js";
import WaveSurfer from "/libraries/wavesurfer.js/wavesurfer.esm.js";

const POLL_MS = 400;
const QUIETEST = -60;

export function useMeasured(sheet) {
  const [measured, setMeasured] = useState({ state: "waiting" });
  useEffect(() => {
    let isOver = false;
    const ask = async () => {
      let answer;
      try {
        const response = await fetch(`/media/${sheet.id}/measured`);
        answer = response.ok ? await response.json() : { state: "failed", problem: (await response.json()).error };
      } catch {
        answer = { state: "failed", problem: "The viewer does not answer any more." };
      }
      if (isOver) return;
      setMeasured(answer);
      if (answer.state !== "done" && answer.state !== "failed") setTimeout(ask, POLL_MS);
    };
    ask();
    return () => (isOver = true);
  }, []);
  return measured;
}

// `link`: the address of the moment that plays.
export function Timeline({ sheet, playback, span, variants, marks, jump, link }) {
  const length = playback.duration;
  const measured = useMeasured(sheet);
  return html`<section class="card timeline" aria-labelledby="timeline">
    <header style="margin-bottom:.2rem"><h2 id="timeline">Timeline</h2><div class="tools"><${Zoom} span=${span} now=${() => playback.time} /><span class="moment"><${Position} playback=${playback} length=${length} /><${Copy} text=${link} label="Copy link" /></span></div></header>
    <${Scrub} playback=${playback} span=${span} length=${length} storyboard=${sheet.play.storyboard} />
    <${Marks} span=${span} marks=${marks} jump=${jump} length=${length} />
    <${Rates} playback=${playback} span=${span} variants=${variants} length=${length} />
    <${Loudness} playback=${playback} span=${span} sheet=${sheet} measured=${measured} length=${length} />
    <${Cuts} span=${span} variants=${variants} measured=${measured} length=${length} video=${sheet.type === "video"} />
    <div class="inside"><${Playhead} playback=${playback} span=${span} /></div>
  </section>`;
}

function Marks({ span, marks, jump, length }) {
  useSpan(span);
  if (!marks.length) return null;
  const shown = marks.filter((mark) => mark.start <= span.end && Math.min(mark.end ?? mark.start, length) >= span.start);
  const place = ({ start, end }) => {
    const left = Math.max(0, span.at(start));
    return `left:${left}%;${end ? `width:${Math.max(0.3, Math.min(100, span.at(Math.min(end, length))) - left)}%;min-width:.4rem` : ""}`;
  };
  return html`<div class="lane"><header><h3>Findings and notes</h3><span class="muted">${shown.length < marks.length ? `${shown.length} of ` : ""}${marks.length}</span></header>
    <div class="track marks">${shown.map((mark) => html`<button type="button" class=${`mark ${mark.tone} ${mark.end ? "span" : ""}`} style=${place(mark)} title=${`${clock(mark.start, 1)} ${mark.text}`} aria-label=${`Jump to ${clock(mark.start, 1)}: ${mark.text}`} onClick=${() => jump(mark.start, mark.output)}></button>`)}</div></div>`;
}

function Playhead({ playback, span }) {
  const line = useRef();
  useEffect(() => {
    const move = () => {
      const width = line.current.parentElement.clientWidth;
      const place = span.at(Math.min(playback.time, span.length)) / 100;
      line.current.style.transform = `translateX(${(width * place).toFixed(1)}px)`;
      line.current.hidden = place < 0 || place > 1;
    };
    const follow = () => (span.follow(Math.min(playback.time, span.length)), move());
    const observer = new ResizeObserver(move);
    observer.observe(line.current.parentElement);
    playback.addEventListener("time", follow);
    span.addEventListener("change", move);
    return () => (observer.disconnect(), playback.removeEventListener("time", follow), span.removeEventListener("change", move));
  }, []);
  return html`<div class="playhead" ref=${line} id="playhead"></div>`;
}

function useTime(playback, step) {
  const [time, setTime] = useState(0);
  useEffect(() => {
    const told = () => setTime(Math.round(playback.time / step) * step);
    playback.addEventListener("time", told);
    return () => playback.removeEventListener("time", told);
  }, []);
  return time;
}

const Position = ({ playback, length }) => html`<span class="muted small-text"><b style="color:var(--text);font-weight:600">${clock(useTime(playback, 0.1), 1)}</b> of ${clock(length, 1)}</span>`;

function Scrub({ playback, span, length, storyboard }) {
  useSpan(span);
  const time = useTime(playback, 0.1);
  const cues = useStoryboard(storyboard);
  const [at, setAt] = useState(null);
  const point = (event) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    setAt(length * Math.max(0, Math.min(1, (event.clientX - left) / width)));
  };
  const seek = (event) => {
    const second = Number(event.target.value);
    // By keys, nothing points anywhere.
    setAt(second);
    playback.seek(second);
  };
  return html`<label class="scrub"><span class="hidden">Position</span><input type="range" min="0" max=${length} step="0.1" value=${time} aria-valuetext=${`${clock(time)} of ${clock(length)}`} onInput=${seek} onPointerMove=${point} onPointerLeave=${() => setAt(null)} onBlur=${() => setAt(null)} />${!span.isAll && html`<span class="shown" aria-hidden="true"><span style=${`left:${(100 * span.start) / length}%;width:${(100 * (span.end - span.start)) / length}%`}></span></span>`}<${Glimpse} cues=${cues} at=${at} length=${length} /></label>`;
}

// --- Bit rates ---

function Rates({ playback, span, variants, length }) {
  const [rung, setRung] = useState(playback.inPlay);
  const [read, setRead] = useState(null);
  useEffect(() => {
    const told = () => setRung(playback.inPlay);
    playback.addEventListener("rungs", told);
    return () => playback.removeEventListener("rungs", told);
  }, []);
  const shown = variants.find((each) => each.variant === rung) ?? variants[0];
  const element = useDrawn((place) => {
    const tables = variants.map(({ segments }) => {
      let at = 0;
      const starts = segments.map((segment) => ((at += segment.duration), at - segment.duration));
      const rates = segments.map((segment) => (segment.duration > 0 ? (8 * segment.size) / segment.duration / 1000 : null));
      return [[...starts, at], [...rates, rates.at(-1)]];
    });
    const series = variants.map((each, index) => ({ stroke: colour(RUNG_COLOURS[index % 5]), paths: stepped, width: each === shown ? 2.5 : 1.25, alpha: each === shown ? 1 : 0.75 }));
    const level = (value) => [[0, length], [value / 1000, value / 1000]];
    if (shown?.bandwidth) {
      tables.push(level(shown.bandwidth), level(shown.average_bandwidth ?? shown.bandwidth));
      const own = RUNG_COLOURS[variants.indexOf(shown) % 5];
      series.push({ ...dashed(own), dash: [2, 4] }, dashed(own));
    }
    const top = Math.max(...tables.flatMap(([, rates]) => rates.filter((each) => each != null)), 1);
    return draw(place, { tables, series, span, range: [0, top * 1.08], height: 10, onSeek: (at) => playback.seek(at), onRead: setRead });
  }, [shown, variants]);
  return html`<div class="lane"><header><h3>kbit/s per segment</h3><ul>
      ${variants.map((each, index) => html`<li><span class="swatch" style=${`--own: var(--${RUNG_COLOURS[index % 5]})`}></span>${each.variant} <b>${read?.[index + 1] != null ? number(read[index + 1]) : ""}</b></li>`)}
      ${shown?.bandwidth && html`<li>${shown.variant} declared: average ${kbits(shown.average_bandwidth)} (- -), peak ${kbits(shown.bandwidth)} (· ·)</li>`}</ul></header>
    <div class="plot" ref=${element} style="height:10rem" role="img" aria-label=${`Bit rate of each segment. ${variants.map((each) => `${each.variant}: average ${kbits(each.average_bandwidth)}, peak ${kbits(each.bandwidth)} kbit/s declared`).join(". ")}`}></div></div>`;
}

// --- Loudness ---

function Loudness({ playback, span, sheet, measured, length }) {
  const [read, setRead] = useState(null);
  const { loudness: target, peak: ceiling } = sheet.targets;
  const seen = measured.loudness;
  const element = useDrawn((place) => {
    if (!seen?.momentary?.length) return;
    // A value is that of the second which ends there, so the first holds from the start.
    const ends = [0, ...seen.momentary.map((_, index) => Math.min(index + 1, length))];
    // What is too quiet to be measured is a hole.
    const quiet = (values) => [values[0], ...values].map((value) => (value == null ? null : Math.max(value, QUIETEST)));
    const level = (value) => [[0, length], [value, value]];
    const lowest = Math.min(target - 14, ...quiet(seen.momentary).filter((value) => value != null));
    const bottom = Math.max(QUIETEST, 10 * Math.floor((lowest - 2) / 10));
    return draw(place, {
      tables: [[ends, quiet(seen.momentary)], [ends, quiet(seen.shortTerm)], level(target), level(ceiling)],
      series: [{ stroke: colour("area"), fill: colour("area"), fillTo: bottom, paths: straight, width: 0 }, { stroke: colour("rung0"), paths: straight, width: 2 }, { ...dashed("rung2"), width: 2 }, { ...dashed("bad"), width: 2 }],
      span, range: [bottom, 0], height: 9, onSeek: (at) => playback.seek(at), onRead: setRead,
    });
  }, [seen]);
  const waiting = { waiting: "The sound is about to be measured …", fetching: `Fetching ${measured.output ?? "the sound"} … ${Math.round(100 * (measured.share ?? 0))} %`, measuring: "Measuring the sound …", failed: measured.problem, done: seen === null ? "There is no sound to measure." : "" }[measured.state];
  return html`<div class="lane" data-measured=${measured.state}><header><h3>Loudness, LUFS</h3>${seen ? html`<ul>
      <li><span class="swatch" style="--own: var(--area)"></span>momentary <b>${read?.[1] != null ? number(read[1], 1) : ""}</b></li><li><span class="swatch" style="--own: var(--rung0)"></span>short-term <b>${read?.[2] != null ? number(read[2], 1) : ""}</b></li>
      <li><span class="swatch" style="--own: var(--rung2)"></span>target ${number(target)}, integrated <b style="min-width:0">${number(seen.integrated, 1)}</b></li><li><span class="swatch" style="--own: var(--bad)"></span>ceiling ${number(ceiling, 1)} dBTP, true peak <b style="min-width:0">${number(seen.truePeak, 1)}</b></li><li>range ${number(seen.range, 1)} LU</li></ul>` : ""}</header>
    ${seen ? html`<div class="plot" ref=${element} style="height:9rem" role="img" aria-label=${`Loudness over time: integrated ${number(seen.integrated, 1)} LUFS of ${number(target)}, true peak ${number(seen.truePeak, 1)} dBTP, range ${number(seen.range, 1)} LU`}></div>` : html`<div class="plot waiting" style="height:9rem">${waiting}</div>`}</div>`;
}

// --- Segments and key frames ---

function Cuts({ span, variants, measured, length, video }) {
  useSpan(span);
  const segments = variants[0]?.segments ?? [];
  let at = 0;
  const starts = segments.map((segment) => ((at += segment.duration), at - segment.duration));
  const x = (second) => ((1000 * second) / length).toFixed(2);
  const lengths = segments.map((segment) => segment.duration);
  const keys = measured.keyFrames ?? [];
  return html`<div class="lane"><header><h3>Segments${video ? " and key frames" : ""}</h3><ul><li>${plural(segments.length, "segment")} of ${number(Math.min(...lengths), 2)} to ${number(Math.max(...lengths), 2)} s</li>${video && html`<li>${keys.length ? `${plural(keys.length, "key frame")} in ${measured.output.replace("hls_", "")}, at most ${number(measured.longestStep, 2)} s apart` : "key frames …"}</li>`}</ul></header>
    <div class="track"><svg class="cuts" style=${span.isAll ? "" : "overflow:hidden"} viewBox=${`${x(span.start)} 0 ${x(span.end - span.start)} 20`} preserveAspectRatio="none" role="img" aria-label=${`${segments.length} segments, ${keys.length} key frames`}><rect class="ground" width="1000" height="20" rx="2"/><path class="cut" d=${starts.map((start) => `M${x(start)} 0V20`).join("")}/><path class="key" d=${keys.map((key) => `M${x(key)} 6V14`).join("")}/></svg></div></div>`;
}

// --- Waveform ---

export function Waveform({ playback, sheet, media }) {
  const place = useDrawn((element) => {
    let surfer;
    let isOver = false;
    fetch(sheet.play.waveform_json)
      .then((response) => response.json())
      .then(({ data: points, bits, sample_rate: rate, samples_per_pixel: step, length }) => {
        if (isOver) return;
        const full = 2 ** (bits - 1);
        // Pairs of the lowest and the highest sample: the louder of the two is what is drawn.
        const peaks = Float32Array.from({ length }, (_, index) => Math.max(-points[2 * index], points[2 * index + 1]) / full);
        surfer = WaveSurfer.create({ container: element, height: "auto", waveColor: colour("area"), progressColor: colour("accent"), cursorColor: colour("accent"), cursorWidth: 2, barWidth: 3, barGap: 2, barRadius: 2, peaks: [peaks], duration: (length * step) / rate, media: media.current, dragToSeek: true, normalize: false });
        playback.surfer = surfer;
      });
    return () => {
      isOver = true;
      // The player's element is not its own, and stays.
      surfer?.destroy();
    };
  }, []);
  return sheet.play.waveform_json ? html`<div class="wave" ref=${place} aria-hidden="true"></div>` : null;
}
