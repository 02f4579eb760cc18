// Which part of a media's time its charts show: all of them the same part, so that a moment stays one line.
import { html, clock, useEvents } from "/pages/elements.js";

const LEAST_SECONDS = 0.5;
const STEP = 2;

export class Span extends EventTarget {
  constructor(length) {
    super();
    Object.assign(this, { length, start: 0, end: length, last: 0 });
  }

  get isAll() {
    return this.start <= 0 && this.end >= this.length;
  }

  // Seconds from here to there, moved into the media where they pass its ends.
  show(start, end) {
    const seconds = Math.min(this.length, Math.max(LEAST_SECONDS, end - start));
    const first = Math.max(0, Math.min((start + end - seconds) / 2, this.length - seconds));
    if (first === this.start && first + seconds === this.end) return;
    this.start = first;
    this.end = first + seconds;
    this.dispatchEvent(new Event("change"));
  }

  // `factor` times as much detail; the second `about` keeps its place.
  zoom(factor, about = (this.start + this.end) / 2) {
    this.show(about - (about - this.start) / factor, about + (this.end - about) / factor);
  }

  move(seconds) {
    this.show(this.start + seconds, this.end + seconds);
  }

  all() {
    this.show(0, this.length);
  }

  // Around the moment that plays, where that is shown.
  near(time, factor) {
    this.zoom(factor, time >= this.start && time <= this.end ? time : undefined);
  }

  // The moment that plays left what is shown, or somebody went elsewhere: follow. Whoever looks elsewhere meanwhile is left there.
  follow(time) {
    const wasShown = this.last >= this.start && this.last <= this.end;
    const isShown = time >= this.start && time <= this.end;
    if (!isShown && (wasShown || Math.abs(time - this.last) > 1)) this.move(time - this.start - 0.1 * (this.end - this.start));
    this.last = time;
  }

  // Where a second is, in percent of what is shown.
  at(second) {
    return (100 * (second - this.start)) / (this.end - this.start);
  }
}

export function useSpan(span) {
  useEvents(span, "change");
  return span;
}

// `now`: the second that plays.
export function Zoom({ span, now }) {
  useSpan(span);
  const nearest = span.end - span.start <= Math.min(span.length, LEAST_SECONDS) + 1e-6;
  return html`<span class="zoom" role="group" aria-label="Zoom of the timeline">
    <span class="muted tabular" role="status">${span.isAll ? "" : `${clock(span.start, 1)} – ${clock(span.end, 1)}`}</span>
    <button type="button" class="small" aria-label="Zoom out" disabled=${span.isAll} onClick=${() => span.near(now(), 1 / STEP)}>−</button><button type="button" class="small" aria-label="Zoom in" disabled=${nearest} onClick=${() => span.near(now(), STEP)}>+</button><button type="button" class="small" disabled=${span.isAll} onClick=${() => span.all()}>All</button>
  </span>`;
}

// What keys do to a span; null for others.
export const zoomKeys = (span, now) => ({ "+": () => span.near(now(), STEP), "=": () => span.near(now(), STEP), "-": () => span.near(now(), 1 / STEP), 0: () => span.all() });
export const ZOOM_KEYS = [["+ −", "zoom the timeline; also by dragging across a chart"], ["0", "all of the timeline"]];
