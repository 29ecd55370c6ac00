// Paints a photo and its mask onto canvases, as large as a screen can use, however large the photo is.

const LONG_SIDE = 1600; // [px]
const LINE = 2; // [px]
export const BACKGROUND = 0;

/** Draw a photo's file, upright; gives its size [px], or null where the browser cannot read this kind. */
export async function paintPhoto(canvas, file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return null;
  const { width, height } = bitmap;
  const scale = Math.min(1, LONG_SIDE / Math.max(width, height));
  resize(canvas, width, height, scale);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return { width, height };
}

/** Count the pixels of each label. */
export function countAreas(labels) {
  const areas = new Uint32Array(256);
  for (let at = 0; at < labels.length; at++) areas[labels[at]]++;
  return areas;
}

/**
 * Paint the mask: its areas onto `tint`, the borders between them onto `lines`.
 *
 * @param mask size and labels
 * @param colours [r, g, b] by label; labels without one stay clear
 */
export function paintMask(tint, lines, mask, colours) {
  const scale = LONG_SIDE / Math.max(mask.width, mask.height);
  const seen = sample(mask, resize(tint, mask.width, mask.height, scale));
  resize(lines, mask.width, mask.height, scale);
  const [fills, strokes] = [colours.map((colour) => pack(colour)), colours.map((colour) => pack(colour, 0.7))];
  put(tint, seen, (label) => fills[label] ?? 0);
  const [across, down] = [LINE, LINE * tint.width];
  put(lines, seen, (label, at) => {
    const inside = label === seen[at - across] && label === seen[at + across];
    return inside && label === seen[at - down] && label === seen[at + down] ? 0 : (strokes[label] ?? 0);
  });
}

function resize(canvas, width, height, scale) {
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  return canvas;
}

/** Give the label that lies under each pixel of a canvas. */
function sample({ width, height, labels }, canvas) {
  const seen = new Uint8Array(canvas.width * canvas.height);
  const columns = Uint32Array.from({ length: canvas.width }, (_, x) => ((x + 0.5) * width) / canvas.width);
  for (let y = 0, at = 0; y < canvas.height; y++) {
    const row = Math.floor(((y + 0.5) * height) / canvas.height) * width;
    for (let x = 0; x < canvas.width; x++) seen[at++] = labels[row + columns[x]];
  }
  return seen;
}

function put(canvas, seen, colourOf) {
  const image = new ImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < seen.length; at++) pixels[at] = colourOf(seen[at], at);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Give a colour as a canvas keeps it, mixed with so much white; every browser's machine is little-endian. */
function pack(colour, white = 0) {
  if (!colour) return 0;
  const [r, g, b] = colour.map((value) => Math.round(value + (255 - value) * white));
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
