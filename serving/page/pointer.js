// Which pixel is pointed at, by mouse, by finger or by arrow keys.

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FINE = 1 / 100;
const COARSE = 1 / 10;

/**
 * Watch a picture.
 *
 * @param point called with the place in fractions of width and height and whether keys went there; null when left
 */
export function watchPointer(picture, point) {
  let place = { x: 0.5, y: 0.5 };
  const go = (x, y, byKeys) => {
    place = { x: clamp(x), y: clamp(y) };
    point(place, byKeys);
  };
  const follow = (event) => {
    const box = picture.getBoundingClientRect();
    go((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, false);
  };
  picture.addEventListener("pointermove", follow);
  picture.addEventListener("pointerdown", follow);
  picture.addEventListener("pointerleave", () => point(null));
  picture.addEventListener("blur", () => point(null));
  picture.addEventListener("keydown", (event) => {
    if (event.key === "Escape") point(null);
    if (!STEPS[event.key]) return;
    event.preventDefault(); // the page would scroll
    const step = event.shiftKey ? COARSE : FINE;
    go(place.x + STEPS[event.key][0] * step, place.y + STEPS[event.key][1] * step, true);
  });
}

function clamp(value) {
  return Math.min(Math.max(value, 0), 1 - 1e-9);
}
