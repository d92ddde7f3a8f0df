"""PyTorch on a GPU in a process of its own, which answers as `espalier bench turns --device cuda` does.

usage: gpu_worker.py JOB, a JSON object that scripts/peers_gpu makes. A batch of inference comes from the
processor's memory and its logits go there; a training batch lies on the GPU, and its loss is read.
"""
import json
import sys

import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file

from torch_vit import VisionTransformer
from worker import say, take_turns

WARM_UP = 3  # what CUDA graphs and cuDNN ask for before a capture


def model_of(job):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # as ours
    return VisionTransformer(job["weights"]).cuda()


def precision(job):
    half = torch.float16 if job["dtype"] == "f16" else torch.bfloat16
    return torch.autocast("cuda", half, enabled=job["dtype"] != "f32", cache_enabled=False)


def captured(run):
    """What `run` does, as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()
    return graph, result


def inference(job, images):
    model = model_of(job).eval()
    call = torch.compile(model, dynamic=False) if job["form"] == "compiled" else model
    given = torch.from_numpy(images).pin_memory()
    there = given.cuda()

    def forward():
        with precision(job):
            return call(there).float()
    with torch.inference_mode():
        graph, result = captured(forward) if job["form"] == "CUDA graphs" else (None, None)

    def run():
        with torch.inference_mode():
            there.copy_(given, non_blocking=True)
            if not graph:
                return forward().cpu()
            graph.replay()
            return result.cpu()
    return run


def optimizer_of(model, told, graphs):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": told["weight_decay"]},
                              {"params": others, "weight_decay": 0.0}],
                             lr=told["lr"], betas=told["betas"], eps=told["eps"], fused=True,
                             capturable=graphs)


def training_step(job, images, labels):
    told, graphs = job["settings"], job["form"] == "CUDA graphs"
    model = model_of(job)
    x, y = torch.from_numpy(images).cuda(), torch.from_numpy(labels).cuda()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = optimizer_of(model, told, graphs)

    def loss_of(x, y):
        return F.cross_entropy(model(x).float(), y, label_smoothing=told["label_smoothing"])
    call = torch.compile(loss_of, dynamic=False) if job["form"] == "compiled" else loss_of

    def step():
        optimizer.zero_grad(set_to_none=True)
        with precision(job):
            loss = call(x, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), told["clip_norm"], foreach=True)
        optimizer.step()
        return loss.detach()

    def as_new():
        """Warming up moved weights and moments."""
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(before[name])
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()
    graph, result = captured(step) if graphs else (None, step())
    as_new()

    def run():
        if not graph:
            loss = step()
        else:
            graph.replay()
            loss = result
        number = loss.item()
        torch.cuda.synchronize()
        return number
    return run


def main(job):
    if not torch.cuda.is_available():
        sys.exit("gpu_worker: PyTorch finds no GPU; install its build for CUDA")
    data = load_file(job["input"])
    if job["step"]:
        run = training_step(job, data["images"], data["labels"])
    else:
        run = inference(job, data["images"])
        save_file({"logits": run().numpy()}, job["output"])
    say(ready=True, device=torch.cuda.get_device_name())
    take_turns(run, job["step"])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
