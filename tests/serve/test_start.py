"""How the server begins: what comes meanwhile, and what keeps it from it."""
import os
import re
import signal
import subprocess
import time
import unittest
from pathlib import Path

from server import ESPALIER, new_folder, start_server


def catches(process, how):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"SigCgt:\s+(\w+)", status).group(1), 16) >> (how - 1) & 1 == 1


def wait_until(condition, timeout=10):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s"
        time.sleep(0.002)


class Interrupts(unittest.TestCase):
    def start(self, runs, *words, **options):
        process = start_server(runs, *words, **options)
        self.addCleanup(process.kill)  # one that does not end
        return process

    def check_end(self, process):
        said = process.communicate(timeout=10)[1]
        self.assertEqual(process.returncode, 0, said)

    def test_they_end_it_from_its_first_line_on(self):
        for how in [signal.SIGINT, signal.SIGTERM] * 5:
            process = self.start(new_folder())
            self.assertRegex(process.stdout.readline(), r"^http://127\.0\.0\.1:\d+/$")
            process.send_signal(how)
            self.check_end(process)

    def test_one_that_waits_from_the_beginning_ends_it(self):
        def interrupt_itself():
            # Blocked and pending, as exec() hands it on.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            os.kill(os.getpid(), signal.SIGINT)

        for _ in range(3):
            self.check_end(self.start(new_folder(), preexec_fn=interrupt_itself))

    def test_one_that_comes_before_they_are_waited_for_ends_it(self):
        runs = new_folder()
        progress = runs / "progress.json"
        draft = runs / "progress.json.new"
        os.mkfifo(draft)  # its first write waits for a reader, and the start with it
        process = self.start(runs, "--progress", str(progress))
        wait_until(lambda: catches(process, signal.SIGINT))
        process.send_signal(signal.SIGINT)
        wait_until(lambda: not catches(process, signal.SIGINT))  # a second one would end it at once
        reader = os.open(draft, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.check_end(process)


class Refusals(unittest.TestCase):
    def test_what_keeps_it_from_its_folder_is_named(self):
        folder = new_folder()
        (folder / "file").write_text("no folder")
        (folder / "runs/.serve.lock").mkdir(parents=True)  # which no user, root neither, can open to write
        for runs, problem in (("file/runs", "Not a directory"), ("runs", "Is a directory")):
            refused = subprocess.run([ESPALIER, "serve", "--port", "0", "--runs", folder / runs],
                                     capture_output=True, text=True, timeout=20)
            self.assertEqual(refused.returncode, 3, refused.stderr)
            self.assertEqual(len(refused.stderr.splitlines()), 1, refused.stderr)
            self.assertIn(problem, refused.stderr)
            self.assertNotIn("another", refused.stderr)


if __name__ == "__main__":
    unittest.main()
