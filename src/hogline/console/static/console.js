// Enhancements. Every page works without them.

/** The pages are in English: numbers and times are written that way too, everywhere. */
const LOCALE = "en-US";
const TIME = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "medium" });

/** Shows the server's UTC times in the viewer's time zone. */
function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(time.getAttribute("datetime"));
    if (Number.isNaN(moment.valueOf())) continue;
    time.title = time.textContent;
    time.textContent = TIME.format(moment);
  }
}

/** Buttons that copy the text of another element; hidden without JavaScript. */
function offerCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) button.hidden = false;
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
    const control = root.getElementById(problem.dataset.problemOf);
    if (isProblem) control?.setAttribute("aria-invalid", "true");
    else control?.removeAttribute("aria-invalid");
  }
}

/** What scripts add to a page, be it shown or about to be. */
function enliven(root) {
  showLocalTimes(root);
  offerCopying(root);
  markProblems(root);
}

/** Adds a name to a list in a field, or takes it out again. */
function toggleName(button) {
  const field = document.getElementById(button.dataset.to);
  const names = field.value.split(",").map((name) => name.trim()).filter(Boolean);
  const kept = names.filter((name) => name !== button.dataset.add);
  field.value = (kept.length < names.length ? kept : [...names, button.dataset.add]).join(", ");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/** On a narrow window the menus scroll sideways: the page that is open comes into view. */
function showWhereYouAre() {
  for (const current of document.querySelectorAll('.side nav > ul a[aria-current="page"], .tabs a[aria-current="page"]')) {
    const menu = current.closest("nav");
    const past = current.getBoundingClientRect().right - menu.getBoundingClientRect().right;
    if (menu.scrollWidth > menu.clientWidth && past > 0) menu.scrollLeft += past + 16;
  }
}

document.documentElement.classList.add("with-script");
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy]");
  if (button) copy(button);
  const name = event.target.closest("button[data-add]");
  if (name) toggleName(name);
});
enliven(document);
showWhereYouAre();
