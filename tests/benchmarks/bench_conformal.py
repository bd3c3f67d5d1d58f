"""Coverage of the split-conformal interval of the number of concepts, and what the rule `conformal_number` gains by it.

    python tests/benchmarks/bench_conformal.py [--simulations 200]

Each simulation draws images whose concepts follow from probabilities; a network predicts these with errors, some of
which an image's concepts share, so that its number of concepts is misjudged. Images are independent, or in groups of 1
to 30 that are nearly alike.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.special import expit

from nblib.evaluation import RULES, as_csr, sample_f1
from nblib.evaluation.conformal import NumberInterval, number_features

CONCEPTS, NEW = 60, 2_000


def draw(rng, images: int, grouped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Predicted probabilities and labels, (images, CONCEPTS)."""
    group = np.repeat(np.arange(images), rng.integers(1, 31, images))[:images] if grouped else np.arange(images)
    logits = rng.normal(-3.5, 1.5, (images, CONCEPTS)) + rng.normal(0, 1, (images, 1))
    shared = rng.normal(0, 1, (images, 1))  # an error in how much there is to see
    predicted = logits + shared + rng.normal(0, 0.8, logits.shape)
    labels = rng.random(logits.shape) < expit(logits)
    labels, predicted = labels[group], predicted[group] + rng.normal(0, 0.2, predicted.shape) * grouped
    labels[~labels.any(axis=1), 0] = True
    return expit(predicted).astype(np.float32), labels


def simulate(rng, images: int, grouped: bool) -> dict[str, float]:
    """Coverage and width on new images, and F1 of two rules there."""
    probabilities, labels = draw(rng, images, grouped)
    new, truth = draw(rng, NEW, grouped)
    rule = RULES["conformal_number"].fit(probabilities, as_csr(labels))
    tuned = RULES["tuned_threshold"].fit(probabilities, as_csr(labels))
    low, high = NumberInterval(rule.weights, rule.radius).bounds(number_features(new, rule.common_threshold))
    number, selected = truth.sum(axis=1), {"conformal": rule.select(new), "tuned": tuned.select(new)}
    changed = (abs(selected["conformal"] - selected["tuned"]).sum(axis=1) > 0).mean()
    f1 = {name: sample_f1(as_csr(truth), each) for name, each in selected.items()}
    return {"coverage": ((number >= low) & (number <= high)).mean(), "width": (high - low).mean(),
            "images changed": changed, "F1, tuned threshold": f1["tuned"],
            "gain": f1["conformal"] - f1["tuned"]}  # fmt: skip


def main(simulations: int) -> pd.DataFrame:
    """The mean of all simulations, one row per kind and number of images."""
    rows = {}
    for grouped in (False, True):
        for images in (100, 300, 1_000, 3_000):
            rng = np.random.default_rng(0)
            results = pd.DataFrame([simulate(rng, images, grouped) for _ in range(simulations)])
            spread = {"sd of coverage": results["coverage"].std(), "gain, standard error": results["gain"].sem()}
            rows["groups of 1 to 30" if grouped else "independent", images] = {**results.mean(), **spread}
    return pd.DataFrame.from_dict(rows, "index").rename_axis(["images", "number"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=200)
    print(main(parser.parse_args().simulations).to_string(float_format="{:.4f}".format))
