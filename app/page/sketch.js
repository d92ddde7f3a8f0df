// A canvas of 28 x 28 to draw on, by mouse, pen or finger, and by keyboard: cursor keys move the pen,
// Space puts it down or lifts it, Delete rubs out under it.
import { announce, h } from "./dom.js";
import { drawPixels, side } from "./picture.js";

// Full in the middle and soft at the rim, as the pictures of the data set are.
const brush = [[0, 0, 255], [1, 0, 150], [-1, 0, 150], [0, 1, 150], [0, -1, 150],
  [1, 1, 60], [1, -1, 60], [-1, 1, 60], [-1, -1, 60]];

export function makeSketch(onchange) {
  const pixels = new Array(side * side).fill(0);
  const pen = { x: 14, y: 14, down: false };
  const canvas = h("canvas", { class: "pixels", "aria-hidden": "true" });
  const marker = h("span", { class: "pen", hidden: true });
  const board = h("div", {
    class: "board", tabindex: "0", role: "application", "aria-label":
      "Drawing board of 28 by 28. Cursor keys move the pen, Space puts it down or lifts it, Delete clears under it.",
  }, canvas, marker);

  const refresh = () => drawPixels(canvas, pixels);
  function touch(x, y, rub) {
    for (const [dx, dy, grey] of brush) {
      const [a, b] = [x + dx, y + dy];
      if (a < 0 || b < 0 || a >= side || b >= side) continue;
      const at = b * side + a;
      pixels[at] = rub ? 0 : Math.max(pixels[at], grey);
    }
  }
  function stroke(from, to) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y)));
    for (let i = 0; i <= steps; ++i)
      touch(Math.round(from.x + ((to.x - from.x) * i) / steps), Math.round(from.y + ((to.y - from.y) * i) / steps));
    refresh();
    onchange(pixels.slice());
  }
  function clear() {
    pixels.fill(0);
    refresh();
    onchange(pixels.slice());
  }
  function set(values) {
    values.forEach((grey, i) => { pixels[i] = grey; });
    refresh();
  }

  byPointer(board, stroke);
  byKeys(board, pen, marker, { stroke, rub(x, y) {
    touch(x, y, true);
    refresh();
    onchange(pixels.slice());
  } });
  refresh();
  return { element: board, clear, set, pixels: () => pixels.slice() };
}

function byPointer(board, stroke) {
  let last = null;
  const at = (event) => {
    const box = board.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * side - 0.5, y: ((event.clientY - box.top) / box.height) * side - 0.5 };
  };
  board.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    board.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(last, last);
  });
  board.addEventListener("pointermove", (event) => {
    if (!last) return;
    const now = at(event);
    stroke(last, now);
    last = now;
  });
  for (const name of ["pointerup", "pointercancel"]) board.addEventListener(name, () => { last = null; });
}

function byKeys(board, pen, marker, { stroke, rub }) {
  const show = () => {
    marker.hidden = false;
    marker.classList.toggle("down", pen.down);
    marker.style.left = `${((pen.x + 0.5) / side) * 100}%`;
    marker.style.top = `${((pen.y + 0.5) / side) * 100}%`;
  };
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  board.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (move) {
      const before = { x: pen.x, y: pen.y };
      pen.x = Math.max(0, Math.min(side - 1, pen.x + move[0]));
      pen.y = Math.max(0, Math.min(side - 1, pen.y + move[1]));
      if (pen.down) stroke(before, pen);
    } else if (event.key === " ") {
      pen.down = !pen.down;
      announce(pen.down ? "Pen down" : "Pen up");
      if (pen.down) stroke(pen, pen);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      rub(pen.x, pen.y);
    } else {
      return;
    }
    event.preventDefault();
    show();
  });
  board.addEventListener("blur", () => {
    pen.down = false;
    marker.hidden = true;
  });
}
