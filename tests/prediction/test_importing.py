import re

import numpy as np
import pandas as pd
import pytest

from nblib.data import labelled_splits
from nblib.evaluation import f1_per_image
from nblib.experiments import Experiment, find_runs, read_half
from nblib.prediction.importing import import_run, read_predicted
from nblib.reports import collapse_runs, compare_runs, differences_from_paper
from nblib.training import load_model


@pytest.fixture(scope="module")
def predicted(sample_dataset):
    """image_ids, concepts and probabilities of both halves and the test images, in an order of their own."""
    rng = np.random.default_rng(3)
    splits = labelled_splits(sample_dataset)
    ids = np.concatenate([splits[name].image_ids for name in ("val1", "val2", "test")])
    concepts = np.array(splits["val1"].vocabulary.concepts)
    known = np.concatenate([splits[name].labels.toarray() for name in ("val1", "val2", "test")])
    probabilities = np.clip(known * 0.5 + rng.uniform(0, 0.6, known.shape), 0, 1).astype(np.float32)
    rows, columns = rng.permutation(len(ids)), rng.permutation(len(concepts))
    return ids[rows].astype(str), concepts[columns].astype(str), probabilities[np.ix_(rows, columns)]


def write(path, ids, concepts, probabilities):
    if path.suffix == ".parquet":
        pd.DataFrame(probabilities, columns=concepts).assign(image_id=ids).to_parquet(path)
    else:
        np.savez(path, image_ids=ids, concepts=concepts, probabilities=probabilities)
    return path


@pytest.fixture
def experiment(sample, tmp_path):
    return Experiment(experiment_name="swin", data=str(sample), runs=str(tmp_path / "runs"))


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_shuffled_file_becomes_a_finished_run(predicted, experiment, sample_dataset, tmp_path, suffix):
    ids, concepts, probabilities = predicted
    run, notes = import_run([write(tmp_path / f"p{suffix}", *predicted)], experiment)
    half = read_half(run, sample_dataset, "val2")
    position = {name: number for number, name in enumerate(ids)}
    rows = [position[image_id] for image_id in half.image_ids]
    expected = probabilities[rows][:, [list(concepts).index(concept) for concept in half.vocabulary.concepts]]
    assert np.array_equal(half.probabilities, expected) and notes == []
    assert run.finished and run.damage is None and run.has_predicted_test(sample_dataset)
    assert run.scores["test_f1"] == pytest.approx(np.nanmean(f1_per_image(half.labels, expected > 0.5)))
    assert {path.stem for path in (run.folder / "rules").iterdir()} >= {"tuned_threshold", "expected_f1"}
    assert len(run.concept_scores) == len(concepts)


def test_an_imported_run_is_in_tables_with_intervals_and_claims_nothing_of_a_training(predicted, experiment, tmp_path):
    run, _ = import_run([write(tmp_path / "p.npz", *predicted)], experiment)
    (found,) = find_runs(tmp_path / "runs")
    assert set(found.experiment.conditions()) == {"experiment_name", "validation_half", "seed", "imported"}
    assert differences_from_paper(found.experiment) == [f"imported {run.experiment.imported}, not trained here"]
    f1 = run.scores["test_f1"]
    assert compare_runs([found])["f1"].tolist() == collapse_runs([found])["f1"].tolist() == pytest.approx([f1])
    with pytest.raises(FileNotFoundError, match="was imported and has no network"):
        load_model(found)


def test_several_files_are_joined_and_other_images_not_used(predicted, experiment, sample_dataset, tmp_path):
    ids, concepts, probabilities = predicted
    train = sample_dataset.split("train")["image_id"].to_numpy(str)[:2]
    first = write(tmp_path / "a.npz", np.append(ids[:9], train), concepts, probabilities[:11])
    named = np.array([f"{image_id}.jpg" for image_id in ids[9:]])
    second = write(tmp_path / "b.npz", named, concepts[::-1], probabilities[9:, ::-1])
    whole, _ = import_run([write(tmp_path / "p.npz", *predicted)], experiment)
    run, notes = import_run([first, second], experiment)  # the same probabilities: no other run
    assert run.facts["identity"] == whole.facts["identity"]
    assert notes == ["2 images not used: of train, or without concepts"]


def test_test_images_may_come_later(predicted, experiment, sample_dataset, tmp_path):
    ids, concepts, probabilities = predicted
    of_test = np.isin(ids, sample_dataset.split("test")["image_id"].to_numpy(str))
    early = write(tmp_path / "early.npz", ids[~of_test], concepts, probabilities[~of_test])
    run, notes = import_run([early], experiment)
    assert not run.has_probabilities("test") and notes == ["no test images: notebook 06 can write no submission"]
    run, notes = import_run([write(tmp_path / "all.npz", *predicted)], experiment)
    assert run.has_predicted_test(sample_dataset) and notes == []
    with pytest.raises(ValueError, match="holds another run: imported"):
        import_run([write(tmp_path / "other.npz", ids, concepts, probabilities / 2)], experiment)


def test_concepts_that_are_missing_or_that_no_image_has_are_named(predicted, experiment, sample_dataset, tmp_path):
    ids, concepts, probabilities = predicted
    other = concepts.copy()
    other[0] = "C9999999"
    run, notes = import_run([write(tmp_path / "p.npz", ids, other, probabilities)], experiment)
    assert notes == ["concept C9999999 is of no image: wrong wherever selected",
                     f"concept {concepts[0]} is not predicted: a miss wherever true"]  # fmt: skip
    half = read_half(run, sample_dataset, "val2")
    assert not half.probabilities[:, half.vocabulary.index[concepts[0]]].any()


def spoilt(kind, ids, concepts, probabilities):
    """The arrays, spoilt in one way."""
    ids, concepts, probabilities = ids.copy(), concepts.copy(), probabilities.copy()
    if kind == "missing image":
        return ids[1:], concepts, probabilities[1:]
    if kind == "foreign image":
        ids[4] = "elsewhere"
    if kind == "image twice":
        ids[4] = ids[5]
    if kind == "concept twice":
        concepts[1] = concepts[0]
    if kind == "no CUI":
        concepts[1] = "lung"
    if kind == "shape":
        probabilities = probabilities.T
    if kind == "logits":
        probabilities[2, 3] = -1.5
    if kind == "NaN":
        probabilities[2, 3] = np.nan
    if kind == "integers":
        probabilities = (probabilities > 0.5).astype(int)
    if kind == "no concept of the data":
        concepts = np.array([f"C99{number:05}" for number in range(len(concepts))])
    return ids, concepts, probabilities


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("missing image", r"image \w+ is in (val1|val2|test) and not in the files; predict all \d+ of it"),
        ("foreign image", "image elsewhere is not among those of"),
        ("image twice", r"image \w+ is there more than once"),
        ("concept twice", r"concept C\d{7} is there more than once"),
        ("no CUI", "concept lung is no CUI; expected names such as C0040405"),
        ("shape", r"expected \d+ x \d+ probabilities, images x concepts; received \d+ x \d+"),
        ("logits", r"-1.5 of \w+, C\d{7} is no probability, as are 0 others.*Apply the sigmoid"),
        ("NaN", r"nan of \w+, C\d{7} is no probability"),
        ("integers", "expected probabilities as floating-point numbers; received int64"),
        ("no concept of the data", r"concepts \(C9900000, .*, ...\) are of no image .*, nor is any other"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_leaves_no_run(predicted, experiment, tmp_path, kind, error):
    with pytest.raises(ValueError, match=error):
        import_run([write(tmp_path / "p.npz", *spoilt(kind, *predicted))], experiment)
    assert not (tmp_path / "runs").exists()


def test_files_of_other_concepts_or_with_the_same_image_are_refused(predicted, experiment, tmp_path):
    ids, concepts, probabilities = predicted
    whole = write(tmp_path / "p.npz", *predicted)
    fewer = write(tmp_path / "fewer.npz", ids[:3], concepts[1:], probabilities[:3, 1:])
    with pytest.raises(ValueError, match=f"are of different concepts: concept {concepts[0]} is in one of them alone"):
        import_run([whole, fewer], experiment)
    with pytest.raises(ValueError, match=r"3 images \(.*\) are in two of the files"):
        import_run([whole, write(tmp_path / "again.npz", ids[:3], concepts, probabilities[:3])], experiment)


def test_files_that_cannot_be_read_are_refused_and_pickle_is_never_read(predicted, tmp_path):
    ids, concepts, probabilities = predicted
    np.savez(tmp_path / "objects.npz", image_ids=ids.astype(object), concepts=concepts, probabilities=probabilities)
    np.savez(tmp_path / "names.npz", ids=ids, probabilities=probabilities)
    pd.DataFrame({"C0000001": [0.5]}).to_parquet(tmp_path / "no_id.parquet")
    for name in ("cut.npz", "cut.parquet", "p.csv"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no more")
    for name, error in {
        "objects.npz": "Object arrays cannot be loaded.*np.array(names, dtype=str)",
        "names.npz": "no array image_ids and concepts; it has ids, probabilities",
        "no_id.parquet": "expected a column image_id", "cut.npz": "can't be read", "cut.parquet": "can't be read",
        "p.csv": "expected a file .npz or .parquet; received '.csv'",
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=error.replace("(", r"\(").replace(")", r"\)")) as refused:
            read_predicted(tmp_path / name)
        assert re.search(name, str(refused.value))
    with pytest.raises(FileNotFoundError, match="no file"):
        read_predicted(tmp_path / "absent.npz")
