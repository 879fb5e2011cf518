// Live: holds the list still while somebody reads. Everything else is updates.js.

const list = document.getElementById("live-events");
const button = document.getElementById("live-pause");
const said = document.getElementById("live-said");
let isPaused = false;

function hold() {
  const isOpen = list.querySelector("details[open]") !== null;
  const wasHeld = "held" in list.dataset;
  list.toggleAttribute("data-held", isPaused || isOpen);
  button.setAttribute("aria-pressed", String(isPaused));
  button.textContent = isPaused ? "Resume" : "Pause";
  said.textContent = isPaused ? "Paused." : isOpen ? "Paused while an event is open." : "";
  if (wasHeld && !(isPaused || isOpen)) document.dispatchEvent(new CustomEvent("hogline:refresh"));
}

button.addEventListener("click", () => {
  isPaused = !isPaused;
  hold();
});
list.addEventListener("toggle", hold, true);
document.addEventListener("hogline:updated", hold); // a search closes what was open
button.hidden = false;
