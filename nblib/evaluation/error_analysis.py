"""Where a decision is right and where it errs: F1 by kind of image and of concept, confusions, calibration.

Everything is counted from labels and selected concepts, both (N, K), sparse or dense, 0 and 1.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import MODALITY_CONCEPTS, Z_95, ConceptVocabulary, Dataset
from nblib.evaluation.bootstrap import f1_interval
from nblib.evaluation.metrics import as_csr, f1_of_counts, f1_per_image, sample_f1
from nblib.evaluation.selection import select

# The first value of each band; the last band has no end.
TRAIN_IMAGES = (0, 1, 3, 10, 30, 100, 300)
CONCEPTS_PER_IMAGE = (1, 2, 3, 4, 5, 7, 10, 20)


def f1_by_category(categories: Sequence[str | None], labels, selected) -> pd.DataFrame:
    """Images and their F1 by category, with its 95 % interval; images without a category are "unknown".

    Args:
        categories: (N,), one per image.
        labels: (N, K), the truth.
        selected: (N, K), what a decision rule selects.

    Returns:
        One row per category: images (with a true concept), f1 (their mean), low and high (mean and 1.96 standard
        errors, within 0 and 1; NaN for a single image).
    """
    groups = pd.Series(list(categories), dtype=object).fillna("unknown").rename("category")
    return _f1_by(groups, labels, selected)


def f1_by_number_of_concepts(labels, selected) -> pd.DataFrame:
    """As `f1_by_category`, but by the images' number of true concepts, in bands that start at CONCEPTS_PER_IMAGE."""
    bands = _bands(np.diff(as_csr(labels).indptr), CONCEPTS_PER_IMAGE)
    return _f1_by(pd.Series(bands, name="number of concepts"), labels, selected)


def f1_by_frequency(labels, selected, train_counts) -> pd.DataFrame:
    """How well concepts are found, by their number of train images, in bands that start at TRAIN_IMAGES.

    Args:
        labels: (N, K), the truth.
        selected: (N, K), what a decision rule selects.
        train_counts: (K,), train images of each concept.

    Returns:
        One row per band: concepts (true or selected somewhere), true, right and wrong (summed over all images),
        precision, recall, f1. This F1 is micro-averaged over the band: over images it would not be defined.
    """
    return sum_by_frequency(count_by_concept(labels, selected), train_counts)


def sum_by_frequency(counts: pd.DataFrame, train_counts) -> pd.DataFrame:
    """As `f1_by_frequency`, from true, right and wrong of each concept, (K) rows as of `concept_scores`."""
    found = (counts["true"] + counts["wrong"] > 0).to_numpy()
    counts = counts[found]
    bands = pd.Series(_bands(np.asarray(train_counts)[found], TRAIN_IMAGES), counts.index, name="train images")
    sums = counts.groupby(bands, observed=True)[["true", "right", "wrong"]].sum()
    sums.insert(0, "concepts", bands.value_counts())
    return _with_rates(sums)


def f1_in_parts(
    labels,
    selected,
    vocabulary: ConceptVocabulary,
    train_counts,
    related: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> pd.DataFrame:
    """F1 over images as a whole and in its parts, where a score may be flattered or carried by easy concepts.

    Args:
        labels, selected: (N, K), the truth, and what a decision rule selects.
        vocabulary: K concepts.
        train_counts: (K,), train images of each concept.
        related: (N,) bool, which images have a relative in train (`nblib.data.related`); None: not known.
        groups: the group of each image, (N,), which intervals then respect (`compare_f1`).

    Returns:
        Indexed by part: images (with a true concept of the part), f1, low and high (of the 95 % interval). Parts: all
        images, those with and without a relative in train, all concepts but modalities, and the concepts of each band
        of train images, in bands that start at TRAIN_IMAGES.
    """
    labels, selected = as_csr(labels), as_csr(selected)
    whole = f1_per_image(labels, selected)
    parts = {"all": whole}
    if related is not None:
        parts["with a relative in train"] = np.where(related, whole, np.nan)
        parts["without a relative in train"] = np.where(related, np.nan, whole)
    bands = pd.Series(_bands(np.asarray(train_counts), TRAIN_IMAGES))
    columns = {"without modality concepts": ~np.isin(vocabulary.concepts, list(MODALITY_CONCEPTS))}
    columns |= {f"concepts with {band} train images": (bands == band).to_numpy() for band in bands.cat.categories}
    for name, wanted in columns.items():
        kept = np.flatnonzero(wanted)
        parts[name] = f1_per_image(labels[:, kept], selected[:, kept])
    rows = {name: [np.count_nonzero(~np.isnan(f1)), *_interval(f1, groups)] for name, f1 in parts.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["images", "f1", "low", "high"]).rename_axis("part")
    return table[table["images"] > 0]


def count_by_concept(labels, selected, vocabulary: ConceptVocabulary | None = None) -> pd.DataFrame:
    """Images on which each concept is true, right, missed and wrong, with its precision, recall and F1.

    Indexed by the concepts of `vocabulary`, or by position without one. A rate is NaN where its denominator is 0.
    """
    right, missed, wrong = _right_missed_wrong(labels, selected)
    table = pd.DataFrame({"right": right.sum(axis=0), "missed": missed.sum(axis=0), "wrong": wrong.sum(axis=0)})
    table.insert(0, "true", table["right"] + table["missed"])
    if vocabulary is not None:
        table.index = pd.Index(vocabulary.concepts, name="concept", dtype=object)
    return _with_rates(table)


def concept_scores(labels, probabilities: np.ndarray, vocabulary: ConceptVocabulary) -> pd.DataFrame:
    """How far each concept can be trusted where it is selected with a probability above 0.5.

    Returns:
        Indexed by concept: true, right, wrong (images), precision, recall, f1 as in `count_by_concept`; and predicted,
        the mean probability of the images it is selected for. Calibrated, this equals the precision.
    """
    selected = select(probabilities)
    sums = np.asarray(selected.multiply(probabilities).sum(axis=0), dtype=np.float64).ravel()
    table = count_by_concept(labels, selected, vocabulary).drop(columns="missed")
    number = table["right"] + table["wrong"]
    return table.assign(predicted=sums / number.where(number > 0))


def most_missed(labels, selected, vocabulary: ConceptVocabulary, top: int = 20) -> pd.DataFrame:
    """The `top` concepts that are missed on most images, from `count_by_concept`; ties by concept."""
    table = count_by_concept(labels, selected, vocabulary)
    return table[table["missed"] > 0].sort_values("missed", ascending=False, kind="stable").head(top)


def most_confused(labels, selected, vocabulary: ConceptVocabulary, top: int = 20) -> pd.DataFrame:
    """The `top` pairs of a missed concept and one that is wrongly selected for the same image.

    Returns:
        Columns missed, wrong (concepts), images (with both errors), share (of the images that miss `missed`).
    """
    _, missed, wrong = _right_missed_wrong(labels, selected)
    both = (missed.T @ wrong).tocoo()
    names = np.array(vocabulary.concepts, dtype=object)
    table = pd.DataFrame({"missed": names[both.row], "wrong": names[both.col], "images": both.data})
    table["share"] = table["images"] / missed.sum(axis=0)[both.row]
    return table.sort_values(["images", "missed", "wrong"], ascending=[False, True, True], ignore_index=True).head(top)


def errors_per_image(images: pd.DataFrame, labels, selected, vocabulary: ConceptVocabulary) -> pd.DataFrame:
    """The rows of `images`, (N), with their F1 and their right, missed and wrong concepts, best F1 first.

    Of equal F1, more right concepts come first, then fewer errors. Images without a true concept are left out.
    """
    parts = zip(("right", "missed", "wrong"), _right_missed_wrong(labels, selected), strict=True)
    named = {name: vocabulary.decode(matrix) for name, matrix in parts}
    table = images.assign(f1=f1_per_image(labels, selected), **named).dropna(subset="f1")
    errors = table["missed"].map(len) + table["wrong"].map(len)
    order = np.lexsort([errors, -table["right"].map(len), -table["f1"]])
    return table.iloc[order].reset_index(drop=True)


def calibration_table(labels, probabilities: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """How often concepts of a certain probability are true: a reliability diagram as a table.

    Returns:
        One row per bin that is not empty, of `bins` equal ones: predicted (mean probability), observed (share that is
        true), decisions (pairs of image and concept).
    """
    predicted = np.asarray(probabilities, dtype=np.float64).ravel()
    pairs = pd.DataFrame({"predicted": predicted, "observed": as_csr(labels).toarray().ravel()})
    binned = pairs.groupby(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], predicted))
    return binned.mean().assign(decisions=binned.size()).reset_index(drop=True)


def secondary_f1(
    dataset: Dataset, image_ids: Sequence[str], concept_lists: Sequence[Sequence[str]], counted: Iterable[str] = ()
) -> float | None:
    """The secondary score of the later challenges: F1 over images, of manually curated concepts only.

    Args:
        dataset: with `manual_concepts`, as ROCOv2 has; None is returned for a data set without.
        image_ids: (N,) the images.
        concept_lists: the concepts selected for each.
        counted: the concepts that count, in truth and selection; by default all that were curated anywhere in the data
            set, in ROCOv2 also the directions of X-rays; `SECONDARY_2025` for the organisers' later choice.
    """
    manual = dataset.manual_concepts
    if not manual:
        return None
    vocabulary = ConceptVocabulary.of([counted] if counted else manual.values())

    def encoded(lists):
        return vocabulary.encode([[each for each in concepts if each in vocabulary.index] for concepts in lists])

    return sample_f1(encoded([manual.get(image_id, ()) for image_id in image_ids]), encoded(concept_lists))


def _right_missed_wrong(labels, selected) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array]:
    """True and selected, only true, only selected: three sparse (N, K) matrices of 0 and 1."""
    true, selected = (as_csr(matrix).astype(np.int32) for matrix in (labels, selected))
    right = true.multiply(selected).tocsr()
    return right, true - right, selected - right  # SciPy stores no zeros of a difference


def _f1_by(groups: pd.Series, labels, selected) -> pd.DataFrame:
    grouped = pd.Series(f1_per_image(labels, selected)).groupby(groups, observed=True)
    table = pd.DataFrame({"images": grouped.count(), "f1": grouped.mean()})
    error = Z_95 * grouped.sem()
    table = table.assign(low=(table["f1"] - error).clip(0, 1), high=(table["f1"] + error).clip(0, 1))
    return table[table["images"] > 0]


def _interval(f1: np.ndarray, groups: np.ndarray | None) -> tuple[float, float, float]:
    """Mean F1 with its interval, which is unknown (NaN) where fewer than two images, or groups, have an F1."""
    scored = ~np.isnan(f1)
    independent = np.flatnonzero(scored) if groups is None else np.unique(np.asarray(groups)[scored])
    if len(independent) < 2:
        return (f1[scored].mean() if scored.any() else np.nan), np.nan, np.nan
    return f1_interval(f1, groups=groups)


def _with_rates(table: pd.DataFrame) -> pd.DataFrame:
    """The counts with precision, recall and F1 beside them."""
    selected, true, right = table["right"] + table["wrong"], table["true"], table["right"]
    rates = {"precision": right / selected.where(selected > 0), "recall": right / true.where(true > 0)}
    return table.assign(**rates, f1=f1_of_counts(right, true, selected).where(true + selected > 0))


def _bands(numbers: np.ndarray, firsts: Sequence[int]) -> pd.Categorical:
    """The band of each number: "1", "3-9", "300+"; NaN for a number below the first."""
    lasts = [first - 1 for first in firsts[1:]]
    names = [str(first) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=False)]
    return pd.cut(numbers, [*firsts, np.inf], right=False, labels=[*names, f"{firsts[-1]}+"])
