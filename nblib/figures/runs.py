"""Runs drawn: learning curves, F1 beside the paper's, where predictions are right and where they err."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nblib.data import Dataset
from nblib.experiments import Run, best_epoch, read_half
from nblib.figures.images import GREY, cut, draw_pictures, picture_panels
from nblib.figures.style import NameOf, axes_of_size, concept_label, evenly, label_rows, shortened, titled

COLOURS = {"right": "C0", "missed": "C1", "wrong": "C7"}


def draw_predictions(dataset: Dataset, run: Run, number: int = 4, size: int = 224) -> Figure:
    """Images of the run's test half with what it selects at threshold 0.5: right, missed and wrong concepts."""
    from nblib.evaluation import errors_per_image, select  # takes a second (scikit-learn) that other figures don't need

    half = read_half(run, dataset, run.experiment.test_half)
    errors = errors_per_image(half.images, half.labels, select(half.probabilities), half.vocabulary)
    return draw_predicted_concepts(dataset, evenly(errors.sort_values("category", kind="stable"), number), size)


def draw_training_curves(histories: dict[str, pd.DataFrame]) -> Figure:
    """Loss and F1 of the validation half over epochs, one line per run, best epoch marked. Paper: Figure 6.

    `histories` holds `nblib.experiments.Run.history` by name of the run. Dashed are the curves of the training images:
    for a single run, and for one that is trained on all images, since it has no others. More than ten lines, as of
    Table 3, get their legend beside them.
    """
    import seaborn as sns

    many = len(histories) > 10
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5.2) if many else (11, 3.8))
    colours = sns.color_palette("husl" if many else "colorblind", len(histories))
    for (name, history), colour in zip(histories.items(), colours, strict=True):
        validated = "val_f1" in history
        for ax, measure in ((left, "loss"), (right, "f1")):
            if validated:
                best = history.iloc[best_epoch(history) - 1]
                ax.plot(history["epoch"], history[f"val_{measure}"], color=colour, label=name)
                ax.plot(best["epoch"], best[f"val_{measure}"], "o", color=colour)
            if len(histories) == 1 or not validated:
                label = "training images" if validated else f"{name}, training images"
                ax.plot(history["epoch"], history[measure], "--", color=colour, label=label)
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

    The columns of `slices` are loss, margin and value (`nblib.training.loss_slices`), and sigmoids.
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
    table = table[table["test_f1"].notna()]  # a run trained on all images has no F1
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


def draw_f1_by(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """F1 by group with its 95 % interval, from `nblib.evaluation.f1_by_category` or `f1_by_number_of_concepts`."""
    ax = ax or axes_of_size(7, 1.2 + 0.36 * len(table))
    rows = np.arange(len(table))
    ax.hlines(rows, table["low"], table["high"], color="C0", linewidth=2)
    ax.plot(table["f1"], rows, "o", color="C0")
    label_rows(ax, [f"{group} ({images:,})" for group, images in table["images"].items()], fontsize=11)
    ax.set(xlim=(0, 1.02), xlabel="F1 over images, 95 % interval", ylabel=f"{table.index.name} (images)")
    ax.set_title(titled(f"F1 by {table.index.name}", data))
    return ax


def draw_frequency(table: pd.DataFrame, data: str = "", ax: Axes | None = None) -> Axes:
    """Precision, recall and F1 of concepts by their number of train images, from `nblib.evaluation.f1_by_frequency`."""
    ax = ax or axes_of_size(7, 3.8)
    places = np.arange(len(table))
    for name, mark, colour in (("precision", "s--", "C1"), ("recall", "^--", "C2"), ("f1", "o-", "C0")):
        ax.plot(places, table[name], mark, color=colour, label={"f1": "F1"}.get(name, name))
    bands = [f"{band}\n{concepts:,} concepts" for band, concepts in table["concepts"].items()]
    ax.set_xticks(places, bands, fontsize=9)
    ax.set(ylim=(0, 1.02), xlabel="train images of a concept", ylabel="over all predictions of the band")
    ax.set_title(titled("How well concepts are found, by how often they were seen", data))
    ax.legend()
    return ax


def draw_missed(table: pd.DataFrame, name_of: NameOf = str, data: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images where each concept is right, missed, and wrongly selected, from `nblib.evaluation.most_missed`."""
    ax = ax or axes_of_size(9, 1.2 + 0.24 * len(table))
    rows, left = np.arange(len(table)), np.zeros(len(table))
    for (name, colour), hatch in zip(COLOURS.items(), (None, "//", ".."), strict=True):
        ax.barh(rows, table[name], left=left, color=colour, hatch=hatch, height=0.75, label=name)
        left = left + table[name].to_numpy()
    label_rows(ax, [concept_label(concept, name_of) for concept in table.index])
    ax.set(xlabel="images", title=titled("The most missed concepts", data))
    ax.legend(loc="lower right")
    return ax


def draw_confused(table: pd.DataFrame, name_of: NameOf = str, data: str = "", ax: Axes | None = None) -> Axes:
    """Bars of images with one concept missed and another wrongly selected, from `nblib.evaluation.most_confused`."""
    ax = ax or axes_of_size(10, 1.2 + 0.24 * len(table))
    ax.barh(np.arange(len(table)), table["images"], color="C1", height=0.75)
    names = zip(table["missed"].map(name_of), table["wrong"].map(name_of), strict=True)
    label_rows(ax, [f"{shortened(missed, 34)}  →  {shortened(wrong, 34)}" for missed, wrong in names])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="images", title=titled("Missed → wrongly selected on the same image", data))
    return ax


def draw_calibration(tables: Mapping[str, pd.DataFrame], data: str = "", ax: Axes | None = None) -> Axes:
    """Reliability curves, one per name, from `nblib.evaluation.calibration`; dashed: perfectly calibrated."""
    ax = ax or axes_of_size(5.5, 5)
    ax.plot([0, 1], [0, 1], "--", color="C7")
    for number, (name, table) in enumerate(tables.items()):
        ax.plot(table["predicted"], table["observed"], "osD^v"[number % 5], ls="-", color=f"C{number}", label=name)
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability", ylabel="fraction of positives")
    ax.set_title(titled("Calibration", data))
    ax.legend()
    return ax


def draw_predicted_concepts(dataset: Dataset, errors: pd.DataFrame, size: int = 224) -> Figure:
    """Images with F1 and their right, missed and wrong concepts, from `nblib.evaluation.errors_per_image`."""
    lines = []
    for row in errors.itertuples():
        parts = [(word, concept) for word in COLOURS for concept in getattr(row, word)]
        texts = cut([f"{word}: {shortened(dataset.name_of(concept), 30)}" for word, concept in parts], 12)
        lines.append([(text, COLOURS.get(text.split(":")[0], GREY)) for text in texts])
    return draw_pictures(errors, [f"F1 {f1:.2f}" for f1 in errors["f1"]], lines, dataset.title, size)


def draw_grad_cam(pixels: np.ndarray, maps: Mapping[str, np.ndarray], name_of: NameOf = str) -> Figure:
    """The image, then for each concept where the network looks for it (bright: strong evidence, dark: none).

    From `nblib.training.explain`: pixels (size, size, 3) uint8, and for each concept a map (size, size) from 0 to 1.
    """
    names = ["the image", *map(name_of, maps)]
    figure, panels = picture_panels([1] * len(names), names, [[]] * len(names), across=len(names))
    for ax in panels:
        ax.imshow(pixels)
    for ax, places in zip(panels[1:], maps.values(), strict=True):
        ax.imshow(places, cmap="inferno", vmin=0, vmax=1, alpha=0.55)
    return figure


def draw_ablation(tables: Mapping[str, pd.DataFrame], data: str = "", ax: Axes | None = None) -> Axes:
    """F1 of each configuration with its 95 % interval, one mark per way of splitting (`run_ablation`)."""
    names = max((list(table["configuration"]) for table in tables.values()), key=len)
    ax = ax or axes_of_size(9, 1.2 + 0.36 * len(names))
    for number, (way, rows) in enumerate(tables.items()):
        places = np.array([names.index(name) for name in rows["configuration"]]) + 0.24 * (number - 0.5)
        ax.hlines(places, rows["low"], rows["high"], color=f"C{number}", linewidth=2)
        ax.plot(rows["f1"], places, "oD"[number % 2], color=f"C{number}", label=way)
    ax.set_yticks(np.arange(len(names)), names)
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel="F1 over images, 95 % interval")
    ax.set_title(titled("Each change alone, and all together", data))
    ax.legend(loc="lower left")
    return ax
