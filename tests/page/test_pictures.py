"""Try it: test pictures, drawings by mouse, finger and keyboard, files; answers side by side."""
import base64
import struct
import zlib

from page import PageTest, expect

BOTH = ["tiny:checkpoints:best", "forms:quantised"]


def png(width, height, grey):
    """A grey picture; `grey(x, y)` gives 0 to 255."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    rows = b"".join(b"\0" + bytes(grey(x, y) for x in range(width)) for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Pictures(PageTest):
    def setUp(self):
        super().setUp()
        self.asked = []
        self.page.on("request", lambda request: request.url.endswith("/api/predict") and self.asked.append(request.post_data_json))
        self.open("try/" + "%0A".join(name.replace(":", "%3A") for name in BOTH))
        self.answers = self.page.locator("#try-results .answer")
        expect(self.answers).to_have_count(2)

    def source(self, name):
        self.page.locator("#panel-try .segment", has_text=name).click()

    def last_pixels(self, least=1):
        """The drawing that was asked about last, once so many requests were made."""
        for _ in range(100):
            if len(self.asked) >= least and "pixels" in self.asked[-1]["image"]:
                return self.asked[-1]["image"]["pixels"]
            self.page.wait_for_timeout(50)
        self.fail("no drawing was sent")

    def test_models_stand_side_by_side_with_what_the_server_answers(self):
        self.page.get_by_label("Number of the test picture").fill("3689")
        self.page.keyboard.press("Tab")
        truth = self.server.get("/api/data/test/3689")["class"]
        expect(self.page.locator("#panel-try").get_by_text(f"Truly: {truth}")).to_be_visible()
        expect(self.page.locator("#panel-try canvas[aria-label^='Test picture 3689']")).to_be_visible()
        self.page.wait_for_timeout(500)
        said = self.server.post("/api/predict", {"models": BOTH, "image": {"test": 3689}})["results"]
        shown = {card.get_attribute("data-model"): card for card in self.answers.all()}
        self.assertEqual(set(shown), set(BOTH))
        for answer in said:
            lines = shown[answer["model"]].locator(".confidences li").all_inner_texts()
            self.assertEqual([line.split("\n")[0] for line in lines], [each["name"] for each in answer["classes"]])
            self.assertIn(f"{100 * answer['classes'][0]['confidence']:.1f} %", lines[0])
            expect(shown[answer["model"]].locator(".latency")).to_contain_text("s")

    def test_attention_lies_over_the_picture_of_models_in_floats(self):
        floats = self.page.locator("#try-results .answer[data-model='tiny:checkpoints:best']")
        expect(floats.locator(".attention")).to_be_visible()
        expect(self.page.locator("#try-results .answer[data-model='forms:quantised'] .attention")).to_have_count(0)
        self.page.get_by_text("Show where each model looked").click()
        expect(floats.locator(".attention")).to_have_count(0)

    def test_a_mouse_draws(self):
        self.source("Draw")
        board = self.page.get_by_role("application")
        box = board.bounding_box()
        self.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.5 * box["height"])
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
        self.page.mouse.up()
        pixels = self.last_pixels(2)
        middle = pixels[14 * 28:15 * 28] if max(pixels[14 * 28:15 * 28]) == 255 else pixels[13 * 28:14 * 28]
        self.assertGreaterEqual(sum(grey == 255 for grey in middle), 15)
        self.assertEqual(max(pixels[:5 * 28]), 0)
        expect(self.answers).to_have_count(2)
        self.page.get_by_role("button", name="Clear").click()
        expect(self.answers).to_have_count(0)

    def test_a_finger_draws(self):
        page = self.page = self.new_page(has_touch=True, viewport={"width": 390, "height": 844})
        page.on("request", lambda request: request.url.endswith("/api/predict") and self.asked.append(request.post_data_json))
        self.open("try")
        self.source("Draw")
        board = page.get_by_role("application")
        board.scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        box = board.bounding_box()
        touch = page.context.new_cdp_session(page)
        def send(kind, share):
            points = [] if share is None else [{"x": box["x"] + box["width"] / 2, "y": box["y"] + share * box["height"]}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        send("touchStart", 0.2)
        for step in range(1, 7):
            send("touchMove", 0.2 + 0.1 * step)
        send("touchEnd", None)
        pixels = self.last_pixels(2)
        self.assertGreaterEqual(sum(pixels[y * 28 + x] == 255 for y in range(28) for x in (13, 14)), 14)
        self.assertEqual(page.evaluate("scrollY"), before, "the page scrolled in place of drawing")

    def test_a_keyboard_draws(self):
        self.source("Draw")
        self.page.get_by_role("application").focus()
        self.page.keyboard.press(" ")
        for _ in range(6):
            self.page.keyboard.press("ArrowRight")
        self.page.keyboard.press(" ")
        for _ in range(5):
            self.page.keyboard.press("ArrowDown")
        self.page.wait_for_timeout(400)
        pixels = self.last_pixels(2)
        self.assertEqual(pixels[14 * 28 + 14:14 * 28 + 21], [255] * 7)
        self.assertEqual(max(pixels[19 * 28:20 * 28]), 0, "the pen was up")

    def test_a_file_is_made_28_by_28_and_grey(self):
        self.source("Upload")
        self.page.get_by_label("Picture file").set_input_files(
            {"name": "wide.png", "mimeType": "image/png", "buffer": png(112, 56, lambda x, y: 200 if x < 56 else 0)})
        pixels = self.last_pixels(2)
        self.assertEqual(max(pixels[:7 * 28]), 0, "the wide picture has dark above it")
        self.assertEqual(pixels[14 * 28 + 3], 200)
        self.assertEqual(pixels[14 * 28 + 24], 0)
        self.page.get_by_text("dark on light").click()
        self.page.wait_for_timeout(400)
        self.assertEqual(self.last_pixels(3)[14 * 28 + 3], 55)

    def test_what_is_no_picture_is_refused(self):
        self.source("Upload")
        self.page.get_by_label("Picture file").set_input_files(
            {"name": "note.png", "mimeType": "image/png", "buffer": base64.b64encode(b"no picture")})
        expect(self.page.get_by_text("choose a PNG, JPEG or WebP")).to_be_visible()
        expect(self.answers).to_have_count(0)
