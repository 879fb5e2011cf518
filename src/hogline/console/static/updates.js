// Keeps a page up to date and sends its forms, without losing focus, scroll, or anything typed.
//
// The server makes each page in one place. When it says that something changed, the whole page is fetched again, and
// its parts marked `data-live` are changed into the new ones, node by node. A form marked `data-here` is sent the same
// way: its answer is a page, whose parts marked `data-live` or `data-result` replace those shown. An answer that is not
// this page replaces nothing.

const PART = { "x-part": "1" };
const LEAST_PAUSE_MS = 500;
const MOST_PAUSE_MS = 3_000;
const EVERY_MS = 30_000;
/** What the user or this script may have changed: it stays. */
const KEPT = { DETAILS: ["open"], DIALOG: ["open"], BUTTON: ["aria-busy"], FORM: ["aria-busy"], DIV: ["data-held"] };

/** Where the page is fetched from. */
const here = () => document.querySelector("[data-refresh]")?.dataset.refresh ?? location.pathname + location.search;

function notice(text, isSignIn = false) {
  const place = document.getElementById("unanswered");
  place.hidden = !text;
  document.getElementById("unanswered-text").textContent = text;
  document.getElementById("unanswered-sign-in").hidden = !isSignIn;
}

const AWAY = "Hogline is not responding. It may be restarting. This page reconnects automatically.";
const ENDED = "Your session has ended. What you typed is still here.";
const GONE = "What this page shows was removed.";

/** Changes the marked parts of this page into those of a new one. */
function take(text, selector) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  enliven(fresh);
  for (const part of [...document.querySelectorAll(selector)]) {
    const other = fresh.getElementById(part.id);
    if (!other || !part.isConnected) continue;
    Idiomorph.morph(part, other, {
      morphStyle: "outerHTML",
      // Of a button the value is what it does next; of a field it is what somebody is typing.
      ignoreActiveValue: document.activeElement?.tagName !== "BUTTON",
      callbacks: {
        beforeAttributeUpdated: (name, node) => !KEPT[node.tagName]?.includes(name),
        // Typed text stays, and what is drawn or added by scripts.
        beforeNodeMorphed: (node) => !(node.nodeType === 1 && node.hasAttribute("data-keep")),
      },
    });
  }
  enliven(document);
  if (document.querySelector("[data-live][data-soon]")) setTimeout(refresh, 700);
  document.dispatchEvent(new CustomEvent("hogline:updated"));
}

/** Fetches a page. Returns its text if it is one that can be shown here, or null if the user has been told why not. */
async function ask(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { ...options, headers: { ...PART, ...options.headers } });
  } catch {
    notice(AWAY);
    return null;
  }
  const to = response.headers.get("x-go-to");
  if (to) {
    location.assign(to);
    return null;
  }
  if (response.status === 401) {
    if (options.method === "POST" || isTouched()) notice(ENDED, true);
    else location.reload(); // leads to the sign-in page
    return null;
  }
  const text = await response.text();
  if (response.headers.has("x-error")) {
    notice(response.status === 404 ? GONE : sentenceOf(text));
    return null;
  }
  notice("");
  return text;
}

/** Whether something was typed that would be lost. */
function isTouched() {
  const fields = document.querySelectorAll("form:not([data-search]) :is(input:not([type=hidden]), textarea)");
  return [...fields].some((field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked);
}

function sentenceOf(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  return fresh.getElementById("error-sentence")?.textContent ?? AWAY;
}

// What changed on the server

let isAsking = false;
let isBehind = false;

async function refresh() {
  if (document.hidden || isAsking) {
    isBehind = true;
    return;
  }
  isAsking = true;
  isBehind = false;
  const begun = performance.now();
  const at = here();
  try {
    const text = await ask(at);
    if (text !== null && at === here()) take(text, "[data-live]:not([data-held])");
  } finally {
    // A slow server is asked less often.
    setTimeout(() => {
      isAsking = false;
      if (isBehind) refresh();
    }, Math.min(Math.max(LEAST_PAUSE_MS, 2 * (performance.now() - begun)), MOST_PAUSE_MS));
  }
}

document.addEventListener("hogline:refresh", refresh);

let source = null;

function listen() {
  source?.close();
  source = new EventSource("/changes");
  source.addEventListener("changed", refresh);
  source.addEventListener("open", () => {
    document.documentElement.dataset.listening = "";
    notice("");
  });
  source.addEventListener("error", () => {
    delete document.documentElement.dataset.listening;
    // EventSource tries again by itself, unless it was answered with an error.
    if (source.readyState !== EventSource.CLOSED) notice(AWAY);
    else {
      ask(here()); // says why
      setTimeout(listen, 5_000);
    }
  });
}

// A page that says what went wrong does not change.
if (document.querySelector("[data-live]") && !document.getElementById("error-sentence")) {
  listen();
  setInterval(refresh, EVERY_MS); // some figures are only counted once a minute
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (source?.readyState === EventSource.CLOSED) listen();
  if (isBehind) refresh();
});

// Forms

function setBusy(form, button, isBusy) {
  for (const each of [form, button]) {
    if (isBusy) each?.setAttribute("aria-busy", "true");
    else each?.removeAttribute("aria-busy");
  }
  if (!button?.dataset.busy) return;
  if (isBusy) {
    button.dataset.idle = button.textContent;
    button.textContent = button.dataset.busy;
  } else if (button.dataset.idle) button.textContent = button.dataset.idle;
}

/** Shows the first problem, where it is to be solved. */
function showProblem() {
  const wrong = document.querySelector("main [aria-invalid=true]");
  wrong?.closest("details")?.setAttribute("open", "");
  wrong?.focus();
  document.querySelector("[data-result] .notice, .problem:not(:empty)")?.scrollIntoView({ block: "nearest" });
}

async function send(form, button) {
  const typed = new FormData(form, button);
  const hasFile = button?.formEnctype === "multipart/form-data";
  const body = hasFile ? typed : new URLSearchParams([...typed].filter(([, value]) => typeof value === "string"));
  const url = button?.hasAttribute("formaction") ? button.formAction : form.action;
  setBusy(form, button, true);
  const text = await ask(url, { method: "POST", body });
  setBusy(form, button, false);
  if (text === null) return;
  take(text, "[data-live], [data-result]");
  showProblem();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.getAttribute("aria-busy") === "true") {
    event.preventDefault(); // a double click
    return;
  }
  if ("here" in form.dataset) {
    event.preventDefault();
    send(form, event.submitter);
  } else {
    // After the browser has read the form: the button's name and value belong to it.
    setTimeout(() => setBusy(form, event.submitter, true));
  }
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[aria-busy]")) setBusy(form, form.querySelector("button[aria-busy]"), false);
});

// Search while typing: a form with `data-search`

let typed = 0;

async function search(form) {
  const mine = ++typed;
  const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  const url = new URL(form.action).pathname + (query.size ? `?${query}` : "");
  form.setAttribute("aria-busy", "true");
  const text = await ask(url);
  if (mine !== typed) return;
  form.removeAttribute("aria-busy");
  if (text === null) return;
  history.replaceState(null, "", url);
  take(text, "[data-live]");
}

for (const form of document.querySelectorAll("form[data-search]")) {
  let waiting;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => search(form), 250);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    search(form);
  });
}
