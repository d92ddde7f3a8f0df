"""Training: its run folder, its bits, and what stops it."""
import hashlib
import json
import os
import random
import shlex
import shutil
import signal
import unittest

from command import BRIEF, ESPALIER, SHARED, STEPS, Command, on_a_full_disk, run, stop_at, tensors, trained_by


def digest(run_folder):
    """SHA-256 of all parameters of the run's last checkpoint."""
    state = tensors(f"{run_folder}/checkpoints/last.safetensors")
    return hashlib.sha256(b"".join(state[name] for name in sorted(state)
                                   if name.startswith("model."))).hexdigest()


class Training(Command):
    def brief_run(self):
        return trained_by(*BRIEF)[0]

    def shared_run(self):
        return trained_by(*SHARED)[0]

    def test_run_folder_is_complete(self):
        for name in ("config.json", "env.json", "metrics.jsonl", "report.md", "plots/loss.png",
                     "checkpoints/last.safetensors", "checkpoints/best.safetensors"):
            self.assertTrue((self.run_dir / name).is_file(), name)
        lines = [json.loads(line)
                 for line in (self.run_dir / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["step"] for line in lines if "loss" in line], list(range(1, STEPS + 1)))

    def test_without_validation_images_nothing_is_said_of_them(self):
        folder = self.folder / "unjudged"
        result = run("train", "vit-tiny", "--run-dir", folder, "--set", "validation=0", "batch_size=16",
                     "max_steps=3")
        self.assertEqual(result.returncode, 0, result.stderr)
        for word in ("validation", "accuracy", "(best)"):
            self.assertNotIn(word, result.stderr)
        epoch = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
        self.assertEqual(set(epoch), {"step", "epoch", "train_loss", "seconds"})
        report = (folder / "report.md").read_text()
        self.assertIn("| epoch | training loss | seconds |", report)
        self.assertIn(f"| 1 | {epoch['train_loss']:.4f} | ", report)
        self.assertNotIn("accuracy", report)
        self.assertFalse((folder / "plots/accuracy.png").exists())
        held = json.loads(run("inspect", folder / "checkpoints/best.safetensors", "--json").stdout)
        self.assertNotIn("espalier.validation_accuracy", held["metadata"])

    def test_bits_do_not_depend_on_threads(self):
        for threads in (1, 2, 3, 8):
            folder = self.folder / f"threads-{threads}"
            run("train", "vit-tiny", "--run-dir", folder, "-t", threads, *SHARED)
            self.assertEqual(digest(folder), digest(self.shared_run()))

    def test_training_in_bf16_is_saved_as_such_and_gives_bits_of_its_own(self):
        digests = set()
        for threads in (1, 2):
            folder = self.folder / f"bf16-{threads}"
            run("train", "vit-tiny", "--precision", "bf16", "--run-dir", folder, "-t", threads, *BRIEF)
            self.assertEqual(json.loads((folder / "config.json").read_text())["precision"], "bf16")
            digests.add(digest(folder))
        self.assertEqual(len(digests), 1)
        self.assertNotIn(digest(self.brief_run()), digests)

    def test_a_run_can_start_from_a_model(self):
        folder, start = self.folder / "from", self.brief_run() / "checkpoints/best.safetensors"
        still = ["--set", "learning_rate=1e-30", "final_learning_rate=0", "weight_decay=0"]
        run("train", "vit-tiny", "--from", start, "--run-dir", folder, *BRIEF, *still)
        before, after = tensors(start), tensors(folder / "checkpoints/best.safetensors")
        self.assertEqual(before, after)
        refused = run("train", "--from", start, "--resume", folder, check=False)
        self.assertEqual(refused.returncode, 2)
        other = run("train", "vit-tiny", "--from", start, "--set", "model.width=96", "--run-dir",
                    self.folder / "other", check=False)
        self.assertEqual(other.returncode, 2, other.stderr)
        self.assertFalse((self.folder / "other").exists())

    def test_f16_is_refused_on_the_processor_before_there_is_a_folder(self):
        folder = self.folder / "half"
        refused = run("train", "vit-tiny", "--precision", "f16", "--run-dir", folder, check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--device cuda", refused.stderr)
        self.assertFalse(folder.exists())

    def test_a_run_can_learn_from_teachers(self):
        folder, teacher = self.folder / "taught", self.run_dir / "checkpoints/best.safetensors"
        taught = ["--teacher", teacher, "--teacher", teacher]
        run("train", "vit-tiny", *taught, "--run-dir", folder, *BRIEF)
        self.assertEqual(json.loads((folder / "config.json").read_text())["distillation"], 0.5)
        self.assertNotEqual(digest(folder), digest(self.brief_run()))
        without = run("train", "--resume", folder, check=False)
        self.assertEqual(without.returncode, 2)
        self.assertIn("--teacher", without.stderr)
        self.assertEqual(run("train", "--resume", folder, *taught).returncode, 0)
        self.expect(3, "train", "--resume", folder, "--teacher", self.brief_run() / "checkpoints/best.safetensors",
                    says="the teacher is another")
        for wrong in (["--set", "distillation=0.3"], [*taught, "--set", "distillation=0"]):
            refused = run("train", "vit-tiny", *wrong, "--run-dir", self.folder / "untaught", check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn("--teacher", refused.stderr)
            self.assertFalse((self.folder / "untaught").exists())
        other = run("train", "vit-tiny", *taught, "--set", "model.classes=7", "--run-dir",
                    self.folder / "other-classes", check=False)
        self.assertEqual(other.returncode, 2)
        self.assertIn("--teacher", other.stderr)
        self.assertFalse((self.folder / "other-classes").exists())

    def test_killed_and_resumed_runs_end_with_the_same_bits(self):
        folder = self.folder / "killed"
        fresh = [ESPALIER, "train", "vit-tiny", "--run-dir", str(folder), *SHARED]
        resume = [ESPALIER, "train", "--resume", str(folder), "-q"]
        for step in sorted(random.Random(1).sample(range(1, STEPS), 10)):
            saved = (folder / "checkpoints/last.safetensors").exists()
            if not saved:
                shutil.rmtree(folder, ignore_errors=True)
            code, _ = stop_at(step, signal.SIGKILL, folder, resume if saved else fresh)
            self.assertEqual(code, -signal.SIGKILL)
        self.assertEqual(run(*resume[1:]).returncode, 0)
        self.assertEqual(digest(folder), digest(self.shared_run()))

    def test_an_interrupted_run_says_how_to_resume_and_does(self):
        folder, data = self.folder / "an interrupted run", self.folder / "the data"
        data.symlink_to(os.environ["ESPALIER_DATA"])
        talkative = [word for word in BRIEF if word != "-q"]
        code, said = stop_at(30, signal.SIGINT, folder, [
            ESPALIER, "train", "vit-tiny", "--run-dir", str(folder), "--data", str(data), *talkative])
        self.assertEqual(code, 130)
        command = shlex.split(said.splitlines()[-1].partition("continue with: ")[2])
        self.assertEqual(command, ["espalier", "train", "--resume", str(folder), "--data", str(data)])
        self.assertEqual(run(*command[1:], "-q").returncode, 0)
        self.assertEqual(digest(folder), digest(self.brief_run()))

    def test_progress_is_told_in_a_file(self):
        told = self.folder / "progress.json"
        resume = ["train", "--resume", self.folder / "watched", "-q", "--progress", told]
        code, _ = stop_at(30, signal.SIGINT, self.folder / "watched", [
            ESPALIER, "train", "vit-tiny", "--run-dir", str(self.folder / "watched"), *BRIEF,
            "--progress", str(told)])
        stopped = json.loads(told.read_text())
        self.assertEqual((code, stopped["state"], stopped["code"]), (130, "interrupted", 130))
        self.assertEqual((stopped["stage"], stopped["total"]), ("training vit-tiny", STEPS))
        self.assertGreaterEqual(stopped["done"], 30)
        self.assertAlmostEqual(stopped["share"], stopped["done"] / STEPS)
        self.assertEqual(run(*resume).returncode, 0)
        done = json.loads(told.read_text())
        self.assertEqual((done["state"], done["code"], done["share"], done["error"]), ("done", 0, 1, None))
        failed = run("train", "--resume", self.folder / "nowhere", "--progress", told)
        said = json.loads(told.read_text())
        self.assertEqual((said["state"], said["code"]), ("failed", failed.returncode))
        self.assertEqual(f"espalier: {said['error']}", failed.stderr.strip())

    def test_a_full_disk_leaves_the_last_checkpoint_intact(self):
        folder = self.folder / "full"
        stop_at(20, signal.SIGINT, folder, [
            ESPALIER, "train", "vit-tiny", "--run-dir", str(folder), *BRIEF])
        on_a_full_disk(self, "train", folder)
        self.assertEqual(run("train", "--resume", folder, "-q").returncode, 0)
        self.assertEqual(digest(folder), digest(self.brief_run()))


if __name__ == "__main__":
    unittest.main()
