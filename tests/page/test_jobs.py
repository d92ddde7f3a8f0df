"""Jobs outlive what happens to the page and the server."""
import signal

from page import LONG_MS, PageTest, expect


class Jobs(PageTest):
    def start_training(self, steps=4000):
        """Starts one and looks at it from a tab that is not its own: the strip of jobs shows it."""
        job = self.server.post("/api/jobs", {"verb": "train", "arguments": {"model": "vit-tiny", "max_steps": steps}})
        self.open("runs")
        self.strip = self.page.locator("#jobs .job").first
        expect(self.strip.locator("progress")).to_be_visible(timeout=LONG_MS)
        return job["id"]

    def steps_of(self, job):
        progress = self.server.get(f"/api/jobs/{job}")["progress"]
        return progress["done"] if progress else 0

    def wait_for_steps(self, job, least):
        for _ in range(600):
            if self.steps_of(job) >= least:
                return
            self.page.wait_for_timeout(100)
        self.fail(f"the job does not come to step {least}")

    def test_one_is_stopped_and_resumed(self):
        job = self.start_training()
        self.wait_for_steps(job, 5)
        expect(self.strip.locator(".state")).to_contain_text("left", timeout=LONG_MS)
        self.strip.get_by_role("button", name="Stop").click()
        resume = self.page.locator("#jobs").get_by_role("button", name="Resume")
        expect(resume).to_be_visible(timeout=LONG_MS)
        self.assertEqual(self.server.get(f"/api/jobs/{job}")["state"], "cancelled")
        saved = self.steps_of(job)
        resume.click()
        expect(self.page.locator("#jobs progress").first).to_be_visible(timeout=LONG_MS)
        self.wait_for_steps(job, saved + 1)

    def test_the_next_one_waits_and_can_be_taken_back(self):
        self.start_training()
        self.open("train")
        self.page.get_by_role("button", name="Train", exact=True).click()
        waiting = self.page.locator("#jobs .job[data-state=queued]")
        expect(waiting).to_contain_text("waits")
        waiting.get_by_role("button", name="Stop").click()
        expect(waiting).to_have_count(0)
        expect(self.page.locator("#panel-train")).to_contain_text("It had not begun.")

    def test_a_reload_in_the_middle_shows_the_job_again(self):
        job = self.start_training()
        self.wait_for_steps(job, 3)
        self.page.reload()
        expect(self.page.locator(f"#jobs [data-job='{job}'] progress")).to_be_visible()
        self.open("train")
        self.page.reload()
        expect(self.page.locator("#panel-train .job-card progress")).to_be_visible()
        expect(self.page.locator("#panel-train figure.chart path.line").first).to_be_visible(timeout=LONG_MS)
        self.assertEqual(self.server.get(f"/api/jobs/{job}")["state"], "running")

    def test_a_restart_of_the_server_in_the_middle_loses_nothing(self):
        job = self.start_training()
        self.wait_for_steps(job, 3)
        for how in (signal.SIGINT, signal.SIGKILL):
            self.server.stop(how)
            expect(self.page.locator("#connection")).to_be_visible()
            expect(self.page.locator("#connection")).to_contain_text("espalier serve")
            self.server.start()
            expect(self.page.locator("#connection")).to_be_hidden(timeout=LONG_MS)
            expect(self.page.locator(f"#jobs [data-job='{job}'] progress")).to_be_visible()
            now = self.steps_of(job)
            self.wait_for_steps(job, now + 2)
        # The page has the new server's token too.
        self.page.locator("#jobs").get_by_role("button", name="Stop").first.click()
        expect(self.page.locator("#jobs").get_by_role("button", name="Resume")).to_be_visible(timeout=LONG_MS)
