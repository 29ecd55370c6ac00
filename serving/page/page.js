// Wires the page: a photo comes in, the server is asked, its answer is shown.

import { showDownloads } from "./downloads.js";
import { markRow, showAreas, showClasses } from "./legend.js";
import { BACKGROUND, countAreas, paintMask, paintPhoto } from "./paint.js";
import { readLabels } from "./png.js";
import { watchPointer } from "./pointer.js";
import { getFile, keptKey, listModels, readTimings, segment, Trouble } from "./server.js";

const VOID = { label: 255, name: "unsure", colour: "#e0e0c0" };
const part = (id) => document.getElementById(id);

let model; // the card of the one that is asked
let shown = null; // the photo's file, its mask, and the labels that are switched off
let underWay = new AbortController();
let lastTry = start;

async function start() {
  await attempt(async () => {
    const models = await listModels();
    if (!models.length) throw new Trouble("The server is not ready yet", "No model is loaded.", 503);
    offerModels(models);
    say("");
  });
}

function offerModels(models) {
  part("models").replaceChildren(...models.map(({ name }) => new Option(name)));
  part("model-choice").hidden = models.length < 2;
  chooseModel(models.find(({ default: isDefault }) => isDefault) ?? models[0]);
  part("models").value = model.name;
  part("models").onchange = () => {
    chooseModel(models.find(({ name }) => name === part("models").value));
    if (shown) look(shown.file);
  };
}

function chooseModel(card) {
  model = card;
  const named = part("model-choice").hidden ? `model ${card.name}, ` : "";
  part("model-name").textContent = `${named}version ${card.version}`;
  if (!shown) showClasses(part("legend"), card.classes);
}

/** A newer version was published since: its classes may be others. */
async function readCardAnew() {
  chooseModel((await listModels()).find(({ name }) => name === model.name) ?? model);
}

/** Ask for a photo's mask and show both; a photo that came before and has no answer yet is given up. */
async function look(file) {
  lastTry = () => look(file);
  underWay.abort();
  const { signal } = (underWay = new AbortController());
  await attempt(async () => {
    if (!model) await start();
    if (!model) return;
    await showPhoto(file, signal);
    const began = performance.now();
    const answer = await segment(file, { model: model.name, format: "png", signal });
    const png = await answer.blob();
    const roundTrip = performance.now() - began;
    const mask = await readLabels(png);
    if (Number(answer.headers.get("X-Model-Version")) !== model.version) await readCardAnew();
    if (signal.aborted) return;
    shown = { file, png, mask, hidden: new Set() };
    showMask();
    showTimes(readTimings(answer), roundTrip);
  }, signal);
}

/** Try something; where it fails, say so in words and offer what may help. */
async function attempt(work, signal) {
  part("trouble").hidden = true;
  part("busy").hidden = false;
  say("Working …");
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") showTrouble(error);
  } finally {
    if (!signal?.aborted) part("busy").hidden = true;
    part("forget").hidden = !keptKey.get();
  }
}

function showTrouble(error) {
  say("");
  part("trouble-title").textContent = error.title ?? "This page met something it does not expect";
  part("trouble-detail").textContent = error.message;
  const wantsKey = [401, 403].includes(error.status);
  part("key-form").hidden = !wantsKey;
  part("again").hidden = ![0, 429, 502, 503, 504].includes(error.status);
  part("trouble").hidden = false;
  if (wantsKey) part("key").focus();
  else part("trouble").scrollIntoView({ block: "nearest" });
}

async function showPhoto(file, signal) {
  forgetMask();
  const size = await paintPhoto(part("photo"), file);
  if (signal.aborted) return;
  part("photo").hidden = size === null;
  if (size) shape(size);
  part("invitation").hidden = size !== null;
  part("picture").hidden = part("under").hidden = size === null;
  part("stage").classList.toggle("empty", size === null);
}

function forgetMask() {
  shown = null;
  for (const id of ["under", "mask-controls", "downloads-part", "times-part"]) part(id).hidden = true;
  for (const id of ["tint", "lines"]) part(id).width = 0;
  part("absent").textContent = "";
  if (model) showClasses(part("legend"), model.classes);
  readOut(null);
}

function shape({ width, height }) {
  document.body.style.setProperty("--ratio", width / height);
}

function showMask() {
  const { mask, hidden } = shown;
  const areas = countAreas(mask.labels);
  const classes = areas[VOID.label] ? [...model.classes, VOID] : model.classes;
  shown.classes = new Map(classes.map((each) => [each.label, each]));
  shape(mask);
  part("invitation").hidden = true;
  part("picture").hidden = false;
  part("stage").classList.remove("empty");
  const counted = classes.map((each) => ({ ...each, area: areas[each.label] }));
  showAreas(part("legend"), part("absent"), counted, { hidden, toggle });
  repaint();
  showDownloads(part("downloads"), model.formats, { get: download, fail: showTrouble });
  for (const id of ["under", "mask-controls", "downloads-part"]) part(id).hidden = false;
  say(`Found: ${counted.filter(({ area, label }) => area && label).map(({ name }) => name).join(", ") || "nothing"}.`);
}

function toggle(label) {
  const { hidden } = shown;
  if (!hidden.delete(label)) hidden.add(label);
  const button = part("legend").querySelector(`[data-label="${label}"] button`);
  button.setAttribute("aria-pressed", String(!hidden.has(label)));
  repaint();
}

function repaint() {
  const colours = [];
  for (const { label, colour } of shown.classes.values()) {
    if (label !== BACKGROUND && !shown.hidden.has(label)) colours[label] = rgb(colour);
  }
  paintMask(part("tint"), part("lines"), shown.mask, colours);
}

function rgb(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

function setOpacity() {
  const value = Number(part("opacity").value);
  part("opacity-value").textContent = `${value} %`;
  part("tint").style.opacity = value / 100;
  part("lines").style.opacity = Math.min(1, value / 25);
}

async function download(format) {
  const stem = (shown.file.name ?? "photo").replace(/\.[^.]*$/, "");
  const blob =
    format === "png" ? shown.png : await (await segment(shown.file, { model: model.name, format })).blob();
  const suffix = model.suffixes[format];
  return { blob, name: `${stem}_${suffix === `.${format}` ? "mask" : format}${suffix}` };
}

function showTimes(stages, roundTrip) {
  const total = stages.reduce((sum, [, ms]) => sum + ms, 0) || 1;
  part("times-bar").replaceChildren(
    ...stages.map(([, ms]) => {
      const piece = document.createElement("span");
      piece.style.width = `${(ms / total) * 100}%`;
      return piece;
    }),
  );
  const lines = [...stages, ["there and back", roundTrip]];
  part("times").replaceChildren(...lines.flatMap(([name, ms]) => [term("dt", name), term("dd", inMs(ms))]));
  part("times-part").hidden = false;
}

function term(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function inMs(ms) {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")} ms`;
}

/** Say which class lies at a place, at the pointer or at the cross, and in the line below. */
function readOut(place, byKeys = false) {
  const away = !place || !shown;
  part("tip").hidden = part("cross").hidden = away;
  part("reading").textContent = "";
  if (away) return markRow(part("legend"), null);
  const { width, height, labels } = shown.mask;
  const [x, y] = [Math.floor(place.x * width), Math.floor(place.y * height)];
  const label = labels[y * width + x];
  const name = shown.classes.get(label)?.name ?? `label ${label}`;
  part("tip").textContent = name;
  part("cross").hidden = !byKeys;
  for (const id of ["tip", "cross"]) moveTo(part(id), place);
  part("reading").textContent = `${name} at ${x}, ${y}`;
  markRow(part("legend"), label);
}

function moveTo(element, { x, y }) {
  element.style.left = `${x * 100}%`;
  element.style.top = `${y * 100}%`;
  element.classList.toggle("leftwards", x > 0.75);
}

function say(words) {
  part("status").textContent = words;
}

function firstImage(items) {
  return [...(items?.files ?? [])].find(({ type, name }) => type.startsWith("image/") || /\.\w+$/.test(name));
}

function takeFiles() {
  const choose = () => part("file").click();
  part("choose").addEventListener("click", choose);
  part("another").addEventListener("click", choose);
  part("file").addEventListener("change", () => {
    const [file] = part("file").files;
    part("file").value = ""; // the same photo can be chosen again
    if (file) look(file);
  });
  document.addEventListener("paste", (event) => {
    const file = firstImage(event.clipboardData);
    if (file) look(file);
  });
}

function takeDrops() {
  const mark = (over) => part("stage").classList.toggle("over", over);
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser opens the photo in place of this page
    mark(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    const file = firstImage(event.dataTransfer);
    if (file) look(file);
  });
}

function takeSamples() {
  for (const button of document.querySelectorAll("[data-sample]")) {
    const lookAtIt = () => {
      lastTry = lookAtIt;
      return attempt(async () => look(await getFile(button.dataset.sample)));
    };
    button.addEventListener("click", lookAtIt);
  }
}

function takeKey() {
  part("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keptKey.set(part("key").value.trim());
    part("key").value = "";
    lastTry();
  });
  part("forget").addEventListener("click", () => {
    keptKey.forget();
    part("forget").hidden = true;
  });
}

takeFiles();
takeDrops();
takeSamples();
takeKey();
part("again").addEventListener("click", () => lastTry());
part("opacity").addEventListener("input", setOpacity);
watchPointer(part("picture"), readOut);
setOpacity();
start();
