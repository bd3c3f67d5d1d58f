"""A finished run without the time that training takes."""

from nblib.experiments import Experiment, Run, open_run
from nblib.training.models import build_network, with_preprocessing
from nblib.training.training_data import load_training_data


def finished_run(data, runs, name="first", **conditions) -> Run:
    """A run with random weights that is written as a training writes it."""
    defaults = {"backbone": "small_plain", "weights": None, "image_size": 32, "fc_units": 8, "batch_size": 8}
    experiment = Experiment(experiment_name=name, data=str(data), runs=str(runs), **{**defaults, **conditions})
    loaded = load_training_data(experiment)
    run = open_run(experiment, loaded.dataset, loaded.vocabulary)
    network = with_preprocessing(build_network(experiment, len(loaded.vocabulary)), experiment.backbone)
    network.save_weights(run.folder / "best.weights.h5")
    run.write_scores({"epochs": 1, "seconds": 0.0})
    return run
