// One button for each form of answer that the server has.

const WORDS = {
  png: "Indexed PNG, each pixel a label",
  overlay: "The photo with the mask over it",
  "overlay-png": "The same as a PNG",
  rle: "COCO run lengths, JSON",
  geojson: "Outlines with holes, GeoJSON",
  npy: "NumPy array of labels",
  npz: "NumPy labels and confidence",
  raw: "Labels as plain bytes",
  confidence: "How sure, as a grey PNG",
};

/**
 * Show the buttons.
 *
 * @param formats their names
 * @param get gives the file's bytes and name for a format
 * @param fail hears what went wrong
 */
export function showDownloads(list, formats, { get, fail }) {
  list.replaceChildren(...formats.map((format) => item(format, { get, fail })));
}

function item(format, { get, fail }) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.format = format;
  const name = document.createElement("b");
  name.textContent = format;
  const words = document.createElement("small");
  words.textContent = WORDS[format] ?? "";
  button.append(name, words);
  button.addEventListener("click", () => download(button, get, fail));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

async function download(button, get, fail) {
  button.disabled = true;
  try {
    const { blob, name } = await get(button.dataset.format);
    save(blob, name);
  } catch (error) {
    fail(error);
  } finally {
    button.disabled = false;
  }
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // a browser may ask its user first
}
