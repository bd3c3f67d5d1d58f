from collections import Counter

import numpy as np
import pandas as pd
import pytest
from data.filing import write
from scipy import sparse

from nblib.data import find_groups, join_groups, labelled_splits, read_dataset
from nblib.data.splits import (
    group_aware_halves,
    group_folds,
    monte_carlo,
    paper_folds,
    read_split,
    stratify,
    validation_folds,
    write_split,
)

IDS = pd.Series(["A", "B", "C"])


@pytest.fixture(scope="module")
def groups(sample_dataset):
    """Of the sample's images of train and validation, three or four in each."""
    images = sample_dataset.split("train", "val")
    return np.random.default_rng(3).integers(len(images) // 4, size=len(images))


def parts_of_groups(dataset, groups, parts):
    images = dataset.split("train", "val")
    table = pd.DataFrame({"group": groups, "part": images["image_id"].map(parts), "split": images["split"]})
    return table.groupby("group")["part"].nunique(), table


def test_no_group_is_on_both_sides_of_folds_and_draws(sample_dataset, groups):
    splits = [*group_folds(sample_dataset, groups, 5, 1), *monte_carlo(sample_dataset, groups, 4, 1)]
    for parts in splits:
        assert set(parts.values()) == {"train", "val1", "val2"}
        assert (parts_of_groups(sample_dataset, groups, parts)[0] == 1).all()


def test_halves_keep_train_and_separate_no_group_of_validation(sample_dataset, groups):
    (parts,) = group_aware_halves(sample_dataset, groups, 1)
    _, table = parts_of_groups(sample_dataset, groups, parts)
    assert (table["part"].eq("train") == table["split"].eq("train")).all()
    validation = table[table["split"] == "val"]
    assert (validation.groupby("group")["part"].nunique() == 1).all()
    sizes = Counter(validation["part"])
    assert abs(sizes["val1"] - sizes["val2"]) <= 2


def test_folds_of_validation_keep_groups_together_and_are_equally_large(sample_dataset):
    ids = sample_dataset.split("val")["image_id"]
    groups = pd.Series(np.random.default_rng(3).integers(len(ids) // 2, size=len(ids)), ids)
    folds = validation_folds(sample_dataset, groups, 4)
    assert folds.index.tolist() == ids.tolist() and set(folds) == {1, 2, 3, 4}
    assert (folds.groupby(groups).nunique() == 1).all()
    assert np.ptp(folds.value_counts()) <= 2
    pd.testing.assert_series_equal(folds, validation_folds(sample_dataset, groups.sample(frac=1), 4))
    assert not folds.equals(validation_folds(sample_dataset, groups, 4, seed=1))
    with pytest.raises(ValueError, match=f"expected 2 to {groups.nunique()} folds.*received 1"):
        validation_folds(sample_dataset, groups, 1)


def test_the_papers_folds_are_its_halves(sample_dataset):
    folds = paper_folds(sample_dataset)
    for name, half in sample_dataset.halves().items():
        assert set(folds.index[folds == name]) == set(half["image_id"])


def test_every_image_is_in_val1_and_in_val2_of_one_fold_each(sample_dataset, groups):
    splits = group_folds(sample_dataset, groups, 4, 7)
    for name in ("val1", "val2"):
        times = Counter(image_id for parts in splits for image_id, part in parts.items() if part == name)
        assert set(times) == set(sample_dataset.split("train", "val")["image_id"])
        assert set(times.values()) == {1}


def test_monte_carlo_draws_differ_and_have_the_sizes_of_the_data(sample_dataset):
    alone = np.arange(len(sample_dataset.split("train", "val")))
    first, second = monte_carlo(sample_dataset, alone, 2, 5)
    assert first != second
    assert [first, second] == monte_carlo(sample_dataset, alone, 2, 5)
    assert first != monte_carlo(sample_dataset, alone, 2, 6)[0]
    expected = {name: len(half) for name, half in sample_dataset.halves().items()}
    assert all(abs(Counter(first.values())[name] - size) <= 1 for name, size in expected.items())


def test_each_concept_is_shared_out_evenly():
    """Rare, frequent and crossed concepts whose even distribution is possible, and so is the only right one."""
    labels = sparse.csr_array(np.repeat([[1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]], [4, 8, 8, 4], axis=0))
    for seed in range(5):
        part = stratify(labels, np.arange(24), [0.25] * 4, seed)
        assert np.bincount(part).tolist() == [6] * 4
        counts = [labels[part == each].sum(axis=0).tolist() for each in range(4)]
        assert counts == [[1, 5, 2]] * 4


def test_unequal_shares_are_kept():
    labels = sparse.csr_array(np.ones((100, 1)))
    assert np.bincount(stratify(labels, np.arange(100) // 2, [0.7, 0.2, 0.1], 0)).tolist() == [70, 20, 10]


def test_fewer_than_three_folds_are_refused(sample_dataset, groups):
    with pytest.raises(ValueError, match=r"expected at least 3 folds, for train, val1 and val2; received 2"):
        group_folds(sample_dataset, groups, 2, 0)


def test_a_split_is_read_as_it_was_written_and_known_by_its_fingerprint(tmp_path):
    parts = {"C": "train", "A": "val1", "B": "val2"}
    fingerprint = write_split(tmp_path / "new" / "split.csv", parts)
    assert (tmp_path / "new" / "split.csv").read_text() == "image_id,split\nA,val1\nB,val2\nC,train\n"
    assert read_split(tmp_path / "new" / "split.csv", IDS) == parts
    assert fingerprint == write_split(tmp_path / "again.csv", dict(sorted(parts.items())))
    assert fingerprint != write_split(tmp_path / "other.csv", {**parts, "C": "val1", "A": "train"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A,train\nB,val3\n", r"split.csv:2: expected image_id,split with a split of train, val1, val2; received 'B,v"),
        ("A,train\nB\n", r"split.csv:2: expected image_id,split"),
        ("image_id,split\nA,train\nX,val1\n", r"split.csv:3: X is no image of train or validation"),
        ("A,train\nB.jpg,val1\nA,val2\n", r"split.csv:3: A was listed before"),
        ("A,train\nB,val1\n", r"lacks 1 of 3 images, such as C; make the split anew"),
        ("A,train\nB,val1\nC,val1\n", r"split.csv has no image in val2; training needs all of train, val1, val2"),
    ],
)
def test_a_wrong_split_is_refused_with_its_line(text, message, tmp_path):
    write(tmp_path / "split.csv", text)
    with pytest.raises(ValueError, match=message):
        read_split(tmp_path / "split.csv", IDS)


def test_a_missing_split_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no split file .*; `nblib split DATA --to .*` writes one"):
        read_split(tmp_path / "split.csv", IDS)


def test_a_data_set_is_read_in_the_parts_of_the_file(sample, sample_dataset, groups, tmp_path):
    parts = group_folds(sample_dataset, groups, 5, 1)[2]
    fingerprint = write_split(tmp_path / "split.csv", parts)
    dataset = read_dataset(sample, split=tmp_path / "split.csv")
    splits = labelled_splits(dataset)
    assert {image_id: name for name in ("train", "val1", "val2") for image_id in splits[name].image_ids} == parts
    assert splits["test"].image_ids.tolist() == labelled_splits(sample_dataset)["test"].image_ids.tolist()
    assert (dataset.split_fingerprint, sample_dataset.split_fingerprint) == (fingerprint, None)
    swapped = {"train": "train", "val1": "val2", "val2": "val1"}
    write_split(tmp_path / "swapped.csv", {image_id: swapped[part] for image_id, part in parts.items()})
    others = {sample_dataset.fingerprint, read_dataset(sample, split=tmp_path / "swapped.csv").fingerprint}
    assert dataset.fingerprint not in others and len(others) == 2


def test_a_quarantined_image_may_be_in_the_file(sample, sample_dataset, groups, tmp_path):
    write_split(tmp_path / "split.csv", group_aware_halves(sample_dataset, groups, 1)[0])
    left_out = sample_dataset.split("val")["image_id"].iloc[0]
    write(tmp_path / "quarantine.txt", f"{left_out}\n")
    dataset = read_dataset(sample, quarantine=tmp_path / "quarantine.txt", split=tmp_path / "split.csv")
    assert sum(map(len, dataset.halves().values())) == len(sample_dataset.split("val")) - 1


def test_a_file_of_groups_anywhere_can_be_named(sample_dataset, tmp_path):
    ids = sample_dataset.split("train", "val")["image_id"]
    write(tmp_path / "mine.csv", f"image_id,group\n{ids[0]},p\n{ids[9]}.png,p\n{ids[3]},q\n")
    joined = join_groups(ids, find_groups(sample_dataset, tmp_path / "mine.csv"))
    assert joined[0] == joined[9] != joined[3]
    assert len(set(joined)) == len(ids) - 1
    write(tmp_path / "other.csv", "X,p\n")
    with pytest.raises(ValueError, match=r"names no image of .*; expected lines image_id,group"):
        find_groups(sample_dataset, tmp_path / "other.csv")
