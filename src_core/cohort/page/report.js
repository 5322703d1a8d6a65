"use strict";
// DATA: structures, limit, scans (name, age, sex, unusual, warnings, psnr, similarity, volumes, z)
// and, for each structure, ends: its smallest and largest volume.
const byId = (id) => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const scanOf = (card) => DATA.scans[card.dataset.row];
const lastIfUnknown = (value) => (value === null ? Infinity : value);
const ORDERS = {
  unusual: (scan) => -scan.unusual,
  warnings: (scan) => -scan.warnings,
  psnr: (scan) => lastIfUnknown(scan.psnr),
  similarity: (scan) => lastIfUnknown(scan.similarity),
  age: (scan) => lastIfUnknown(scan.age),
  name: () => 0,
};
const SHOWN = {
  all: () => true,
  unusual: (scan) => scan.unusual > DATA.limit,
  warned: (scan) => scan.warnings > 0,
  fine: (scan) => scan.unusual <= DATA.limit && scan.warnings === 0,
};
const isJudged = (scan, asked) => !asked || (scan.verdict || "none") === asked;
const FEW = 4;
let chosen = null;

function arrange() {
  const order = ORDERS[byId("sort").value];
  const text = byId("search").value.trim().toLowerCase();
  const sex = byId("sex")?.value || "", verdict = byId("verdict").value;
  let shown = 0;
  const names = (a, b) => scanOf(a).name.localeCompare(scanOf(b).name, "en", { numeric: true });
  cards.sort((a, b) => order(scanOf(a)) - order(scanOf(b)) || names(a, b));
  for (const card of cards) {
    const scan = scanOf(card);
    const fits = !text || card.textContent.toLowerCase().includes(text);
    card.hidden = !(fits && SHOWN[byId("show").value](scan) && (!sex || scan.sex === sex) && isJudged(scan, verdict));
    shown += !card.hidden;
  }
  byId("cards").append(...cards);
  byId("count").value = `${shown} of ${cards.length}`;
  plot();
}

function svg(name, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function plot() {
  const at = Number(byId("structure").value), box = byId("plot");
  const width = box.clientWidth || 800, height = 120, left = 60, below = 18;
  const ages = DATA.scans.map((scan) => scan.age).filter((age) => age !== null);
  const byAge = new Set(ages).size > 2;
  const [low, high] = DATA.ends[at];
  const [first, last] = byAge ? [Math.min(...ages), Math.max(...ages)] : [0, cards.length - 1];
  const span = (a, b) => (b > a ? b - a : 1);
  box.replaceChildren();
  const words = [[2, 14, `${high.toFixed(1)} mL`], [2, height - below, low.toFixed(1)],
    [left, height - 2, byAge ? `${first} years` : "in the order of the cards"],
    [width - 60, height - 2, byAge ? `${last} years` : ""]];
  for (const [x, y, said] of words) svg("text", { x, y }, box).textContent = said;
  cards.forEach((card, place) => {
    const scan = scanOf(card), volume = scan.volumes[at], where = byAge ? scan.age : place;
    if (volume === null || where === null) return;
    const cx = left + ((where - first) / span(first, last)) * (width - left - 20);
    const cy = 8 + (1 - (volume - low) / span(low, high)) * (height - below - 16);
    const dot = svg("circle", { cx, cy, r: card === chosen ? 6 : 4 }, box);
    dot.classList.toggle("chosen", card === chosen);
    dot.classList.toggle("hidden", card.hidden);
    svg("title", {}, dot).textContent = `${scan.name}: ${volume.toFixed(2)} mL`;
    dot.addEventListener("click", () => choose(card));
  });
}

function choose(card) {
  if (!card) return;
  chosen?.classList.remove("chosen");
  chosen = card;
  card.classList.add("chosen");
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "start" });
  volumes(card, false);
  plot();
}

// The most unusual volumes of a scan, or all of them, each among those of the cohort.
function volumes(card, all) {
  const scan = scanOf(card), list = card.querySelector(".volumes");
  const order = DATA.structures.map((_, at) => at);
  if (!all) order.sort((a, b) => Math.abs(scan.z[b] ?? 0) - Math.abs(scan.z[a] ?? 0)).splice(FEW);
  list.replaceChildren();
  for (const at of order) {
    const volume = scan.volumes[at], z = scan.z[at], [low, high] = DATA.ends[at];
    const cell = (tag, text) => list.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
    cell("b", DATA.structures[at]).title = DATA.structures[at];
    cell("i", volume === null ? "-" : `${volume.toFixed(2)} mL`);
    cell("i", z === null ? "" : `z ${z.toFixed(1)}`).classList.toggle("high", Math.abs(z) > DATA.limit);
    const strip = svg("svg", { class: "strip", viewBox: "0 0 100 20", preserveAspectRatio: "none" }, list);
    svg("use", { href: `#shape${at}`, width: 100, height: 20 }, strip);
    const x = high > low ? (100 * (volume - low)) / (high - low) : 50;
    if (volume !== null) svg("line", { x1: x, x2: x, y1: 0, y2: 20 }, strip);
  }
  card.classList.toggle("open", all);
}

function step(by) {
  const shown = cards.filter((card) => !card.hidden);
  const now = shown.indexOf(chosen);
  choose(shown[now < 0 ? 0 : Math.min(Math.max(now + by, 0), shown.length - 1)]);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select");
  if (event.key === "Escape") { byId("search").value = ""; arrange(); document.activeElement.blur(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "j" || event.key === "ArrowRight") step(1);
  else if (event.key === "k" || event.key === "ArrowLeft") step(-1);
  else if (event.key === "Enter" && chosen) volumes(chosen, !chosen.classList.contains("open"));
  else if (event.key === "/") byId("search").focus();
  else return;
  event.preventDefault();
});
byId("cards").addEventListener("click", (event) => choose(event.target.closest(".card")));
for (const id of ["sort", "show", "sex", "verdict"]) byId(id)?.addEventListener("change", arrange);
byId("search").addEventListener("input", arrange);
byId("structure").addEventListener("change", plot);
addEventListener("resize", plot);
// A card's most unusual volumes are drawn when it comes near the screen.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) { near.unobserve(target); if (target !== chosen) volumes(target, false); }
  }
}, { rootMargin: "800px" });
arrange();
cards.forEach((card) => near.observe(card));
