// How the recordings beside this file were made: `node record.mjs FOLDER`, with puppeteer-core and Chromium 156.
// A grey canvas with a white bar at its top, 30 drawings a second, recorded by MediaRecorder; it changes by a script.
import fs from 'node:fs';
import puppeteer from 'puppeteer-core';

const folder = process.argv[2];
const recordings = {
  'transparent_now_and_then.webm': {
    type: 'video/webm;codecs=vp8',
    script: [
      { at: 0, grey: 40, alpha: 1 }, { at: 1, grey: 200, alpha: 0.5 }, { at: 2, grey: 220, alpha: 1 },
      { at: 3, grey: 120 }, { at: 4, grey: 240, alpha: 0 }, { at: 4.7, grey: 180, alpha: 1 }, { at: 6, end: true },
    ],
  },
  'resized.webm': {
    type: 'video/webm;codecs=vp8',
    script: [
      { at: 0, grey: 60, size: [96, 54] }, { at: 1.5, grey: 180, size: [192, 108] },
      { at: 4, grey: 100, size: [108, 192] }, { at: 5.2, grey: 220, size: [192, 108] }, { at: 7, end: true },
    ],
  },
  'paused.mkv': {
    type: 'video/x-matroska;codecs=avc1',
    script: [
      { at: 0, grey: 60 }, { at: 1, grey: 180 }, { at: 2, grey: 100, call: 'pause' },
      { at: 4, grey: 220, call: 'resume' }, { at: 5.5, grey: 40 }, { at: 6.5, end: true },
    ],
  },
  'idle_with_sound.webm': {
    type: 'video/webm;codecs=vp8,opus',
    sound: true,
    script: [
      { at: 0, grey: 60 }, { at: 1, grey: 180, idle: true }, { at: 5, grey: 100, idle: false },
      { at: 6, grey: 220, idle: true }, { at: 9, end: true },
    ],
  },
};
const lastChange = () => [
  { at: 0, grey: 60, idle: true }, { at: 2, grey: 180 }, { at: 4.9, grey: 220 }, { at: 5, end: true },
];
for (const [name, type, sound] of [
  ['last_change.mp4', 'video/mp4;codecs=avc1.42E01E'], ['last_change.mkv', 'video/x-matroska;codecs=avc1'],
  ['last_change_av1.webm', 'video/webm;codecs=av01'], ['last_change_vp8.webm', 'video/webm;codecs=vp8'],
  ['last_change_with_sound.mp4', 'video/mp4;codecs=av01.0.04M.08,opus', true],
]) recordings[name] = { type, sound, script: lastChange() };

async function record({ type, script, sound }) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [96, 54];
  const pen = canvas.getContext('2d');
  const stream = canvas.captureStream(30);
  if (sound) {
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    const level = audio.createGain();
    const heard = audio.createMediaStreamDestination();
    tone.frequency.value = 1000;
    level.gain.value = 0.3;
    tone.connect(level).connect(heard);
    tone.start();
    stream.addTrack(heard.stream.getAudioTracks()[0]);
  }
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 200000, audioBitsPerSecond: 6000 });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  let state = { grey: 40, alpha: 1 };
  let drawn = 0;
  const draw = () => {
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.globalAlpha = state.alpha;
    pen.fillStyle = `rgb(${state.grey},${state.grey},${state.grey})`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.globalAlpha = 1;
    pen.fillStyle = 'white';
    pen.fillRect((drawn++ * 3) % canvas.width, 0, 6, canvas.height / 4);
  };
  // It starts with the first picture.
  const begun = new Promise((resolve) => { recorder.onstart = resolve; });
  recorder.start();
  const first = setInterval(draw, 33);
  await begun;
  clearInterval(first);
  const start = performance.now();
  await new Promise((resolve) => {
    const clock = setInterval(() => {
      let changed = false;
      while (script.length && performance.now() - start >= 1000 * script[0].at) {
        const { size, call, end, ...rest } = script.shift();
        state = { ...state, ...rest };
        changed = true;
        if (size) [canvas.width, canvas.height] = size;
        if (call) recorder[call]();
        if (end) { clearInterval(clock); resolve(); return; }
      }
      if (changed || !state.idle) draw();
    }, 1000 / 30);
  });
  const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.stop();
  await stopped;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

const browser = await puppeteer.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', '--disable-gpu'],
});
const page = await browser.newPage();
for (const [name, asked] of Object.entries(recordings)) {
  fs.writeFileSync(`${folder}/${name}`, Buffer.from(await page.evaluate(record, asked), 'base64'));
}
await browser.close();
