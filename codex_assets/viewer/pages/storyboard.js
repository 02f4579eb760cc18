// What the film shows at a moment, small: from its storyboard's sheet, where there is one.
import { html, useState, useEffect, clock } from "/pages/elements.js";

const PLACE = /^(.+)#xywh=(\d+),(\d+),(\d+),(\d+)$/;
const seconds = (text) => text.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);

// The cues of a storyboard's text: from when to when, and which part of which picture.
function cuesOf(text, address) {
  return text.split(/\n{2,}/).map((block) => block.trim().split("\n")).flatMap((lines) => {
    const [start, end] = lines[0].split(" --> ");
    const place = PLACE.exec(lines.at(-1));
    if (!end || !place) return [];
    const [left, top, width, height] = place.slice(2).map(Number);
    return [{ start: seconds(start), end: seconds(end), url: new URL(place[1], new URL(address, location.href)).pathname, left, top, width, height }];
  });
}

export function useStoryboard(address) {
  const [cues, setCues] = useState([]);
  useEffect(() => {
    if (!address) return;
    fetch(address)
      .then((response) => (response.ok ? response.text() : ""))
      .then((text) => {
        const read = cuesOf(text, address);
        // Before anybody points there, so that the first picture does not come late.
        if (read.length) new Image().src = read[0].url;
        setCues(read);
      })
      .catch(() => {});
  }, [address]);
  return cues;
}

// The picture for a second, above that second; nothing where there is none.
export function Glimpse({ cues, at, length }) {
  const cue = at == null ? null : (cues.find((each) => at < each.end) ?? cues.at(-1));
  if (!cue) return null;
  const half = `${cue.width / 2}px`;
  return html`<span class="glimpse" id="glimpse" aria-hidden="true" data-start=${cue.start} style=${`left: clamp(${half}, ${(100 * at) / length}%, calc(100% - ${half})); width: ${cue.width}px`}>
    <span style=${`height: ${cue.height}px; background-image: url("${cue.url}"); background-position: -${cue.left}px -${cue.top}px`}></span>
    <b>${clock(at, 1)}</b>
  </span>`;
}
