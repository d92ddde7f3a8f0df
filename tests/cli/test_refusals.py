"""What the command refuses, and how."""
import json
import os
import random
import unittest
from pathlib import Path

from command import Command, run


class Refusals(Command):
    def test_wrong_use_is_refused_in_one_line(self):
        self.expect(2, "train", "vit-huge", says="vit-tiny")
        self.expect(2, "train", "--no-such-flag")
        self.expect(2, "train", "vit-tiny", "--set", "epoch=3", says="epoch")
        self.expect(2, "train", "vit-tiny", "--precision", "fp8", says="bf16")
        for settled in (["--precision", "bf16"], ["--set", "epochs=9"], ["--seed", 2], ["vit-tiny"],
                        ["--config", self.run_dir / "config.json"]):
            self.expect(2, "train", "--resume", self.run_dir, *settled, says="--resume")
        self.expect(2, "compress", self.model, "--precision", "f16", says="bf16")
        self.expect(2, "predict", self.model)
        self.expect(2)
        self.expect(3, "eval", "/nowhere.safetensors")
        self.expect(3, "eval", self.folder)
        self.expect(3, "eval", self.model, "--data", "/nowhere", says="--data")
        self.expect(3, "train", "vit-tiny", "--run-dir", self.run_dir, says="--resume")
        self.expect(3, "train", "--resume", self.folder / "absent")
        self.expect(5, "eval", self.model, "--device", "cuda")
        self.expect(5, "eval", self.model, "--device", "cuda", "--gemm", "cublas", says="cuda:0")
        self.expect(2, "eval", self.model, "--gemm", "cublas", says="--device cuda")
        self.expect(5, "predict", self.model, "--test-images", 1, "--device", "cuda", "--no-launch-graph",
                    says="cuda:0")
        self.expect(5, "profile", self.model, "--device", "cuda", says="cuda:0")
        for verb in (["eval", self.model], ["predict", self.model, "--test-images", 1]):
            self.expect(2, *verb, "--precision", "f16", says="--device cuda")
            self.expect(2, *verb, "--precision", "f8", says="bf16")
        self.expect(2, "train", "--gemm", "mkl", says="cublas")
        self.expect(2, "inspect", self.model, "--gemm", "own", says="--gemm")
        self.expect(5, "eval", self.model, "--isa", "sse9", says="scalar")

    def test_a_name_that_is_no_utf8_is_refused_like_others(self):
        model = self.folder / os.fsdecode(b"caf\xe9.safetensors")
        model.write_bytes(b"no model")
        progress = self.folder / "progress.json"
        refused = run("profile", model, "--progress", progress, errors="replace")
        self.assertEqual(refused.returncode, 3, refused.stderr)
        self.assertEqual(len(refused.stderr.splitlines()), 1, refused.stderr)
        told = json.loads(progress.read_text())
        self.assertEqual((told["state"], told["code"]), ("failed", 3))
        self.assertIn("caf\ufffd.safetensors", told["error"])

    def test_a_flipped_byte_is_refused(self):
        data = bytearray(Path(self.model).read_bytes())
        for place in random.Random(2).sample(range(len(data)), 40):
            damaged = bytearray(data)
            damaged[place] ^= 0x10
            (self.folder / "damaged.safetensors").write_bytes(damaged)
            self.expect(3, "inspect", self.folder / "damaged.safetensors")


if __name__ == "__main__":
    unittest.main()
