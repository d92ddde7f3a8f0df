"""Where the engines' packages come from: an environment made for them, or the Python that runs."""
import importlib.util
import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

from engine import ROOT, fail

VENV = ROOT / "build-peers/venv"
TOOLS = ["numpy", "safetensors", "matplotlib"]
ENGINES = ["onnxruntime", "openvino", "torch"]


def has_pip(python):
    return python.exists() and subprocess.run([python, "-m", "pip", "--version"],
                                              capture_output=True).returncode == 0


def enter_venv(packages):
    """Runs this script again with the engines' own Python, made on first use."""
    python = VENV / "bin/python"
    if not has_pip(python):
        try:  # Debian's venv ends the program where it lacks a package, and leaves a part behind
            venv.create(VENV, with_pip=True, clear=True)
        except (subprocess.CalledProcessError, SystemExit):
            fail(f"cannot make {VENV}; on Debian, Python's venv is the package python3-venv")
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True,
                            text=True, check=True).stdout
    installed = {package["name"].lower() for package in json.loads(listed)}
    missing = [name for name in packages if name not in installed]
    if missing:
        print("peers: installing", *missing, file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", *missing], check=True)
    if Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, [str(python), *sys.argv])


def check_installed(packages):
    """For machines without a network: what this Python has must do."""
    for name in packages:
        if not importlib.util.find_spec(name):
            engine = f", or leave it out: --without {name}" if name in ENGINES else ""
            fail(f"{sys.executable} has no package {name}: install it{engine}")


def version(name):
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:  # unpacked by hand
        return name
