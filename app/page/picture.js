// Pictures of 28 x 28 grey pixels: how they are decoded, shown, and laid under what a model looked at.
import { h } from "./dom.js";

export const side = 28;

export function drawPixels(canvas, pixels) {
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  pixels.forEach((grey, i) => image.data.set([grey, grey, grey, 255], 4 * i));
  context.putImageData(image, 0, 0);
}

export function pictureOf(pixels, label) {
  const canvas = h("canvas", { class: "pixels", role: "img", "aria-label": label });
  drawPixels(canvas, pixels);
  return canvas;
}

// Where a model looked more than elsewhere: the warmer, the more. `attention`: {grid: [rows, columns],
// values}.
export function attentionOver(attention, label) {
  const [rows, columns] = attention.grid;
  const mean = attention.values.reduce((sum, value) => sum + value, 0) / attention.values.length;
  const most = Math.max(...attention.values) - mean;
  const canvas = h("canvas", { class: "pixels attention", role: "img", "aria-label": label, width: columns, height: rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  attention.values.forEach((value, i) => {
    const share = most > 0 ? Math.max(0, value - mean) / most : 0;
    image.data.set([255, Math.round(190 * share), 0, Math.round(200 * share)], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

const largestFile = 16e6;

// Grey pixels of an image file, the whole picture fitted into the square, dark around it.
export async function decodeFile(file, inverted) {
  if (file.size > largestFile) throw new Error("This file has more than 16 MB; choose a smaller picture.");
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This file is no picture that a browser can read; choose a PNG, JPEG or WebP.");
  }
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = inverted ? "#fff" : "#000";
  context.fillRect(0, 0, side, side);
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
  bitmap.close();
  return greyOf(context.getImageData(0, 0, side, side).data, inverted);
}

// Luma as ITU-R BT.601 weighs it, over black.
function greyOf(rgba, inverted) {
  return Array.from({ length: side * side }, (_, i) => {
    const [red, green, blue] = rgba.slice(4 * i, 4 * i + 3);
    const grey = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    return inverted ? 255 - grey : grey;
  });
}
