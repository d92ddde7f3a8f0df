"""Each tab from end to end, on a real server with real models; what it shows is what the files say."""
import re

from page import LONG_MS, PageTest, expect


def percent(share, digits=2):
    return f"{100 * share:,.{digits}f} %"


def milliseconds(seconds):
    return f"{1e3 * seconds:,.3f} ms"


def count(value):
    return f"{value:,.0f}"


def size(value):
    """Three digits that count, in kB or MB, as the page writes them."""
    unit, scale = ("MB", 1e6) if value >= 1e6 else ("kB", 1e3)
    number = value / scale
    digits = 0 if number >= 100 else 1 if number >= 10 else 2
    return f"{number:,.{digits}f} {unit}"


class Tabs(PageTest):
    def choose_run(self, panel, run):
        self.page.locator(f"#panel-{panel} select[name=run]").select_option(run)

    def result(self, panel, name):
        tile = self.page.locator(f"#panel-{panel} .result").filter(has=self.page.locator("dt", has_text=re.compile(f"^{name}$")))
        return tile.locator("dd").first.inner_text()

    def test_a_newcomer_sees_what_to_do_first(self):
        self.open()
        expect(self.page.get_by_role("tab", selected=True)).to_have_text("Compress")
        model = self.page.locator("#panel-compress select[name=model]")
        self.assertIn("vit-fashion", model.locator("option:checked").inner_text())
        expect(self.page.locator("#panel-compress button.primary")).to_have_count(1)
        expect(self.page.locator("#machine")).to_contain_text(self.server.get("/api/machine")["cpu"])

    def test_the_five_results_are_those_of_the_report(self):
        self.open("compress")
        self.choose_run("compress", "forms")
        report = self.run_file("forms", "report.json")
        before = report["models"][0]
        for form in report["models"][1:]:
            self.page.get_by_role("radio", name=form["label"], exact=True).check()
            for i, speed in enumerate(form["speeds"]):
                self.page.get_by_role("group", name="Timed with").get_by_role("radio").nth(i).check()
                self.assertEqual(self.result("compress", "Size reduction"), percent(1 - form["file_bytes"] / before["file_bytes"], 1))
                self.assertEqual(self.result("compress", "Speed-up"), f"{speed['times_as_fast']:,.2f}×")
                self.assertEqual(self.result("compress", "Parameter reduction"), percent(1 - form["parameters"] / before["parameters"], 1))
                self.assertEqual(self.result("compress", "Final size"), size(form["file_bytes"]))
                self.assertEqual(self.result("compress", "Images per second"), count(speed["images_per_second"]))
                self.assertEqual(self.result("compress", "Accuracy"),
                                 f"{100 * form['accuracy']:.2f} ± {100 * form['half_interval_95']:.2f} %")
        cells = self.page.locator("#panel-compress .table tbody tr").last.locator("td").all_inner_texts()
        self.assertIn(milliseconds(report["models"][-1]["speeds"][0]["seconds"]), cells)

    def test_compressing_shows_progress_then_results_and_a_file_to_take_along(self):
        self.open("compress")
        self.page.locator("#panel-compress select[name=model]").select_option("tiny:checkpoints:best")
        self.page.get_by_role("radio", name="INT8").check()
        self.page.get_by_text("More settings").first.click()
        self.page.locator("#panel-compress input[name=seconds]").fill("0.3")
        self.page.get_by_role("button", name="Compress", exact=True).click()
        run = self.finished_run("compress", "compress")
        self.assertEqual(self.result("compress", "Parameter reduction"), percent(0, 1))
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name=re.compile("Download quantised")).first.click()
        self.assertEqual(download.value.path().read_bytes(), (self.server.runs / run / "quantised.safetensors").read_bytes())

    def test_a_model_is_measured_as_it_is_where_optimise_is_off(self):
        self.open("compress")
        self.page.locator("#panel-compress select[name=model]").select_option("tiny:checkpoints:best")
        self.page.get_by_role("switch", name="Optimise").uncheck()
        self.page.get_by_role("button", name="Measure as it is").click()
        profile = self.run_file(self.finished_run("compress", "profile"), "profile.json")
        self.assertEqual(self.result("compress", "Speed-up"), "1.00×")
        self.assertEqual(self.result("compress", "Images per second"), count(profile["runs"] * profile["batch"] / profile["wall_seconds"]))

    def test_what_makes_no_sense_is_refused_with_a_way_out(self):
        self.open("train")
        steps = self.page.locator("#panel-train input[name=epochs]")
        steps.fill("0")
        self.page.get_by_role("button", name="Train", exact=True).click()
        self.assertFalse(steps.evaluate("e => e.checkValidity()"))
        self.assertEqual(self.server.get("/api/jobs")["jobs"][0]["state"] in ("queued", "running"), False)

    def test_a_training_draws_its_curves_as_it_goes(self):
        self.open("train")
        panel = self.page.locator("#panel-train")
        panel.get_by_text("More settings").click()
        panel.locator("input[name=max_steps]").fill("160")  # so that there is time to see it
        self.page.get_by_role("button", name="Train", exact=True).click()
        expect(panel.locator(".job-card progress")).to_be_visible()
        expect(panel.locator(".stack:has(.job-card) figure.chart path.line").first).to_be_visible(timeout=LONG_MS)
        run = self.finished_run("train", "train")
        lines = self.server.get(f"/api/runs/{run}")["metrics"]
        best = max(line["validation_accuracy"] for line in lines if "validation_accuracy" in line)
        self.assertEqual(self.result("train", "Best accuracy"), percent(best))

    def test_the_trade_off_has_every_model_of_a_search_and_four_panels(self):
        self.open("tradeoff")
        self.page.locator("#panel-tradeoff select[name=run]").select_option("target")
        found = self.run_file("target", "optimization.json")
        panel = self.page.locator("#panel-tradeoff")
        expect(panel.locator("figure.chart")).to_have_count(5)
        pareto = panel.locator("figure.chart").first
        expect(pareto.locator(".point")).to_have_count(len(found["models"]))
        pareto.locator(".point").first.hover()
        expect(pareto.locator(".tip")).to_be_visible()
        pareto.locator("summary").click()
        shown = pareto.locator("tbody tr").all_inner_texts()
        for model in found["models"]:
            self.assertTrue(any(milliseconds(model["judged_seconds"]) in row and percent(model["validation_accuracy"]) in row
                                for row in shown), model["name"])
        pareto.locator(".point").first.click()
        expect(self.page.locator("#panel-runs h3").first).to_have_text("target")

    def test_the_hardware_tab_measures_profiles_and_tells_why(self):
        self.open("hardware")
        panel = self.page.locator("#panel-hardware")
        self.page.get_by_role("button", name="Measure this machine").click()
        panel.locator("form[aria-label='Profile a model'] select[name=model]").select_option("tiny:checkpoints:best")
        self.page.get_by_role("button", name="Profile", exact=True).click()
        places = ("#bench-results", "#profile-results")  # one after the other
        for place in places:
            expect(panel.locator(f"{place} .job-card")).to_be_visible()
        for place in places:
            expect(panel.locator(f"{place} .job-card")).to_have_count(0, timeout=LONG_MS)
            expect(panel.locator(f"{place} figure.chart")).to_be_visible()
        run = next(job["run"] for job in self.server.get("/api/jobs")["jobs"] if job["verb"] == "profile")
        profile = self.run_file(run, "profile.json")
        rows = panel.locator("#profile-results > div > .card").last.locator("tbody tr")
        expect(rows).to_have_count(len(profile["steps"]))
        for step, row in zip(profile["steps"], rows.all()):
            self.assertIn(f"{1e3 * step['seconds'] / profile['runs']:,.4f}", row.inner_text())
        why = self.run_file("target", "optimization.json")["why"]
        expect(panel.locator("#why-results tbody tr")).to_have_count(len(why))
        self.assertIn(why[0]["reason"], panel.locator("#why-results tbody tr").first.inner_text())

    def test_the_matrix_of_continual_learning_is_that_of_its_report(self):
        self.open("continual")
        self.page.locator("#panel-continual select[name=run]").select_option("learned")
        report = self.run_file("learned", "report.json")
        rows = self.page.locator("#panel-continual .heat tbody tr")
        expect(rows).to_have_count(len(report["tasks"]))
        for i, row in enumerate(report["accuracy"][1:]):
            shown = [text for text in rows.nth(i).locator("td").all_inner_texts() if text]
            self.assertEqual(shown, [f"{100 * share:.1f}" for share in row[:i + 1]])
        self.assertEqual(self.result("continual", "Average accuracy"), percent(report["average_accuracy"]))
        self.assertEqual(self.result("continual", "Forgetting"), f"{100 * report['forgetting']:.2f}".replace("-", "−"))

    def test_a_stream_is_learned_from_the_page(self):
        self.open("continual")
        panel = self.page.locator("#panel-continual")
        panel.get_by_text("More settings").click()
        panel.locator("input[name=max_steps]").fill("20")
        self.page.get_by_role("button", name="Learn", exact=True).click()
        report = self.run_file(self.finished_run("continual", "learn"), "report.json")
        expect(panel.locator(".heat tbody tr")).to_have_count(5)
        self.assertEqual(self.result("continual", "Average accuracy"), percent(report["average_accuracy"]))

    def test_runs_are_searched_opened_and_compared(self):
        self.open("runs")
        panel = self.page.locator("#panel-runs")
        panel.get_by_label("Search").fill("learn vit-tiny")
        expect(panel.locator("tbody tr").filter(has_text="learned")).to_be_visible()
        expect(panel.locator("tbody tr").filter(has_text="forms")).to_have_count(0)
        panel.get_by_label("Search").fill("no such run")
        expect(panel.get_by_text("No run has all of these words")).to_be_visible()
        panel.get_by_label("Search").fill("")
        panel.get_by_role("link", name="forms", exact=True).click()
        expect(panel.locator("article h3").first).to_have_text(self.run_file("forms", "report.json")["title"])
        picture = panel.locator("article img").first
        picture.scroll_into_view_if_needed()
        self.page.wait_for_function("e => e.complete && e.naturalWidth > 100", arg=picture.element_handle())
        panel.get_by_role("link", name="All runs").click()
        for run in ("forms", "target"):
            panel.get_by_label(f"Compare {run}").check()
        panel.get_by_role("button", name="Compare two").click()
        expect(panel.get_by_role("heading", name="Settings that differ")).to_be_visible()
        expect(panel.locator("tbody tr").filter(has_text="target").first).to_contain_text("balanced")
