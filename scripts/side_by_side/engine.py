"""An engine that scripts/peers times: a process of its own, ours or a worker.py."""
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ESPALIER = os.environ.get("ESPALIER", str(ROOT / "build/app/espalier"))


def fail(what):
    sys.exit(f"peers: {what}")


def clean_environment(threads):
    """Without what could hold a baseline back, or let it use more threads."""
    held_back = re.compile(r"(OPENBLAS|OMP|MKL|KMP|DNNL|ONEDNN|ATEN)_")
    kept = {key: value for key, value in os.environ.items() if not held_back.match(key)}
    return {**kept, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


class Engine:
    """A process that runs so many batches as it is told, and says how long they took."""

    def __init__(self, name, command, threads):
        self.name, self.threads = name, threads
        environment = None if command[0] == ESPALIER else clean_environment(threads)
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    @functools.cached_property
    def told(self):
        """What it says when it is ready, which this waits for."""
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            fail(f"{self.name} ended with exit code {self.process.wait()}")
        return json.loads(line)

    def run(self, calls):
        self.process.stdin.write(f"{calls}\n")
        self.process.stdin.flush()
        return self.answer()

    def seconds(self, calls):
        """Of one batch: processor time on one thread, which leaves out what others ran meanwhile."""
        taken = self.run(calls)
        if self.threads > 1:
            return taken["seconds"] / calls
        if taken["cpu_seconds"] > 1.1 * taken["seconds"]:
            fail(f"{self.name} was given one thread and used {taken['cpu_seconds']:.3g} s of "
                 f"processor time in {taken['seconds']:.3g} s")
        return taken["cpu_seconds"] / calls

    def close(self):
        self.process.stdin.close()
        self.process.wait()
