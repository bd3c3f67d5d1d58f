"""Leaks between splits: images that have a relative (of the same group, or a near-duplicate) where a model learns."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from nblib.data.table import Dataset

PAIRS_OF_PARTS = (("val", "train"), ("test", "train"), ("val1", "val2"), ("val2", "val1"))


def related(image_ids: Iterable[str], others: Iterable[str], groups: pd.Series, pairs: pd.DataFrame) -> pd.DataFrame:
    """Whether each image has a group mate, and whether it has a near-duplicate, among `others`: (N,), two bool columns.

    Args:
        image_ids, others: of the images that are asked about, and of those where relatives would be leaks.
        groups: as `find_groups` returns.
        pairs: as `near_duplicates` returns.
    """
    image_ids, others = pd.Index(image_ids), pd.Index(others)
    in_group = groups.reindex(image_ids).isin(groups.reindex(others).dropna()).to_numpy(bool)
    ends = pairs["image_id"], pairs["other_id"]
    near = pd.concat([end[other.isin(others)] for end, other in (ends, ends[::-1])])
    return pd.DataFrame({"group mate": in_group, "near-duplicate": image_ids.isin(near)}, image_ids)


def count_leaks(dataset: Dataset, groups: pd.Series, pairs: pd.DataFrame) -> pd.DataFrame:
    """How many images have relatives where a model learns or is chosen; parts without images are left out.

    Returns:
        One row per pair of parts: part, relatives_in, images (of the part), group_mates, near_duplicates, either
        (images with such a relative), share (of the images with either).
    """
    parts = {name: dataset.split(name) for name in ("train", "val", "test")} | dataset.halves()
    rows = []
    for name, other in PAIRS_OF_PARTS:
        if len(parts[name]) and len(parts[other]):
            found = related(parts[name]["image_id"], parts[other]["image_id"], groups, pairs)
            either = found.any(axis=1)
            rows.append([name, other, len(found), *found.sum(), either.sum(), either.mean()])
    columns = ["part", "relatives_in", "images", "group_mates", "near_duplicates", "either", "share"]
    return pd.DataFrame(rows, columns=columns)


def label_agreement(images: pd.DataFrame, pairs: pd.DataFrame) -> np.ndarray:
    """F1 of the concepts of each pair, (P,), one image's taken as the truth; NaN where one of them has none.

    Near-duplicates should have the same concepts: what is missing to 1 is noise in the labels, which no model predicts.
    """
    concepts = images.set_index("image_id")["concepts"].map(frozenset)
    ends = [concepts.loc[pairs[name]] for name in ("image_id", "other_id")]
    return np.array([
        2 * len(one & other) / (len(one) + len(other)) if one and other else np.nan
        for one, other in zip(*ends, strict=True)
    ])  # fmt: skip


def leaking_pairs(dataset: Dataset, pairs: pd.DataFrame) -> pd.DataFrame:
    """Those near-duplicates that lie in different parts (train, val1, val2, test), with part and other_part, (P, 5)."""
    part_of = dataset.images.set_index("image_id")["split"].to_dict()
    part_of |= {image_id: name for name, half in dataset.halves().items() for image_id in half["image_id"]}
    found = pairs.assign(part=pairs["image_id"].map(part_of), other_part=pairs["other_id"].map(part_of))
    return found[found["part"] != found["other_part"]].reset_index(drop=True)


def pair_agreement(images: pd.DataFrame, pairs: pd.DataFrame, width: int = 10) -> pd.DataFrame:
    """How far the concepts of near-duplicates agree, by distance in steps of `width`, then over all.

    The mean F1 is about the highest that any model can reach on such images: what is missing to 1 is noise in labels.

    Returns:
        Columns bits_apart ("0 to 10", "11 to 20", ..., "all"), pairs, labelled (pairs where both images have concepts),
        mean_f1 and same_concepts (share) of those; empty without pairs.
    """
    steps = (pairs["distance"] - 1).clip(lower=0) // width
    table = pd.DataFrame({"step": steps, "f1": label_agreement(images, pairs)})
    table["same"] = (table["f1"] == 1).where(table["f1"].notna()).astype(float)
    groups = [(f"{step * width + (step > 0)} to {(step + 1) * width}", part) for step, part in table.groupby("step")]
    rows = [
        [name, len(part), part["f1"].count(), part["f1"].mean(), part["same"].mean()]
        for name, part in [*groups, ("all", table)]
        if len(part)
    ]
    return pd.DataFrame(rows, columns=["bits_apart", "pairs", "labelled", "mean_f1", "same_concepts"])
