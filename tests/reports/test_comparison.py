import numpy as np
import pytest

from nblib.data import ConceptVocabulary, read_dataset, validation_halves
from nblib.evaluation import f1_interval, f1_per_image
from nblib.evaluation.bootstrap import difference_interval
from nblib.experiments import Experiment, open_run
from nblib.reports.tables import compare_runs


@pytest.fixture
def dataset(sample):
    return read_dataset(sample)


def finished_run(dataset, folder, name, noise, half="val1", **parameters):
    """A run whose probabilities of its test half are the truth, blurred by so much noise."""
    experiment = Experiment(experiment_name=name, validation_half=half, data=str(dataset.folder), runs=str(folder),
                            **parameters)  # fmt: skip
    vocabulary = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
    run = open_run(experiment, dataset, vocabulary)
    images = validation_halves(dataset.images)[experiment.test_half]
    images = images[images["concepts"].map(len) > 0]
    truth = vocabulary.encode(images["concepts"]).toarray()
    blurred = np.random.default_rng(7).uniform(size=truth.shape) < noise
    run.write_probabilities(experiment.test_half, images["image_id"].to_numpy(str), np.abs(truth - blurred))
    run.write_scores({"test_f1": 0.5})
    return run, f1_per_image(truth, np.abs(truth - blurred) > 0.5)


def test_runs_are_compared_with_the_first_on_the_same_images(dataset, tmp_path):
    first, its_f1 = finished_run(dataset, tmp_path, "first", 0.05)
    second, other_f1 = finished_run(dataset, tmp_path, "second", 0.01)
    swapped, swapped_f1 = finished_run(dataset, tmp_path, "first", 0.02, half="val2")
    table = compare_runs([first, second, swapped]).set_index(["test_half", "experiment_name"])
    assert table.index.tolist() == [("val2", "first"), ("val2", "second"), ("val1", "first")]
    assert table["f1"].tolist() == pytest.approx([its_f1.mean(), other_f1.mean(), swapped_f1.mean()])
    assert table["gain"].tolist() == pytest.approx([0, (other_f1 - its_f1).mean(), 0])
    expected = difference_interval(other_f1, its_f1)
    assert table.loc[("val2", "second"), ["gain_low", "gain_high"]].tolist() == pytest.approx(
        [expected.low, expected.high]
    )
    own = f1_interval(its_f1)
    assert table.loc[("val2", "first"), ["low", "high"]].tolist() == pytest.approx([own.low, own.high])


def test_runs_that_cannot_be_compared_are_left_out(dataset, tmp_path):
    run, _ = finished_run(dataset, tmp_path, "gone", 0.1)
    run.facts["experiment"]["data"] = str(tmp_path / "nowhere")
    other, _ = finished_run(dataset, tmp_path, "other_data", 0.1)
    other.facts["data_fingerprint"] = "another"
    begun = open_run(Experiment(experiment_name="begun", data=str(dataset.folder), runs=str(tmp_path)), dataset,
                     ConceptVocabulary.of(dataset.split("train", "val")["concepts"]))  # fmt: skip
    assert compare_runs([run, other, begun]).empty and len(compare_runs([]).columns) == 8


def test_runs_on_other_images_are_not_compared(dataset, tmp_path):
    whole, _ = finished_run(dataset, tmp_path, "whole", 0.1)
    limited, _ = finished_run(dataset, tmp_path, "limited", 0.05, limit_images=5)
    assert compare_runs([whole, limited])["gain"].tolist() == [0, 0]
