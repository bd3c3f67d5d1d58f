"""Runs drawn: their predictions, their learning curves, their F1 beside the paper's."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nblib.data import Dataset
from nblib.experiments import Run, best_epoch
from nblib.figures.answers import draw_predicted_concepts
from nblib.figures.style import axes_of_size, evenly, label_rows


def draw_predictions(dataset: Dataset, run: Run, number: int = 4, size: int = 224) -> Figure:
    """Images of the run's test half with what it selects at threshold 0.5: right, missed and wrong concepts."""
    from nblib.evaluation import errors_per_image, select  # takes a second (scikit-learn) that other figures don't need

    image_ids, probabilities = run.probabilities(run.experiment.test_half)
    images = dataset.images.set_index("image_id").loc[image_ids].reset_index()
    labels = run.vocabulary.encode(images["concepts"])
    errors = errors_per_image(images, labels, select(probabilities), run.vocabulary)
    return draw_predicted_concepts(dataset, evenly(errors.sort_values("category", kind="stable"), number), size)


def draw_training_curves(histories: dict[str, pd.DataFrame]) -> Figure:
    """Loss and F1 of the validation half over epochs, one line per run, best epoch marked. Paper: Figure 6.

    Args:
        histories: name of the run -> its history (`nblib.experiments.Run.history`); for a single run the curves of the
            training images are drawn too, dashed. More than ten lines, as of Table 3, get their legend beside them.
    """
    import seaborn as sns

    many = len(histories) > 10
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.2) if many else (11, 3.8))
    colours = sns.color_palette("husl" if many else "colorblind", len(histories))
    for (name, history), colour in zip(histories.items(), colours, strict=True):
        best = history.iloc[best_epoch(history["val_f1"]) - 1]
        for ax, measure in ((left, "loss"), (right, "f1")):
            ax.plot(history["epoch"], history[f"val_{measure}"], color=colour, label=name)
            ax.plot(best["epoch"], best[f"val_{measure}"], "o", color=colour)
            if len(histories) == 1:
                ax.plot(history["epoch"], history[measure], "--", color=colour, label="training images")
    left.set(title="Loss, validation half", xlabel="epoch", ylabel="loss")
    right.set(title="F1, validation half (dot: best epoch)", xlabel="epoch", ylabel="F1 over images")
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(histories) > 1:
        left.set_yscale("log")  # different losses have different scales
    right.legend(fontsize=8 if many else 9, **({"loc": "center left", "bbox_to_anchor": (1, 0.5)} if many else {}))
    figure.tight_layout()
    return figure


def draw_loss_slices(slices: pd.DataFrame) -> Figure:
    """Each loss on the line from an untrained network to the truth, one panel per loss, one curve per label space.

    Args:
        slices: tidy, with columns loss, margin and value (`nblib.training.loss_slices`) and sigmoids.
    """
    import seaborn as sns

    grid = sns.relplot(
        slices, x="margin", y="value", hue="sigmoids", col="loss", col_wrap=2, kind="line", palette="colorblind",
        height=2.8, aspect=1.6, facet_kws={"sharey": False},
    )  # fmt: skip
    grid.set_axis_labels("margin: 0 untrained, 10 the truth", "loss").set_titles("{col_name}")
    return grid.figure


def draw_against_paper(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """F1 of each run beside most frequent concepts and paper, from `nblib.reports.against_paper`. Paper: Table 3."""
    data = ", ".join(sorted(table["data"].unique()))
    sources = {"test_f1": data, "baseline_f1": f"most frequent concepts, {data}", "paper_f1": "paper, its own data"}
    ax = ax or axes_of_size(9, 1 + 0.55 * len(table))
    for number, (column, label) in enumerate(sources.items()):
        ax.barh(np.arange(len(table)) + 0.27 * (number - 1), table[column].astype(float), height=0.27, label=label)
    label_rows(ax, table["experiment_name"] + ", " + table["validation_half"], fontsize=11)
    ax.set(xlabel="F1 over the images of the test half", ylabel="", xlim=(0, 1))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, fontsize=9)
    return ax


def draw_thresholds(
    thresholds: Sequence[float], f1: Sequence[float], ax: Axes | None = None, title: str = "F1 by threshold"
) -> Axes:
    """F1 over the threshold, (T,) each (`nblib.evaluation.f1_by_threshold`), the paper's 0.5 marked."""
    ax = ax or axes_of_size(7, 3.2)
    ax.plot(thresholds, f1, color="C0")
    ax.axvline(0.5, color="C7", linestyle="--", label="threshold of the paper")
    ax.set(xlabel="threshold", ylabel="F1 over images", title=title)
    ax.legend()
    return ax
