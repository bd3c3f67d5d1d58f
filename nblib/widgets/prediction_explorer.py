"""Browse predictions image by image, with a slider for the threshold; `nblib.evaluation` selects and scores."""

from html import escape

import numpy as np
import pandas as pd
from ipywidgets import HTML, BoundedIntText, Dropdown, FloatSlider, HBox, Layout, Text, VBox

from nblib.data import Dataset, Examples, image_sizes
from nblib.evaluation import f1_per_image, select
from nblib.figures import concept_label
from nblib.widgets.inline import BLUE, EVERYTHING, GREY, ORANGE, arrows, inline_bars, inline_picture

ORDERS = ("worst first", "best first", "as listed")
PICTURE_SIDE = 360  # pixels of the picture's longest side on the page
COLOURS = {"right": BLUE, "missed": ORANGE, "wrong": GREY}


def explore_predictions(dataset: Dataset, examples: Examples) -> VBox:
    """Controls over predicted images: threshold, order, category, search; each with its picture and concepts.

    Args:
        dataset: has the names of the concepts.
        examples: images of the data set with their probabilities, as from `nblib.experiments.read_half`.
    """
    return PredictionExplorer(dataset, examples).box


class PredictionExplorer:
    """The explorer's controls over N images with labels and probabilities, and what they show.

    `threshold` changes what is selected, at most 100 concepts per image, and with it `f1`, (N,), and `summary`; the
    image that is shown stays. `order`, `category` and `search` (image, CUI or name of a true concept) choose the images
    that `previous`, `next` and `number` step through. `answers` is the shown image's table: concept, label,
    probability, and whether it is right, missed or wrong.
    """

    def __init__(self, dataset: Dataset, examples: Examples):
        self.dataset, self.examples = dataset, examples
        self.texts = [self._searchable(row) for row in examples.images.itertuples()]
        self.order_shown, self.shown, self.answers = np.arange(len(examples)), 0, pd.DataFrame()
        self.summary, self.pages, self.picture, self.figure = (HTML() for _ in range(4))
        self._make_controls()
        rows = [
            [self.threshold, self.summary],
            [self.order, self.category, self.search],
            [self.previous, self.next, self.number, self.pages],
            [self.picture, self.figure],
        ]
        self.box = VBox([*map(HBox, rows)])
        self._select()

    def _make_controls(self) -> None:
        known = self.examples.images["category"].dropna().unique()
        self.threshold = FloatSlider(0.5, min=0.01, max=0.99, step=0.01, description="threshold")
        self.threshold.observe(self._select, "value")
        self.order = Dropdown(options=ORDERS, description="order")
        self.category = Dropdown(options=[EVERYTHING, *sorted(known)], description="category")
        self.search = Text(description="search", placeholder="image, CUI or name")
        for control in (self.order, self.category, self.search):
            control.observe(lambda _: self._filter(), "value")
        self.previous, self.next = arrows("image", self._step)
        self.number = BoundedIntText(1, min=1, max=1, layout=Layout(width="6em"))
        self.number.observe(self._turn, "value")

    def _select(self, change=None) -> None:
        """Selects what is above the threshold, and scores it; the image that is shown stays."""
        self.selected = select(self.examples.probabilities, self.threshold.value)
        self.f1 = f1_per_image(self.examples.labels, self.selected)
        self._filter(stay=change is not None)

    def _filter(self, stay: bool = False) -> None:
        """Takes the images of the category and the search, in the chosen order."""
        sought = self.search.value.strip().casefold()
        wanted = np.array([sought in text for text in self.texts], dtype=bool)
        if self.category.value != EVERYTHING:
            wanted &= self.examples.categories == self.category.value
        key = {"worst first": self.f1, "best first": -self.f1}.get(self.order.value, np.zeros(len(self.f1)))
        order = np.argsort(key, kind="stable")  # images without F1 come last
        self.order_shown = order[wanted[order]]
        scored = self.f1[self.order_shown]
        mean = f"{np.nanmean(scored):.3f}" if np.isfinite(scored).any() else "none"
        self.summary.value = f"F1 {mean} over {len(self.order_shown):,} images"
        place = np.flatnonzero(self.order_shown == self.shown) if stay else []
        self.number.unobserve(self._turn, "value")
        self.number.max = max(len(self.order_shown), 1)
        self.number.value = int(place[0]) + 1 if len(place) else 1
        self.number.observe(self._turn, "value")
        self._turn()

    def _step(self, step: int) -> None:
        self.number.value += step  # stays within its bounds

    def _turn(self, _=None) -> None:
        """Shows the image of the present number."""
        place = self.number.value - 1
        self.previous.disabled, self.next.disabled = place == 0, place + 1 >= len(self.order_shown)
        self.pages.value = f"of {len(self.order_shown):,} images"
        if not len(self.order_shown):
            self.answers = pd.DataFrame()
            self.picture.value, self.figure.value = "No image matches; widen the filters.", ""
            return
        self.shown = int(self.order_shown[place])
        (row,) = image_sizes(self.examples.images.iloc[[self.shown]]).itertuples()
        f1 = self.f1[self.shown]
        facts = [escape(str(fact)) for fact in (row.split, row.category) if fact]
        facts.append("no true concept" if np.isnan(f1) else f"F1 {f1:.2f}")
        caption = f"<div><b>{escape(row.image_id)}</b> {', '.join(facts)}</div>"
        self.picture.value = inline_picture(row, PICTURE_SIDE) + caption
        self.answers = self._answers()
        answers = self.answers.itertuples(index=False)
        bars = ((label, p, f"{p:.2f} {answer}", COLOURS[answer]) for _, label, p, answer in answers)
        self.figure.value = inline_bars(bars, threshold=self.threshold.value)

    def _answers(self) -> pd.DataFrame:
        """The shown image's true and selected concepts, most probable first."""
        probabilities = self.examples.probabilities[self.shown]
        true, selected = (m[[self.shown]].toarray()[0] > 0 for m in (self.examples.labels, self.selected))
        order = np.argsort(-probabilities, kind="stable")
        order = order[(true | selected)[order]]
        concepts = [self.examples.vocabulary.concepts[position] for position in order]
        labels = [concept_label(concept, self.dataset.name_of) for concept in concepts]
        answer = np.select([true & selected, true], ["right", "missed"], "wrong")[order]
        table = {"concept": concepts, "label": labels, "probability": probabilities[order], "answer": answer}
        return pd.DataFrame(table)

    def _searchable(self, row) -> str:
        names = (f"{concept} {self.dataset.name_of(concept)}" for concept in row.concepts)
        return " ".join((row.image_id, *names)).casefold()
