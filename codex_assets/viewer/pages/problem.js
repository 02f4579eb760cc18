// A page that cannot be shown, and why.
import { html, render, Header, data } from "/pages/elements.js";

render(html`<${Header} /><main class="page"><h1>This page cannot be shown</h1><p class="problem">${data().problem}</p></main>`, document.body);
