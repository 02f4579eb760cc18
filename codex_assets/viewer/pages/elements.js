// What both pages are made of: the header, tables of facts, and numbers as people read them.
import { html, render, useState, useEffect, useRef, useMemo, useCallback } from "/libraries/htm/standalone.module.js";

export { html, render, useState, useEffect, useRef, useMemo, useCallback };

// Drawn anew whenever one of these events comes from `target`.
export function useEvents(target, ...names) {
  const [, renew] = useState(0);
  useEffect(() => {
    const again = () => renew((count) => count + 1);
    names.forEach((name) => target.addEventListener(name, again));
    return () => names.forEach((name) => target.removeEventListener(name, again));
  }, [target]);
}

export const data = () => JSON.parse(document.getElementById("data").textContent);

// --- Numbers ---------------------------------------------------------------------------------------------------------

export const NOTHING = "–";
const grouped = (value, digits = 0) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");

export const number = (value, digits = 0) => (value == null || !Number.isFinite(value) ? NOTHING : grouped(value, digits));

export function clock(at, digits = 0) {
  if (at == null || !Number.isFinite(at)) return NOTHING;
  const scale = 10 ** digits;
  const all = Math.round(at * scale);
  const seconds = Math.floor(all / scale);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const tail = `${String(s).padStart(2, "0")}${digits ? "." + String(all % scale).padStart(digits, "0") : ""}`;
  return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

export function duration(seconds) {
  if (seconds == null) return NOTHING;
  const whole = Math.round(seconds);
  if (whole < 60) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(count) {
  if (count == null) return NOTHING;
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size) return `${number(count / size, count / size < 100 ? 1 : 0)} ${unit}`;
  }
  return `${count} B`;
}

export const kbits = (rate) => (rate == null ? NOTHING : number(rate / 1000));
export const money = (usd) => (usd == null ? NOTHING : usd < 0.1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`);
export const moment = (text) => (text ? `${text.replace("T", " ").slice(0, 16)} UTC` : NOTHING);
export const rate = (fraction) => {
  if (!fraction) return NOTHING;
  const [above, below = 1] = String(fraction).split("/").map(Number);
  return String(Math.round((above / below) * 1000) / 1000);
};
export const plural = (count, one, many = one + "s") => `${number(count)} ${count === 1 ? one : many}`;

export function age(text, now = Date.now()) {
  if (!text) return NOTHING;
  const seconds = (now - Date.parse(text)) / 1000;
  for (const [unit, size] of [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size) return plural(Math.floor(seconds / size), unit) + " ago";
  }
  return "just now";
}

// --- Parts -----------------------------------------------------------------------------------------------------------

const THEMES = ["system", "light", "dark"];

export function ThemeButton() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "system");
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const change = () => {
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
    setTheme(next);
    window.dispatchEvent(new Event("themechange"));
  };
  return html`<button type="button" class="quiet" onClick=${change} aria-label=${`Theme: ${theme}. Change to ${next}.`}>
    <span aria-hidden="true">${{ system: "◐", light: "☀", dark: "☾" }[theme]}</span> <span class="wide-only">${theme}</span>
  </button>`;
}

export function Header({ trail = [], keys }) {
  return html`<header class="top">
    <nav aria-label="Where you are">
      <a class="brand" href="/"><svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true"><rect width="32" height="32" rx="8" fill="var(--accent-fill)"/><g fill="#fff"><rect x="7" y="13" width="3" height="6" rx="1.5"/><rect x="12" y="8" width="3" height="16" rx="1.5"/><rect x="17" y="11" width="3" height="10" rx="1.5"/><rect x="22" y="14" width="3" height="4" rx="1.5"/></g></svg>Library</a>
      ${trail.map((step) => html`<span class="slash" aria-hidden="true">/</span><span class="here" aria-current="page">${step}</span>`)}
    </nav>
    <div class="tools">${keys && html`<${Keys} keys=${keys} />`}<${ThemeButton} /></div>
  </header>`;
}

export function Keys({ keys }) {
  const dialog = useRef();
  useEffect(() => {
    const open = (event) => {
      if (event.key === "?" && !isTyping(event)) dialog.current.open ? dialog.current.close() : dialog.current.showModal();
    };
    addEventListener("keydown", open);
    return () => removeEventListener("keydown", open);
  }, []);
  return html`<button type="button" class="quiet" onClick=${() => dialog.current.showModal()}><kbd aria-hidden="true">?</kbd> <span class="wide-only">Keys</span><span class="hidden">Keyboard</span></button>
    <dialog ref=${dialog} aria-labelledby="keys-title" onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
      <h2 id="keys-title">Keyboard</h2>
      <dl class="keys">${keys.map(([key, what]) => html`<div><dt>${key.split(" ").map((each) => html`<kbd>${each}</kbd> `)}</dt><dd>${what}</dd></div>`)}</dl>
      <button type="button" onClick=${() => dialog.current.close()} autofocus>Close</button>
    </dialog>`;
}

// Whether a key is meant for what has the focus, or for the browser: text for all of them, a slider, a list and what is
// ticked for those that change it. The page has the others, also after a click there.
export function isTyping({ target, key, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey || altKey) return true;
  if (target.tagName === "SELECT") return key.startsWith("Arrow") || key === " " || key === "Enter" || [...target.options].some((each) => each.text.toLowerCase().startsWith(key.toLowerCase()));
  if (target.tagName !== "INPUT") return target.tagName === "TEXTAREA";
  if (target.type === "range") return key.startsWith("Arrow");
  if (target.type === "radio") return key.startsWith("Arrow") || (key === " " && !target.checked);
  return target.type !== "checkbox" || key === " ";
}

const WORDS = { building: "Building", refused: "Refused", failed: "Failed", stale: "Stale", current: "Current" };
const TONES = { building: "info", refused: "bad", failed: "bad", stale: "warn", current: "good" };
export const State = ({ state }) => html`<span class=${`pill ${TONES[state]}`}>${WORDS[state] ?? state}</span>`;

// What stands in backticks is code.
export const coded = (text) => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

export function Facts({ facts, wide }) {
  return html`<dl class=${wide ? "facts wide" : "facts"}>${facts
    .filter(([, value]) => value != null && value !== "" && value !== NOTHING)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

// `text`: what is copied, or a function that returns it.
export function Copy({ text, label = "Copy" }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${copy}>${done ? "Copied" : label}</button><span class="hidden" role="status">${done ? "Copied" : ""}</span>`;
}
