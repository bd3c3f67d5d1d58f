"""A training killed with SIGKILL many times at random moments, against the same training left alone.

Run: python tests/benchmarks/soak_kills.py [--kills 25] [--seed 0]
Prints the moment of each kill, and whether history, best weights, probabilities and scores are equal to the last bit.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from killing import MOMENTS, assert_same_run, files_of, half_written, kill_at, small_experiment, start

from nblib.phantoms import draw_sample
from nblib.runs import Run


def run_whole(experiment):
    """The run of the experiment, trained to its end in a process of its own."""
    process = start(experiment)
    process.join()
    assert process.exitcode == 0, f"the training ended with code {process.exitcode}"
    return Run(experiment.run_folder)


def soak(folder, kills, seed):
    """Kills one of two equal trainings `kills` times; fails unless both end alike."""
    sample = draw_sample(folder / "sample", 120)
    whole, killed = (small_experiment(sample, folder / name, epochs=4 * kills) for name in ("whole", "killed"))
    whole = run_whole(whole)
    rng = np.random.default_rng(seed)
    for number in range(1, kills + 1):
        kill = kill_at(rng.choice(MOMENTS), killed, rng)
        left = ", ".join(kill.half_written) or "nothing"
        print(f"kill {number:2}: {kill.moment:32} {kill.epochs:2} epochs in history; half-written: {left}", flush=True)
    killed = run_whole(killed)
    assert_same_run(killed, whole)
    assert files_of(killed) == files_of(whole) and half_written(folder) == []
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        scores = soak(Path(folder), asked.kills, asked.seed).scores
    print(f"equal after {asked.kills} kills: {scores['epochs']} epochs, best {scores['best_epoch']}, "
          f"F1 {scores['test_f1']:.4f}; {time.monotonic() - began:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
