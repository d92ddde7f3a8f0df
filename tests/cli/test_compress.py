"""Compressing a model with training: its run folder, its bits, and what stops it."""
import json
import signal
import unittest

from command import ESPALIER, TRAINING_IMAGES, Command, run, stop_at

UNTIMED = ["--seconds", 0]
FEW = ["--calibration-images", 64, "--validation", 200]
TRAINED = ["--qat", 1, "--max-steps", 12, *FEW, *UNTIMED]


class Compress(Command):
    def test_training_on_integer_kernels_is_as_good_as_said_and_resumes_to_the_same_bits(self):
        whole, made = self.folder / "whole", self.folder / "whole.safetensors"
        result = run("compress", self.model, "-o", made, "--run-dir", whole, "--json", "-t", 1,
                     *TRAINED)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = json.loads(result.stdout)
        self.assertEqual(said["qat_epochs"], 1)
        self.assertGreater(said["after"]["accuracy"], said["before"]["accuracy"] - 0.02)
        self.assertLess(said["after"]["file_bytes"], said["before"]["file_bytes"])
        measured = json.loads(run("eval", made, "--json").stdout)
        self.assertEqual(measured["accuracy"], said["after"]["accuracy"])
        inspected = json.loads(run("inspect", made, "--json").stdout)
        self.assertEqual(inspected["metadata"]["espalier.qat_epochs"], "1")
        for name in ("compress.json", "qat/config.json", "qat/metrics.jsonl", "qat/report.md",
                     "qat/plots/loss.png", "qat/checkpoints/best.safetensors"):
            self.assertTrue((whole / name).is_file(), name)
        self.check_interruption(made)

    def check_interruption(self, whole):
        """Interrupted on three threads and taken up on two, it ends with the same bytes."""
        folder, made = self.folder / "broken", self.folder / "broken.safetensors"
        command = [ESPALIER, "compress", self.model, "-o", made, "--run-dir", folder, "-t", 3,
                   *TRAINED]
        code, said = stop_at(4, signal.SIGINT, folder / "qat", list(map(str, command)))
        self.assertEqual(code, 130)
        self.assertIn(f"espalier compress --resume {folder}", said)
        self.assertFalse(made.exists())
        self.assertEqual(run("compress", "--resume", folder, "-q", *UNTIMED).returncode, 0)
        self.assertEqual(made.read_bytes(), whole.read_bytes())
        self.expect(3, "compress", self.model, "-o", made, "--qat", 1, "--run-dir", folder,
                    says=f"--resume {folder}")
        self.expect(2, "compress", self.model, "--resume", folder, says="leave it out")
        self.expect(2, "compress", "--resume", folder, "--qat", 2, says="leave it out")

    def test_a_report_compares_each_form_and_resumes_without_making_one_again(self):
        asked = ["--sparsity", 0.5, "--width-step", 4, "--recover", 1, "--qat", 1, "--max-steps", 5,
                 *FEW]
        whole, single = self.folder / "report", self.folder / "single.safetensors"
        result = run("compress", self.model, "--report", whole, "--json", "-t", 1, "--seconds", 0.1,
                     *asked)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = json.loads(result.stdout)
        names = ["baseline", "quantised", "pruned", "combined"]
        self.assertEqual([model["label"] for model in said["models"]], names)
        self.assertEqual([model["dtype"] for model in said["models"]], ["f32", "int8", "f32", "int8"])
        self.assertEqual(said, json.loads((whole / "report.json").read_text()))
        for model in said["models"]:
            file = whole / f"{model['label']}.safetensors"
            self.assertEqual(model["file_bytes"], file.stat().st_size)
            self.assertGreater(min(s["images_per_second"] for s in model["speeds"]), 0)
        measured = json.loads(run("eval", whole / "combined.safetensors", "--json").stdout)
        self.assertEqual(measured["accuracy"], said["models"][3]["accuracy"])
        text = (whole / "report.md").read_text()
        for words in ("**combined** (8-bit", "| quantised |", f"espalier compress {self.model}",
                      f"--report {whole}", " -t 1\n", "trained for 1 epoch to recover"):
            self.assertIn(words, text)
        self.assertEqual((whole / "comparison.png").read_bytes()[:4], b"\x89PNG")
        self.assertEqual(run("compress", self.model, "-o", single, "--run-dir", self.folder / "one",
                             *asked, *UNTIMED).returncode, 0)
        self.assertEqual(single.read_bytes(), (whole / "combined.safetensors").read_bytes())
        self.check_interrupted_report(whole, asked)

    def check_interrupted_report(self, whole, asked):
        """Stopped while the pruned model recovers; what was finished stays as it is."""
        folder, copy = self.folder / "stopped", self.folder / "copy.safetensors"
        command = [ESPALIER, "compress", self.model, "--report", folder, "-o", copy, "-t", 2, *asked]
        code, said = stop_at(2, signal.SIGINT, folder / "pruned/recover", list(map(str, command)))
        self.assertEqual(code, 130)
        self.assertIn(f"espalier compress --resume {folder}\n", said)
        self.assertFalse((folder / "pruned.safetensors").exists())
        finished = (folder / "quantised.safetensors").stat().st_mtime_ns
        self.expect(3, "compress", self.model, "--report", folder, *asked,
                    says=f"--resume {folder}")
        resumed = run("compress", "--resume", folder, *UNTIMED)
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertIn(f"report: {folder}/report.md", resumed.stdout)
        self.assertEqual((folder / "quantised.safetensors").stat().st_mtime_ns, finished)
        for name in ("baseline", "quantised", "pruned", "combined"):
            file = f"{name}.safetensors"
            self.assertEqual((folder / file).read_bytes(), (whole / file).read_bytes(), name)
        self.assertEqual(copy.read_bytes(), (whole / "combined.safetensors").read_bytes())
        self.assertIn(f"--report {folder}", (folder / "report.md").read_text())

    def test_a_report_has_the_forms_that_its_options_make(self):
        halves, pruned = self.folder / "halves", self.folder / "pruned only"
        for folder, options, expected in (
                (halves, ["--dtype", "f16"], ["baseline", "quantised"]),
                (pruned, ["--dtype", "f32", "--sparsity", 0.3], ["baseline", "pruned"])):
            result = run("compress", self.model, "--report", folder, *options, *UNTIMED)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(sorted(path.stem for path in folder.glob("*.safetensors")), expected)
            for name in expected:
                self.assertIn(f"| {name} ", result.stdout)
        self.assertIn("pruned only'", (pruned / "report.md").read_text())  # quoted for the shell
        self.expect(2, "compress", self.model, "--report", pruned, "--run-dir", halves,
                    says="excludes")

    def test_pruning_makes_a_smaller_model(self):
        pruned, whole = self.folder / "pruned.safetensors", self.folder / "whole.safetensors"
        said = json.loads(run("compress", self.model, "-o", pruned, "--sparsity", 0.5, "--dtype",
                              "f32", "--width-step", 4, "--recover", 1, "--max-steps", 8, *FEW,
                              "--run-dir", self.folder / "pruned", "--seconds", 0.2,
                              "--json").stdout)
        for speed in said["after"]["speeds"]:
            self.assertGreater(speed["images_per_second"], 0)
        self.assertEqual([speed["batch"] for speed in said["after"]["speeds"]], [1, 256])
        self.assertLessEqual(said["after"]["parameters"], said["before"]["parameters"] / 2)
        self.assertLess(said["after"]["flops"], said["before"]["flops"])
        held = json.loads(run("inspect", pruned, "--json").stdout)["tensors"]
        self.assertEqual(sum(t["bytes"] for t in held), 4 * said["after"]["parameters"])
        measured = json.loads(run("eval", pruned, "--json").stdout)
        self.assertEqual(measured["accuracy"], said["after"]["accuracy"])
        self.assertTrue((self.folder / "pruned/recover/report.md").is_file())
        self.assertEqual(run("export", pruned, "--onnx", self.folder / "p.onnx").returncode, 0)
        hidden = run("compress", self.model, "-o", whole, "--sparsity", 0.1, "--dimensions", "hidden",
                     "--importance", "taylor", "--ranking", "layer", "--sparsity-of", "flops",
                     "--width-step", 1, *FEW, *UNTIMED)
        self.assertEqual(hidden.returncode, 0, hidden.stderr)
        for words in ("10 % of flops pruned by taylor", "parameters", "whole numbers"):
            self.assertIn(words, hidden.stdout)

    def test_a_chain_of_trainings_resumes_in_each_of_them_to_the_same_bits(self):
        words = ["--sparsity", 0.4, "--schedule", "cubic", "--prune-steps", 2, "--recover", 1,
                 "--qat", 1, "--max-steps", 6,
                 *FEW, *UNTIMED]
        whole = self.folder / "chain.safetensors"
        result = run("compress", self.model, "-o", whole, "--run-dir", self.folder / "chain", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        folder, made = self.folder / "links", self.folder / "links.safetensors"
        command = [ESPALIER, "compress", self.model, "-o", made, "--run-dir", folder, *words]
        self.assertEqual(stop_at(2, signal.SIGINT, folder / "recover", list(map(str, command)))[0], 130)
        self.assertTrue(json.loads((folder / "compress.json").read_text())["width_steps"])
        again = [ESPALIER, "compress", "--resume", str(folder), *map(str, UNTIMED)]
        self.assertEqual(stop_at(2, signal.SIGINT, folder / "qat", again)[0], 130)
        self.assertFalse(made.exists())
        self.assertEqual(run(*again[1:]).returncode, 0)
        self.assertEqual(made.read_bytes(), whole.read_bytes())
        held = json.loads(run("inspect", made, "--json").stdout)["metadata"]
        self.assertEqual(held["espalier.pruned"],
                         "40 % of parameters pruned by l2 in 2 cubic steps")

    def test_pruning_by_latency_goes_on_with_the_widths_that_it_measured(self):
        folder, made = self.folder / "timed", self.folder / "timed.safetensors"
        command = [ESPALIER, "compress", self.model, "-o", made, "--run-dir", folder, "--dtype", "f32",
                   "-t", 1, "--sparsity", 0.3, "--sparsity-of", "latency", "--latency-batch", 4,
                   "--recover", 1, "--max-steps", 6, *FEW, "--json", *UNTIMED]
        self.assertEqual(stop_at(2, signal.SIGINT, folder / "recover", list(map(str, command)))[0], 130)
        chosen = json.loads(run("inspect", folder / "stage-pruned.safetensors", "--json").stdout)
        said = json.loads(run("compress", "--resume", folder, "--json", *UNTIMED).stdout)
        self.assertLess(said["after"]["parameters"], said["before"]["parameters"])
        held = json.loads(run("inspect", made, "--json").stdout)
        self.assertEqual([t["shape"] for t in held["tensors"]],
                         [t["shape"] for t in chosen["tensors"]])
        self.assertEqual(held["metadata"]["espalier.pruned"], "30 % of latency pruned by l2")

    def test_zeros_and_rewound_weights_say_what_they_are_worth(self):
        """None of them makes a smaller file, and what was broken off goes on with the same zeros."""
        whole = self.folder / "zeros.safetensors"
        words = ["--dtype", "f32", "--unstructured", "--sparsity", 0.5, "--recover", 1, "--max-steps", 6, *FEW,
                 "--rewind", "init"]
        said = json.loads(run("compress", self.model, "-o", whole, "--run-dir", self.folder / "zeros",
                              "--json", *words, *UNTIMED).stdout)
        self.assertEqual(said["after"]["parameters"], said["before"]["parameters"])
        self.assertGreaterEqual(said["after"]["zero_weights"], 0.5)
        self.assertLess(said["after"]["zero_weights"], 0.51)
        self.assertEqual(said["before"]["zero_weights"], 0)
        metadata = json.loads(run("inspect", whole, "--json").stdout)["metadata"]
        self.assertIn("no kernel here skips zeros", metadata["espalier.pruned"])
        self.assertIn("rewound to initial weights", metadata["espalier.pruned"])
        folder, made = self.folder / "half-zeros", self.folder / "half-zeros.safetensors"
        command = [ESPALIER, "compress", self.model, "-o", made, "--run-dir", folder, *words, *UNTIMED]
        self.assertEqual(stop_at(2, signal.SIGINT, folder / "recover", list(map(str, command)))[0], 130)
        self.assertEqual(run("compress", "--resume", folder, *UNTIMED).returncode, 0)
        self.assertEqual(made.read_bytes(), whole.read_bytes())
        result = run("compress", self.model, "-o", made, "--dtype", "f32", "--pattern", "2:4",
                     *UNTIMED)
        self.assertEqual(result.returncode, 0, result.stderr)
        for words in ("sparse tensor cores only", "of weights are zero"):
            self.assertIn(words, result.stdout)
        for dtype in ("w8", "int8"):  # whose zeros nobody counts
            words = ("compress", self.model, "-o", made, "--dtype", dtype, "--unstructured", "--sparsity", 0.5,
                     *FEW, *UNTIMED)
            result = run(*words)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("of weights are zero", result.stdout)
            said = json.loads(run(*words, "--json").stdout)
            self.assertIn("zero_weights", said["before"])
            self.assertNotIn("zero_weights", said["after"])
        self.expect(2, "compress", self.model, "-o", made, "--pattern", "2:4", "--sparsity", 0.5,
                    says="excludes")
        self.expect(3, "compress", self.model, "-o", made, "--sparsity", 0.5, "--recover", 1,
                    "--rewind", self.folder / "absent", "--run-dir", self.folder / "no", says="absent")

    def test_compress_records_how_ranges_and_biases_were_chosen(self):
        made = self.folder / "chosen.safetensors"
        words = ["compress", self.model, "-o", made, *FEW, *UNTIMED]
        said = json.loads(run(*words, "--observer", "percentile", "--equalize", "--bias-correction",
                              "--json").stdout)
        self.assertEqual((said["observer"], said["equalize"], said["bias_correction"]),
                         ("percentile", True, True))
        metadata = json.loads(run("inspect", made, "--json").stdout)["metadata"]
        self.assertEqual([metadata[f"espalier.{name}"] for name in
                          ("observer", "equalize", "bias_correction", "calibration_images")],
                         ["percentile", "0.5", "true", "64"])

    def test_calibration_takes_what_is_not_held_out_and_says_how_much_that_was(self):
        made = self.folder / "calibrated.safetensors"
        few = ["--calibration-images", 64, "--validation", TRAINING_IMAGES - 10]
        said = run("compress", self.model, "-o", made, *few, *UNTIMED).stdout
        self.assertIn("ranges from 10 training images", said)
        metadata = json.loads(run("inspect", made, "--json").stdout)["metadata"]
        self.assertEqual(metadata["espalier.calibration_images"], "10")
        ranked = json.loads(run("compress", self.model, "--sensitivity", *few, "--json").stdout)
        self.assertEqual(ranked["images"], 10)
        for words in (("-o", self.folder / "none"), ("--sensitivity",)):
            self.expect(2, "compress", self.model, *words, "--validation", TRAINING_IMAGES,
                        says=f"fewer than the {TRAINING_IMAGES} training images")

    def test_halves_take_half_the_bytes_and_stay_halves(self):
        for dtype in ("f16", "bf16"):
            made = self.folder / f"{dtype}.safetensors"
            said = json.loads(run("compress", self.model, "-o", made, "--dtype", dtype,
                                  "--json", *UNTIMED).stdout)
            self.assertGreater(said["after"]["accuracy"], said["before"]["accuracy"] - 0.005)
            held = json.loads(run("inspect", made, "--json").stdout)["tensors"]
            self.assertEqual(sum(t["bytes"] for t in held), 2 * said["after"]["parameters"])
            measured = json.loads(run("eval", made, "--json").stdout)
            self.assertEqual(measured["accuracy"], said["after"]["accuracy"])
            timed = json.loads(run("bench", "model", made, "-b", 1, "-t", 1, "--json",
                                   "--allow-noise").stdout)
            self.assertIn(f'"{dtype}"', json.dumps(timed))

    def test_weights_in_codes_take_their_bits_and_run_everywhere(self):
        before = json.loads(run("eval", self.model, "--json").stdout)["accuracy"]
        for words, loss, share in ((("w8",), 0.005, 0.5), (("w8", "--group-size", 8), 0.005, 0.5),
                                   (("w4",), 0.05, 0.4), (("dynamic",), 0.005, 0.5)):
            made = self.folder / "codes.safetensors"
            said = json.loads(run("compress", self.model, "-o", made, "--dtype", *words, "--json",
                                  *UNTIMED).stdout)
            dtype = words[0]
            self.assertEqual(said["after"]["dtype"], dtype)
            self.assertGreater(said["after"]["accuracy"], before - loss)
            self.assertLess(said["after"]["file_bytes"], share * said["before"]["file_bytes"])
            measured = json.loads(run("eval", made, "--json").stdout)
            self.assertEqual(measured["accuracy"], said["after"]["accuracy"])
            line, = json.loads(run("bench", "model", made, "-b", 2, "-t", 1, "--seconds", 0.2,
                                   "--allow-noise", "--json").stdout)
            self.assertEqual(line["dtype"], dtype)
            self.assertLessEqual(line["largest_difference"], line["tolerance"])
            profile = json.loads(run("profile", made, "--seconds", 0.2, "--json").stdout)
            operations = {step["operation"]: step["arithmetic"] for step in profile["steps"]}
            onnx = ("export", made, "--onnx", self.folder / "codes.onnx")
            if dtype == "dynamic":
                self.assertEqual(operations["linear_dynamic"], "int8")
                self.expect(3, *onnx, says="export the fp32 model")
            else:
                self.assertEqual(operations["linear_wq"], "f32")
                self.assertEqual(run(*onnx).returncode, 0)
            for verb in (("compress", "-o", self.folder / "twice"), ("export", "--safetensors", "x")):
                self.expect(3, verb[0], made, *verb[1:], says=f"a model in {dtype}")

    def test_layers_are_ranked_by_what_coarse_weights_cost(self):
        words = ("compress", self.model, "--sensitivity", "--calibration-images", 32)
        layers = json.loads(run(*words, "--json").stdout)["layers"]
        costs = [layer["signal_to_noise_db_4_bits"] for layer in layers]
        self.assertEqual(costs, sorted(costs))
        for layer in layers:
            self.assertGreater(layer["signal_to_noise_db_8_bits"], layer["signal_to_noise_db_4_bits"])
        printed = run(*words).stdout.splitlines()
        self.assertEqual([line.split()[0] for line in printed[2:]],
                         [layer["layer"] for layer in layers])
        self.expect(2, *words, "-o", self.folder / "none", says="excludes")
        for unused in (["--dtype", "w4"], ["--sparsity", 0.5], ["--observer", "mse"]):
            self.expect(2, *words, *unused, says="--sensitivity")

    def test_wrong_use_is_refused_in_one_line(self):
        made = self.folder / "refused.safetensors"
        self.expect(2, "compress", "-o", made, says="model")
        self.expect(2, "compress", self.model, says="--output")
        self.expect(2, "compress", self.model, "-o", made, "--observer", "guess", says="min_max")
        self.expect(2, "compress", self.model, "-o", self.model, says="another file")
        self.expect(2, "compress", self.model, "-o", made, "--distillation", 2, says="2")
        self.expect(2, "compress", self.model, "-o", made, "--importance", "l1", says="--sparsity")
        self.expect(2, "compress", self.model, "-o", made, "--equalize-alpha", 0.3,
                    says="--equalize")
        self.expect(2, "compress", self.model, "-o", made, "--dtype", "f32", says="sparsity")
        self.expect(2, "compress", self.model, "-o", made, "--dtype", "f32", "--sparsity", 0.99,
                    "--dimensions", "heads", says="at most 0.")
        self.expect(2, "compress", self.model, "-o", made, "--qat", 1, "--bias-correction",
                    says="bias_correction")
        for words, says in (("int8 --group-size 32", "neither w8 nor w4"), ("w4 --group-size 7", "even"),
                            ("dynamic --group-size 32", "neither w8 nor w4"),
                            ("w8 --observer mse", "observer"), ("w4 --equalize", "equalize"),
                            ("w8 --bias-correction", "bias_correction"), ("w4 --qat 1", "qat_epochs"),
                            ("f16 --observer mse", "observer"), ("bf16 --equalize", "equalize"),
                            ("f32 --sparsity 0.5 --bias-correction", "bias_correction"),
                            ("int8 --learn-scales", "learn_scales")):
            self.expect(2, "compress", self.model, "-o", made, "--dtype", *words.split(), says=says)
        self.expect(3, "compress", "--resume", self.folder / "absent", says="absent")
        self.expect(3, "compress", self.folder / "absent", "-o", made, says="absent")
        self.assertFalse(made.exists())

    def test_what_a_run_would_need_last_is_asked_for_first(self):
        asked = ["--sparsity", 0.4, "--recover", 1, "--max-steps", 2, "--dtype", "f32", *FEW, *UNTIMED]
        folder, made = self.folder / "asked", self.folder / "asked.safetensors"
        into = [self.model, "--run-dir", folder, *asked]
        self.expect(3, "compress", *into, "-o", self.folder / "absent/made.safetensors", says="absent/made")
        self.expect(3, "compress", *into, "-o", self.folder, says="is a folder")
        self.expect(3, "compress", *into, "-o", made, "--rewind", folder / "typo", says="typo")
        self.assertFalse((folder / "recover").exists())
        self.assertEqual(run("compress", *into, "-o", made).returncode, 0)

    def test_a_target_is_met_by_measurement_and_says_why(self):
        quick = ["--recover", 1, "--max-steps", 3, "--width-step", 4, "--levels", 0.8, "--points", 3,
                 *FEW, "--seconds", 0.02, "-t", 1]
        folder, made = self.folder / "speed", self.folder / "speed.safetensors"
        result = run("compress", self.model, "--target", "speed", "--report", folder, "-o", made,
                     "--json", *quick)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = json.loads(result.stdout)
        models, chosen = said["models"], said["models"][said["chosen"]]
        self.assertEqual(models[0]["from"][0], "before")
        rule = models[said["rule_of_thumb"]]
        self.assertIn("rule of thumb for speed", rule["from"])
        self.assertLessEqual(chosen["judged_seconds"], rule["judged_seconds"])
        self.assertGreaterEqual(chosen["validation_accuracy"], rule["validation_accuracy"])
        self.assertLessEqual(chosen["judged_seconds"], models[0]["judged_seconds"])
        for model in models:
            self.assertTrue((folder / "candidates" / model["path"].split("/")[-1]).is_file()
                            or model is models[0])
        self.assertEqual([part["part"] for part in said["why"]][:2],
                         ["tokenizer", "blocks.0.attention"])
        self.assertEqual(made.read_bytes(), (folder / "chosen.safetensors").read_bytes())
        self.assertEqual(run("eval", made, "-q").returncode, 0)
        text = (folder / "report.md").read_text()
        for words in ("## Why this one", "Target: speed.", "pareto.png", "| blocks.0.mlp |"):
            self.assertIn(words, text)
        self.assertEqual((folder / "pareto.png").read_bytes()[:4], b"\x89PNG")
        self.expect(3, "compress", self.model, "--target", "speed", "--report", folder,
                    says=f"--resume {folder}")

    def test_budgets_that_cannot_be_met_say_what_comes_nearest(self):
        quick = ["--recover", 0, "--width-step", 4, "--levels", 0.8, "--points", 2,
                 *FEW, "--seconds", 0.02, "-t", 1]
        self.expect(4, "compress", self.model, "--target", "size", "--max-size", 0.001, "--report",
                    self.folder / "small", "-q", *quick, says="nearest is")
        made = self.folder / "made.safetensors"
        for budget, says in ((["--max-size", 0.001], "the file takes"),
                             (["--min-accuracy", 99.9], "of the test images are right"),
                             (["--max-latency", 1e-6], "the budget is 0.000 ms")):
            self.expect(4, "compress", self.model, "-o", made, *FEW,
                        "--seconds", 0.05, *budget, says=says)
        self.assertEqual(run("compress", self.model, "-o", made, *FEW,
                             "--max-size", 1, *UNTIMED).returncode, 0)

    def test_presets_are_what_they_say(self):
        for name, dtype, sparsity in (("edge", "int8", 0.5), ("gpu-server", "f16", 0.3)):
            result = run("compress", self.model, "--preset", name, "-o", self.folder / "preset",
                         "--run-dir", self.folder / name, "--max-steps", 2, "--width-step", 4,
                         *FEW, "--json", *UNTIMED)
            self.assertEqual(result.returncode, 0, result.stderr)
            said = json.loads(result.stdout)
            self.assertEqual((said["dtype"], said["sparsity"], said["recover_epochs"]),
                             (dtype, sparsity, 2))
            self.assertLess(said["after"]["parameters"],
                            (1 - sparsity) * said["before"]["parameters"])
        self.expect(2, "compress", self.model, "--preset", "edge", "--dtype", "f16", "-o", "x",
                    says="--preset")
        self.expect(2, "compress", self.model, "--preset", "phone", "-o", "x", says="gpu-server")
        self.expect(2, "compress", self.model, "--target", "speed", "-o", "x", "--sparsity", 0.5,
                    says="where a target chooses")


if __name__ == "__main__":
    unittest.main()
