"""Compiles a file of CUDA kernels, and keeps what ptxas says of each for scripts/checks/cuda_resources.

usage: compile_kernels.py SAID NVCC ARGUMENT...
"""
import subprocess
import sys
import tempfile
from pathlib import Path

said, *command = sys.argv[1:]
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run([*command, "-Xptxas=-v", "--keep", "--keep-dir", folder], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    # nvcc makes a trap, without a word, of what only the processor has: an array of constants, say.
    traps = [ptx.name for ptx in Path(folder).glob("*.ptx") if "trap;" in ptx.read_text()]
Path(said).write_text(done.stdout + "".join(f"trap in {name}\n" for name in traps))
if done.returncode:
    sys.exit(done.stdout or f"{command[0]} ended with {done.returncode}")
