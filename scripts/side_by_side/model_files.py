"""The model and its inputs, as every engine reads them."""
import functools
import json
import subprocess

import numpy
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from engine import ESPALIER, fail


class Files:
    def __init__(self, model, data, folder):
        self.data = ["--data", data] if data else []
        self.folder, self.random = folder, numpy.random.default_rng(1)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weights = self.folder / "model.safetensors"
        self.call("export", model, "--safetensors", self.weights)
        with safe_open(self.weights, "np") as file:
            self.config = json.loads(file.metadata()["espalier.config"])

    def call(self, *words):
        done = subprocess.run([ESPALIER, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            fail(done.stderr.strip())

    @functools.cache
    def model(self, dtype):
        if dtype != "int8":
            return self.weights
        path = self.folder / "model-int8.safetensors"
        self.call("compress", self.weights, "-o", path, *self.data)
        return path

    @functools.cache
    def onnx(self, dtype):
        path = self.folder / f"model-{dtype}.onnx"
        self.call("export", self.model(dtype), "--onnx", path)
        return path

    @functools.cache
    def evaluated(self, dtype):
        """Where the test images are, as the model takes them, with our logits."""
        path = self.folder / f"evaluated-{dtype}.safetensors"
        self.call("eval", self.model(dtype), "--outputs", path, "-q", *self.data)
        return path

    @functools.cache
    def input(self, batch, pictures):
        """The first test images, for int8, whose ranges are those of pictures; else random numbers,
        which any model takes without a data set."""
        if pictures:
            images = load_file(self.evaluated("f32"))["images"][:batch]
        else:
            images = self.random.standard_normal(
                (batch, self.config["image_size"], self.config["image_size"],
                 self.config["channels"]), numpy.float32)
        path = self.folder / f"{'pictures' if pictures else 'random'}-{batch}.safetensors"
        save_file({"images": images,
                   "labels": self.random.integers(0, self.config["classes"], len(images))}, path)
        return path

    def parameters(self):
        return sum(tensor.size for tensor in load_file(self.weights).values())
