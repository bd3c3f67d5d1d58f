"""A training that is killed again and again, in real processes with the real signal, ends as if it never had been."""

import signal

import numpy as np
import pytest
from benchmarks.killing import (
    MOMENTS,
    assert_same_run,
    cut_pixels,
    files_of,
    half_written,
    kill_at,
    small_experiment,
    start,
    wait_for,
)

from nblib.experiments import Run

KILLS = len(MOMENTS)


@pytest.fixture(scope="module", params=["train", "all"])
def whole(request, sample, tmp_path_factory):
    """A run that was never killed, trained on the train images or on all."""
    runs = tmp_path_factory.mktemp("whole")
    experiment = small_experiment(sample, runs, epochs=3 * KILLS, train_on=request.param)
    wait_for(start(experiment))
    return Run(experiment.run_folder)


def test_a_run_killed_at_every_moment_ends_as_if_it_never_had_been(whole, sample, tmp_path):
    experiment = small_experiment(sample, tmp_path, epochs=3 * KILLS, train_on=whole.experiment.train_on)
    rng = np.random.default_rng(7)
    kills = [kill_at(moment, experiment, rng) for moment in rng.permutation(MOMENTS)]
    written = {name for kill in kills for name in kill.half_written}
    assert len(kills) == KILLS and {"best.weights.h5", "state.npz"} <= written
    assert not (experiment.run_folder / "scores.json").exists()

    wait_for(start(experiment))
    assert_same_run(Run(experiment.run_folder), whole)
    assert files_of(Run(experiment.run_folder)) == files_of(whole) and half_written(tmp_path) == []


def test_a_run_whose_pixels_are_cut_short_under_it_dies_and_goes_on_with_pixels_made_anew(whole, sample, tmp_path):
    experiment = small_experiment(sample, tmp_path, epochs=3 * KILLS, train_on=whole.experiment.train_on)
    wait_for(start(experiment, "after state.npz is written", action=cut_pixels), -signal.SIGBUS)

    wait_for(start(experiment))
    assert_same_run(Run(experiment.run_folder), whole)
