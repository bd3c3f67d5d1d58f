import shutil

import numpy as np
import pytest
from benchmarks.killing import small_experiment

from nblib.data import decode_image
from nblib.training.training_data import load_training_data, prepare, shared_pixels


def small(sample, runs, **conditions):
    return small_experiment(sample, runs, epochs=1, **conditions)


def test_halves_are_of_validation_and_share_no_image(sample, tmp_path):
    data = load_training_data(small(sample, tmp_path, limit_images=None))
    names = {split: set(data.dataset.split(split)["image_id"]) for split in ("train", "val")}
    val1, val2 = set(data.half("val1").image_ids), set(data.half("val2").image_ids)
    assert set(data.train.image_ids) == names["train"]
    assert val1 | val2 == names["val"] and not val1 & val2


def test_the_halves_are_the_same_for_every_seed(sample, tmp_path):
    first, second = (load_training_data(small(sample, tmp_path, limit_images=None, seed=seed)) for seed in (1, 2))
    for half in ("val1", "val2"):
        assert first.half(half).image_ids.tolist() == second.half(half).image_ids.tolist()


def test_the_label_space_is_that_of_train_and_validation_together(sample, tmp_path):
    data = load_training_data(small(sample, tmp_path))
    train, val = (set(data.dataset.split(split)["concepts"].explode()) for split in ("train", "val"))
    assert train - val and val - train
    assert data.vocabulary.concepts == tuple(sorted(train | val))


def test_pixels_and_labels_are_those_of_the_image_beside_them(sample, tmp_path):
    data = load_training_data(small(sample, tmp_path, limit_images=10))
    images = data.dataset.images.set_index("image_id")
    for examples in (data.train, data.val1, data.val2):
        rows = images.loc[examples.image_ids]
        np.testing.assert_array_equal(examples.pixels, [decode_image(path, 32) for path in rows["path"]])
        assert data.vocabulary.decode(examples.labels) == [tuple(sorted(concepts)) for concepts in rows["concepts"]]


def test_a_limit_keeps_that_many_images_and_the_whole_vocabulary(sample, tmp_path):
    whole = load_training_data(small(sample, tmp_path, limit_images=None))
    limited = load_training_data(small(sample, tmp_path, limit_images=10))
    assert [len(part) for part in (limited.train, limited.val1, limited.val2)] == [10, 10, 10]
    assert set(limited.train.image_ids) < set(whole.train.image_ids)
    assert limited.vocabulary == whole.vocabulary

    again, other = (load_training_data(small(sample, tmp_path, limit_images=10, seed=seed)) for seed in (2020, 3))
    assert again.train.image_ids.tolist() == limited.train.image_ids.tolist()
    assert set(other.train.image_ids) != set(limited.train.image_ids)


def test_a_limit_above_the_number_of_images_keeps_all(sample, tmp_path):
    whole = load_training_data(small(sample, tmp_path, limit_images=None))
    limited = load_training_data(small(sample, tmp_path, limit_images=10_000))
    assert limited.train.image_ids.tolist() == whole.train.image_ids.tolist()


def test_images_without_a_concept_are_left_out(sample, tmp_path):
    folder = shutil.copytree(sample, tmp_path / "data")
    concepts = next(folder.glob("concepts/train/DRCT*.csv"))
    first, *others = concepts.read_text(encoding="utf-8").splitlines()
    file_name = first.split(",")[0]
    concepts.write_text("\n".join([file_name, *others]) + "\n", encoding="utf-8")
    data = load_training_data(small(folder, tmp_path, limit_images=None))
    listed = set(data.dataset.split("train")["image_id"])
    assert listed - set(data.train.image_ids) == {file_name.removesuffix(".jpg")}


def test_what_experiments_share_is_prepared_once_and_only_loaded_by_their_runs(sample, tmp_path, capsys):
    experiments = [
        small(sample, tmp_path, experiment_name=name, validation_half=half, **conditions)
        for name, conditions in (("one", {}), ("other", {"loss": "bce"}), ("larger", {"image_size": 40}))
        for half in ("val1", "val2")
    ]
    prepare(iter(experiments))
    stores = sorted((tmp_path / "pixels").glob("*px/grey"))
    assert sorted(path.parent.name.rpartition("_")[2] for path in stores) == ["32px"] * 3 + ["40px"] * 3
    before = [path.stat().st_mtime_ns for path in stores]
    for experiment in experiments:
        load_training_data(experiment)
    assert sorted((tmp_path / "pixels").glob("*px/grey")) == stores
    assert [path.stat().st_mtime_ns for path in stores] == before
    assert capsys.readouterr().out == ""


def test_what_can_not_be_prepared_is_an_error(sample, tmp_path):
    with pytest.raises(FileNotFoundError, match="weights must be imagenet, null, or a file"):
        prepare([small(sample, tmp_path), small(sample, tmp_path, weights=str(tmp_path / "absent.h5"))])


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"limit_images": 41}, {"image_size": 33}, {"resize": "letterbox"}, {"quarantine": "q.txt"}]
)
def test_experiments_share_pixels_when_data_size_and_images_are_the_same(other, sample, tmp_path):
    one = shared_pixels(small(sample, tmp_path))
    assert one == shared_pixels(small(sample, tmp_path, loss="bce", dropout=0, validation_half="val2"))
    assert one != shared_pixels(small(sample, tmp_path, **other))
    every = shared_pixels(small(sample, tmp_path, limit_images=None))
    assert every == shared_pixels(small(sample, tmp_path, limit_images=None, seed=1))
