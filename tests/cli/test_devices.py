"""--device: which verbs take it, where it is absent, and a GPU's runs that are broken off."""
import shlex
import shutil
import signal
import unittest

from command import ESPALIER, last_step, new_folder, run, stop_at, tensors, use_small_data

ABSENT = "cuda:77"
# Words that each verb runs with, but for what is not there.
TAKING = [["train", "vit-tiny"], ["train", "--resume", "/nowhere"], ["eval", "/nowhere.safetensors"],
          ["predict", "/nowhere.safetensors", "/nowhere.png"],
          ["compress", "/nowhere.safetensors", "-o", "/nowhere/out.safetensors"],
          ["compress", "--resume", "/nowhere"], ["learn", "mlp"], ["learn", "--resume", "/nowhere"],
          ["profile", "vit-tiny"], ["bench", "kernels"], ["bench", "model", "vit-tiny"],
          ["bench", "step", "vit-tiny"],
          ["bench", "turns", "vit-tiny", "--input", "/nowhere", "--output", "/nowhere/out"]]
ON_THE_CPU = [["inspect", "/nowhere.safetensors"], ["export", "vit-tiny", "--onnx", "/nowhere/out"],
              ["serve"], ["bench", "hardware"], ["bench", "pruning", "vit-tiny"]]
# A model and runs that take an emulated GPU a moment.
SMALL = [word for setting in ("model.width=16", "model.mlp_hidden=16", "model.depth=1",
                              "model.conv_channels=[2]", "batch_size=4", "chunk_size=4", "validation=4",
                              "checkpoint_steps=1", "max_steps=6", "optimizer=adamw") for word in ("--set", setting)]
SHORT = ["--set", "hidden=[8,8]", "--set", "checkpoint_steps=1", "--set", "max_steps=3", "--tasks", "2",
         "--held-out", "40", "--replay-batch", "4", "--memory", "8"]


class Verbs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        use_small_data()
        cls.folder = new_folder()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def refused(self, code, *words, says):
        result = run(*words, cwd=self.folder)
        self.assertEqual(result.returncode, code, f"{words}: {result.stderr}")
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertIn(says, result.stderr)


class AbsentDevices(Verbs):
    def test_an_absent_gpu_is_code_5_and_one_line_in_every_verb(self):
        for words in TAKING:
            self.refused(5, *words, "--device", ABSENT, says=f"device '{ABSENT}' is not available")
            self.refused(2, *words, "--device", "tpu", says="tpu")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_verbs_that_run_on_the_cpu_alone_have_no_such_flag(self):
        there = run("--help").stdout  # not `serve` in every build
        for words in ON_THE_CPU:
            if f"\n  {words[0]} " not in there:
                continue
            self.refused(2, *words, "--device", "cpu", says="--device")
            self.assertNotIn("--device", run(*words[:2 if words[0] == "bench" else 1], "--help").stdout)


class OnAGpu(Verbs):
    @classmethod
    def setUpClass(cls):
        if run("bench", "kernels", "--list", "--device", "cuda").returncode != 0:
            raise unittest.SkipTest("there is no GPU")
        super().setUpClass()

    def check_taken_up(self, *words):
        """Interrupted, it names the command that goes on where it was; which does, and so does the CPU."""
        folder = self.folder / words[0]
        code, said = stop_at(2, signal.SIGINT, folder, [
            ESPALIER, *map(str, words), "--device", "cuda", "--run-dir", str(folder)])
        self.assertEqual(code, 130, said)
        command = said.splitlines()[-1].partition("continue with: ")[2]
        self.assertEqual(command, f"espalier {words[0]} --resume {folder} --device cuda")
        shutil.copytree(folder, self.folder / "copy")
        self.assertEqual(run(*shlex.split(command)[1:], "-q").returncode, 0)
        on_the_cpu = run(words[0], "--resume", self.folder / "copy", "-q")
        self.assertEqual(on_the_cpu.returncode, 0, on_the_cpu.stderr)
        shutil.rmtree(self.folder / "copy")

    def test_a_training_goes_on_where_it_was(self):
        self.check_taken_up("train", "vit-tiny", *SMALL)

    def test_a_training_with_rounding_goes_on_on_a_gpu(self):
        patch = ["--set", "model.tokenizer=patch", "--set", "model.patch_size=28"]  # an image is one
        trained, folder, made = (self.folder / name for name in ("trained", "rounded", "int8.safetensors"))
        self.assertEqual(run("train", "vit-tiny", *SMALL, *patch, "-q", "--run-dir", trained).returncode, 0)
        words = ["compress", trained / "checkpoints/best.safetensors", "-o", made, "--run-dir", folder,
                 "--qat", 1, "--max-steps", 4, "--calibration-images", 8, "-t", 1]
        self.assertEqual(stop_at(1, signal.SIGINT, folder / "qat", [ESPALIER, *map(str, words)])[0], 130)
        taken_up = run("compress", "--resume", folder, "--seconds", 0, "--device", "cuda", "-q")
        self.assertEqual(taken_up.returncode, 0, taken_up.stderr)
        self.assertEqual(last_step(folder / "qat"), 4)
        self.assertTrue(made.is_file())

    def test_learning_goes_on_where_it_was(self):
        self.check_taken_up("learn", "mlp", *SHORT)
        kept = [tensors(self.folder / "learn/checkpoints/last.safetensors")["memory.records"]]
        self.assertEqual(run("learn", "mlp", *SHORT, "-q", "--run-dir", self.folder / "whole").returncode, 0)
        kept.append(tensors(self.folder / "whole/checkpoints/last.safetensors")["memory.records"])
        self.assertEqual(*kept)

    def test_what_runs_on_the_cpu_alone_says_what_there_is_for_a_gpu(self):
        self.refused(5, "profile", "vit-tiny", "--device", "cuda", says="bench model and bench step")


if __name__ == "__main__":
    unittest.main()
