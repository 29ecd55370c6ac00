// The list of classes: colour, name, share of the photo; a class can be switched off, and pointed at.

import { BACKGROUND } from "./paint.js";

/** Show the classes that a model knows, before there is a photo. */
export function showClasses(list, classes) {
  list.replaceChildren(...classes.map((each) => row({ ...each, still: true })));
}

/**
 * Show the classes of a mask, largest first and background last; those that are not in the photo are named in one sentence.
 *
 * @param classes with label, name, colour and area [px]
 * @param hidden labels that are switched off
 * @param toggle called with the label whose button was pressed
 */
export function showAreas(list, absent, classes, { hidden, toggle }) {
  const total = classes.reduce((sum, { area }) => sum + area, 0);
  const there = classes.filter(({ area }) => area > 0).sort(inOrder);
  list.replaceChildren(...there.map((each) => areaRow(each, each.area / total, hidden, toggle)));
  const missing = classes.filter(({ area }) => area === 0).map(({ name }) => name);
  absent.textContent = missing.length ? `Not in this photo: ${missing.join(", ")}.` : "";
}

/** Mark the row of the class that is pointed at; none for null. */
export function markRow(list, label) {
  for (const item of list.children) item.classList.toggle("marked", Number(item.dataset.label) === label);
}

/** Say a share as people do: 12.3 %, and never 0.0 % of something that is there. */
export function percent(share) {
  return share > 0 && share < 0.0005 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`;
}

function inOrder(one, other) {
  return (one.label === BACKGROUND) - (other.label === BACKGROUND) || other.area - one.area;
}

function areaRow(each, share, hidden, toggle) {
  const item = row({ ...each, still: each.label === BACKGROUND });
  item.dataset.area = each.area;
  item.title = `${each.area.toLocaleString("en")} pixels`;
  const bar = make("span", "bar");
  bar.append(make("span", "bar-fill"));
  bar.firstChild.style.width = `${share * 100}%`;
  bar.firstChild.style.background = each.colour;
  item.firstChild.append(make("span", "share", percent(share)), bar);
  if (each.label !== BACKGROUND) {
    item.firstChild.setAttribute("aria-pressed", String(!hidden.has(each.label)));
    item.firstChild.addEventListener("click", () => toggle(each.label));
  }
  return item;
}

function row({ label, name, colour, still }) {
  const item = make("li");
  item.dataset.label = label;
  const line = make(still ? "div" : "button", "row");
  if (!still) line.type = "button";
  const swatch = make("span", "swatch");
  swatch.style.background = colour;
  line.append(swatch, make("span", "name", name));
  item.append(line);
  return item;
}

function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}
