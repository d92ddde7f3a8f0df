"""What the page is made of: small, and from this server alone."""
import os
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
        wall, work = zip(*(self.time_to_use() for _ in range(5)))
        self.assertLess(min(work), 1)
        if os.getloadavg()[0] < os.cpu_count():  # else the page waits for others than itself
            self.assertLess(min(wall), 1)

    def time_to_use(self):
        """Seconds until a fresh page's button can be pressed: on the clock, and of the page's own thread."""
        page = self.new_page()
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable", {"timeDomain": "threadTicks"})
        began = time.monotonic()
        page.goto(self.server.base + "/", wait_until="commit")
        page.get_by_role("button", name="Compress", exact=True).wait_for()
        self.assertTrue(page.locator("select[name=model]").first.is_enabled())
        wall = time.monotonic() - began
        values = {each["name"]: each["value"] for each in metrics.send("Performance.getMetrics")["metrics"]}
        return wall, values["TaskDuration"]
