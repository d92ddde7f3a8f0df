"""Whether engines compute the same, within what rounding allows: asked before they are timed."""
import math
import sys

import numpy
from safetensors.numpy import load_file

import fidelity
from engine import fail

# The distance from 1 to the next number of the type that operands of products are rounded to.
EPSILON = {"f32": 2.0**-23, "bf16": 2.0**-7, "f16": 2.0**-10}


def relative_error(config, dtype):
    """Layer norms keep the stream's scale, so the errors of its sums add up, two in every block: a
    rounding for each term, in f32, and one for each of the two operands in the type they have."""
    sums, terms = 2 * config["depth"], max(config["width"], config["mlp_hidden"]) + 2
    operands = 0 if dtype == "f32" else 2 * EPSILON[dtype]
    return sums * (terms * EPSILON["f32"] + operands)


def check_logits(line, files):
    ours, *theirs = [load_file(line.output(engine.name))["logits"] for engine in line.engines]
    bound = relative_error(files.config, line.case.dtype) * float(numpy.abs(ours).max())
    for engine, logits in zip(line.engines[1:], theirs):
        apart = float(numpy.abs(logits - ours).max())
        if not apart <= bound:
            fail(f"{engine.name}'s logits differ from ours by {apart:.3g}, more than {bound:.3g}")
        print(f"  {engine.name}: logits agree within {apart:.2g} (allowed {bound:.2g})",
              file=sys.stderr)


def check_losses(line, files):
    """Three steps. A weight whose gradient is smaller than its error may go the other way, 2 lr off:
    the loss moves by lr times as many such gradients as there are weights, whose norm is clipped."""
    error, weights = relative_error(files.config, line.case.dtype), files.parameters()
    settings = line.engines[0].told
    ours, *theirs = [[engine.run(1)["loss"] for _ in range(3)] for engine in line.engines]
    for engine, losses in zip(line.engines[1:], theirs):
        for step, (a, b) in enumerate(zip(ours, losses)):
            moved = 2 * step * settings["lr"] * math.sqrt(weights) * settings["clip_norm"]
            bound = error * (a + moved)
            if not abs(a - b) <= bound:
                fail(f"{engine.name}'s loss at step {step + 1} is {b:.7g}, ours {a:.7g}: more than "
                     f"{bound:.2g} apart")
        apart = max(abs(a - b) for a, b in zip(ours, losses))
        print(f"  {engine.name}: losses of three steps agree within {apart:.2g}", file=sys.stderr)


def check_codes(line, files, found):
    reference = load_file(files.evaluated("f32"))["logits"]
    for engine in line.engines:
        logits = load_file(line.output(engine.name))["logits"]
        if not fidelity.check_timed(logits, reference[:len(logits)], found[engine.name]):
            fail(f"{engine.name}'s int8 logits are not those that were held against fp32")
