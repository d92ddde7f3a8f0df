"""A line of the table of scripts/peers: our engine and its peers on the same batch."""
import json
import sys
from typing import NamedTuple

from engine import ESPALIER, ROOT, Engine

# What each data type asks of an engine; "openvino" is the precision of what is no integer.
DTYPES = {
    "f32": {"peers": ["onnxruntime", "openvino", "torch"], "openvino": "f32", "autocast": None},
    "bf16": {"peers": ["openvino", "torch"], "openvino": "bf16", "autocast": "bfloat16",
             "cpu": ["avx512_bf16", "amx_bf16"]},
    "int8": {"peers": ["onnxruntime", "openvino"], "openvino": "f32", "autocast": None},
}
NAMES = {"onnxruntime": "onnxruntime", "openvino": "OpenVINO"}


class Case(NamedTuple):
    what: str
    dtype: str
    batch: int
    threads: int

    @property
    def step(self):
        return self.what == "training step"

    def __str__(self):
        plural = "s" if self.threads > 1 else ""
        return f"{self.what}, {self.dtype}, batch {self.batch}, {self.threads} thread{plural}"


def torch_jobs(autocast, suffix=""):
    return {f"PyTorch {form}{suffix}": {"engine": "torch", "compiled": form == "compiled",
                                        "autocast": autocast} for form in ("eager", "compiled")}


def peers_of(case, installed, files):
    """What its peers have to know to make their engines, by name. A step in bf16 is held against
    PyTorch's in f32 too: where that is faster it is what one would run."""
    facts, jobs = DTYPES[case.dtype], {}
    for engine in [engine for engine in facts["peers"] if engine in installed]:
        if engine == "torch":
            jobs.update(torch_jobs(facts["autocast"]))
            if case.step and facts["autocast"]:
                jobs.update(torch_jobs(None, " f32"))
        elif not case.step:
            onnx = files.onnx("int8" if case.dtype == "int8" else "f32")
            jobs[NAMES[engine]] = {"engine": engine, "onnx": onnx, "precision": facts["openvino"]}
    return jobs


def worker(name, job, **more):
    return Engine(name, [sys.executable, ROOT / "scripts/side_by_side/worker.py",
                         json.dumps({**job, **more}, default=str)], more["threads"])


class Line:
    """Starts the engines of a case, ours first: together, or each when the one before is ready, so
    that nothing else runs while it finds out how it takes the batch fastest."""

    def __init__(self, case, jobs, files, together):
        self.case, self.folder = case, files.folder / str(case).replace(", ", "-").replace(" ", "-")
        self.folder.mkdir(exist_ok=True)
        inputs = files.input(case.batch, case.dtype == "int8")
        words = [ESPALIER, "bench", "turns", files.model(case.dtype), "--input", inputs,
                 "-t", case.threads, *(["--dtype", "bf16"] if case.dtype == "bf16" else []),
                 *(["--step"] if case.step else ["--output", self.output("Espalier")])]
        self.engines = [Engine("Espalier", words, case.threads)]
        for name, job in jobs.items():
            self.engines.append(
                worker(name, job, input=inputs, threads=case.threads, step=case.step,
                       settings=self.engines[0].told, weights=files.weights,
                       output=self.output(name)))
            if not together:
                self.engines[-1].told

    def output(self, name):
        return self.folder / f"{name.replace(' ', '-')}.safetensors"

    def wait(self):
        print(f"{self.case}: ready", file=sys.stderr)
        for engine in self.engines[1:]:
            print(f"  {engine.name}: fastest in pieces of {engine.told['chunk']}", file=sys.stderr)

    def close(self):
        for engine in self.engines:
            engine.close()


def measure(engines, budget, sample):
    """Seconds a batch by engine, a number each round; the order turns round by round. A turn takes
    `sample` seconds or one batch."""
    calls, whole = {}, 0.0
    for engine in engines:
        tried = max(1, round(sample / engine.run(1)["seconds"]))
        seconds = engine.run(tried)["seconds"] / tried
        calls[engine] = max(1, round(sample / seconds))
        whole += calls[engine] * seconds
    taken = {engine.name: [] for engine in engines}
    for turn in range(max(5, min(31, round(budget / whole)))):
        shift = turn % len(engines)
        order = engines[shift:] + engines[:shift]
        for engine in order if turn // len(engines) % 2 == 0 else reversed(order):
            if calls[engine] > 4:
                engine.run(calls[engine] // 4)  # so that others' data has left the caches
            taken[engine.name].append(engine.seconds(calls[engine]))
    return taken
