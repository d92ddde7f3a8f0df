"""The verbs that measure: bench and profile; and what scripts/peers_gpu says without a GPU."""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import unittest
from pathlib import Path

from command import ESPALIER, Command, run, tensors

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


class Bench(Command):
    def test_a_signal_ends_at_once_what_has_nothing_to_save(self):
        told = self.folder / "begun.json"
        words = ["profile", self.model, "--seconds", 60, "--progress", told]
        with subprocess.Popen([ESPALIER, *map(str, words)], stdout=subprocess.DEVNULL) as process:
            while not told.exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)  # a shell may have told its children to ignore SIGINT
            self.assertEqual(process.wait(timeout=20), -signal.SIGTERM)

    def test_it_says_what_it_runs_on(self):
        said = run("eval", self.model, "-v", "-t", 1, "--isa", "scalar").stderr
        self.assertIn(" on cpu, kernels of scalar and below, 1 thread\n", said)

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

    def test_bench_pruning_times_shares_in_turns(self):
        result = run("bench", "pruning", self.model, "--shares", "0.3,0.6", "--dtype", "f32,int8", "-b", 2,
                     "-t", 1, "--seconds", 0.2, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        blocks = json.loads(result.stdout)
        self.assertEqual([(block["dtype"], block["batch"]) for block in blocks], [("f32", 2), ("int8", 2)])
        for block in blocks:
            self.assertEqual([row["pruned"] for row in block["models"]], [0, 0.3, 0.6])
            counts = [row["parameters"] for row in block["models"]]
            self.assertEqual(counts, sorted(counts, reverse=True))
        table = run("bench", "pruning", self.model, "--shares", 0.5, "--dtype", "f32", "-b", 1, "--seconds", 0.1)
        self.assertIn("falls by more", table.stdout)
        self.expect(2, "bench", "pruning", self.model, "--shares", "0.5,0.3", says="ascend")
        self.expect(2, "bench", "pruning", self.model, "--dtype", "w4", says="int8")

    def test_an_integer_file_is_timed_and_profiled_against_its_own_peak(self):
        made, picture = self.folder / "int8.safetensors", self.folder / "int8-roofline.png"
        self.assertEqual(run("compress", self.model, "-o", made, "--calibration-images", 32,
                             "--seconds", 0).returncode,
                         0)
        timed = run("bench", "model", made, "-b", 2, "-t", 1, "--seconds", 0.2, "--allow-noise",
                    "--json")
        self.assertEqual(timed.returncode, 0, timed.stderr)
        line, = json.loads(timed.stdout)
        self.assertEqual((line["dtype"], line["largest_difference"]), ("int8", 0))
        self.assertIsNone(line["speed_up_over_f32"])
        for verb in (("bench", "model"), ("profile",)):
            self.expect(2, *verb, made, "--dtype", "bf16",
                        says=f"espalier: {' '.join(verb)}: --dtype is bf16; expected int8")
        result = run("profile", made, "-b", 8, "-t", 1, "--seconds", 0.3, "--json", "--roofline", picture)
        self.assertEqual(result.returncode, 0, result.stderr)
        profile = json.loads(result.stdout)
        ceilings = {peak["arithmetic"]: peak["operations_per_second"] for peak in profile["ceilings"]}
        self.assertEqual(set(ceilings), {"f32", "int8"})
        self.assertEqual({step["operation"] for step in profile["steps"] if step["arithmetic"] == "int8"},
                         {"conv2d_s8", "max_pool2d", "linear_s8", "add_linear_s8", "attention_s8"})
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
        self.expect(2, "bench", "turns", "vit-tiny", "--input", batch, "--dtype", "f16", says="--device cuda")
        self.expect(2, "bench", "turns", "vit-tiny", "--input", batch, "--dtype", "f16", "--step",
                    says="loss scale")
        full = tensors(logits)["logits"]
        run("bench", "turns", "vit-tiny", "--input", batch, "--output", logits, "--dtype", "bf16",
            input="")
        self.assertNotEqual(tensors(logits)["logits"], full)

    def peers_gpu(self, *words):
        return subprocess.run([sys.executable, SCRIPTS / "peers_gpu", *words], capture_output=True, text=True,
                              env={**os.environ, "ESPALIER": ESPALIER})

    def test_peers_gpu_ends_in_one_line_where_there_is_no_gpu(self):
        self.assertIn("CUDA graphs", self.peers_gpu("--help").stdout)
        self.assertEqual(self.peers_gpu("--dtypes", "f8").returncode, 2)
        refused = self.peers_gpu("--dtypes", "f16", "--only", "step")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("loss scale", refused.stderr)
        if run("bench", "kernels", "--list", "--device", "cuda").returncode == 0:
            self.skipTest("there is a GPU")
        ended = self.peers_gpu("--out", self.folder)
        self.assertEqual(ended.returncode, 5, ended.stderr)
        self.assertRegex(ended.stderr, r"\Apeers_gpu: .*cuda:0.*nothing was timed\n\Z")
        for verb in (("kernels",), ("model", "vit-tiny"), ("step", "vit-tiny")):
            self.expect(5, "bench", *verb, "--device", "cuda", says="cuda:0")

    def test_what_peers_gpu_finds_names_the_card(self):
        sys.path.insert(0, str(SCRIPTS / "side_by_side"))
        import gpu_report
        context = {"gpu": "A card (sm_90)", "cublas": "cuBLASLt 13.0.2"}
        lines = [{"title": "inference, f32, batch 1",
                  "seconds": {"Espalier": [1, 1, 2], "PyTorch eager": [4, 4, 4], "PyTorch compiled": [2, 3, 3]}}]
        gemm = [{"name": "gemm_mma_s8/4096x4096x4096", "way": way, "median_seconds": 1e-3, "spread": 0.01,
                 "Gop/s": 137e3, **more} for way, more in (("own", {"versus_baseline": 0.9}), ("cuBLASLt", {}))]
        gpu_report.save({"context": context, "lines": lines, "gemm": gemm}, self.folder)
        text = (self.folder / "peers_gpu.md").read_text()
        self.assertIn("A card (sm_90), cuBLASLt 13.0.2", text)
        self.assertIn("| PyTorch compiled | **2.00** (1.75–2.50) |", text)  # of 2, 3 and 1.5 times
        self.assertIn("| own | 1 | 1.0 % | 137.0 | **0.90** |", text)
        self.assertIn("| cuBLASLt | 1 | 1.0 % | 137.0 | – |", text)


if __name__ == "__main__":
    unittest.main()
