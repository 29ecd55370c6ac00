// Reads the labels of an indexed PNG exactly, which a canvas does not: some browsers blur its colours on purpose.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const PALETTE = 3;

/** Give the size [px] and the labels, row by row, of an indexed PNG that is not interlaced. */
export async function readLabels(blob) {
  const { header, parts } = readChunks(new DataView(await blob.arrayBuffer()));
  const { width, height, depth } = header;
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const raw = new Uint8Array(await new Response(stream).arrayBuffer());
  const rows = undoFilters(raw, height, Math.ceil((width * depth) / 8));
  return { width, height, labels: depth === 8 ? rows : unpack(rows, width, height, depth) };
}

function readChunks(view) {
  if (SIGNATURE.some((byte, at) => view.getUint8(at) !== byte)) throw new Error("this is no PNG");
  let header;
  const parts = [];
  for (let at = 8; at < view.byteLength; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...new Uint8Array(view.buffer, at + 4, 4));
    if (kind === "IHDR") header = readHeader(view, at + 8);
    if (kind === "IDAT") parts.push(new Uint8Array(view.buffer, at + 8, length));
    at += length + 12;
  }
  return { header, parts };
}

function readHeader(view, at) {
  const [depth, colours, , , interlaced] = new Uint8Array(view.buffer, at + 8, 5);
  if (colours !== PALETTE || interlaced) throw new Error("this PNG is not indexed, or is interlaced");
  return { width: view.getUint32(at), height: view.getUint32(at + 4), depth };
}

const UNDO = [
  () => {},
  (row) => {
    for (let x = 1; x < row.length; x++) row[x] += row[x - 1];
  },
  (row, above) => {
    for (let x = 0; x < row.length; x++) row[x] += above[x];
  },
  (row, above) => {
    for (let x = 0; x < row.length; x++) row[x] += ((x && row[x - 1]) + above[x]) >> 1;
  },
  (row, above) => {
    for (let x = 0; x < row.length; x++) {
      row[x] += x ? paeth(row[x - 1], above[x], above[x - 1]) : above[x];
    }
  },
];

/** Undo PNG's row filters: each row begins with a byte that names its own. */
function undoFilters(raw, height, length) {
  const rows = new Uint8Array(height * length);
  let above = new Uint8Array(length);
  for (let y = 0; y < height; y++) {
    const begin = y * (length + 1);
    const row = rows.subarray(y * length, (y + 1) * length);
    row.set(raw.subarray(begin + 1, begin + 1 + length));
    UNDO[raw[begin]](row, above);
    above = row;
  }
  return rows;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

/** Give one byte per pixel where several share a byte. */
function unpack(rows, width, height, depth) {
  const labels = new Uint8Array(width * height);
  const length = rows.length / height;
  const mask = 2 ** depth - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      labels[y * width + x] = (rows[y * length + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return labels;
}
