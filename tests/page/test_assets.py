"""What the page is made of: small, and from this server alone."""
import re
import time
import unittest

from page import ROOT, PageTest, expect

ASSETS = sorted(path for path in (ROOT / "app/page").rglob("*") if path.is_file())


class Assets(unittest.TestCase):
    def test_all_together_stay_below_250_kilobytes(self):
        self.assertGreater(len(ASSETS), 10)
        self.assertLessEqual(sum(path.stat().st_size for path in ASSETS), 250_000)

    def test_they_name_no_host(self):
        for path in ASSETS:
            hosts = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", path.read_text()))
            self.assertLessEqual(hosts, {"http://www.w3.org/2000/svg"}, path.name)

    def test_none_makes_markup_of_text(self):
        for path in ASSETS:
            for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
                self.assertNotIn(unsafe, path.read_text(), path.name)


class Loading(PageTest):
    def test_the_page_asks_nobody_but_its_server(self):
        asked = []
        self.page.on("request", lambda request: asked.append(request.url))
        for place in ("compress", "try", "runs"):
            self.open(place)
        self.assertTrue(asked)
        for url in asked:
            self.assertTrue(url.startswith((self.server.base + "/", "data:", "blob:")), url)

    def test_it_is_usable_in_less_than_a_second(self):
        self.open()  # the browser itself starts up before the first page
        best = float("inf")
        for _ in range(10):  # others may use this machine too: the best one counts
            page = self.new_page()
            began = time.monotonic()
            page.goto(self.server.base + "/", wait_until="commit")
            page.get_by_role("button", name="Compress", exact=True).wait_for()
            self.assertTrue(page.get_by_label("Model", exact=True).first.is_enabled())
            best = min(best, time.monotonic() - began)
            if best < 1:
                return
        self.assertLess(best, 1)
