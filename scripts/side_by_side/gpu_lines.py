"""The lines of scripts/peers_gpu that are models: our engine and PyTorch's forms on the same batch."""
import json
import sys
from typing import NamedTuple

import agreement
import report
from engine import ESPALIER, ROOT, Engine, fail
from line import measure
from model_files import Files

FORMS = ("eager", "compiled", "CUDA graphs")
MANY = 2  # threads: times are those that pass, for the work is the GPU's


class Case(NamedTuple):
    what: str
    dtype: str
    batch: int

    @property
    def step(self):
        return self.what == "training step"

    def __str__(self):
        return f"{self.what}, {self.dtype}, batch {self.batch}"


class Line:
    """Starts the engines of a case, ours first, each when the one before is ready."""

    def __init__(self, case, files, gemm):
        self.case = case
        self.folder = files.folder / ("gpu-" + str(case).replace(", ", "-").replace(" ", "-"))
        self.folder.mkdir(exist_ok=True)
        inputs = files.input(case.batch, False)
        words = [ESPALIER, "bench", "turns", files.weights, "--input", inputs, "--device", "cuda",
                 "--gemm", gemm, "--dtype", case.dtype,
                 *(["--step", "--chunk", case.batch] if case.step
                   else ["--output", self.output("Espalier")])]
        self.engines = [Engine("Espalier", words, MANY)]
        settings = self.engines[0].told
        for form in FORMS:
            name = f"PyTorch {form}"
            job = {"form": form, "input": inputs, "weights": files.weights, "step": case.step,
                   "dtype": case.dtype, "settings": settings, "output": self.output(name)}
            script = ROOT / "scripts/side_by_side/gpu_worker.py"
            self.engines.append(Engine(name, [sys.executable, script, json.dumps(job, default=str)], MANY))
            self.engines[-1].told

    def output(self, name):
        return self.folder / f"{name.replace(' ', '-')}.safetensors"

    def close(self):
        for engine in self.engines:
            engine.close()


def cases_of(options, engines):
    cases = []
    for dtype in options.dtypes:
        if "inference" in engines:
            cases += [Case("inference", dtype, batch) for batch in options.batches]
        if "step" in engines and dtype != "f16":  # which wants a loss scale
            cases.append(Case("training step", dtype, options.step_batch))
    return cases


def timed(cases, options):
    """The lines of those that were steady enough to report."""
    files = Files(options.model, None, options.out / "files")
    for case in cases:
        print(case, file=sys.stderr)
        line = Line(case, files, options.gemm)
        (agreement.check_losses if case.step else agreement.check_logits)(line, files)
        seconds = measure(line.engines, options.seconds, options.sample)
        line.close()
        made = {"title": str(case), **case._asdict(), "rounds": len(seconds["Espalier"]), "seconds": seconds}
        noise = report.spread(report.ratios(made))
        if noise <= 0.1 or options.allow_noise:
            yield made
        else:
            print(f"peers_gpu: the ratios of {case} spread by {100 * noise:.0f} %: too noisy to report; stop "
                  "what else runs, or pass --allow-noise", file=sys.stderr)
