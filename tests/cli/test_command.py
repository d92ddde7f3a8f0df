"""The espalier command as a user runs it. ESPALIER names the binary."""
import hashlib
import json
import os
import random
import resource
import shutil
import signal
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


def without_scales(path, to):
    """An integer model as it was written before files told what codes mean."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header["__metadata__"]["espalier.checksum"] = "00000000"
    body = b""
    for name in [name for name in header if name != "__metadata__"]:
        if name.endswith("scale") and name != "stream.scale":
            del header[name]
            continue
        part = data[8 + length:][slice(*header[name]["data_offsets"])]
        header[name]["data_offsets"] = [len(body), len(body) + len(part)]
        body += part
    text = json.dumps(header, separators=(",", ":")).encode()
    unsigned = struct.pack("<Q", len(text)) + text + body
    signed = b'"espalier.checksum":"%08x"' % zlib.crc32(unsigned)
    Path(to).write_bytes(unsigned.replace(b'"espalier.checksum":"00000000"', signed))


def digest(run_folder):
    """SHA-256 of all parameters of the run's last checkpoint."""
    state = tensors(f"{run_folder}/checkpoints/last.safetensors")
    return hashlib.sha256(b"".join(state[name] for name in sorted(state)
                                   if name.startswith("model."))).hexdigest()


def last_step(run_folder):
    """The last step that the run has written down; 0 before the first."""
    try:
        text = (run_folder / "metrics.jsonl").read_text()
    except FileNotFoundError:
        return 0
    steps = [json.loads(line)["step"] for line in text.splitlines(keepends=True)
             if line.endswith("\n") and '"step"' in line]
    return max(steps, default=0)


def grey_png(path, size=28):
    """A white square on black."""
    rows = b"".join(b"\0" + bytes(255 if 7 < x < 20 and 7 < y < 20 else 0 for x in range(size))
                    for y in range(size))
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" +
                           chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Command(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="espalier-cli-"))
        cls.run_dir = cls.folder / "run"
        trained = run("train", "vit-tiny", "--run-dir", cls.run_dir, *QUICK)
        assert trained.returncode == 0, trained.stderr
        cls.model = trained.stdout.strip()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def expect(self, code, *words, says=""):
        result = run(*words)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_run_folder_is_complete(self):
        for name in ("config.json", "env.json", "metrics.jsonl", "report.md", "plots/loss.png",
                     "checkpoints/last.safetensors", "checkpoints/best.safetensors"):
            self.assertTrue((self.run_dir / name).is_file(), name)
        lines = [json.loads(line)
                 for line in (self.run_dir / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["step"] for line in lines if "loss" in line], list(range(1, STEPS + 1)))

    def test_eval_agrees_with_its_json_and_its_gate(self):
        result = run("eval", self.model, "--json", "--picture", self.folder / "confusion.png")
        self.assertEqual(result.returncode, 0, result.stderr)
        measured = json.loads(result.stdout)
        self.assertEqual(measured["samples"], 10_000)
        self.assertEqual(sum(measured["confusion"]), 10_000)
        self.assertEqual(sum(measured["confusion"][::11]), measured["correct"])
        self.assertTrue((self.folder / "confusion.png").is_file())
        self.expect(4, "eval", self.model, "--min-accuracy", 99, "-q", says="below")

    def test_the_model_we_ship_is_as_good_as_we_say(self):
        models = Path(__file__).parents[2] / "models"
        said = json.loads((models / "vit-fashion.metrics.jsonl").read_text().splitlines()[-1])
        measured = json.loads(run("eval", models / "vit-fashion.safetensors", "--json").stdout)
        # Kernels of another instruction set may round an image between two classes elsewhere.
        self.assertAlmostEqual(measured["correct"], said["correct"], delta=3)

    def test_an_integer_model_keeps_accuracy_and_signal(self):
        """The model we ship, in whole numbers: measured on the file that compress wrote."""
        model = Path(__file__).parents[2] / "models/vit-fashion.safetensors"
        with tempfile.TemporaryDirectory() as folder:
            made = f"{folder}/int8.safetensors"
            said = json.loads(run("compress", model, "-o", made, "--json").stdout)
            self.assertGreaterEqual(said["accuracy_after"], said["accuracy_before"] - 0.005)
            self.assertGreaterEqual(said["signal_to_noise_db"], 25)
            self.assertLess(said["bytes_after"], said["bytes_before"] / 2)
            for threads in (1, 3):
                measured = json.loads(run("eval", made, "--json", "-t", threads).stdout)
                self.assertEqual(measured["accuracy"], said["accuracy_after"])
            again = run("compress", made, "-o", made)
            self.assertEqual(again.returncode, 3)
            self.assertIn("whole numbers already", again.stderr)
            self.check_export_of_whole_numbers(made, f"{folder}/int8.onnx")
            self.check_outputs(made, f"{folder}/outputs.safetensors", said["accuracy_after"])

    def check_export_of_whole_numbers(self, model, onnx):
        result = run("export", model, "--onnx", onnx)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"int8\.onnx: \d+ nodes, \d+ parameters\n")
        written = Path(onnx).read_bytes()
        for part in (b"QuantizeLinear", b"DequantizeLinear", b"espalier.config", b"int8 model"):
            self.assertIn(part, written)
        self.assertLess(len(written), 1.1 * Path(model).stat().st_size)
        self.expect(3, "export", model, "--safetensors", f"{onnx}.safetensors", says="whole numbers")
        old = f"{onnx}.old"
        without_scales(model, old)
        self.expect(3, "export", old, "--onnx", onnx, says="compress the model again")

    def check_outputs(self, model, outputs, accuracy):
        """What eval writes for other engines is what it judges, and what bench turns computes."""
        self.assertEqual(run("eval", model, "--outputs", outputs, "-q").returncode, 0)
        written = tensors(outputs)
        logits = struct.unpack("<100000f", written["logits"])
        labels = struct.unpack("<10000q", written["labels"])
        rows = (logits[i:i + 10] for i in range(0, len(logits), 10))
        right = sum(row.index(max(row)) == label for row, label in zip(rows, labels))
        self.assertEqual(right / len(labels), accuracy)
        again = f"{outputs}.logits"
        self.assertEqual(run("bench", "turns", model, "--input", outputs, "--output", again,
                             input="").returncode, 0)
        self.assertEqual(tensors(again)["logits"], written["logits"])
        self.expect(3, "bench", "turns", model, "--input", outputs, "--step", says="whole numbers")

    def test_predict_gives_confidences_that_add_up(self):
        grey_png(self.folder / "square.png")
        result = run("predict", self.model, self.folder / "square.png", "--top", 10, "--json",
                     "--picture", self.folder / "predictions.png")
        self.assertEqual(result.returncode, 0, result.stderr)
        predictions = json.loads(result.stdout)[0]["predictions"]
        self.assertAlmostEqual(sum(p["confidence"] for p in predictions), 1, places=4)
        self.assertTrue((self.folder / "predictions.png").is_file())

    def test_inspect_lists_every_tensor(self):
        listed = json.loads(run("inspect", self.model, "--json").stdout)
        self.assertEqual({t["name"] for t in listed["tensors"]}, set(tensors(self.model)))

    def test_bench_model_verifies_and_names_the_floor(self):
        result = run("bench", "model", self.model, "-b", "1,3", "-t", "1,2", "--seconds", 0.2,
                     "--allow-noise", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = json.loads(result.stdout)
        self.assertEqual([(t["batch"], t["threads"]) for t in lines], [(1, 1), (1, 2), (3, 1), (3, 2)])
        for line in lines:
            self.assertLessEqual(line["largest_difference"], line["tolerance"])
            floor = sum(part["operations"] / part["peak_operations_per_second"]
                        for part in line["parts"])
            self.assertAlmostEqual(line["floor_seconds"], floor)
            self.assertEqual(sum(part["operations"] for part in line["parts"]), line["operations"])
            self.assertEqual(line["speed_up_over_f32"], 1)
            self.assertAlmostEqual(line["images_per_second"] * line["median_seconds"], line["batch"])
        self.expect(2, "bench", "model", "-b", 0, says="batch")
        self.expect(2, "bench", "model", "vit-huge", says="vit-huge")

    def test_bench_model_times_weights_in_half_precision(self):
        result = run("bench", "model", self.model, "--dtype", "f32,bf16,f16", "-b", 3, "-t", 1,
                     "--seconds", 0.2, "--allow-noise", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = json.loads(result.stdout)
        self.assertEqual([line["dtype"] for line in lines], ["f32", "bf16", "f16"])
        for line in lines:
            self.assertLessEqual(line["largest_difference"], line["tolerance"])
        self.expect(2, "bench", "model", self.model, "--dtype", "f8", says="bf16")

    def test_bench_model_times_whole_numbers_beside_fp32(self):
        result = run("bench", "model", "vit-peer", "--dtype", "f32,int8", "-b", "1,2", "-t", 1,
                     "--seconds", 0.2, "--allow-noise", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = json.loads(result.stdout)
        self.assertEqual([(line["batch"], line["dtype"]) for line in lines],
                         [(1, "f32"), (1, "int8"), (2, "f32"), (2, "int8")])
        for line in lines:
            self.assertGreater(line["speed_up_over_f32"], 0)
            self.assertLessEqual(line["largest_difference"], line["tolerance"])
        self.assertEqual([line["tolerance"] > 0 for line in lines], [True, False, True, False])
        self.assertEqual([[part["arithmetic"] for part in line["parts"]] for line in lines[:2]],
                         [["f32"], ["f32", "int8"]])

    def test_an_integer_file_is_timed_and_profiled_against_its_own_peak(self):
        made, picture = self.folder / "int8.safetensors", self.folder / "int8-roofline.png"
        self.assertEqual(run("compress", self.model, "-o", made, "--calibration-images", 32).returncode,
                         0)
        timed = run("bench", "model", made, "-b", 2, "-t", 1, "--seconds", 0.2, "--allow-noise",
                    "--json")
        self.assertEqual(timed.returncode, 0, timed.stderr)
        line, = json.loads(timed.stdout)
        self.assertEqual((line["dtype"], line["largest_difference"]), ("int8", 0))
        self.assertIsNone(line["speed_up_over_f32"])
        for verb in (("bench", "model"), ("profile",)):
            self.expect(2, *verb, made, "--dtype", "bf16", says="whole numbers")
        result = run("profile", made, "-b", 8, "-t", 1, "--seconds", 0.3, "--json", "--roofline", picture)
        self.assertEqual(result.returncode, 0, result.stderr)
        profile = json.loads(result.stdout)
        ceilings = {peak["arithmetic"]: peak["operations_per_second"] for peak in profile["ceilings"]}
        self.assertEqual(set(ceilings), {"f32", "int8"})
        self.assertEqual({step["operation"] for step in profile["steps"] if step["arithmetic"] == "int8"},
                         {"linear_s8", "add_linear_s8", "attention_s8"})
        for step in profile["steps"]:
            self.assertLessEqual(step["roof"], ceilings[step["arithmetic"]])
        self.assertTrue(picture.is_file())

    def test_bench_hardware_names_the_peak_of_each_data_type(self):
        profile = json.loads(run("bench", "hardware", "--json").stdout)
        peaks = {(peak["arithmetic"], peak["isa"]): peak["gops"] for peak in profile["peaks"]
                 if peak["threads"] == 1}
        for arithmetic in ("f32", "int8"):
            self.assertGreater(peaks[arithmetic, "scalar"], 0)
        text = run("bench", "hardware").stdout
        for title in ("f32 peak", "bf16 peak", "int8 peak", "Gop/s a core"):
            self.assertIn(title, text)

    def test_profile_accounts_for_the_time_and_draws_it(self):
        trace, picture = self.folder / "trace.json", self.folder / "roofline.png"
        result = run("profile", self.model, "-b", 8, "-t", 1, "--seconds", 0.3, "--json",
                     "--trace", trace, "--roofline", picture)
        self.assertEqual(result.returncode, 0, result.stderr)
        profile = json.loads(result.stdout)
        self.assertAlmostEqual(sum(step["share"] for step in profile["steps"]), 1)
        self.assertGreater(profile["steps_of_wall"], 0.9)
        self.assertLessEqual(profile["steps_of_wall"], 1)
        counters = profile["counters"]
        self.assertTrue(counters.get("absent") or counters["instructions"] > counters["cycles"] / 4 > 0)
        self.assertTrue(json.loads(trace.read_text())["traceEvents"])
        self.assertTrue(picture.is_file())
        for dtype in ("f32", "bf16", "int8"):
            shown = run("profile", self.model, "--dtype", dtype, "-b", 2, "--seconds", 0.1).stdout
            self.assertIn("all layers", shown)
            self.assertIn(f"vit-tiny in {dtype}, batch 2 ", shown)
        self.expect(3, "profile", self.model, "--seconds", 0.1, "--json",
                    "--trace", self.folder / "absent" / "trace.json", says="absent")

    def test_inspect_shows_what_each_operation_costs(self):
        def costs(batch):
            shown = run("inspect", self.model, "--graph", "-b", batch, "--json").stdout
            return {f"{o['layer']} {o['operation']}": o for o in json.loads(shown)["operations"]}
        one, eight = costs(1), costs(8)
        self.assertEqual(list(one), list(eight))
        head = eight["head linear"]
        self.assertEqual(head["output"], [8, 10])
        self.assertEqual(head["flops"], 8 * one["head linear"]["flops"])
        width = head["flops"] // (2 * 8 * 10)
        self.assertEqual(head["bytes_read"], 4 * (8 * width + 10 * width + 10))
        self.assertIn("operations at batch 1", run("inspect", self.model, "--graph").stdout)
        self.expect(2, "inspect", self.model, "--batch", 2, says="--graph")

    def test_export_writes_what_others_read(self):
        onnx, weights = self.folder / "model.onnx", self.folder / "model.safetensors"
        result = run("export", self.model, "--onnx", onnx, "--safetensors", weights)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"model\.onnx: \d+ nodes, \d+ parameters\n")
        self.assertIn(b"espalier.config", onnx.read_bytes())
        averaged = {name.removeprefix("optimizer.average."): data
                    for name, data in tensors(self.model).items() if ".average." in name}
        self.assertEqual(tensors(weights), averaged or tensors(self.model))
        for data in tensors(weights).values():
            self.assertTrue(len(data) > 1000 or data in onnx.read_bytes())  # large ones are turned
        twice = [self.folder / "a.onnx", self.folder / "b.onnx"]
        for path in twice:
            self.assertEqual(run("export", "vit-peer", "--onnx", path).returncode, 0)
        self.assertEqual(twice[0].read_bytes(), twice[1].read_bytes())
        self.expect(2, "export", self.model, says="--onnx")
        self.expect(2, "export", "vit-huge", "--onnx", onnx, says="vit-tiny")
        self.expect(3, "export", self.model, "--onnx", self.folder / "absent" / "m.onnx",
                    says="absent")

    def write_batch(self, count):
        """A .safetensors file of random images and their labels."""
        path, numbers = self.folder / f"batch-{count}.safetensors", random.Random(1)
        pixels = count * 28 * 28
        images = struct.pack(f"<{pixels}f", *(numbers.gauss(0, 1) for _ in range(pixels)))
        labels = struct.pack(f"<{count}q", *(i % 10 for i in range(count)))
        header = json.dumps({
            "images": {"dtype": "F32", "shape": [count, 28, 28, 1], "data_offsets": [0, len(images)]},
            "labels": {"dtype": "I64", "shape": [count],
                       "data_offsets": [len(images), len(images) + len(labels)]}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + images + labels)
        return path

    def test_bench_turns_answers_line_by_line(self):
        batch, logits = self.write_batch(5), self.folder / "logits.safetensors"
        result = run("bench", "turns", "vit-tiny", "--input", batch, "--output", logits, "-t", 1,
                     input="1\n3\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        ready, one, three = map(json.loads, result.stdout.splitlines())
        self.assertTrue(ready["ready"])
        self.assertTrue(one["seconds"] > 0 and three["cpu_seconds"] > 0)
        self.assertEqual(len(tensors(logits)["logits"]), 4 * 5 * 10)
        steps = run("bench", "turns", "vit-tiny", "--input", batch, "--step", input="1\n30\n")
        ready, first, last = map(json.loads, steps.stdout.splitlines())
        self.assertEqual(ready["lr"], 1e-3)
        self.assertGreater(first["loss"], last["loss"])  # it sees the same batch again and again
        bf16 = run("bench", "turns", "vit-tiny", "--input", batch, "--step", "--dtype", "bf16",
                   input="1\n")
        rounded = json.loads(bf16.stdout.splitlines()[1])["loss"]
        self.assertNotEqual(rounded, first["loss"])
        sums, rounding = 2 * 2, 2**-7  # of vit-tiny's two blocks; of bf16, twice in each product
        self.assertAlmostEqual(rounded, first["loss"], delta=sums * rounding * first["loss"])
        for wrong in ("0\n", "two\n", "3 4\n"):
            refused = run("bench", "turns", "vit-tiny", "--input", batch, input=wrong)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("standard input", refused.stderr)
        self.expect(3, "bench", "turns", "vit-tiny", "--input", self.folder / "absent", says="absent")
        self.expect(2, "bench", "turns", "vit-tiny", "--input", logits, says="images")
        self.expect(2, "bench", "turns", "vit-tiny", "--input", batch, "--output", logits, "--step",
                    says="--step")
        self.expect(2, "bench", "turns", "vit-tiny", "--input", batch, "--dtype", "f8", says="bf16")
        full = tensors(logits)["logits"]
        run("bench", "turns", "vit-tiny", "--input", batch, "--output", logits, "--dtype", "bf16",
            input="")
        self.assertNotEqual(tensors(logits)["logits"], full)

    def test_bits_do_not_depend_on_threads(self):
        for threads in (1, 3, 8):
            folder = self.folder / f"threads-{threads}"
            run("train", "vit-tiny", "--run-dir", folder, "-t", threads, *QUICK)
            self.assertEqual(digest(folder), digest(self.run_dir))

    def test_training_in_bf16_is_saved_as_such_and_gives_bits_of_its_own(self):
        digests = set()
        for threads in (1, 2):
            folder = self.folder / f"bf16-{threads}"
            run("train", "vit-tiny", "--precision", "bf16", "--run-dir", folder, "-t", threads, *QUICK)
            self.assertEqual(json.loads((folder / "config.json").read_text())["precision"], "bf16")
            digests.add(digest(folder))
        self.assertEqual(len(digests), 1)
        self.assertNotIn(digest(self.run_dir), digests)

    def stop_at(self, step, stop, folder, command):
        """Starts a training and sends it a signal once it has done so many steps."""
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as process:
            while last_step(folder) < step:
                self.assertIsNone(process.poll(), f"ended before step {step}")
                time.sleep(0.002)
            process.send_signal(stop)
            said = process.stderr.read()
        return process.returncode, said

    def test_killed_and_resumed_runs_end_with_the_same_bits(self):
        folder = self.folder / "killed"
        fresh = [ESPALIER, "train", "vit-tiny", "--run-dir", str(folder), *QUICK]
        resume = [ESPALIER, "train", "--resume", str(folder), "-q"]
        for step in sorted(random.Random(1).sample(range(1, STEPS), 10)):
            saved = (folder / "checkpoints/last.safetensors").exists()
            if not saved:
                shutil.rmtree(folder, ignore_errors=True)
            code, _ = self.stop_at(step, signal.SIGKILL, folder, resume if saved else fresh)
            self.assertEqual(code, -signal.SIGKILL)
        self.assertEqual(run(*resume[1:]).returncode, 0)
        self.assertEqual(digest(folder), digest(self.run_dir))

    def test_an_interrupted_run_says_how_to_resume_and_does(self):
        folder = self.folder / "interrupted"
        talkative = [word for word in QUICK if word != "-q"]
        code, said = self.stop_at(30, signal.SIGINT, folder, [
            ESPALIER, "train", "vit-tiny", "--run-dir", str(folder), *talkative])
        self.assertEqual(code, 130)
        self.assertIn(f"--resume {folder}", said)
        self.assertEqual(run("train", "--resume", folder, "-q").returncode, 0)
        self.assertEqual(digest(folder), digest(self.run_dir))

    def test_a_full_disk_leaves_the_last_checkpoint_intact(self):
        folder = self.folder / "full"
        self.stop_at(20, signal.SIGINT, folder, [
            ESPALIER, "train", "vit-tiny", "--run-dir", str(folder), *QUICK])
        before = (folder / "checkpoints/last.safetensors").read_bytes()
        # A limit on the size of a file makes the same write() fail that a full disk would.
        room = len(before) // 2
        result = run("train", "--resume", folder, "-q", restore_signals=False, preexec_fn=lambda:
                     resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertIn("last.safetensors: cannot write", result.stderr)
        self.assertEqual((folder / "checkpoints/last.safetensors").read_bytes(), before)
        self.assertEqual(sorted(path.name for path in (folder / "checkpoints").iterdir()
                                if ".tmp" in path.name), [])
        self.assertEqual(run("train", "--resume", folder, "-q").returncode, 0)
        self.assertEqual(digest(folder), digest(self.run_dir))

    def test_wrong_use_is_refused_in_one_line(self):
        self.expect(2, "train", "vit-huge", says="vit-tiny")
        self.expect(2, "train", "--no-such-flag")
        self.expect(2, "train", "vit-tiny", "--set", "epoch=3", says="epoch")
        self.expect(2, "train", "vit-tiny", "--precision", "fp8", says="bf16")
        self.expect(2, "train", "--resume", self.run_dir, "--precision", "bf16", says="--resume")
        self.expect(2, "predict", self.model)
        self.expect(2)
        self.expect(3, "eval", "/nowhere.safetensors")
        self.expect(3, "eval", self.folder)
        self.expect(3, "eval", self.model, "--data", "/nowhere", says="--data")
        self.expect(3, "train", "vit-tiny", "--run-dir", self.run_dir, says="--resume")
        self.expect(3, "train", "--resume", self.folder / "absent")
        self.expect(5, "eval", self.model, "--device", "cuda")
        self.expect(5, "eval", self.model, "--isa", "sse9", says="scalar")

    def test_a_flipped_byte_is_refused(self):
        data = bytearray(Path(self.model).read_bytes())
        for place in random.Random(2).sample(range(len(data)), 40):
            damaged = bytearray(data)
            damaged[place] ^= 0x10
            (self.folder / "damaged.safetensors").write_bytes(damaged)
            self.expect(3, "inspect", self.folder / "damaged.safetensors")


if __name__ == "__main__":
    unittest.main()
