// A page that cannot be shown, and why.
import { html, render, Header, coded, data } from "/pages/elements.js";

const { title, problem } = data();
render(html`<${Header} /><main class="page"><h1>${title}</h1><p class="problem">${coded(problem)}</p><p class="small-text"><a href="/">All media of this store</a></p></main>`, document.body);
