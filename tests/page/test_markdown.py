"""The renderer of reports: what it understands, and that nothing in a report becomes markup."""
from page import PageTest

RENDER = """async ([text]) => {
  const { markdown } = await import("/assets/markdown.js");
  const allowed = (target) => (target === "plots/loss.png" ? "/ok.png" : null);
  return markdown(text, allowed).outerHTML;
}"""


class Markdown(PageTest):
    def render(self, text):
        self.open()
        return self.page.evaluate(RENDER, [text])

    def test_what_reports_are_written_in(self):
        html = self.render("# Title\n\nOne `code` and **bold**\nline.\n\n- a\n- b\n\n"
                           "| model | size |\n|---|---:|\n| `int8` | 12 kB |\n\n```json\n{\"a\": 1}\n```\n\n"
                           "![loss](plots/loss.png)\n\n> mind\n>\n> this\n")
        for part in ("<h3>Title</h3>", "<code>code</code>", "<strong>bold</strong> line.", "<li>a</li><li>b</li>",
                     "<code>int8</code>", "12 kB", "<pre><code>{\"a\": 1}</code></pre>", 'src="/ok.png"', 'alt="loss"',
                     "<blockquote><p>mind</p><p>this</p></blockquote>"):
            self.assertIn(part, html)

    def test_markup_stays_text(self):
        html = self.render("<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n| <b>x</b> |\n|---|\n| <i>y</i> |\n")
        for tag in ("<script", "<img", "<b>", "<i>"):
            self.assertNotIn(tag, html)
        self.assertIn("&lt;script&gt;", html)

    def test_links_lead_only_where_they_may(self):
        html = self.render("[a](javascript:alert(1)) ![b](//elsewhere/x.png) [c](../../etc/passwd) [d](plots/loss.png)")
        self.assertEqual(html.count("<a "), 1)
        self.assertNotIn("<img", html)
        self.assertIn('href="/ok.png"', html)

    def test_what_never_ends_is_shown_all_the_same(self):
        self.assertIn("x", self.render("```\nx"))
        self.assertIn("**x", self.render("**x"))
        self.assertIn("only a head", self.render("| only a head |"))
