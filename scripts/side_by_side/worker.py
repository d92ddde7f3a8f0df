"""One engine in a process of its own, which answers as `espalier bench turns` does.

usage: worker.py JOB, a JSON object that scripts/peers makes. Prints a first line when all is ready;
then, for each line N of standard input, runs N batches and prints the seconds they took.
"""
import contextlib
import json
import sys
import time

import numpy
from safetensors.numpy import load_file, save_file

# Our plan takes a large batch through the model in pieces that stay in the caches. Whoever gains by
# the same may have it: each engine is tried on the whole batch and on pieces of these sizes.
CHUNKS = (64, 16)


def onnxruntime(job, images):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.add_free_dimension_override_by_name("N", len(images[0]))
    # Without it int8 sums saturate at 16 bits on CPUs without VNNI; elsewhere it changes nothing.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(job["onnx"], options,
                                           providers=["CPUExecutionProvider"])
    return lambda: [session.run(None, {"images": piece})[0] for piece in images]


def openvino(job, images):
    import openvino
    core = openvino.Core()
    model = core.read_model(job["onnx"])
    model.reshape({"images": list(images[0].shape)})
    compiled = core.compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": job["threads"],
        "NUM_STREAMS": min(job["threads"], len(images)),
        "INFERENCE_PRECISION_HINT": job["precision"]})
    requests = [compiled.create_infer_request() for _ in images]
    for request, piece in zip(requests, images):
        request.set_input_tensor(openvino.Tensor(piece, shared_memory=True))

    def run(_read_in_place=images):  # keeps them alive, which the tensors do not
        if len(requests) == 1:
            requests[0].infer()
        else:
            for request in requests:
                request.start_async()
            for request in requests:
                request.wait()
        return [request.get_output_tensor().data for request in requests]
    return run


def torch_precision(job):
    """The context that PyTorch computes in, entered anew for each piece."""
    import torch
    if not job["autocast"]:
        return contextlib.nullcontext
    return lambda: torch.autocast("cpu", getattr(torch, job["autocast"]))


def torch_model(job):
    import torch
    import torch._inductor.config
    from torch_vit import VisionTransformer
    torch._inductor.config.cpp_wrapper = True  # a compiled model calls no Python
    torch._inductor.config.freezing = not job["step"]  # weights become constants, packed beforehand
    torch.set_num_threads(job["threads"])
    return VisionTransformer(job["weights"])


def torch_inference(job, images):
    import torch
    model, precision = torch_model(job).eval(), torch_precision(job)
    call = torch.compile(model, dynamic=False) if job["compiled"] else model
    inputs = [torch.from_numpy(piece) for piece in images]

    def run():
        with torch.inference_mode(), precision():
            return [call(piece).float().numpy() for piece in inputs]
    return run


def torch_step(job, images, labels):
    import torch
    import torch.nn.functional as F
    model, precision, told = torch_model(job), torch_precision(job), job["settings"]
    pairs = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in zip(images, labels)]
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": told["weight_decay"]},
         {"params": others, "weight_decay": 0.0}],
        lr=told["lr"], betas=told["betas"], eps=told["eps"], fused=True)

    def loss_of(x, y):
        return F.cross_entropy(model(x).float(), y, label_smoothing=told["label_smoothing"])
    call = torch.compile(loss_of, dynamic=False) if job["compiled"] else loss_of

    def gradients():
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for x, y in pairs:
            with precision():
                loss = call(x, y) / len(pairs)
            loss.backward()
            total += loss.item()
        return total
    gradients()  # compiles, and moves no weight

    def run():
        total = gradients()
        torch.nn.utils.clip_grad_norm_(model.parameters(), told["clip_norm"], foreach=True)
        optimizer.step()
        return total
    return run


INFERENCE = {"onnxruntime": onnxruntime, "openvino": openvino, "torch": torch_inference}


def maker(job):
    """The function that makes the engine for pieces of a size."""
    data = load_file(job["input"])
    images, labels = data["images"], data["labels"]

    def make(size):
        starts = range(0, len(images), size)
        pieces = [numpy.ascontiguousarray(images[i:i + size]) for i in starts]
        if job["step"]:
            return torch_step(job, pieces, [labels[i:i + size] for i in starts])
        return INFERENCE[job["engine"]](job, pieces)
    return make, len(images)


def whole_data_logits(job):
    """Piece by piece through one buffer, which engines read in place: a data set needs no more memory
    than a piece."""
    images = load_file(job["input"])["images"]
    size = min(250, len(images))
    buffer = numpy.ascontiguousarray(images[:size])
    run, logits = INFERENCE[job["engine"]](job, [buffer]), []
    for i in range(0, len(images), size):
        piece = images[i:i + size]
        buffer[:len(piece)] = piece
        logits.append(run()[0][:len(piece)].copy())
    return numpy.concatenate(logits)


def clock(job):
    return time.process_time if job["threads"] == 1 else time.perf_counter


def best_chunk(job, make, batch):
    def least_seconds(size):
        run, now, taken = make(size), clock(job), []
        run()
        while len(taken) < 2:
            start = now()
            run()
            taken.append(now() - start)
        return min(taken)
    sizes = [batch, *(size for size in CHUNKS if size < batch and batch % size == 0)]
    return min(sizes, key=least_seconds) if len(sizes) > 1 else batch


def say(**line):
    print(json.dumps(line), flush=True)


def take_turns(run, has_loss):
    for line in sys.stdin:
        calls, last = int(line), None
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            last = run()
        answer = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
        say(**answer, **({"loss": last} if has_loss else {}))


def main(job):
    if job.get("whole_data"):
        save_file({"logits": whole_data_logits(job)}, job["output"])
        return say(ready=True)
    # A compiled model takes pieces as its eager form likes them: compiling takes minutes.
    make, batch = maker({**job, "compiled": False})
    chunk = best_chunk(job, make, batch)
    run = maker(job)[0](chunk)
    if not job["step"]:
        save_file({"logits": numpy.concatenate(run())}, job["output"])
    say(ready=True, chunk=chunk)
    take_turns(run, job["step"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
