import shutil

import numpy as np
import pandas as pd
import pytest

from nblib.data import ConceptVocabulary, read_dataset, validation_halves
from nblib.evaluation import f1_interval, f1_per_image
from nblib.experiments import Experiment, open_run, paper_experiment, table_3
from nblib.reports.paper_tables import fill_table_3, scored_submissions
from nblib.reports.tables import (
    FREE_CONDITIONS,
    against_paper,
    compare_runs,
    differences_from_paper,
    f1_on_test_split,
    paper_f1,
)

SCORES = {"best_epoch": 4, "epochs": 6, "validation_f1": 0.41, "test_f1": 0.4, "baseline_f1": 0.3, "seconds": 9.5}


@pytest.fixture(scope="module")
def dataset(sample_dataset):
    return sample_dataset


def with_other(experiment, **conditions):
    return Experiment(**{**experiment.model_dump(), **conditions})


def finished_run(dataset, folder, name, noise, half="val1", **parameters):
    """A run whose probabilities of its test half are the truth, blurred by so much noise."""
    experiment = Experiment(experiment_name=name, validation_half=half, data=str(dataset.folder), runs=str(folder),
                            **parameters)  # fmt: skip
    vocabulary = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
    run = open_run(experiment, dataset, vocabulary)
    images = validation_halves(dataset.images)[experiment.test_half]
    images = images[images["concepts"].map(len) > 0]
    truth = vocabulary.encode(images["concepts"]).toarray().astype(float)
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
    expected = f1_interval(other_f1 - its_f1)
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


def predict_test_split(dataset, run, selected):
    """Writes probabilities of the test images that select these concepts, and none for images that have no entry."""
    image_ids = dataset.split("test")["image_id"]
    labels = run.vocabulary.encode([selected.get(image_id, ()) for image_id in image_ids]).toarray()
    run.write_probabilities("test", image_ids, labels.astype(np.float32), dataset.test_fingerprint)


def test_a_labelled_test_split_is_scored_with_concepts_that_the_run_does_not_know(sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    dataset = read_dataset(data)
    run, _ = finished_run(dataset, tmp_path / "runs", "small", 0.1)
    known, other, *_ = run.vocabulary.concepts
    first, second, *_ = dataset.split("test")["image_id"]
    truth = f"{first}\t{known};{other};C9999999\n{second}\t{known}\n"  # the first with a concept that train lacks
    (data / "withheld" / "test_concepts.csv").write_text(truth)
    assert f1_on_test_split([run]) == {}
    predict_test_split(dataset, run, {first: (known,), second: (known, other)})
    assert f1_on_test_split([run])[run.folder] == pytest.approx((2 / (3 + 1) + 2 / (1 + 2)) / 2)


def test_a_test_split_is_not_scored_without_labels_or_with_probabilities_of_others(sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    dataset = read_dataset(data)
    run, _ = finished_run(dataset, tmp_path / "runs", "small", 0.1)
    predict_test_split(dataset, run, {})
    assert f1_on_test_split([run]) == {run.folder: 0}
    (run.folder / "probabilities" / "test.npz").write_bytes(b"cut short")
    assert f1_on_test_split([run]) == {}
    predict_test_split(dataset, run, {})
    removed = next((data / "test").iterdir())
    content = removed.read_bytes()
    removed.write_bytes(content + b"0")
    assert f1_on_test_split([run]) == {}
    removed.write_bytes(content)
    shutil.rmtree(data / "withheld")
    assert f1_on_test_split([run]) == {}


def test_runs_on_other_images_are_not_compared(dataset, tmp_path):
    whole, _ = finished_run(dataset, tmp_path, "whole", 0.1)
    limited, _ = finished_run(dataset, tmp_path, "limited", 0.05, limit_images=5)
    assert compare_runs([whole, limited])["gain"].tolist() == [0, 0]


def test_finished_runs_are_listed_beside_the_paper(run, experiment, sample_dataset, vocabulary):
    ninth = with_other(experiment, experiment_name="09_vgg16_f1_times_bce", validation_half="val2")
    finished = open_run(ninth, sample_dataset, vocabulary)
    finished.write_scores(SCORES)
    (row,) = against_paper([run, finished]).to_dict("records")
    assert (row["experiment_name"], row["validation_half"]) == ("09_vgg16_f1_times_bce", "val2")
    assert (row["best_epoch"], row["test_f1"], row["paper_f1"]) == (4, 0.4, 0.3606)
    assert row["data"] == "synthetic phantoms"
    assert "loss bce, not f1_times_bce" in row["differs_in"].split("; ")


def test_a_run_trained_on_all_images_is_listed_without_figures_and_compared_with_nothing(experiment, sample_dataset):
    vocabulary = ConceptVocabulary.of(sample_dataset.images["concepts"])
    conditions = {"experiment_name": "09_vgg16_f1_times_bce"}
    seen = open_run(with_other(experiment, **conditions, train_on="all"), sample_dataset, vocabulary)
    seen.write_scores({"epochs": 9, "seconds": 1.0})
    half = open_run(with_other(experiment, **conditions), sample_dataset, vocabulary)
    half.write_scores(SCORES)
    table = against_paper([seen, half]).set_index("validation_half")
    assert table.loc["all", ["best_epoch", "test_f1", "baseline_f1", "paper_f1"]].isna().all()
    assert table.loc["val1", "best_epoch"] == 4 and table["best_epoch"].dtype == "Int64"
    assert "train_on all, not train" in table.loc["all", "differs_in"]
    none = scored_submissions([])
    pd.testing.assert_frame_equal(fill_table_3([seen, half], none), fill_table_3([half], none))
    assert compare_runs([seen]).empty


def test_unfinished_runs_give_an_empty_table_with_its_columns(run):
    table = against_paper([run])
    assert table.empty and {"experiment_name", "test_f1", "paper_f1", "differs_in"} <= set(table)


@pytest.mark.parametrize(
    ("name", "half", "f1"),
    [("01_vgg16_fc2048", "val1", 0.333), ("01_vgg16_fc2048", "val2", 0.335), ("04_vgg16_450px", "val2", 0.3417)],
)
def test_the_papers_f1_is_that_of_the_half(name, half, f1):
    assert paper_f1(with_other(paper_experiment(name), validation_half=half)) == f1


def test_where_the_paper_crashed_or_has_no_such_row_it_has_no_f1(experiment):
    assert paper_f1(paper_experiment("04_vgg16_450px")) is None
    assert paper_f1(experiment) is None


@pytest.mark.parametrize("name", table_3().index)
def test_the_rows_of_table_3_differ_from_the_paper_in_nothing(name):
    row = table_3().loc[name].dropna().to_dict()
    conditions = {key: value for key, value in row.items() if key in Experiment.model_fields}
    reduction = {} if "lr_reduction_factor" in row else {"lr_reduction_factor": None}
    assert differences_from_paper(Experiment(experiment_name=name, **conditions, **reduction)) == []


@pytest.mark.parametrize(
    ("changed", "differences"),
    [
        ({"image_size": 64, "fc_units": 128}, ["image_size 64, not 227", "fc_units 128, not 4096"]),
        ({"lr_reduction_monitor": "loss"}, ["lr_reduction_monitor loss, not f1"]),
        ({"pooling": "avg", "learning_rate": 1e-3}, ["pooling avg, not flatten", "learning_rate 0.001, not 1e-05"]),
        ({"limit_images": 10}, ["limit_images 10, not None"]),
        ({"weights": None}, ["weights None, not imagenet"]),
        ({"early_stopping_patience": 1}, ["early_stopping_patience 1, not 10"]),
        ({"precision": "mixed_float16"}, ["precision mixed_float16, not float32"]),
        ({"sigmoids": 5000}, ["sigmoids 5000, not None"]),
        ({"sigmoids": 3047}, []),
        ({"epochs": 1}, ["epochs 1, below the paper's best epoch 9"]),
        ({"seed": 1, "epochs": 9, "validation_half": "val2"}, []),
    ],
)
def test_a_changed_condition_is_named(changed, differences):
    assert differences_from_paper(with_other(paper_experiment("03_vgg16_flipped"), **changed)) == differences


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # a value of another type stands for any other value
@pytest.mark.parametrize(
    "name", [name for name in Experiment().conditions() if name not in FREE_CONDITIONS | {"epochs"}]
)
def test_every_condition_is_compared(name):
    (difference,) = differences_from_paper(paper_experiment("03_vgg16_flipped").model_copy(update={name: "another"}))
    assert difference.startswith(f"{name} another, not ")


@pytest.mark.parametrize(
    ("name", "half", "best"),
    [("02_vgg16_fc4096", "val1", 25), ("02_vgg16_fc4096", "val2", 26), ("05_resnet50", "val1", 3)],
)
def test_too_few_epochs_are_those_below_the_best_one_of_the_row_and_half_or_else_of_the_other_half(name, half, best):
    enough = with_other(paper_experiment(name), validation_half=half, epochs=best)
    assert differences_from_paper(enough) == []
    (difference,) = differences_from_paper(with_other(enough, epochs=best - 1))
    assert difference == f"epochs {best - 1}, below the paper's best epoch {best}"


def test_the_rest_of_a_reduction_of_the_rate_is_not_compared_where_there_is_none():
    never = with_other(paper_experiment("03_vgg16_flipped"), lr_reduction_factor=None, lr_reduction_patience=7)
    assert differences_from_paper(never) == ["lr_reduction_factor None, not 0.2"]
    assert differences_from_paper(with_other(paper_experiment("05_resnet50"), lr_reduction_patience=7)) == []


def test_cutting_the_rate_where_the_paper_does_not_is_a_difference():
    experiment = with_other(paper_experiment("05_resnet50"), lr_reduction_factor=0.2)
    assert "lr_reduction_factor 0.2, not None" in differences_from_paper(experiment)


def test_an_experiment_that_is_not_in_table_3_says_so(experiment):
    assert differences_from_paper(experiment) == ["not in Table 3"]
