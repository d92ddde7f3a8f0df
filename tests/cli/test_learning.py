"""Continual learning: its run folder, its bits, and what stops it."""
import json
import random
import shutil
import signal
import unittest

from command import ESPALIER, new_folder, on_a_full_disk, run, stop_at, tensors, use_small_data

STEPS = 24  # of each of the five tasks
QUICK = ["--memory", "20kB", "--replay-batch", "16", "--held-out", "500", "--set",
         f"max_steps={STEPS}", "--set", "checkpoint_steps=5", "-q"]


def state(folder):
    """All that a run's last checkpoint holds: weights, memory, the reservoir's counter."""
    return tensors(f"{folder}/checkpoints/last.safetensors")


def accuracies(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["task"], line["accuracy"]) for line in lines if "accuracy" in line]


class Learning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        use_small_data()
        cls.folder = new_folder()
        cls.whole = cls.folder / "whole"
        result = run("learn", "--run-dir", cls.whole, *QUICK)
        assert result.returncode == 0, result.stderr
        cls.said = result.stdout.strip()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def refuses(self, code, *words, says):
        result = run("learn", *words)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertIn(says, result.stderr)

    def test_run_folder_is_complete(self):
        self.assertEqual(self.said, f"{self.whole}/report.md")
        for name in ("config.json", "env.json", "metrics.jsonl", "report.md", "report.json",
                     "plots/accuracy_matrix.png", "plots/over_tasks.png",
                     "checkpoints/last.safetensors"):
            self.assertTrue((self.whole / name).is_file(), name)
        self.assertEqual([task for task, _ in accuracies(self.whole)], [-1, 0, 1, 2, 3, 4])
        result = run("eval", self.whole / "checkpoints/last.safetensors")
        self.assertEqual(result.returncode, 3)
        self.assertIn("continual checkpoint, which is no model", result.stderr)
        report = json.loads((self.whole / "report.json").read_text())
        self.assertEqual(report["accuracy"], [row for _, row in accuracies(self.whole)])

    def test_killed_and_resumed_runs_end_with_the_same_bits(self):
        folder = self.folder / "killed"
        fresh = [ESPALIER, "learn", "--run-dir", str(folder), *QUICK]
        resume = [ESPALIER, "learn", "--resume", str(folder), "-q"]
        for step in sorted(random.Random(1).sample(range(1, 5 * STEPS), 10)):
            saved = (folder / "checkpoints/last.safetensors").exists()
            if not saved:
                shutil.rmtree(folder, ignore_errors=True)
            code, _ = stop_at(step, signal.SIGKILL, folder, resume if saved else fresh)
            self.assertEqual(code, -signal.SIGKILL)
        self.assertEqual(run(*resume[1:]).returncode, 0)
        self.assertEqual(state(folder), state(self.whole))
        self.assertEqual(accuracies(folder), accuracies(self.whole))

    def test_an_interrupted_run_says_how_to_resume_and_does(self):
        folder = self.folder / "interrupted"
        talkative = [word for word in QUICK if word != "-q"]
        code, said = stop_at(30, signal.SIGINT, folder, [
            ESPALIER, "learn", "--run-dir", str(folder), *talkative])
        self.assertEqual(code, 130)
        self.assertIn(f"espalier learn --resume {folder}", said)
        self.assertEqual(run("learn", "--resume", folder, "-q").returncode, 0)
        self.assertEqual(state(folder), state(self.whole))

    def test_a_budget_that_no_form_meets_is_told(self):
        folder = self.folder / "budget"
        words = [*QUICK, "--run-dir", folder, "--tasks", "2", "--target", "size", "--seconds", "0.1"]
        result = run("learn", "vit-tiny", *words, "--max-size", "0.000001")
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertIn("over budget in every form", result.stderr)
        self.assertIn("nearest to the budget", (folder / "report.md").read_text())
        self.refuses(2, *words, "--compress", "int8", says="--compress excludes --target")

    def test_a_full_disk_leaves_the_last_checkpoint_intact(self):
        folder = self.folder / "full"
        stop_at(10, signal.SIGINT, folder, [ESPALIER, "learn", "--run-dir", str(folder), *QUICK])
        on_a_full_disk(self, "learn", folder)
        self.assertEqual(run("learn", "--resume", folder, "-q").returncode, 0)
        self.assertEqual(state(folder), state(self.whole))

    def test_a_network_is_compressed_as_it_learns_and_held_against_a_control(self):
        folder = self.folder / "compressed"
        quick = ["--memory", "20kB", "--replay-batch", "16", "--held-out", "200", "--set", "max_steps=3",
                 "--set", "recover_epochs=1", "--seconds", "0.1", "-q", "-t", "1"]
        result = run("learn", "vit-tiny", "--tasks", "2", "--compress", "int8", "--sparsity", "0.5",
                     "--sparsity-of", "flops", "--control", "--run-dir", folder, *quick)
        self.assertEqual(result.returncode, 0, result.stderr)
        text = (folder / "report.md").read_text()
        self.assertIn("## What the compressed network takes and is worth", text)
        self.assertIn("## What compression made it forget", text)
        tasks = json.loads((folder / "report.json").read_text())["efficiency"]["tasks"]
        for task in tasks:
            self.assertEqual((folder / task["path"]).stat().st_size, task["file_bytes"])
        self.assertEqual(tasks[-1]["dtype"], "int8")
        self.assertTrue((folder / "plots/efficiency.png").is_file())
        self.assertIn("of flops", run("inspect", folder / tasks[-1]["path"]).stdout)
        result = run("eval", folder / tasks[-1]["path"], "-q")
        self.assertEqual(result.returncode, 0, result.stderr)
        result = run("eval", folder / "checkpoints/last.safetensors")
        self.assertEqual(result.returncode, 3)
        self.assertIn("continual checkpoint, which is no model to run", result.stderr)
        # As after a kill before the control's first checkpoint.
        shutil.rmtree(folder / "control/checkpoints")
        result = run("learn", "--resume", folder, "-q", "-t", "1")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_classes_to_come_are_named_from_their_texts_and_held_against_chance(self):
        folder = self.folder / "pairs"
        result = run("learn", "--run-dir", folder, "--method", "multimodal", *QUICK, "--set", "max_steps=2")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads((folder / "report.json").read_text())["zero_shot"]
        self.assertEqual([row["classes"] for row in report], [10, 8, 6, 4, 2, 0])
        self.assertEqual([row["dealings"] for row in report], [3628800, 40320, 720, 24, 2, 0])
        for row in report[:-1]:
            self.assertAlmostEqual(row["accuracy"], row["right"] / row["images"])
            self.assertGreaterEqual(row["dealings_as_good"], 1)
            self.assertTrue(0 <= row["p"] <= 1)
        self.assertIn("| task 4 | 2 |", (folder / "report.md").read_text())
        self.assertIsNone(json.loads((self.whole / "report.json").read_text())["zero_shot"])

    def test_refusals_are_one_line_and_leave_nothing(self):
        folder = self.folder / "refused"
        at = ["--run-dir", folder]
        self.refuses(2, "--memory", "700B", *at, says="at least the 788 that one sample takes")
        self.refuses(2, "--memory", "some", *at, says="neither a number of samples nor bytes")
        self.refuses(2, "--method", "luck", *at, says="one of naive, joint, er")
        self.refuses(2, "--tasks", "3", *at, says="a number that divides the 10 classes")
        self.refuses(2, "mlp", "--compress", "int8", *at, says="expected a Vision Transformer")
        self.refuses(2, "vit-tiny", "--method", "icarl", "--compress", "int8", "--sparsity", "0.5",
                     "--set", "recover_epochs=0", *at, says="learn without pruning")
        self.refuses(2, "vit-tiny", "--resume", self.whole, says="excludes")
        self.refuses(3, "--data", self.folder / "nowhere", *at, says="nowhere")
        self.assertFalse(folder.exists())
        self.refuses(3, "--run-dir", self.whole, says="holds a run already")
        self.refuses(3, "--resume", folder, says="refused")

    def test_foreign_folders_are_not_taken_up(self):
        folder = self.folder / "foreign"
        result = run("train", "vit-tiny", "--run-dir", folder, "-q", "--set", "max_steps=1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.refuses(3, "--resume", folder, says="is no checkpoint of continual learning")
        result = run("train", "--resume", self.whole, "-q")
        self.assertEqual(result.returncode, 3)
        self.assertIn("is no checkpoint of a training run", result.stderr)


if __name__ == "__main__":
    unittest.main()
