// Where the picture to try comes from: the test images, a drawing, or a file.
import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { choice, complaint, field, number } from "./form.js";
import { decodeFile, drawPixels, pictureOf } from "./picture.js";
import { makeSketch } from "./sketch.js";

const testImages = 10000;

// `onpicture({image, truth})` is called with what to send to the server, null for none.
export function pictureSource(onpicture) {
  const ways = { test: testPicture(onpicture), draw: drawing(onpicture), file: upload(onpicture) };
  const place = h("div", { class: "stack" });
  const way = choice("source", "Picture", [["test", "Test picture"], ["draw", "Draw"], ["file", "Upload"]], "test", show);
  function show() {
    replace(place, ways[way.value].element);
    ways[way.value].choose();
  }
  return { element: h("div", { class: "stack" }, way.element, place), begin: show };
}

function testPicture(onpicture) {
  const index = number("index", { value: Math.floor(Math.random() * testImages), min: 0, max: testImages - 1, step: 1 });
  const shown = h("div", { class: "stage" }), name = h("p", {}), wrong = complaint();
  async function choose() {
    wrong.textContent = "";
    if (!index.reportValidity() || index.value === "") return;
    const at = Number(index.value);
    try {
      const picture = await get(`/api/data/test/${at}`);
      if (at !== Number(index.value)) return;
      replace(shown, pictureOf(picture.pixels, `Test picture ${at}: ${picture.class}`));
      name.textContent = `Truly: ${picture.class}`;
      onpicture({ image: { test: at }, truth: picture.class });
    } catch (error) {
      wrong.textContent = error.message;
      onpicture(null);
    }
  }
  const to = (next) => () => {
    index.value = (next() + testImages) % testImages;
    choose();
  };
  const step = (text, next) => h("button", { type: "button", class: "quiet", onclick: to(next) }, text);
  index.addEventListener("change", choose);
  return {
    choose,
    element: h("div", { class: "stack" }, shown, name,
      h("div", { class: "row" }, step("Previous", () => Number(index.value) - 1), step("Next", () => Number(index.value) + 1),
        step("Any other", () => Math.floor(Math.random() * testImages))),
      field("Number of the test picture, 0 to 9999", index), wrong),
  };
}

function drawing(onpicture) {
  const waitMilliseconds = 250;
  let timer = null;
  // All dark is no drawing.
  const tell = (pixels) => onpicture(pixels.some((grey) => grey > 0) ? { image: { pixels }, truth: null } : null);
  const sketch = makeSketch((pixels) => {
    clearTimeout(timer);
    timer = setTimeout(() => tell(pixels), waitMilliseconds);
  });
  return {
    choose: () => tell(sketch.pixels()),
    element: h("div", { class: "stack" }, sketch.element,
      h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: sketch.clear }, "Clear")),
      h("p", { class: "hint" }, "Draw a shirt, a shoe, a bag: light on dark, filling the square. By keyboard: cursor keys move the pen, Space puts it down or lifts it, Delete rubs out.")),
  };
}

function upload(onpicture) {
  let pixels = null;
  const file = h("input", { type: "file", name: "file", accept: "image/*", onchange: read });
  const inverted = h("input", { type: "checkbox", name: "inverted", onchange: read });
  const canvas = h("canvas", { class: "pixels", role: "img", "aria-label": "The picture as the models see it: 28 by 28, grey" });
  const shown = h("div", { class: "stage", hidden: true }, canvas);
  const wrong = complaint();
  async function read() {
    wrong.textContent = "";
    if (!file.files.length) return;
    try {
      pixels = await decodeFile(file.files[0], inverted.checked);
      drawPixels(canvas, pixels);
    } catch (error) {
      pixels = null;
      wrong.textContent = error.message;
    }
    shown.hidden = pixels === null;
    choose();
  }
  function choose() {
    onpicture(pixels && { image: { pixels }, truth: null });
  }
  return {
    choose,
    element: h("div", { class: "stack" }, field("Picture file", file, "PNG, JPEG or WebP. It is read in this browser and made 28 by 28 and grey."),
      h("label", { class: "toggle" }, inverted, h("span", {}, "The picture is dark on light")), wrong, shown),
  };
}
