// Asks the server that this page came from, and puts what goes wrong into words.

const KEY = "box2seg-key";
const UNLIKE_A_KEY = ["This key was not accepted", "Keys have letters, digits, hyphens and low lines alone.", 401];

export class Trouble extends Error {
  /** What a person reads: `title`, then `message`; `status` 0 means that no answer came. */
  constructor(title, message, status = 0) {
    super(message);
    this.title = title;
    this.status = status;
  }
}

export const keptKey = {
  get: () => sessionStorage.getItem(KEY),
  set: (key) => sessionStorage.setItem(KEY, key),
  forget: () => sessionStorage.removeItem(KEY),
};

export async function listModels() {
  return (await (await ask("v1/models")).json()).models;
}

export function segment(photo, { model, format, signal }) {
  const type = photo.type || "application/octet-stream";
  return ask(`v1/segment?${new URLSearchParams({ model, format })}`, {
    method: "POST",
    body: photo,
    headers: { "Content-Type": type },
    signal,
  });
}

/** Give a file of this server's under its own name. */
export async function getFile(path) {
  const blob = await (await ask(path)).blob();
  return new File([blob], path.split("/").pop(), { type: blob.type });
}

/** Give the stages of a Server-Timing header as pairs of name and milliseconds. */
export function readTimings(answer) {
  const header = answer.headers.get("Server-Timing") ?? "";
  return [...header.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g)].map(([, name, ms]) => [name, Number(ms)]);
}

const PRINTABLE = /^[\x21-\x7e]+$/; // what a header can carry; all keys are of these

async function ask(path, { headers, ...options } = {}) {
  const key = keptKey.get();
  if (key && !PRINTABLE.test(key)) throw new Trouble(...UNLIKE_A_KEY);
  const sent = key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: sent, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The server does not answer", "It may have stopped, or the way to it is cut.");
  }
  if (!answer.ok) throw await readTrouble(answer);
  return answer;
}

async function readTrouble(answer) {
  const problem = await answer.json().catch(() => ({})); // a proxy in between may answer with anything
  const said = [problem.detail ?? answer.statusText, problem.hint].filter(Boolean).map(asSentence);
  const wait = Number(answer.headers.get("Retry-After"));
  if (wait) said.push(`It asks to wait for ${wait} s.`);
  return new Trouble(titleOf(answer.status, problem.title), said.join(" "), answer.status);
}

function titleOf(status, title) {
  if (status === 401) return keptKey.get() ? "This key was not accepted" : "The server wants a key";
  if (status === 429 || status === 503) return "The server is busy or not ready yet";
  return title ?? `The server answered ${status}`;
}

function asSentence(words) {
  const text = words.trim();
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
