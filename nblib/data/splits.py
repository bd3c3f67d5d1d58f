"""Splits of train and validation as files: drawn at random or stratified, with related images on one side.

Stratified: iterative stratification (Sechidis, Tsoumakas and Vlahavas, On the stratification of multi-label data, 2011)
of groups instead of images. Concepts are distributed one by one, the rarest first, each group to the part that lacks
most of its images. It balances rare concepts better than scikit-learn's StratifiedGroupKFold, which takes one class per
image (docs/benchmarks.md).
"""

import csv
import heapq
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data.table import SPLIT_OF, Dataset, fingerprint_of_parts
from nblib.data.text import read_text, without_suffix
from nblib.data.vocabulary import ConceptVocabulary
from nblib.system import replacing

HEADER = ["image_id", "split"]
PARTS = tuple(SPLIT_OF)


def group_aware_halves(dataset: Dataset, groups: np.ndarray, seed: int) -> list[dict[str, str]]:
    """One split: val1 and val2 are stratified halves of the validation images; train stays as it is.

    Args:
        dataset: what is split.
        groups: the group of each image of train and validation, (N,), as `join_groups` returns for them.
        seed: of the order of equally large groups, and of ties.
    """
    images, labels = _labelled(dataset)
    val = (images["split"] == "val").to_numpy()
    parts = np.full(len(images), "train", object)
    parts[val] = np.array(["val1", "val2"], object)[stratify(labels[val], groups[val], [0.5, 0.5], seed)]
    return [dict(zip(images["image_id"], parts, strict=True))]


def group_folds(dataset: Dataset, groups: np.ndarray, folds: int, seed: int) -> list[dict[str, str]]:
    """As many splits as `folds` of train and validation together: val2 is fold i, val1 the next one, train the others.

    Raises:
        ValueError: fewer than 3 folds.
    """
    if folds < 3:
        raise ValueError(f"expected at least 3 folds, for train, val1 and val2; received {folds}.")
    images, labels = _labelled(dataset)
    fold = stratify(labels, groups, np.full(folds, 1 / folds), seed)
    names = np.array(["val2", "val1", *["train"] * (folds - 2)], object)
    return [dict(zip(images["image_id"], names[(fold - each) % folds], strict=True)) for each in range(folds)]


def monte_carlo(dataset: Dataset, groups: np.ndarray, rounds: int, seed: int) -> list[dict[str, str]]:
    """`rounds` independent splits of train and validation together, with parts as large as those of the data."""
    images, labels = _labelled(dataset)
    half = (images["split"] == "val").mean() / 2
    seeds = np.random.SeedSequence(seed).generate_state(rounds)
    drawn = [stratify(labels, groups, [1 - 2 * half, half, half], int(each)) for each in seeds]
    return [dict(zip(images["image_id"], np.array(PARTS, object)[part], strict=True)) for part in drawn]


def paper_folds(dataset: Dataset) -> pd.Series:
    """The half, val1 or val2, of each validation image: folds for `nblib.ensembles`. Paper: section 3.3."""
    halves = [pd.Series(name, index=images["image_id"]) for name, images in dataset.halves().items()]
    return pd.concat(halves).rename("fold")


def validation_folds(dataset: Dataset, groups: pd.Series, number: int = 5, seed: int = 2020) -> pd.Series:
    """The fold, 1 to `number`, of each validation image: stratified, and images of one group are in one fold.

    Only validation is divided: like the test images, it may be of another mixture than train.

    Args:
        dataset: what is divided; indexed by its validation image_ids is the result.
        groups: the group of each validation image, indexed by image_id.
        number: of folds; few suffice where images are many.
        seed: of the order of equally large groups, and of ties.

    Raises:
        ValueError: there are fewer than two folds, or fewer groups than folds.
    """
    images = dataset.split("val")
    groups = groups.loc[images["image_id"]]
    if not 2 <= number <= groups.nunique():
        raise ValueError(f"expected 2 to {groups.nunique():,} folds, the number of groups of validation images; "
                         f"received {number}.")  # fmt: skip
    labels = sparse.csr_array(ConceptVocabulary.of(images["concepts"]).encode(images["concepts"]), dtype=float)
    fold = stratify(labels, groups.to_numpy(), np.full(number, 1 / number), seed)
    return pd.Series(fold + 1, images["image_id"], name="fold")


def stratify(labels: sparse.csr_array, groups: np.ndarray, shares: Iterable[float], seed: int) -> np.ndarray:
    """The part of each image, (N,) from 0: groups stay whole, and every concept comes near the shares of all parts.

    Args:
        labels: (N, K), 0 and 1.
        groups: (N,).
        shares: of the images in each part; their sum is 1.
        seed: of the order of equally large groups, and of ties.
    """
    shares, rng = np.asarray(shares, float), np.random.default_rng(seed)
    _, groups = np.unique(groups, return_inverse=True)
    sizes = np.bincount(groups)
    member = sparse.csr_array((np.ones(len(groups)), (groups, np.arange(len(groups)))), (len(sizes), len(groups)))
    counts = sparse.csr_array(member @ labels)  # images of each group with each concept
    with_concept, tie = counts.tocsc(), rng.random(len(sizes))
    wanted, room = np.outer(shares, counts.sum(axis=0)), shares * len(groups)
    part = np.full(len(sizes), -1)

    def assign(group: int, lacking: np.ndarray) -> None:
        """Puts a group where its concept is most wanted, of the parts with room; among equals where most room is."""
        lacking = np.where(room >= min(sizes[group], room.max()), lacking, -np.inf)
        best = np.flatnonzero(lacking >= lacking.max() - 1e-9)
        best = best[room[best] >= room[best].max() - 1e-9]
        part[group] = chosen = best[0] if len(best) == 1 else rng.choice(best)
        of_group = slice(counts.indptr[group], counts.indptr[group + 1])
        wanted[chosen, counts.indices[of_group]] -= counts.data[of_group]
        room[chosen] -= sizes[group]
        left[counts.indices[of_group]] -= 1

    left = np.diff(with_concept.indptr)  # groups with each concept that have no part yet
    heap = [(number, concept) for concept, number in enumerate(left.tolist())]
    heapq.heapify(heap)
    while heap:
        number, concept = heapq.heappop(heap)
        if number != left[concept]:  # some of them got a part with a rarer concept
            heapq.heappush(heap, (int(left[concept]), concept))
            continue
        rows = with_concept.indices[with_concept.indptr[concept] : with_concept.indptr[concept + 1]]
        rows = rows[part[rows] < 0]
        for group in rows[np.lexsort((tie[rows], -sizes[rows]))]:
            assign(group, wanted[:, concept])
    for group in np.flatnonzero(part < 0):  # without any concept
        assign(group, room)
    return part[groups]


def write_split(path: str | Path, parts: dict[str, str]) -> str:
    """Writes a split, all or nothing, as `read_split` reads it: its fingerprint."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *sorted(parts.items())])
    return fingerprint_of_parts(parts)


def read_split(path: str | Path, labelled: pd.Series) -> dict[str, str]:
    """image_id -> train, val1 or val2, for each of the labelled images.

    Args:
        path: a CSV file with the columns image_id and split.
        labelled: image_ids of train and validation.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is wrong or of an image that the data lack, an image is listed twice or not at all, or a part
            is empty.
    """
    path, known, parts = Path(path), set(labelled), {}
    if not path.is_file():
        raise FileNotFoundError(f"no split file {path}; `nblib split DATA --to {path}` writes one.")
    for number, row in enumerate(csv.reader(read_text(path).splitlines()), start=1):
        if row == HEADER and number == 1:
            continue
        if len(row) != 2 or row[1] not in PARTS:
            raise ValueError(f"{path}:{number}: expected image_id,split with a split of {', '.join(PARTS)}; "
                             f"received {','.join(row)!r}.")  # fmt: skip
        image_id = row[0] if row[0] in known else without_suffix(row[0])
        if image_id not in known:
            raise ValueError(f"{path}:{number}: {row[0]} is no image of train or validation; a split belongs to the "
                             f"data that it was made of.")  # fmt: skip
        if image_id in parts:
            raise ValueError(f"{path}:{number}: {image_id} was listed before; an image is in one part.")
        parts[image_id] = row[1]
    if missing := known - parts.keys():
        raise ValueError(f"{path} lacks {len(missing):,} of {len(known):,} images, such as {min(missing)}; "
                         f"make the split anew with `nblib split`.")  # fmt: skip
    if empty := set(PARTS) - set(parts.values()):
        raise ValueError(
            f"{path} has no image in {', '.join(sorted(empty))}; training needs all of {', '.join(PARTS)}."
        )
    return parts


def _labelled(dataset: Dataset) -> tuple[pd.DataFrame, sparse.csr_array]:
    """The images of train and validation, and their labels."""
    images = dataset.split("train", "val")
    return images, sparse.csr_array(ConceptVocabulary.of(images["concepts"]).encode(images["concepts"]), dtype=float)


# method -> the splits from a data set, groups, how many, and a seed
METHODS: dict[str, Callable[[Dataset, np.ndarray, int, int], list[dict[str, str]]]] = {
    "halves": lambda dataset, groups, number, seed: group_aware_halves(dataset, groups, seed),
    "kfold": group_folds,
    "montecarlo": monte_carlo,
}
