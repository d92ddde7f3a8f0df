"""What the tests of `espalier serve` share. ESPALIER names the binary."""
import atexit
import functools
import http.client
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
from pathlib import Path

ESPALIER = os.path.abspath(os.environ.get("ESPALIER", "build/app/espalier"))
OVER = ("done", "failed", "cancelled")
# A training that runs for as long as a test needs it.
LONG = {"model": "vit-tiny", "epochs": 20, "threads": 1}


def new_folder():
    folder = Path(tempfile.mkdtemp(prefix="espalier-serve-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def trained_run():
    """One short training for the whole test run."""
    folder = new_folder() / "tiny"
    subprocess.run([ESPALIER, "train", "vit-tiny", "-q", "--set", "max_steps=60", "validation=200", "batch_size=32",
                    "--run-dir", folder], check=True, capture_output=True, timeout=300)
    return folder


def start_server(runs, *words, **options):
    """The process of a server on a free port; its first line is its address."""
    return subprocess.Popen(
        [ESPALIER, "serve", "--port", "0", "--runs", str(runs), "--models", "no-models", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=runs.parent, **options)


class Server:
    """A running server on a free port, with a run in its folder."""

    def __init__(self, runs=None, *words):
        self.runs = runs or new_folder()
        self.process = start_server(self.runs, *words)
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.stderr.read())
        self.port = int(re.search(r":(\d+)/$", line.strip()).group(1))
        self.host = f"127.0.0.1:{self.port}"
        self.token = re.search(r'name="espalier-token" content="(\w+)"', self.text("/")).group(1)

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said

    def close(self):
        for job in self.jobs():
            if job["state"] not in OVER:
                self.post(f"/api/jobs/{job['id']}/cancel")
                self.post(f"/api/jobs/{job['id']}/cancel", expect=None)
        self.stop()

    def request(self, method, path, body=None, headers=None, timeout=60):
        """Status, headers and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def text(self, path):
        status, _, body = self.request("GET", path)
        assert status == 200, (path, status, body)
        return body.decode()

    def get(self, path, expect=200):
        status, _, body = self.request("GET", path)
        assert status == expect, (path, status, body)
        return json.loads(body)

    def post(self, path, body=None, expect=200, token=None):
        status, _, answer = self.request(
            "POST", path, json.dumps(body or {}),
            {"Content-Type": "application/json", "X-Espalier-Token": token or self.token})
        assert expect in (None, status), (path, status, answer)
        return json.loads(answer)

    def raw(self, data, timeout=15):
        """What comes back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all was sent: the answer may still be there
            received = b""
            try:
                while piece := connection.recv(65536):
                    received += piece
            except (ConnectionResetError, TimeoutError):
                pass
            return received

    def submit(self, verb, **arguments):
        return self.post("/api/jobs", {"verb": verb, "arguments": arguments}, expect=202)

    def jobs(self):
        return self.get("/api/jobs")["jobs"]

    def job(self, job_id):
        return self.get(f"/api/jobs/{job_id}")

    def wait(self, job_id, until=OVER, timeout=240):
        """The job once it is in one of these states."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            job = self.job(job_id)
            if job["state"] in until:
                return job
            if job["state"] in OVER:
                break
            time.sleep(0.1)
        raise AssertionError(f"expected {until}: {json.dumps(job)}")

    def wait_for_steps(self, job_id, steps, timeout=120):
        end = time.monotonic() + timeout
        path = self.runs / job_id / "metrics.jsonl"
        while time.monotonic() < end:
            if path.exists() and path.read_text().count("\n") >= steps:
                return
            assert self.job(job_id)["state"] in ("queued", "running"), self.job(job_id)
            time.sleep(0.05)
        raise AssertionError(f"no {steps} steps of {job_id} in {timeout} s")

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1))


class ServerCase(unittest.TestCase):
    """One server for all tests of a class, with a trained model in it."""

    @classmethod
    def setUpClass(cls):
        runs = new_folder()
        shutil.copytree(trained_run(), runs / "tiny")
        cls.server = Server(runs)
        cls.model = "tiny:checkpoints:best"

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
