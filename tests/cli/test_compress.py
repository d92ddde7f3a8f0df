"""Compressing a model with training: its run folder, its bits, and what stops it."""
import json
import signal
import unittest

from command import ESPALIER, Command, run, stop_at

TRAINED = ["--qat", 1, "--max-steps", 12, "--calibration-images", 64]


class Compress(Command):
    def test_training_on_integer_kernels_is_as_good_as_said_and_resumes_to_the_same_bits(self):
        whole, made = self.folder / "whole", self.folder / "whole.safetensors"
        result = run("compress", self.model, "-o", made, "--run-dir", whole, "--json", "-t", 1,
                     *TRAINED)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = json.loads(result.stdout)
        self.assertEqual(said["qat_epochs"], 1)
        self.assertGreater(said["accuracy_after"], said["accuracy_before"] - 0.02)
        self.assertLess(said["bytes_after"], said["bytes_before"])
        measured = json.loads(run("eval", made, "--json").stdout)
        self.assertEqual(measured["accuracy"], said["accuracy_after"])
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
        self.assertEqual(run("compress", "--resume", folder, "-q").returncode, 0)
        self.assertEqual(made.read_bytes(), whole.read_bytes())
        self.expect(3, "compress", self.model, "-o", made, "--qat", 1, "--run-dir", folder,
                    says=f"--resume {folder}")
        self.expect(2, "compress", self.model, "--resume", folder, says="leave it out")

    def test_wrong_use_is_refused_in_one_line(self):
        made = self.folder / "refused.safetensors"
        self.expect(2, "compress", "-o", made, says="model")
        self.expect(2, "compress", self.model, says="--output")
        self.expect(2, "compress", self.model, "-o", made, "--observer", "guess", says="min_max")
        self.expect(2, "compress", self.model, "-o", made, "--distillation", 2, says="2")
        self.expect(3, "compress", "--resume", self.folder / "absent", says="absent")
        self.expect(3, "compress", self.folder / "absent", "-o", made, says="absent")
        self.assertFalse(made.exists())


if __name__ == "__main__":
    unittest.main()
