"""Where a decision is right and where it errs: F1 by kind of image and of concept, confusions, calibration.

All of it is counted from labels and what was selected, both (N, K), sparse or dense, 0 and 1.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import Z_95, ConceptVocabulary, Dataset
from nblib.evaluation.metrics import f1_per_image, sample_f1

# First of each band; the last band has no end.
TRAIN_IMAGES = (0, 1, 3, 10, 30, 100, 300)
CONCEPTS_OF_AN_IMAGE = (1, 2, 3, 4, 5, 7, 10, 20)

# What the organisers' evaluator of 2025 counts in its secondary score: six modalities, nine regions of the body.
SECONDARY_2025 = (
    "C0002978", "C0040405", "C0024485", "C0032743", "C0041618", "C1306645", "C1140618", "C0037949", "C0030797",
    "C0023216", "C0037303", "C0817096", "C0006141", "C0000726", "C0920367",
)  # fmt: skip


def f1_by_category(categories: Sequence[str | None], labels, selected) -> pd.DataFrame:
    """Images and their F1 by category, with its 95 % interval; images without a category are "unknown".

    Args:
        categories: (N,), that of each image.
        labels: (N, K), the truth.
        selected: (N, K), what a decision rule kept.

    Returns:
        One row a category: images (with a true concept), f1 (their mean), low and high (mean and 1.96 standard errors,
        within 0 and 1; NaN of a single image).
    """
    groups = pd.Series(list(categories), dtype=object).fillna("unknown").rename("category")
    return _f1_by(groups, labels, selected)


def f1_by_number_of_concepts(labels, selected, firsts: Sequence[int] = CONCEPTS_OF_AN_IMAGE) -> pd.DataFrame:
    """Images and their F1 by how many concepts they have, in bands that begin at `firsts`; as of `f1_by_category`."""
    numbers = np.diff(sparse.csr_array(labels).indptr)
    return _f1_by(pd.Series(_bands(numbers, firsts), name="number of concepts"), labels, selected)


def f1_by_frequency(labels, selected, train_counts, firsts: Sequence[int] = TRAIN_IMAGES) -> pd.DataFrame:
    """How well concepts are found, by how many train images they have, in bands that begin at `firsts`.

    Args:
        labels: (N, K), the truth.
        selected: (N, K), what a decision rule kept.
        train_counts: (K,), train images of each concept.
        firsts: the fewest images of each band.

    Returns:
        One row a band: concepts (that are true or selected somewhere), true, right and wrong (over all images),
        precision, recall, f1. That F1 pools all decisions of a band: over images it would not be defined.
    """
    counts = count_by_concept(labels, selected)
    counts = counts[counts["true"] + counts["wrong"] > 0]
    bands = pd.Series(_bands(np.asarray(train_counts)[counts.index], firsts), counts.index, name="train images")
    sums = counts.groupby(bands, observed=True)[["true", "right", "wrong"]].sum()
    sums.insert(0, "concepts", bands.value_counts())
    return _with_rates(sums)


def count_by_concept(labels, selected, vocabulary: ConceptVocabulary | None = None) -> pd.DataFrame:
    """Each concept's true, right, missed and wrong answers, with precision, recall and F1 over its images.

    Indexed by the concepts of `vocabulary`, or by position without one. NaN where a rate has nothing to divide by.
    """
    right, missed, wrong = _right_missed_wrong(labels, selected)
    table = pd.DataFrame({"right": right.sum(axis=0), "missed": missed.sum(axis=0), "wrong": wrong.sum(axis=0)})
    table.insert(0, "true", table["right"] + table["missed"])
    if vocabulary is not None:
        table.index = pd.Index(vocabulary.concepts, name="concept", dtype=object)
    return _with_rates(table)


def most_missed(labels, selected, vocabulary: ConceptVocabulary, top: int = 20) -> pd.DataFrame:
    """The `top` concepts that are missed on most images, from `count_by_concept`; ties by concept."""
    table = count_by_concept(labels, selected, vocabulary)
    return table[table["missed"] > 0].sort_values("missed", ascending=False, kind="stable").head(top)


def most_confused(labels, selected, vocabulary: ConceptVocabulary, top: int = 20) -> pd.DataFrame:
    """The `top` pairs of a concept that was missed and one that was selected wrongly on the same image.

    Returns:
        Columns missed, wrong (concepts), images (on which both happened), share (of the images that miss `missed`).
    """
    _, missed, wrong = _right_missed_wrong(labels, selected)
    both = (missed.T @ wrong).tocoo()
    names = np.array(vocabulary.concepts, dtype=object)
    table = pd.DataFrame({"missed": names[both.row], "wrong": names[both.col], "images": both.data})
    table["share"] = table["images"] / missed.sum(axis=0)[both.row]
    return table.sort_values(["images", "missed", "wrong"], ascending=[False, True, True], ignore_index=True).head(top)


def errors_per_image(images: pd.DataFrame, labels, selected, vocabulary: ConceptVocabulary) -> pd.DataFrame:
    """The rows of `images`, (N), with their F1 and the concepts that are right, missed and wrong, best F1 first.

    Of images with equal F1 those with more right concepts come first, those with more missed and wrong ones last.
    Images without a true concept have no F1 and are left out.
    """
    told = zip(("right", "missed", "wrong"), _right_missed_wrong(labels, selected), strict=True)
    named = {name: vocabulary.decode(matrix) for name, matrix in told}
    table = images.assign(f1=f1_per_image(labels, selected), **named).dropna(subset="f1")
    errors = table["missed"].map(len) + table["wrong"].map(len)
    order = np.lexsort([errors, -table["right"].map(len), -table["f1"]])
    return table.iloc[order].reset_index(drop=True)


def calibration(labels, probabilities: np.ndarray, bins: int = 10) -> pd.DataFrame:
    """How often concepts are true that get a certain probability: `bins` equal steps of it, those that occur.

    Returns:
        One row a step: predicted (mean probability), observed (share that is true), decisions (image and concept).
    """
    from sklearn.calibration import calibration_curve  # here: notebooks that only draw need not wait for it

    steps = np.linspace(0, 1, bins + 1)
    probabilities = np.asarray(probabilities).ravel()
    observed, predicted = calibration_curve(sparse.csr_array(labels).toarray().ravel(), probabilities, n_bins=bins)
    decisions = np.bincount(np.searchsorted(steps[1:-1], probabilities), minlength=bins)
    return pd.DataFrame({"predicted": predicted, "observed": observed, "decisions": decisions[decisions > 0]})


def calibration_error(table: pd.DataFrame) -> float:
    """Mean distance of `calibration`'s two columns, by decisions: the expected calibration error."""
    apart = (table["predicted"] - table["observed"]).abs()
    return float(np.average(apart, weights=table["decisions"]))


def secondary_f1(
    dataset: Dataset, image_ids: Sequence[str], concept_lists: Sequence[Sequence[str]], counted: Iterable[str] = ()
) -> float | None:
    """The secondary score of the later challenges: F1 over images, of manually curated concepts only.

    Both truth and answer are narrowed to `counted`, and images left without a true concept do not count.

    Args:
        dataset: with `manual_concepts`, as of ROCOv2; None is returned where it has none.
        image_ids: (N,) the images.
        concept_lists: what was selected for each.
        counted: the concepts that count; by default all that were curated anywhere in the data set, which in ROCOv2
            are also the directions of X-rays; `SECONDARY_2025` for the organisers' later choice.
    """
    manual = dataset.manual_concepts
    if not manual:
        return None
    vocabulary = ConceptVocabulary.of([counted] if counted else manual.values())

    def encoded(lists):
        return vocabulary.encode([[each for each in concepts if each in vocabulary.index] for concepts in lists])

    return sample_f1(encoded([manual.get(image_id, ()) for image_id in image_ids]), encoded(concept_lists))


def _right_missed_wrong(labels, selected) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array]:
    """What is true and selected, true alone, selected alone: three sparse (N, K) matrices of 0 and 1."""
    true, kept = (sparse.csr_array(sparse.csr_array(matrix) != 0).astype(np.int32) for matrix in (labels, selected))
    right = true.multiply(kept).tocsr()
    parts = right, (true - right).tocsr(), (kept - right).tocsr()
    for part in parts:
        part.eliminate_zeros()
    return parts


def _f1_by(groups: pd.Series, labels, selected) -> pd.DataFrame:
    scores = pd.Series(f1_per_image(labels, selected))
    grouped = scores.groupby(groups, observed=True)
    table = pd.DataFrame({"images": grouped.count(), "f1": grouped.mean()})
    error = Z_95 * grouped.sem()
    table = table.assign(low=(table["f1"] - error).clip(0, 1), high=(table["f1"] + error).clip(0, 1))
    return table[table["images"] > 0]


def _with_rates(table: pd.DataFrame) -> pd.DataFrame:
    """The counts with precision, recall and F1 beside them."""
    kept, true, right = table["right"] + table["wrong"], table["true"], table["right"]
    rates = {"precision": (right, kept), "recall": (right, true), "f1": (2 * right, kept + true)}
    return table.assign(**{name: above / below.where(below > 0) for name, (above, below) in rates.items()})


def _bands(numbers: np.ndarray, firsts: Sequence[int]) -> pd.Categorical:
    """The band of each number: "1", "3-9", "300+"; NaN of a number below the first."""
    lasts = [first - 1 for first in firsts[1:]]
    names = [str(first) if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=False)]
    return pd.cut(numbers, [*firsts, np.inf], right=False, labels=[*names, f"{firsts[-1]}+"])
