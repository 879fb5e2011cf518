// Enhancements. Every page works without them.

/** Shows the server's UTC times in the viewer's time zone. */
function showLocalTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = time.textContent;
    time.textContent = format.format(moment);
  }
}

/** Buttons that copy the text of another element; hidden without JavaScript. */
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
    // Only secure pages may write to the clipboard. Select the text, so the user can copy it.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

/** Marks a field as invalid while there is an error message for it. */
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

/** Hogline is stopping or cannot be reached; EventSource retries automatically. */
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
