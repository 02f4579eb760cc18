// The library: every media as a row. Filters and order are in the address, so that a view can be sent to somebody.
import { html, render, useState, useEffect, useRef, useMemo, Header, State, Copy, coded, isTyping, data, number, clock, bytes, money, plural, age, NOTHING } from "/pages/elements.js";
import { Virtualizer, elementScroll, observeElementOffset, observeElementRect } from "/libraries/tanstack-virtual-core/index.js";

const STATES = ["building", "failed", "refused", "stale", "current"];
// Name, title, what it is sorted by (none: not), and which way comes first.
const COLUMNS = [
  ["id", "Media", (row) => row.id, 1], ["creator", "Creator", (row) => row.creator, 1], ["type", "Type"], ["state", "State", (row) => STATES.indexOf(row.state), 1], ["why", "Why"],
  ["length", "Length", (row) => row.seconds, -1], ["size", "Size", (row) => row.bytes, -1], ["cost", "Cost", (row) => row.cost, -1], ["encoder", "Encoder"], ["age", "Built", (row) => row.built, -1],
];
const NUMBERS = new Set(["length", "size", "cost"]);
const FILTERS = [
  ["type", "Type", (row) => [row.type]], ["creator", "Creator", (row) => [row.creator]], ["failing", "Failing check", (row) => row.failing],
  ["error", "Error code", (row) => (row.error ? [row.error] : [])], ["stale", "Stale output", (row) => row.stale], ["encoder", "Encoder", (row) => (row.encoder ? [row.encoder] : [])],
];
const LONGEST_COMMAND = 100_000;
const { storeOption } = data();

// --- What is asked for ---

const asked = () => Object.fromEntries(new URLSearchParams(location.search));

function matching(rows, query, ignoring) {
  const text = (query.q ?? "").toLowerCase();
  const tests = FILTERS.filter(([name]) => query[name] && name !== ignoring);
  return rows.filter((row) => (ignoring === "state" || !query.state || row.state === query.state) && (!text || row.id.toLowerCase().includes(text) || row.creator.toLowerCase().includes(text)) && tests.every(([name, , values]) => values(row).includes(query[name])));
}

function ordered(rows, query) {
  const [name, direction] = (query.sort ?? "").split("-");
  const column = COLUMNS.find(([own, , by]) => own === name && by);
  if (!column) return rows;
  const [, , by, first] = column;
  const way = direction === "up" ? 1 : direction === "down" ? -1 : first;
  // What has no such number is last, whichever way.
  return rows.toSorted((one, other) => {
    const [left, right] = [by(one), by(other)];
    if (left == null || right == null) return (left == null) - (right == null) || (one.id < other.id ? -1 : 1);
    return (left < right ? -way : left > right ? way : 0) || (one.id < other.id ? -1 : 1);
  });
}

function counts(rows, values) {
  const found = new Map();
  for (const row of rows) for (const value of values(row)) found.set(value, (found.get(value) ?? 0) + 1);
  return [...found].sort(([one, many], [other, more]) => more - many || (one < other ? -1 : 1));
}

// The command that builds what is selected, and what to know of it: by a condition that holds for these media and no
// others, else by ids. Of a refused upload nothing can be built, and what is fresh is built only where that is asked for.
function command(selected, all, query) {
  const chosen = selected.filter(isBuildable);
  const left = selected.length - chosen.length;
  const fresh = chosen.filter((row) => !row.stale.length).length;
  const notes = [
    left && `${plural(left, "refused upload")} left out: nothing can be built of ${left === 1 ? "it" : "them"}.`,
    fresh && (fresh === chosen.length ? "Nothing of this is stale: all of it is built again." : `${number(fresh)} of ${number(chosen.length)} ${fresh === 1 ? "is" : "are"} fresh: with --also-fresh, all outputs of all of them are built again.`),
  ].filter(Boolean);
  if (!chosen.length) return { line: "", notes };
  const conditions = [query.type && `type=${query.type}`, query.creator && `creator=${query.creator}`, query.state === "stale" && "stale"].filter(Boolean);
  const meant = conditions.length ? all.filter((row) => isBuildable(row) && (!query.type || row.type === query.type) && (!query.creator || row.creator === query.creator) && (query.state !== "stale" || row.stale.length)) : [];
  const ids = new Set(chosen.map((row) => row.id));
  const which = meant.length === ids.size && meant.every((row) => ids.has(row.id)) ? `--where ${conditions.join(",")}` : [...ids].join(" ");
  return { line: `codex-assets rebuild ${which}${fresh ? " --also-fresh" : ""}${storeOption}`, notes };
}

const isBuildable = (row) => row.state !== "refused";

// --- The table ---

function useVirtual(count, scroller, height) {
  const [, renew] = useState(0);
  const virtual = useRef();
  const options = {
    count, getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 8,
    observeElementRect, observeElementOffset, scrollToFn: elementScroll, onChange: () => renew((turn) => turn + 1), scrollPaddingStart: 48,
  };
  virtual.current ??= new Virtualizer(options);
  virtual.current.setOptions(options);
  useEffect(() => virtual.current._didMount(), []);
  useEffect(() => virtual.current._willUpdate());
  useEffect(() => virtual.current.measure(), [height]);
  return virtual.current;
}

const rowHeight = () => 4 * parseFloat(getComputedStyle(document.documentElement).fontSize);

// `nothing`: what is said where there are no rows.
function Grid({ rows, nothing, query, ask, chosen, choose }) {
  const scroller = useRef();
  const [height, setHeight] = useState(rowHeight());
  const virtual = useVirtual(rows.length, scroller, height);
  const goTo = useRef(null);
  useEffect(() => {
    const told = () => setHeight(rowHeight());
    addEventListener("resize", told);
    return () => removeEventListener("resize", told);
  }, []);
  useEffect(() => scroller.current.scrollTo({ top: 0 }), [query.sort, query.q, query.state, ...FILTERS.map(([name]) => query[name])]);
  useEffect(() => {
    if (goTo.current == null) return;
    const link = scroller.current.querySelector(`[data-index="${goTo.current}"] a`);
    if (link) (link.focus({ preventScroll: true }), (goTo.current = null));
  });
  const move = (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    const own = event.target.closest("[data-index]");
    if (!own || !(event.key in steps || event.key === "x")) return;
    const index = Number(own.dataset.index);
    event.preventDefault();
    if (event.key === "x") return choose(rows[index], !chosen.has(rows[index].id));
    goTo.current = Math.max(0, Math.min(rows.length - 1, index + steps[event.key]));
    virtual.scrollToIndex(goTo.current);
    const link = scroller.current.querySelector(`[data-index="${goTo.current}"] a`);
    if (link) (link.focus({ preventScroll: true }), (goTo.current = null));
  };
  const [sorted, direction] = (query.sort ?? "").split("-");
  const all = rows.length > 0 && rows.every((row) => chosen.has(row.id));
  const sort = (name, first) => {
    const way = sorted === name ? (direction === "down" ? "up" : "down") : first === 1 ? "up" : "down";
    ask({ sort: `${name}-${way}` });
  };
  return html`<div class="grid" role="table" aria-label="Media" aria-rowcount=${rows.length + 1} ref=${scroller} onKeyDown=${move} tabindex="0">
    <div role="rowgroup"><div class="row head" role="row" aria-rowindex="1">
      <span role="columnheader" class="tick"><label><input type="checkbox" checked=${all} onChange=${(event) => choose(rows, event.target.checked)} aria-label="Select all that are shown" /></label></span>
      <span role="columnheader"><span class="hidden">Picture</span></span>
      ${COLUMNS.map(([name, title, by, first]) => html`<span role="columnheader" class=${`c-${name} ${NUMBERS.has(name) ? "number" : ""}`} aria-sort=${by ? (sorted === name ? (direction === "up" ? "ascending" : "descending") : "none") : undefined}>${by ? html`<button type="button" onClick=${() => sort(name, first)}>${title}</button>` : title}</span>`)}
    </div></div>
    <div class="body" role="rowgroup" style=${`height:${virtual.getTotalSize()}px`}>
      ${virtual.getVirtualItems().map((item) => rows[item.index] && html`<${Row} key=${rows[item.index].id} row=${rows[item.index]} index=${item.index} top=${item.start} isChosen=${chosen.has(rows[item.index].id)} choose=${choose} />`)}
    </div>
    ${rows.length === 0 && nothing && html`<p class="nothing">${nothing}</p>`}
  </div>`;
}

function Row({ row, index, top, isChosen, choose }) {
  const why = row.error ?? (row.failing.length ? row.failing.join(", ") : row.stale.length ? `${row.stale.map((name) => name.replace(/^hls_/, "").replaceAll("_", " ")).join(", ")}` : "");
  return html`<div class="row" role="row" aria-rowindex=${index + 2} data-index=${index} style=${`transform:translateY(${top}px)`}>
    <span role="cell" class="tick"><label><input type="checkbox" checked=${isChosen} onChange=${(event) => choose(row, event.target.checked)} aria-label=${`Select ${row.id}`} tabindex="-1" /></label></span>
    <span role="cell" class="picture">${row.picture && html`<img src=${row.picture} width="1280" height="720" alt="" loading="lazy" decoding="async" />`}</span>
    <span role="cell" class="c-id"><a href=${`/media/${row.id}`} title=${row.id}>${row.id}</a><small>${row.creator} · ${clock(row.seconds)} · ${age(row.built)}</small></span>
    <span role="cell" class="c-creator">${row.creator}</span><span role="cell" class="c-type">${row.type}</span><span role="cell"><${State} state=${row.state} /></span>
    <span role="cell" class="c-why"><span class="why" title=${why}>${why}</span></span>
    <span role="cell" class="c-length number">${clock(row.seconds)}</span><span role="cell" class="c-size number">${row.bytes ? bytes(row.bytes) : NOTHING}</span><span role="cell" class="c-cost number">${money(row.cost)}</span>
    <span role="cell" class="c-encoder">${row.encoder ?? NOTHING}</span><span role="cell" class="c-age" title=${row.built ?? ""}>${age(row.built)}</span>
  </div>`;
}

// --- The page ---

const KEYS = [["/", "search"], ["↑ ↓", "row by row"], ["PgUp PgDn", "ten rows"], ["Home End", "first or last row"], ["Enter", "open the page of a media"], ["X", "select a row"], ["Esc", "select none"], ["?", "these keys"]];

function Page() {
  const [rows, setRows] = useState(null);
  const [problem, setProblem] = useState(null);
  const [query, setQuery] = useState(asked());
  const [chosen, setChosen] = useState(new Set());
  const search = useRef();
  useEffect(() => {
    fetch("/rows").then(async (response) => (response.ok ? setRows(await response.json()) : setProblem((await response.json()).error))).catch(() => setProblem("The viewer does not answer any more."));
    const back = () => setQuery(asked());
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  useEffect(() => {
    const onKey = (event) => {
      if (event.key === "Escape") setChosen(new Set());
      if (event.key === "/" && !isTyping(event)) (event.preventDefault(), search.current.focus());
      if (event.key === "ArrowDown" && (event.target === search.current || event.target === document.body)) (event.preventDefault(), document.querySelector('[data-index="0"] a')?.focus());
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const ask = (changes) => {
    const next = Object.fromEntries(Object.entries({ ...query, ...changes }).filter(([, value]) => value));
    history.replaceState(null, "", `${location.pathname}${Object.keys(next).length ? `?${new URLSearchParams(next)}` : ""}`);
    setQuery(next);
  };
  const shown = useMemo(() => ordered(matching(rows ?? [], query), query), [rows, query]);
  const byState = useMemo(() => new Map(counts(matching(rows ?? [], query, "state"), (row) => [row.state])), [rows, query]);
  const options = useMemo(() => FILTERS.map(([name, , values]) => counts(matching(rows ?? [], query, name), values).slice(0, 500)), [rows, query]);
  const choose = (what, isOn) => setChosen((before) => {
    const next = new Set(before);
    for (const row of [].concat(what)) isOn ? next.add(row.id) : next.delete(row.id);
    return next;
  });
  const picked = useMemo(() => (chosen.size ? (rows ?? []).filter((row) => chosen.has(row.id)) : []), [rows, chosen]);
  const { line, notes } = command(picked, rows ?? [], query);
  const all = [...byState.values()].reduce((sum, count) => sum + count, 0);
  const isFiltered = Object.keys(query).some((name) => name !== "sort");
  return html`<${Header} keys=${KEYS} /><main class="library">
    <header><h1>Library</h1><span class="muted" role="status">${rows ? `${number(shown.length)}${shown.length === rows.length ? "" : ` of ${number(rows.length)}`} media` : problem ? "" : "reading …"}</span></header>
    ${problem && html`<p class="problem" style="margin-top:1rem">${problem}</p>`}
    <fieldset class="states"><legend class="hidden">State</legend>
      ${[["", "All", all], ...STATES.map((state) => [state, state[0].toUpperCase() + state.slice(1), byState.get(state) ?? 0])].map(([state, title, count]) => html`<label><input type="radio" name="state" value=${state} checked=${(query.state ?? "") === state} onChange=${() => ask({ state })} />${title} <span>${number(count)}</span></label>`)}
    </fieldset>
    <div class="filters" role="search">
      <input type="search" ref=${search} placeholder="Find by id or creator" aria-label="Find by id or creator" value=${query.q ?? ""} onInput=${(event) => ask({ q: event.target.value })} />
      ${FILTERS.map(([name, title], index) => html`<select aria-label=${title} class=${query[name] ? "set" : ""} disabled=${!options[index].length && !query[name]} onChange=${(event) => ask({ [name]: event.target.value })}><option value="" selected=${!query[name]}>${title}: any</option>${options[index].map(([value, count]) => html`<option value=${value} selected=${query[name] === value}>${value} (${number(count)})</option>`)}</select>`)}
      ${isFiltered && html`<button type="button" class="quiet" onClick=${() => ask(Object.fromEntries(Object.keys(query).filter((name) => name !== "sort").map((name) => [name, ""])))}>Clear</button>`}
    </div>
    <${Grid} rows=${shown} nothing=${rows && coded(rows.length ? "No media is like this." : "There is no media in this store yet: `codex-assets run FILE` makes the first of a file.")} query=${query} ask=${ask} chosen=${chosen} choose=${choose} />
    ${picked.length > 0 && html`<section class="selected" aria-label="Selected media"><p><b>${plural(picked.length, "media", "media")} selected.</b> <span class="muted" id="notes">${notes.join(" ")}</span></p>
      ${line.length > LONGEST_COMMAND ? html`<span class="muted">Too many for one command line: narrow the filters to type, creator or stale, and select all.</span>` : line && html`<code title=${line}>${line}</code><${Copy} text=${line} label="Copy command" />`}<button type="button" class="quiet" onClick=${() => setChosen(new Set())}>Select none</button></section>`}
  </main>`;
}

render(html`<${Page} />`, document.body);
document.documentElement.dataset.ready = "true";
