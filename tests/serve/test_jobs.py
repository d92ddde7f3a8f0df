"""Jobs: their queue, their end, and what a restart of the server leaves of them."""
import http.client
import json
import os
import signal
import subprocess
import time
import unittest

from server import ESPALIER, LONG, OVER, Server, ServerCase, new_folder

SHORT = {"model": "vit-tiny", "max_steps": 5}
SMALL = {"model": "vit-tiny", "batch_size": 32}  # steps that are soon done


def steps_of(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "loss" in line]


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Jobs(ServerCase):
    def test_one_runs_and_the_others_wait_in_their_order(self):
        first = self.server.submit("train", **LONG)
        self.server.wait(first["id"], ("running",))
        others = [self.server.submit("train", **SHORT) for _ in range(3)]
        self.assertEqual([self.server.job(each["id"])["position"] for each in others], [1, 2, 3])
        self.assertEqual(self.server.post(f"/api/jobs/{others[1]['id']}/cancel")["state"], "cancelled")
        self.server.post(f"/api/jobs/{first['id']}/cancel")
        for each in (others[0], others[2]):
            self.assertEqual(self.server.wait(each["id"])["state"], "done")
        begun = [self.server.job(each["id"])["started"] for each in (others[0], others[2])]
        self.assertLess(begun[0], begun[1])
        self.assertIsNone(self.server.job(others[1]["id"])["started"])
        self.server.post(f"/api/jobs/{others[1]['id']}/resume")
        self.assertEqual(self.server.wait(others[1]["id"])["state"], "done")

    def test_a_cancelled_job_saves_and_goes_on_where_it_was(self):
        job = self.server.submit("train", **SMALL, max_steps=150)
        self.server.wait_for_steps(job["id"], 20)
        stopping = self.server.post(f"/api/jobs/{job['id']}/cancel")
        self.assertEqual(stopping["state"], "stopping")
        cancelled = self.server.wait(job["id"])
        self.assertEqual((cancelled["state"], cancelled["code"]), ("cancelled", 130))
        reached = steps_of(self.server.runs / job["id"])[-1]
        self.assertLess(reached, 150)
        self.assertIn("--resume", cancelled["resume_command"])
        self.assertTrue(cancelled["resumable"])
        self.server.post(f"/api/jobs/{job['id']}/resume")
        self.assertEqual(self.server.wait(job["id"])["state"], "done")
        self.assertEqual(steps_of(self.server.runs / job["id"]), list(range(1, 151)))

    def test_the_command_line_can_go_on_with_a_cancelled_job(self):
        job = self.server.submit("train", **SMALL, max_steps=100)
        self.server.wait_for_steps(job["id"], 10)
        self.server.post(f"/api/jobs/{job['id']}/cancel")
        self.server.wait(job["id"], ("cancelled",))
        folder = self.server.runs / job["id"]
        again = subprocess.run([ESPALIER, "train", "--resume", folder, "-q"], capture_output=True, timeout=120)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(steps_of(folder)[-1], 100)

    def test_cancelled_before_the_first_step_it_starts_anew(self):
        job = self.server.submit("train", **SHORT)
        self.server.wait(job["id"], ("running", "done"))
        self.server.post(f"/api/jobs/{job['id']}/cancel", expect=None)
        self.server.post(f"/api/jobs/{job['id']}/cancel", expect=None)
        if self.server.wait(job["id"])["state"] == "cancelled":
            self.server.post(f"/api/jobs/{job['id']}/resume")
            self.assertEqual(self.server.wait(job["id"])["state"], "done")

    def test_what_fails_says_why(self):
        server = Server(new_folder(), "--data", "nowhere")
        job = server.submit("train", **SHORT)
        ended = server.wait(job["id"])
        self.assertEqual((ended["state"], ended["code"]), ("failed", 3))
        self.assertIn("nowhere", ended["error"])
        self.assertFalse(server.get("/api/machine")["data_present"])
        self.assertIn("--data", server.get("/api/data/test/0", expect=404)["error"])
        server.close()

    def test_removed_jobs_are_gone_with_their_folder(self):
        job = self.server.submit("bench")
        self.server.wait(job["id"])
        self.server.post(f"/api/jobs/{job['id']}/remove")
        self.server.get(f"/api/jobs/{job['id']}", expect=404)
        self.assertFalse((self.server.runs / job["id"]).exists())

    def test_arguments_are_checked_before_anything_is_made(self):
        before = sorted(self.server.runs.iterdir())
        for verb, arguments, argument in (
                ("format", {}, "verb"), ("train", {"model": "vit-huge"}, "model"),
                ("train", {"epochs": 0}, "epochs"), ("train", {"epochs": 1.5}, "epochs"),
                ("train", {"epochs": "1; rm -rf /"}, "epochs"), ("train", {"run-dir": "/tmp"}, "run-dir"),
                ("compress", {"dtype": "int8"}, "model"), ("compress", {"model": "../../etc/passwd"}, "model"),
                ("compress", {"model": "vit-tiny", "dtype": "int8"}, "model"),
                ("compress", {"model": self.model, "dtype": "f32"}, "sparsity"),
                ("compress", {"model": self.model, "sparsity": 0.9}, "sparsity"),
                ("compress", {"model": self.model, "target": "speed", "dtype": "int8"}, "dtype"),
                ("learn", {"method": "--help"}, "method"), ("bench", {"threads": 0}, "threads")):
            answer = self.server.post("/api/jobs", {"verb": verb, "arguments": arguments}, expect=422)
            self.assertEqual(answer["argument"], argument, answer)
        self.assertEqual(sorted(self.server.runs.iterdir()), before)

    def test_events_tell_of_progress_and_metrics(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request("GET", "/api/events")
        stream = connection.getresponse()
        self.assertEqual(stream.getheader("Content-Type"), "text/event-stream")
        job = self.server.submit("train", model="vit-tiny", max_steps=40)
        lines, states, event = [], [], ""
        while not states or states[-1] not in OVER:
            line = stream.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                if event == "job" and data["id"] == job["id"]:
                    states.append(data["state"])
                if event == "metrics" and data["job"] == job["id"]:
                    self.assertEqual(data["from"], len(lines))
                    lines += data["lines"]
        connection.close()
        self.assertEqual(states[-1], "done")
        self.assertIn("running", states)
        written = (self.server.runs / job["id"] / "metrics.jsonl").read_text().splitlines()
        self.assertEqual(lines, [json.loads(line) for line in written])


class Restarts(unittest.TestCase):
    def test_a_job_outlives_its_server_and_is_watched_by_the_next(self):
        for how in (signal.SIGKILL, signal.SIGINT):
            server = Server(new_folder())
            job = server.submit("train", model="vit-tiny", max_steps=120)
            waits = server.submit("train", **SHORT)
            server.wait_for_steps(job["id"], 10)
            pid = server.job(job["id"])["pid"]
            code, said = server.stop(how)
            if how == signal.SIGINT:
                self.assertEqual(code, 0)
                self.assertIn("goes on by itself", said)
            self.assertTrue(is_running(pid))
            reached = len(steps_of(server.runs / job["id"]))
            server = Server(server.runs)
            found = server.job(job["id"])
            self.assertEqual((found["state"], found["pid"]), ("running", pid))
            server.wait_for_steps(job["id"], reached + 10)
            ended = server.wait(job["id"])
            self.assertEqual((ended["state"], ended["code"]), ("done", 0))
            self.assertEqual(steps_of(server.runs / job["id"]), list(range(1, 121)))
            self.assertEqual(server.wait(waits["id"])["state"], "done")
            server.close()

    def test_a_job_that_was_killed_with_its_server_goes_on_from_its_checkpoint(self):
        server = Server(new_folder())
        job = server.submit("train", **SMALL, max_steps=260)
        server.wait_for_steps(job["id"], 210)  # a checkpoint is written after 200
        os.kill(server.job(job["id"])["pid"], signal.SIGSTOP)  # so that both go at once
        pid = server.job(job["id"])["pid"]
        server.stop(signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        while is_running(pid):
            time.sleep(0.01)
        server = Server(server.runs)
        ended = server.wait(job["id"])
        self.assertEqual(ended["state"], "done")
        self.assertEqual(steps_of(server.runs / job["id"]), list(range(1, 261)))
        self.assertIn("--resume", (server.runs / job["id"] / "log.txt").read_text() + ended["resume_command"])
        server.close()

    def test_a_job_that_ended_between_two_servers_is_told_as_done(self):
        server = Server(new_folder())
        job = server.submit("train", **SMALL, max_steps=60)
        server.wait_for_steps(job["id"], 5)
        pid = server.job(job["id"])["pid"]
        server.stop(signal.SIGKILL)
        while is_running(pid):
            time.sleep(0.05)
        server = Server(server.runs)
        ended = server.job(job["id"])
        self.assertEqual((ended["state"], ended["code"]), ("done", 0))
        server.close()

    def test_two_servers_do_not_share_a_folder_or_a_port(self):
        server = Server(new_folder())
        for words in (["--runs", server.runs, "--port", "0"],
                      ["--runs", new_folder(), "--port", str(server.port)]):
            second = subprocess.run([ESPALIER, "serve", *words], capture_output=True, text=True, timeout=20)
            self.assertIn(second.returncode, (3, 5))
            self.assertEqual(len(second.stderr.splitlines()), 1, second.stderr)
            self.assertIn("choose another --", second.stderr)
        server.close()


if __name__ == "__main__":
    unittest.main()
