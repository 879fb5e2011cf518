// Plots of a connection's figures, drawn from the table on the page.

const HEIGHT = 220;
let plots = [];
let drawn = "";

/** The table's columns, with one value per time step. A step without a row is 0, except the one in progress, which is
 * left out. */
function readTable() {
  const table = document.querySelector("table.history");
  if (!table) return null;
  const [from, until, step] = ["from", "until", "step"].map((name) => Number(table.dataset[name]));
  const times = [];
  const rows = table.tBodies[0].rows;
  const last = Number(rows[0].dataset.at) === until ? until : until - step;
  for (let at = from; at <= last; at += step) times.push(at);
  const columns = [...table.tHead.rows[0].cells].slice(1).map((cell) => ({
    plot: cell.dataset.plot,
    title: cell.firstChild.textContent.trim(),
    unit: cell.dataset.unit,
    colour: cell.dataset.colour,
    values: new Array(times.length).fill(cell.dataset.unit === "ms" ? null : 0),
  }));
  for (const row of rows) {
    const place = (Number(row.dataset.at) - from) / step;
    [...row.cells].slice(1).forEach((cell, number) => {
      columns[number].values[place] = cell.dataset.n === "" ? null : Number(cell.dataset.n);
    });
  }
  return { times, step, columns };
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function shown(value, unit) {
  if (value === null || value === undefined) return "–";
  const digits = { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 };
  return value.toLocaleString(LOCALE, digits) + (unit ? ` ${unit}` : "");
}

function series(column, scale) {
  const stroke = colour(column.colour);
  const isAlone = column.values.filter((value) => value !== null).length < 2;
  return {
    label: column.title,
    scale,
    stroke,
    width: 1.75,
    points: { show: isAlone, size: 5, fill: stroke },
    value: (_, value) => shown(value, column.unit),
  };
}

function axis(more) {
  const grid = { stroke: colour("plot-grid"), width: 1 };
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  return { stroke: colour("plot-ink"), grid, ticks: { ...grid, size: 4 }, font, ...more };
}

/** 1, 2, 5, 10, 20 …: what is counted has no fractions. */
const WHOLE_STEPS = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();

/** How an axis of times is written: uPlot's format, its longest step first. In each row: the smallest step in seconds,
 * the text, and what a new year, month and day add. */
const DAY_S = 86_400;
const TIMES = [
  [DAY_S, "{MMM} {D}", "\n{YYYY}", null, null, null, null, null, 1],
  [3_600, "{h}{aa}", "\n{MMM} {D}", null, "\n{MMM} {D}", null, null, null, 1],
  [1, "{h}:{mm}{aa}", "\n{MMM} {D}", null, "\n{MMM} {D}", null, null, null, 1],
];

/** Numbers short enough for an axis. */
function short(values, unit) {
  const format = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
  return values.map((value) => (value === null ? "" : format.format(value) + (unit ? ` ${unit}` : "")));
}

/** Starts at 0 and is never flat. */
function range(_, __, highest) {
  return [0, highest > 0 ? highest * 1.08 : 1];
}

/** The legend shows the newest values unless the pointer is on others. */
function showLatest(plot) {
  if (plot.cursor.idx === null || plot.cursor.idx === undefined) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
}

/** The columns that a plot shows, on its left and on its right side. */
function columnsOf(place, table) {
  return [place.dataset.plot, place.dataset.second].map((name) => table.columns.filter((column) => column.plot === name));
}

function draw(place, table) {
  const [first, second] = columnsOf(place, table);
  const left = axis({ scale: "y", size: 52, incrs: WHOLE_STEPS, values: (_, values) => short(values) });
  const right = axis({ scale: "y2", side: 1, size: 60, grid: { show: false }, values: (_, values) => short(values, second[0]?.unit) });
  const options = {
    width: Math.max(place.clientWidth, 200),
    height: HEIGHT,
    scales: { x: { time: true }, y: { range }, y2: { range } },
    series: [
      { value: (_, at) => (at === null ? "–" : new Date(at * 1000).toLocaleString(LOCALE, { dateStyle: "medium", timeStyle: "short" })) },
      ...first.map((column) => series(column, "y")),
      ...second.map((column) => series(column, "y2")),
    ],
    axes: [axis({ values: TIMES }), left, ...(second.length ? [right] : [])],
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true },
    hooks: { setCursor: [showLatest], ready: [showLatest] },
  };
  const columns = [...first, ...second];
  place.replaceChildren();
  const plot = new uPlot(options, [table.times, ...columns.map((column) => column.values)], place);
  return { plot, place };
}

/** Which lines there are: if they change, everything is drawn anew. */
function lines(table) {
  return table.columns.map((column) => column.title).join();
}

function drawAll() {
  const table = readTable();
  const box = document.querySelector(".plots");
  if (!table || !box) return;
  box.hidden = false;
  box.closest("section").hidden = false;
  for (const { plot } of plots) plot.destroy();
  drawn = lines(table);
  plots = [];
  for (const place of box.querySelectorAll("[data-plot]")) {
    const isEmpty = columnsOf(place, table).flat().length === 0;
    place.closest("figure").hidden = isEmpty;
    if (!isEmpty) plots.push(draw(place, table));
  }
}

/** Updates the plots; redraws them only if there are new or fewer lines. */
function update() {
  const table = readTable();
  if (!table) return;
  if (lines(table) !== drawn) {
    drawAll();
    return;
  }
  for (const { plot, place } of plots) {
    plot.setData([table.times, ...columnsOf(place, table).flat().map((column) => column.values)]);
    showLatest(plot);
  }
}

drawAll();
document.addEventListener("hogline:updated", update);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
const watcher = new ResizeObserver(() => {
  for (const { plot, place } of plots) {
    if (place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: HEIGHT });
  }
});
for (const place of document.querySelectorAll(".plots [data-plot]")) watcher.observe(place);
