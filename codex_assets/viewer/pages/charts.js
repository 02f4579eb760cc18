// Charts over the time of a media, drawn by uPlot: all of them have the same edges, so that a moment is one line.
import uPlot from "/libraries/uplot/uPlot.esm.js";
import { clock, useState, useEffect, useRef } from "/pages/elements.js";

export const colour = (name) => {
  // A canvas knows no `light-dark()`: ask an element what it comes to.
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};
export const RUNG_COLOURS = ["rung0", "rung1", "rung2", "rung3", "rung4"];

// Steps between labels of the time.
const SECONDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

// `tables`: one [xs, ys] a series. `span`: the part of the time that is shown; dragging across the chart chooses another.
// `onRead(index → values)`: what lies under the pointer, or null.
export function draw(element, { tables, series, span, range, height, onSeek, onRead, unit }) {
  const data = uPlot.join(tables);
  const size = () => ({ width: element.clientWidth, height: height * rem() });
  const font = `${Math.round(0.72 * rem())}px Inter, sans-serif`;
  const axis = { stroke: colour("muted"), font, ticks: { show: false }, grid: { stroke: colour("faint"), width: 1 } };
  const options = {
    ...size(),
    padding: [0.5 * rem(), 0.8 * rem(), 0, 0],
    legend: { show: false },
    cursor: { y: false, sync: { key: "time" }, drag: { setScale: false, x: true, y: false, dist: 6 }, points: { size: 6 }, dataIdx: (plot, number, hovered) => nearest(plot.data[number], hovered) },
    scales: { x: { time: false, range: () => [span.start, span.end] }, y: { range } },
    axes: [
      { ...axis, size: 1.4 * rem(), gap: 2, space: 4.5 * rem(), incrs: SECONDS, values: (_, ticks, axis, space, step) => ticks.map((tick) => (span.at(tick) > 99 ? "" : clock(tick, step < 1 ? 1 : 0))), grid: { show: false } },
      { ...axis, size: 3.6 * rem(), gap: 6, space: 1.4 * rem(), values: (_, ticks) => ticks.map((tick, index) => (index ? tick.toLocaleString("en").replace("-", "−") : "")) },
    ],
    series: [{}, ...series.map((each) => ({ points: { show: false }, width: 1.5, ...each }))],
    hooks: {
      setCursor: [(plot) => onRead?.(plot.cursor.left < 0 ? null : plot.cursor.idxs.map((index, number) => (index == null ? null : plot.data[number][index])))],
      setSelect: [(plot) => {
        const { left, width } = plot.select;
        if (width <= 0) return;
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        span.show(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
      }],
      ready: [(plot) => plot.over.addEventListener("click", (event) => onSeek(plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x")))],
    },
  };
  const plot = new uPlot(options, data, element);
  plot.root.setAttribute("aria-hidden", "true");
  const observer = new ResizeObserver(() => plot.setSize(size()));
  observer.observe(element);
  const zoomed = () => plot.setScale("x", { min: span.start, max: span.end });
  span.addEventListener("change", zoomed);
  // As maps and editors have it: two fingers apart, or a wheel with Ctrl, and sideways.
  plot.over.addEventListener("wheel", (event) => {
    const second = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
    if (event.ctrlKey || event.metaKey) span.zoom(Math.exp(-event.deltaY / 300), second);
    else if (!span.isAll && Math.abs(event.deltaX) > Math.abs(event.deltaY)) span.move((event.deltaX / plot.over.clientWidth) * (span.end - span.start));
    else return;
    event.preventDefault();
  }, { passive: false });
  plot.over.addEventListener("dblclick", () => span.all());
  return () => {
    span.removeEventListener("change", zoomed);
    observer.disconnect();
    plot.destroy();
  };
}

// Series of other times leave holes where they are joined: the last value still holds.
function nearest(values, index) {
  while (index > 0 && values[index] == null) index -= 1;
  return index;
}

export const stepped = uPlot.paths.stepped({ align: 1 });
export const straight = uPlot.paths.linear();
export const dashed = (name) => ({ stroke: colour(name), dash: [6, 4], width: 1.25 });

// Drawn anew when colours or the width of letters change.
export function useDrawn(make, inputs) {
  const element = useRef();
  const [turn, renew] = useState(0);
  useEffect(() => {
    const again = () => renew((count) => count + 1);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", again);
    scheme.addEventListener("change", again);
    return () => (removeEventListener("themechange", again), scheme.removeEventListener("change", again));
  }, []);
  useEffect(() => (element.current ? make(element.current) : undefined), [...inputs, turn]);
  return element;
}
