"""How far reported F1 is from the F1 on new images, and how often its 95 % interval contains this.

Run: python tests/benchmarks/bench_estimates.py [simulations]
Each simulation draws groups of 1 to 30 images, which share much of their features and concepts: some to learn from,
some for validation, many as test images. F1 of kernel ridge, its rule tuned or chosen, is reported in three ways.
"""

import os
import sys
from time import perf_counter

import numpy as np
import pandas as pd

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from nblib.data import ConceptVocabulary, Examples
from nblib.data.splits import stratify
from nblib.ensembles.ablation import Choice, Configuration, run_ablation, select_test
from nblib.ensembles.learners import LEARNERS, learn_members
from nblib.evaluation import as_csr, sample_f1

IMAGES = {"train": 700, "val": 300, "test": 4000}
CONCEPTS, FEATURES = 40, 12
LEARNER = "kernel ridge"
RULES = ("threshold", "tuned_threshold", "concept_thresholds", "expected_f1")


def simulate(rng):
    """Examples of all splits, the true labels of test, and the group of each validation image."""
    to_concepts = rng.normal(size=(FEATURES, CONCEPTS))
    frequency = -1.0 - 3 * rng.random(CONCEPTS)
    split, features, labels, groups = [], [], [], []
    for name, images in IMAGES.items():
        sizes = np.minimum(rng.geometric(0.2, images), 30)
        sizes = sizes[: np.searchsorted(sizes.cumsum(), images) + 1]
        group = np.repeat(np.arange(len(sizes)), sizes)[:images]
        centre = rng.normal(size=(len(sizes), FEATURES))
        probable = 1 / (1 + np.exp(-2 * (centre @ to_concepts / FEATURES**0.5 * 2 + frequency)))
        of_group = rng.random(probable.shape) < probable
        changed = rng.random((images, CONCEPTS)) < 0.02
        present = of_group[group] ^ changed
        present[~present.any(axis=1), 0] = True
        split += [name] * images
        features.append(centre[group] + 0.4 * rng.normal(size=(images, FEATURES)))
        labels.append(present)
        groups.append(group)
    vectors = np.concatenate(features).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"{name}_{number}" for number, name in enumerate(split)]
    images = pd.DataFrame({"image_id": ids, "path": None, "split": split, "category": None})
    vocabulary = ConceptVocabulary(tuple(f"C{number:07}" for number in range(CONCEPTS)))
    truth, known = as_csr(labels[2]), np.concatenate([*labels[:2], np.zeros_like(labels[2])])
    examples = Examples(images, vocabulary, as_csr(known), features=vectors)
    validation = [image_id for image_id, name in zip(ids, split, strict=True) if name == "val"]
    return examples, truth, pd.Series(groups[1], validation)


def reports(rng):
    """One row per way and configuration: F1 as reported, low, high, and F1 on the test images."""
    examples, truth, groups = simulate(rng)
    labels = examples.where(split="val").labels
    folds = pd.Series(stratify(labels, groups.to_numpy(), np.full(5, 0.2), 1), groups.index)
    halves = pd.Series(rng.permutation(len(groups)) % 2, groups.index)
    members = learn_members(examples, {"groups": folds, "halves": halves}, {LEARNER: LEARNERS[LEARNER]})
    candidates = {rule: Configuration((LEARNER,), rule) for rule in RULES}
    configurations = {"tuned_threshold": candidates["tuned_threshold"], "chosen": Choice(candidates, groups)}
    rows = []
    for way, folded, sampled in (
        ("random halves, images", "halves", None),
        ("groups in folds, images", "groups", None),
        ("groups in folds, groups", "groups", groups),
    ):
        table = run_ablation(configurations, members[folded], sampled).set_index("configuration")
        for name, configuration in configurations.items():
            new = sample_f1(truth, select_test(members[folded], configuration))
            rows.append(
                {"folds, intervals": way, "selection": name, "new": new, **table.loc[name, ["f1", "low", "high"]]}
            )
    return pd.DataFrame(rows)


def main(simulations):
    began = perf_counter()
    rows = pd.concat([reports(np.random.default_rng(seed)) for seed in range(simulations)])
    rows["bias"], rows["width"] = rows["f1"] - rows["new"], rows["high"] - rows["low"]
    rows["contained"] = rows["new"].between(rows["low"], rows["high"])
    table = rows.groupby(["folds, intervals", "selection"], sort=False)[["f1", "new", "bias", "width", "contained"]]
    print(f"{simulations} simulations, {perf_counter() - began:.0f} s\n{table.mean().round(3).to_string()}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
