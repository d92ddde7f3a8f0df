"""What the tests of the page share: a real server on runs of its own, and a browser that looks at it.

ESPALIER names the binary, CHROMIUM the browser.
"""
import atexit
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ESPALIER = str(Path(os.environ.get("ESPALIER", ROOT / "build/app/espalier")).resolve())
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
TABS = ["compress", "try", "train", "tradeoff", "hardware", "continual", "runs"]
QUICK = ["--set", "max_steps=60", "validation=200", "batch_size=32", "-q"]
# On one thread, so that what waits for another takes nothing from the stages beside this one.
FEW = ["--calibration-images", "64", "--validation", "500", "-t", "1"]
LONG_MS = 240_000  # for what a loaded machine may take to train, compress or measure
expect.set_options(timeout=30_000)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(*words):
    result = subprocess.run([ESPALIER, *map(str, words)], capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    return result.stdout


class Server:
    """`espalier serve` in a process of its own; it can be stopped and started on the same address."""

    def __init__(self, runs):
        self.runs, self.port, self.process = runs, free_port(), None
        self.base = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(
            [ESPALIER, "serve", "--port", str(self.port), "--runs", str(self.runs)], cwd=ROOT,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            assert self.process.poll() is None, "the server ended at once"
            try:
                return self.get("/api/machine")
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        self.process.wait(30)

    def get(self, path):
        with urllib.request.urlopen(self.base + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path, body):
        with urllib.request.urlopen(self.base + "/", timeout=30) as page:
            token = re.search(r'name="espalier-token" content="([^"]+)"', page.read().decode())[1]
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), {
            "Content-Type": "application/json", "X-Espalier-Token": token})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def end_jobs(self):
        """Nothing runs or waits any more, so that tests do not wait for each other's jobs."""
        for _ in range(300):
            active = [job for job in self.get("/api/jobs")["jobs"]
                      if job["state"] in ("queued", "running", "stopping")]
            if not active:
                return
            for job in active:
                if job["state"] != "stopping":
                    self.post(f"/api/jobs/{job['id']}/cancel", {})
            time.sleep(0.2)
        raise AssertionError("a job does not end")


@functools.cache
def runs_folder():
    """Runs that the command line made: a short training, and what became of it."""
    folder = Path(tempfile.mkdtemp(prefix="espalier-page-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model = command("train", "vit-tiny", "--run-dir", folder / "tiny", *QUICK).strip()
    command("compress", model, "--report", folder / "forms", "--sparsity", "0.5", "--recover", "1",
            "--max-steps", "20", "--seconds", "0.3", *FEW, "-q")
    command("compress", model, "--target", "balanced", "--report", folder / "target", "--recover", "0",
            "--points", "2", "--levels", "0.85", "--width-step", "4", "--seconds", "0.1", *FEW, "-q")
    command("learn", "vit-tiny", "--tasks", "2", "--compress", "int8", "--run-dir", folder / "learned", "--set",
            "max_steps=10", "--held-out", "500", "--seconds", "0.3", "-t", "1", "-q")
    return folder


@functools.cache
def server():
    made = Server(runs_folder())
    made.start()
    atexit.register(lambda: made.process.poll() is None and (made.end_jobs(), made.stop()))
    return made


@functools.cache
def browser():
    playwright = sync_playwright().start()
    made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    atexit.register(lambda: (made.close(), playwright.stop()))
    return made


class PageTest(unittest.TestCase):
    """A page of its own for each test; an error in its console fails the test."""
    width, height, theme = 1280, 900, "light"

    def setUp(self):
        self.server = server()
        self.server.end_jobs()
        self.page = self.new_page()

    def new_page(self, **options):
        context = browser().new_context(**{
            "viewport": {"width": self.width, "height": self.height}, "color_scheme": self.theme, **options})
        self.addCleanup(context.close)
        page = context.new_page()
        self.complaints = []
        # A server that was stopped on purpose makes the browser complain of what it could not fetch.
        page.on("console", lambda said: said.type == "error" and "Failed to load resource" not in said.text and
                "ERR_" not in said.text and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.addCleanup(lambda: self.assertEqual(self.complaints, []))
        return page

    def open(self, place=""):
        self.page.goto(f"{self.server.base}/#{place}")
        expect(self.page.get_by_role("tab", selected=True)).to_be_visible()
        return self.page

    def finished_run(self, panel, verb):
        """Sees a job of this tab run and end; gives its run."""
        panel = self.page.locator(f"#panel-{panel}")
        expect(panel.locator(".job-card")).to_be_visible()
        expect(panel.locator(".job-card")).to_have_count(0, timeout=LONG_MS)
        expect(panel.locator(".result").first).to_be_visible()
        return next(job["run"] for job in self.server.get("/api/jobs")["jobs"] if job["verb"] == verb)

    def run_file(self, run, path):
        return json.loads((self.server.runs / run / path).read_text())
