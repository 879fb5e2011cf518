// Live events: newest on top, up to a maximum; with pause and filters. Without JavaScript the page shows the latest.

const list = document.getElementById("live");
const text = document.getElementById("live-text");
const outcome = document.getElementById("live-outcome");
const pause = document.getElementById("live-pause");
const said = document.getElementById("live-said");
const most = Number(list.dataset.most);
let waiting = []; // Received while paused, newest first.
let leftOut = 0;

/** Hogline is stopping or cannot be reached; EventSource retries automatically. */
function showAway(isAway) {
  document.dispatchEvent(new CustomEvent("hogline:away", { detail: isAway }));
}

function isPaused() {
  return pause.getAttribute("aria-pressed") === "true";
}

function isWanted(item) {
  const words = text.value.trim().toLowerCase();
  return (!outcome.value || item.dataset.outcome === outcome.value)
    && (!words || item.textContent.toLowerCase().includes(words));
}

function filter() {
  let shown = 0;
  for (const item of list.children) {
    item.hidden = !isWanted(item);
    shown += !item.hidden;
  }
  const isEmpty = list.children.length === 0;
  document.getElementById("live-empty").hidden = !isEmpty;
  document.getElementById("live-none").hidden = isEmpty || shown > 0;
  list.hidden = shown === 0;
}

function show(came) {
  list.prepend(...came);
  while (list.children.length > most) list.lastElementChild.remove();
  showLocalTimes(list);
  filter();
}

function tell() {
  const parts = [];
  if (isPaused()) parts.push(waiting.length ? `Paused: ${waiting.length.toLocaleString()} new.` : "Paused.");
  if (leftOut) parts.push(`${leftOut.toLocaleString()} not shown (too many at once).`);
  said.textContent = parts.join(" ");
}

/** The items of a piece of HTML that the server has made, without those already in the page: after a reconnect some may come twice. */
function items(html) {
  const place = document.createElement("template");
  place.innerHTML = html;
  const here = new Set([...list.children, ...waiting].map((item) => item.id));
  return [...place.content.children].filter((item) => !here.has(item.id));
}

const source = new EventSource(`${list.dataset.stream}?after=${list.dataset.last}`);
source.addEventListener("events", (message) => {
  const came = items(message.data);
  if (isPaused()) waiting = [...came, ...waiting].slice(0, most);
  else show(came);
  tell();
});
source.addEventListener("more", (message) => {
  leftOut += Number(message.data);
  tell();
});
source.addEventListener("ended", () => {
  source.close();
  location.reload(); // Leads to the sign-in page if the session has ended.
});
source.addEventListener("error", () => showAway(true));
source.addEventListener("open", () => {
  list.dataset.open = "";
  showAway(false);
});

pause.addEventListener("click", () => {
  pause.setAttribute("aria-pressed", String(!isPaused()));
  pause.textContent = isPaused() ? "Resume" : "Pause";
  if (!isPaused()) {
    show(waiting);
    waiting = [];
  }
  tell();
});
text.addEventListener("input", filter);
outcome.addEventListener("change", filter);
document.getElementById("live-tools").hidden = false;
