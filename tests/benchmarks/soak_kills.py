"""Trainings killed with SIGKILL many times at random moments, compared with the same training without kills.

Run: python tests/benchmarks/soak_kills.py [--kills 25] [--seed 0] [--everything]
The recipe is the paper's, or has every option that the paper does not have. Prints the moment of each kill; fails
unless history, best weights, probabilities and scores are equal to the last bit.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from killing import (
    EVERYTHING,
    MOMENTS,
    assert_same_run,
    files_of,
    half_written,
    kill_at,
    small_experiment,
    start,
    wait_for,
)

from nblib.experiments import Run
from nblib.phantoms import draw_sample

EPOCHS = 20


def run_whole(experiment):
    """The run of the experiment, trained to the end in a process of its own."""
    wait_for(start(experiment))
    return Run(experiment.run_folder)


def soak(folder, kills, seed, conditions):
    """Kills trainings `kills` times, each once at every moment; fails unless all end like one without kills."""
    sample = draw_sample(folder / "sample", 120)
    whole = run_whole(small_experiment(sample, folder / "whole", EPOCHS, **conditions))
    rng = np.random.default_rng(seed)
    for first in range(0, kills, len(MOMENTS)):
        experiment = small_experiment(sample, folder / f"killed_{first}", EPOCHS, **conditions)
        for moment in rng.permutation(MOMENTS)[: kills - first]:
            print(line(kill_at(moment, experiment, rng)), flush=True)
        killed = run_whole(experiment)
        assert_same_run(killed, whole)
        assert files_of(killed) == files_of(whole) and half_written(folder) == []
        print("trained to the end: equal", flush=True)


def line(kill):
    """A kill in one line."""
    left = ", ".join(kill.half_written) or "nothing"
    return f"killed {kill.moment:34} {kill.epochs:2} epochs in history   half-written: {left}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--everything", action="store_true")
    arguments = parser.parse_args()
    start_time = time.monotonic()
    with TemporaryDirectory() as folder:
        soak(Path(folder), arguments.kills, arguments.seed, EVERYTHING if arguments.everything else {})
    print(f"all equal after {arguments.kills} kills, in {time.monotonic() - start_time:.0f} s")


if __name__ == "__main__":
    main()
