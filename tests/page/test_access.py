"""For everyone: by keyboard alone, narrow and wide, light and dark, with names and with contrast."""
from page import TABS, PageTest, expect

# Of each piece of text in sight: its contrast (WCAG 2.2, 1.4.3) against what lies under it.
CONTRASTS = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a),
    b: top.b * top.a + under.b * (1 - top.a), a: 1,
  });
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 });
  };
  const seen = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest(".visually-hidden, .skip, noscript")) continue;
    const style = getComputedStyle(element);
    const under = background(element);
    const ink = over(parse(element.closest("svg") ? style.fill : style.color), under);
    const [a, b] = [luminance(ink), luminance(under)];
    seen.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text.slice(0, 60), element.className.baseVal ?? element.className]);
  }
  return seen;
}"""

# Controls in sight without a name for those who hear the page.
NAMELESS = """() => [...document.querySelectorAll("input, select, button, textarea, [role=tab], [role=application]")]
  .filter((e) => e.checkVisibility() && e.type !== "hidden")
  .filter((e) => !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim()))
  .map((e) => e.outerHTML)"""


class Looks(PageTest):
    def wait_for(self, place):
        """Opens a tab and gives what it asks the server for the time to come."""
        self.open(place)
        self.page.wait_for_timeout(400)

    def test_text_has_a_contrast_of_4_5_in_both_themes(self):
        for theme in ("light", "dark"):
            self.page.emulate_media(color_scheme=theme)
            for tab in TABS:
                self.wait_for(tab)
                seen = self.page.evaluate(CONTRASTS)
                self.assertGreater(len(seen), 12, tab)
                low = [each for each in seen if each[0] < 4.5]
                self.assertEqual(low, [], f"{tab} in {theme}")

    def test_nothing_sticks_out_at_360_pixels_nor_at_1600(self):
        for width in (360, 1600):
            self.page.set_viewport_size({"width": width, "height": 800})
            for tab in TABS:
                self.wait_for(tab)
                self.assertLessEqual(self.page.evaluate("document.documentElement.scrollWidth"), width, tab)

    def test_every_control_has_a_name(self):
        for tab in TABS:
            self.wait_for(tab)
            self.assertEqual(self.page.evaluate(NAMELESS), [], tab)

    def test_every_chart_has_its_numbers_as_a_table(self):
        for tab in ("train", "tradeoff", "continual"):
            self.wait_for(tab)
            charts = self.page.locator("figure.chart:visible")
            expect(charts.first).to_be_visible()
            for chart in charts.all():
                if chart.locator("details").count():
                    chart.locator("summary").click()
                expect(chart.locator("tbody tr").first).to_be_visible()

    def test_steps_are_counted_in_whole_numbers(self):
        self.wait_for("train")
        loss = self.page.locator("figure.chart:visible").first
        loss.locator("summary").click()
        expect(loss.locator("tbody tr").first.locator("th, td").first).to_have_text("1")

    def test_nothing_moves_for_who_asks_for_stillness(self):
        self.page.emulate_media(reduced_motion="reduce")
        self.wait_for("compress")
        moving = self.page.evaluate("""() => [...document.querySelectorAll("*")].filter((e) => {
          const style = getComputedStyle(e);
          return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
        }).length""")
        self.assertEqual(moving, 0)


class Keyboard(PageTest):
    """No mouse here."""

    def press_until(self, arrived, key="Tab", most=80):
        for _ in range(most):
            if self.page.evaluate(f"() => {{ const e = document.activeElement; return Boolean({arrived}); }}"):
                return
            self.page.keyboard.press(key)
        self.fail(f"no way by {key} to {arrived}")

    def test_tabs_are_one_stop_and_arrows_move_between_them(self):
        self.open()
        self.press_until("e.getAttribute('role') === 'tab'")
        for title in ("Try it", "Train", "Trade-off", "Hardware", "Continual", "Runs", "Compress"):
            self.page.keyboard.press("ArrowRight")
            expect(self.page.get_by_role("tab", selected=True)).to_have_text(title)
            expect(self.page.get_by_role("tab", selected=True)).to_be_focused()
        self.page.keyboard.press("End")
        expect(self.page.get_by_role("tab", selected=True)).to_have_text("Runs")
        self.page.keyboard.press("Tab")
        self.assertNotEqual(self.page.evaluate("document.activeElement.getAttribute('role')"), "tab")

    def test_the_focus_is_seen(self):
        self.open()
        for _ in range(12):
            self.page.keyboard.press("Tab")
            style = self.page.evaluate("""() => {
              const e = document.activeElement;
              const marks = [e, e.nextElementSibling].filter(Boolean).map((each) => getComputedStyle(each));
              return marks.some((style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
            }""")
            self.assertTrue(style, self.page.evaluate("document.activeElement.outerHTML"))

    def test_a_model_is_compressed_by_keyboard_alone(self):
        self.open("compress")
        self.press_until("e.matches('select[name=model]')")
        self.page.keyboard.type("best")
        self.press_until("e.tagName === 'BUTTON' && e.textContent === 'Compress'")
        self.page.keyboard.press("Enter")
        self.finished_run("compress", "compress")

    def test_points_of_the_trade_off_are_reached_and_opened(self):
        self.open("tradeoff")
        expect(self.page.locator("#panel-tradeoff .point").first).to_be_visible()
        self.press_until("e.classList?.contains('point')")
        first = self.page.evaluate("document.activeElement.getAttribute('aria-label')")
        self.page.keyboard.press("ArrowRight")
        second = self.page.evaluate("document.activeElement.getAttribute('aria-label')")
        self.assertNotEqual(first, second)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_role("tab", selected=True)).to_have_text("Runs")
