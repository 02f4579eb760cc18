// What plays: the ladder through hls.js with its rungs, the preview, the upload, or upload and ladder side by side.
// Everybody else asks `Playback` for the time and tells it where to go.

export const VIEWS = [["output", "Ladder"], ["preview", "Preview"], ["upload", "Upload"], ["both", "Side by side"]];
const STILL_SECONDS = 0.02;
const JUMP_SECONDS = 0.6;
const HASTE = 0.3;

// `other` goes where `lead` is. A seek costs a moment in which it falls behind again, so while it plays it hurries or waits.
export function keepStep(lead, other) {
  if (other.paused !== lead.paused && !lead.ended) lead.paused ? other.pause() : other.play().catch(() => {});
  const behind = lead.currentTime - other.currentTime;
  if (Math.abs(behind) > (lead.paused ? STILL_SECONDS : JUMP_SECONDS)) {
    if (!other.seeking) other.currentTime = lead.currentTime + (lead.paused ? 0 : 0.1);
  }
  const rate = lead.playbackRate * (1 + Math.max(-HASTE, Math.min(HASTE, lead.paused ? 0 : behind)));
  if (Math.abs(other.playbackRate - rate) > 0.01) other.playbackRate = rate;
}

const rungOf = (level) => level.url[0].split("/").at(-2);

export class Playback extends EventTarget {
  constructor(sheet) {
    super();
    this.sheet = sheet;
    this.view = VIEWS.map(([name]) => name).find((name) => this.can(name)) ?? "output";
    this.rungs = [];
    this.chosen = "auto";
    this.inPlay = null;
    this.problems = {};
    this.elements = {};
  }

  // --- What there is ---

  can(view) {
    const { play, upload } = this.sheet;
    return { output: !!play.hls_master, preview: !!play.preview, upload: !!upload.url, both: !!play.hls_master && !!upload.url }[view];
  }

  get duration() {
    const built = this.sheet.outputs;
    return built.mezzanine?.duration ?? this.main?.duration ?? 0;
  }

  get main() {
    return this.elements[this.view === "both" ? "output" : this.view] ?? null;
  }

  get time() {
    return this.main?.currentTime ?? 0;
  }

  // --- Elements come and go with the view ---

  attach(name, element) {
    if (this.elements[name] === element) return;
    this.release(name);
    this.elements[name] = element;
    const { play, upload } = this.sheet;
    const address = { output: play.hls_master, preview: play.preview, upload: upload.url }[name];
    element.addEventListener("timeupdate", () => this.tell("time"));
    element.addEventListener("seeking", () => (this.follow(name), this.tell("time")));
    element.addEventListener("play", () => (this.follow(name), this.watch()));
    element.addEventListener("pause", () => this.follow(name));
    element.addEventListener("ratechange", () => this.follow(name));
    if (name === "upload" || !window.Hls?.isSupported()) {
      element.addEventListener("error", () => this.fail(name, "This browser cannot play this file."));
      // Chromium plays the sound of a file whose picture it does not know.
      element.addEventListener("loadedmetadata", () => {
        if (element.tagName === "VIDEO" && this.sheet.type === "video" && !element.videoWidth) this.fail(name, "This browser does not know the codec of this picture.");
      });
      element.src = address;
    } else {
      this.stream(name, element, address);
    }
    const at = this.wanted;
    if (at) element.addEventListener("loadedmetadata", () => (element.currentTime = Math.min(at, element.duration || at)), { once: true });
  }

  stream(name, element, address) {
    const hls = new Hls({ startLevel: -1, maxBufferLength: 30, enableWorker: true });
    element.hls = hls;
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      if (name !== "output") return;
      this.rungs = hls.levels.map((level, index) => ({ index, name: rungOf(level), rate: level.averageBitrate || level.bitrate })).reverse();
      if (this.chosen !== "auto") this.choose(this.chosen);
      this.tell("rungs");
    });
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => {
      if (name !== "output") return;
      this.inPlay = rungOf(hls.levels[level]);
      this.tell("rungs");
    });
    hls.on(Hls.Events.ERROR, (_, error) => {
      if (!error.fatal) return;
      if (error.type === Hls.ErrorTypes.MEDIA_ERROR && !element.recovered) {
        element.recovered = true;
        hls.recoverMediaError();
      } else this.fail(name, `It cannot be played: ${error.details}${error.response?.code ? ` (${error.response.code})` : ""}.`);
    });
    hls.loadSource(address);
    hls.attachMedia(element);
  }

  release(name) {
    const element = this.elements[name];
    if (!element) return;
    delete this.elements[name];
    delete this.problems[name];
    element.hls?.destroy();
    if (!element.hls) { element.removeAttribute("src"); element.load(); }
  }

  fail(name, problem) {
    this.problems[name] = problem;
    this.tell("problem");
  }

  // --- What is asked of it ---

  show(view) {
    if (!this.can(view) || view === this.view) return;
    this.wanted = this.time;
    this.view = view;
    this.tell("view");
  }

  choose(rung) {
    this.chosen = rung;
    const hls = this.elements.output?.hls;
    // At once: whoever chooses a rung wants to see it, and not after what is buffered.
    if (hls && rung === "auto") hls.nextLevel = -1;
    else if (hls) hls.currentLevel = this.rungs.find((each) => each.name === rung)?.index ?? -1;
    this.tell("rungs");
  }

  seek(at) {
    const main = this.main;
    if (!main) return;
    main.currentTime = Math.max(0, Math.min(at, (main.duration || this.duration) - 0.001));
    this.tell("time");
  }

  toggle() {
    const main = this.main;
    if (main) main.paused ? main.play().catch(() => {}) : main.pause();
  }

  // The upload keeps step with the ladder: it is muted, and never leads.
  follow(name) {
    if (this.view !== "both" || name !== "output") return;
    const { output: lead, upload: other } = this.elements;
    if (!lead || !other || this.problems.upload) return;
    keepStep(lead, other);
  }

  watch() {
    if (this.watching) return;
    const step = () => {
      const main = this.main;
      this.watching = !!main && !main.paused && !main.ended;
      this.tell("time");
      if (!this.watching) return;
      this.follow("output");
      requestAnimationFrame(step);
    };
    this.watching = true;
    requestAnimationFrame(step);
  }

  tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
