import shutil

import numpy as np
import pytest

from nblib.data import ConceptVocabulary, read_dataset
from nblib.evaluation import compare_f1, compare_seeds, f1_per_image
from nblib.experiments import Experiment, open_run, table_3
from nblib.reports.paper_tables import fill_table_3, scored_submissions
from nblib.reports.seeds import collapse_runs

NAME = "03_vgg16_flipped"


def finished_run(dataset, folder, seed, half, noise=0.05, name=NAME, **parameters):
    """A run whose probabilities are the truth, blurred by its seed, and F1 of its images by image_id."""
    experiment = Experiment(experiment_name=f"{name}_seed_{seed}", seed=seed, validation_half=half,
                            data=str(dataset.folder), runs=str(folder), **parameters)  # fmt: skip
    vocabulary = ConceptVocabulary.of(dataset.split("train", "val")["concepts"])
    run = open_run(experiment, dataset, vocabulary)
    images = dataset.halves()[experiment.test_half]
    images = images[images["concepts"].map(len) > 0].head(experiment.limit_images or len(images))
    truth = vocabulary.encode(images["concepts"]).toarray().astype(float)
    found = np.abs(truth - (np.random.default_rng([seed, half == "val1"]).uniform(size=truth.shape) < noise))
    run.write_probabilities(experiment.test_half, images["image_id"].to_numpy(str), found)
    f1 = f1_per_image(truth, found > 0.5)
    others = {"epochs": 9, "seconds": 1.0, "validation_f1": 0.5, "baseline_f1": 0.1}
    run.write_scores({"test_f1": float(f1.mean()), "best_epoch": seed + 2, **others})
    return run, dict(zip(images["image_id"], f1, strict=True))


def runs_of(dataset, folder, seeds, halves=("val1", "val2"), **parameters):
    """The runs, and F1 by image of each seed on both halves, in the order of image_ids."""
    made = {(seed, half): finished_run(dataset, folder, seed, half, **parameters) for seed in seeds for half in halves}
    joined = [{k: v for half in halves for k, v in made[seed, half][1].items()} for seed in seeds]
    return [run for run, _ in made.values()], [np.array([f1[name] for name in sorted(f1)]) for f1 in joined]


def test_seeds_and_halves_are_one_row_with_an_interval_over_both(sample_dataset, tmp_path):
    runs, f1 = runs_of(sample_dataset, tmp_path, [1, 2, 3])
    others, other_f1 = runs_of(sample_dataset, tmp_path, [1, 2], noise=0.01, name="mine")
    table = collapse_runs([*runs, *others])
    assert table["experiment_name"].tolist() == [NAME, "mine"]
    assert table[["test_halves", "seeds", "runs"]].to_numpy().tolist() == [["val1, val2", 3, 6], ["val1, val2", 2, 4]]
    expected = compare_seeds({"one": f1, "other": other_f1})
    names = ["f1", "sd", "low", "high", "gain", "gain_low", "gain_high"]
    assert table[names].astype(float).to_numpy() == pytest.approx(expected[names].to_numpy())
    assert table["sd"][0] == pytest.approx(np.std([each.mean() for each in f1], ddof=1))
    paper = table_3().loc[NAME, ["test_f1_val1", "test_f1_val2"]]
    assert table["paper_f1"][0] == pytest.approx(paper.astype(float).mean()) and np.isnan(table["paper_f1"][1])


def test_halves_that_not_all_seeds_have_are_left_out(sample_dataset, tmp_path):
    runs, _ = runs_of(sample_dataset, tmp_path, [1, 2], ["val1"])
    swapped, its_f1 = finished_run(sample_dataset, tmp_path, 1, "val2")
    assert collapse_runs([*runs, swapped])[["test_halves", "runs"]].iloc[0].tolist() == ["val2", 2]
    (row,) = collapse_runs([runs[1], swapped]).to_dict("records")  # no half in common
    assert (row["test_halves"], row["seeds"]) == ("val1, val2", 2) and np.isnan(row["low"])
    assert row["f1"] == pytest.approx((runs[1].scores["test_f1"] + np.mean(list(its_f1.values()))) / 2)


def test_one_seed_has_the_interval_of_its_images_and_no_deviation(sample_dataset, tmp_path):
    runs, (f1,) = runs_of(sample_dataset, tmp_path, [4])
    (row,) = collapse_runs(runs).to_dict("records")
    expected = compare_f1({"f1": f1}, groups=np.arange(len(f1))).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(expected[["low", "high"]].tolist()) and np.isnan(row["sd"])


def test_intervals_are_over_groups_where_the_data_name_them(sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    ids = read_dataset(data).split("val")["image_id"].tolist()
    (data / "groups.csv").write_text("".join(f"{image_id},{number // 4}\n" for number, image_id in enumerate(ids)))
    dataset = read_dataset(data)
    runs, f1 = runs_of(dataset, tmp_path / "runs", [1, 2])
    (row,) = collapse_runs(runs).to_dict("records")
    scored = sorted(i for half in dataset.halves().values() for i in half[half["concepts"].map(len) > 0]["image_id"])
    expected = compare_seeds({"f1": f1}, np.array([ids.index(image_id) // 4 for image_id in scored])).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(expected[["low", "high"]].tolist())
    assert row["groups"] == "groups.csv"


def test_runs_with_other_conditions_or_folders_are_other_rows(sample_dataset, tmp_path):
    runs = [
        finished_run(sample_dataset, tmp_path, 1, "val1")[0],
        finished_run(sample_dataset, tmp_path, 2, "val1", epochs=3)[0],
        finished_run(sample_dataset, tmp_path / "others", 3, "val1")[0],
    ]
    assert collapse_runs(runs)["runs"].tolist() == [1, 1, 1]


def test_without_the_data_or_the_same_images_f1_is_that_of_the_scores(sample_dataset, tmp_path):
    limited, _ = runs_of(sample_dataset, tmp_path, [1], limit_images=4)
    drawn, _ = runs_of(sample_dataset, tmp_path, [2], limit_images=4)
    for run in drawn:  # the images of another seed
        ids, probabilities = run.probabilities(run.experiment.test_half)
        run.write_probabilities(run.experiment.test_half, ids[1:], probabilities[1:])
    gone, _ = runs_of(sample_dataset, tmp_path, [1, 2], name="gone")
    for run in gone:
        run.facts["data_fingerprint"] = "of data that have changed since"
    table = collapse_runs([*limited, *drawn, *gone])
    assert table["runs"].tolist() == [4, 4] and table["low"].isna().all()
    means = [np.mean([run.scores["test_f1"] for run in each]) for each in ([*limited, *drawn], gone)]
    assert table["f1"].tolist() == pytest.approx(means)
    assert collapse_runs([]).empty


def test_table_3_has_the_mean_and_deviation_of_the_seeds(sample_dataset, tmp_path):
    runs, _ = runs_of(sample_dataset, tmp_path, [1, 2, 3])
    row = fill_table_3(runs, scored_submissions([])).loc[NAME]
    first = [run.scores["test_f1"] for run in runs if run.experiment.half == "val1"]
    assert [row["val1 F1, here"], row["val1 F1, here, sd"]] == pytest.approx([np.mean(first), np.std(first, ddof=1)])
    assert (row["seeds"], row["val1 epoch, here"]) == (3, 4)
