"""How far models in whole numbers lie from their fp32 original, engine by engine, and from ours.

Engines round at other places, so their logits are not compared with ours number by number: each is
held against the fp32 logits of all test images. A peer whose error is over twice as large as ours
computes something else (on AVX2, sums of two products that saturate at 16 bits), and is reported,
not timed.
"""
import math
import sys

import numpy
from safetensors.numpy import load_file

from line import Case, peers_of, worker

FAR_OFF = 20 * math.log10(2)  # decibels: twice the error
SAME_CLASS = 0.995  # of the images, at least, where a check is asked for


def signal_to_noise(logits, reference):
    """In decibels, as compress/fidelity.h defines it."""
    reference = reference.astype(numpy.float64)
    noise = numpy.square(logits - reference).sum()
    return 10 * math.log10(numpy.square(reference).sum() / noise) if noise else math.inf


def measured(logits, reference, ours):
    return {"images": len(reference),
            "signal_to_noise": signal_to_noise(logits, reference),
            "largest_error": float(numpy.abs(logits - reference).max()),
            "same_class": float((logits.argmax(1) == ours.argmax(1)).mean()),
            "from_ours": float(numpy.abs(logits - ours).max())}


def close_enough(found, ours):
    return found["signal_to_noise"] >= ours["signal_to_noise"] - FAR_OFF


def describe(name, found):
    return (f"{name}: {found['signal_to_noise']:.1f} dB against fp32; "
            f"{100 * found['same_class']:.2f} % in the same class as ours, logits within "
            f"{found['from_ours']:.3g} of ours")


def of_engines(files, engines, threads):
    """Of our int8 model and of each peer's, on every test image."""
    print("int8 against fp32 on all test images", file=sys.stderr)
    reference = load_file(files.evaluated("f32"))["logits"]
    ours = load_file(files.evaluated("int8"))["logits"]
    found = {"Espalier": measured(ours, reference, ours)}
    for name, job in peers_of(Case("inference", "int8", len(ours), threads), engines, files).items():
        output = files.folder / f"evaluated-{name}.safetensors"
        engine = worker(name, job, input=files.evaluated("f32"), threads=threads, step=False,
                        output=output, whole_data=True)
        engine.told
        engine.close()
        found[name] = measured(load_file(output)["logits"], reference, ours)
    for name, one in found.items():
        print(f"  {describe(name, one)}", file=sys.stderr)
    return found


def check_timed(logits, reference, found):
    """Whether what is about to be timed is what was measured. In pieces of another size sums may
    round to another code, so no error passes twice the largest that was seen."""
    return float(numpy.abs(logits - reference).max()) <= 2 * found["largest_error"]


def markdown(found):
    rows = [["int8", "signal to noise", "same class as ours", "largest difference from ours", ""],
            ["---", "---:", "---:", "---:", "---"]]
    ours = found["Espalier"]
    for name, one in found.items():
        rows.append([name, f"{one['signal_to_noise']:.1f} dB", f"{100 * one['same_class']:.2f} %",
                     f"{one['from_ours']:.3g}",
                     "" if close_enough(one, ours) else "too far off to be timed"])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{table}\n\nLogits of {ours['images']} test images against those in fp32.\n"
