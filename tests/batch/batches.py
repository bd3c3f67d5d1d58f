"""What tests of batches share: runs that take seconds, the command, waiting."""

import os
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).parents[2]
TINY = {"limit_images": "16", "epochs": "2", "sigmoids": "None", "fc_units": "16"}


def nblib_batch(words, said, cwd=TOP):
    """`nblib batch` as a process that leads a group of its own, as without GPUs; what it says goes to a file."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(TOP)}
    command = [sys.executable, "-m", "nblib", "batch", *map(str, words)]
    with said.open("w") as file:
        return subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def as_words(parameters):
    """Parameters as -p and their values."""
    return [word for name, value in parameters.items() for word in ("-p", name, str(value))]


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not within the time"
        time.sleep(0.1)
