// What makes pages livelier. Every page works without it.

/** UTC, as the server writes times, becomes the viewer's own. */
function showLocalTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = time.textContent;
    time.textContent = format.format(moment);
  }
}

/** Buttons that copy the text of another element; without script they are not there. */
function offerCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Only a secure page may write to the clipboard: the user's own keys can.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

/** A field says that it is wrong as long as there is a sentence about it. */
function markProblems(root) {
  for (const problem of root.querySelectorAll("[data-problem-of]")) {
    const isProblem = problem.textContent.trim() !== "";
    const row = problem.closest(".row");
    row?.classList.toggle("has-problem", isProblem);
    const control = document.getElementById(problem.dataset.problemOf);
    if (isProblem) control?.setAttribute("aria-invalid", "true");
    else control?.removeAttribute("aria-invalid");
  }
}

function enliven(root) {
  showLocalTimes(root);
  offerCopying(root);
  markProblems(document);
}

/** Hogline is stopping, or the way to it is interrupted; EventSource tries again by itself. */
function showUnanswered(isUnanswered) {
  document.getElementById("unanswered").hidden = !isUnanswered;
}

document.documentElement.classList.add("with-script");
enliven(document);
document.addEventListener("htmx:afterSettle", () => enliven(document));
for (const name of ["htmx:sendError", "htmx:sseError"]) {
  document.addEventListener(name, () => showUnanswered(true));
}
for (const name of ["htmx:sseOpen", "htmx:afterOnLoad"]) {
  document.addEventListener(name, () => showUnanswered(false));
}
