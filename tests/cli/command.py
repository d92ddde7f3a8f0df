"""What the tests of the espalier command share. ESPALIER names the binary."""
import atexit
import functools
import gzip
import json
import os
import resource
import shutil
import struct
import subprocess
import tempfile
import time
import unittest
import zlib
from pathlib import Path

ESPALIER = os.environ.get("ESPALIER", "build/app/espalier")
STEPS = 100
QUICK = ["--set", f"max_steps={STEPS}", "--set", "checkpoint_steps=7", "--set", "validation=200",
         "-q"]
# As many steps, of fewer images: for what does not ask how a training computes.
BRIEF = ["--set", "batch_size=16", *QUICK]
# Of so many images that a step has three chunks, which threads share out: for the bits of a training.
SHARED = ["--set", "batch_size=40", *QUICK]


# So many images of the data set are the tests' own: most of what a command takes goes by their number.
DATA, TRAINING_IMAGES, TEST_IMAGES = Path("/usr/share/datasets/fashion-mnist"), 12_000, 2_000


def first_images(folder):
    """A data set of the first images of the whole one."""
    for prefix, count in ("train", TRAINING_IMAGES), ("t10k", TEST_IMAGES):
        for name, header, item in ("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1):
            with gzip.open(DATA / f"{prefix}-{name}-ubyte.gz") as file:
                head, body = file.read(header), file.read(count * item)
            head = head[:4] + struct.pack(">I", count) + head[8:]
            (folder / f"{prefix}-{name}-ubyte").write_bytes(head + body)


@functools.cache
def use_small_data():
    folder = new_folder()
    atexit.register(shutil.rmtree, folder)
    first_images(folder)
    os.environ["ESPALIER_DATA"] = str(folder)


def run(*words, **options):
    return subprocess.run([ESPALIER, *map(str, words)], capture_output=True, text=True, timeout=300,
                          **options)


def tensors(path):
    """Every tensor's bytes by name."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    body = data[8 + length:]
    return {name: body[slice(*entry["data_offsets"])]
            for name, entry in header.items() if name != "__metadata__"}


def grey_png(path, size=28):
    """A white square on black."""
    rows = b"".join(b"\0" + bytes(255 if 7 < x < 20 and 7 < y < 20 else 0 for x in range(size))
                    for y in range(size))
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" +
                           chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def new_folder():
    return Path(tempfile.mkdtemp(prefix="espalier-cli-"))


@functools.cache
def trained_run():
    """One short training for the whole test run: its folder, and the model that it prints."""
    return trained_by(*QUICK)


@functools.cache
def trained_by(*words):
    folder = new_folder()
    atexit.register(shutil.rmtree, folder)
    trained = run("train", "vit-tiny", "--run-dir", folder / "run", *words)
    assert trained.returncode == 0, trained.stderr
    return folder / "run", trained.stdout.strip()


def last_step(run_folder):
    """The last step that the run has written down; 0 before the first."""
    try:
        text = (run_folder / "metrics.jsonl").read_text()
    except FileNotFoundError:
        return 0
    steps = [json.loads(line)["step"] for line in text.splitlines(keepends=True)
             if line.endswith("\n") and '"step"' in line]
    return max(steps, default=0)


def stop_at(step, stop, folder, command):
    """Starts a training and sends it a signal once it has done so many steps."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True) as process:
        while last_step(folder) < step:
            assert process.poll() is None, f"ended before step {step}"
            time.sleep(0.002)
        process.send_signal(stop)
        said = process.stderr.read()
    return process.returncode, said


def on_a_full_disk(test, verb, folder):
    """Resumes a run where its checkpoint cannot be written: the one before has to stay as it is."""
    last = folder / "checkpoints/last.safetensors"
    before = last.read_bytes()
    # A limit on the size of a file makes the same write() fail that a full disk would.
    room = len(before) // 2
    result = run(verb, "--resume", folder, "-q", restore_signals=False, preexec_fn=lambda:
                 resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    test.assertEqual(result.returncode, 3, result.stderr)
    test.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
    test.assertIn("last.safetensors: cannot write", result.stderr)
    test.assertEqual(last.read_bytes(), before)
    test.assertEqual([path.name for path in last.parent.iterdir() if ".tmp" in path.name], [])


class Command(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        use_small_data()
        cls.run_dir, cls.model = trained_run()
        cls.folder = new_folder()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def expect(self, code, *words, says=""):
        result = run(*words)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertIn(says, result.stderr)
