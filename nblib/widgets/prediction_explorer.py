"""A walk through predictions, image by image, with a hand on the threshold."""

from html import escape

import numpy as np
import pandas as pd
from ipywidgets import HTML, BoundedIntText, Button, Dropdown, FloatSlider, HBox, Layout, Text, VBox

from nblib.data import ConceptVocabulary, Dataset, image_sizes
from nblib.evaluation import CAP
from nblib.figures import concept_label
from nblib.widgets.pictures import EVERYTHING, inline_picture

ORDERS = ("worst first", "best first", "as listed")
PICTURE_SIDE = 360  # pixels of the picture's longest side on the page
COLOURS = {"right": "#0173b2", "missed": "#de8f05", "wrong": "#949494"}  # of seaborn's colour-blind palette


def explore_predictions(
    dataset: Dataset, vocabulary: ConceptVocabulary, image_ids: np.ndarray, probabilities: np.ndarray
) -> VBox:
    """Controls over predicted images: threshold, order, category, search; each with its picture and concepts."""
    return PredictionExplorer(dataset, vocabulary, image_ids, probabilities).box


class PredictionExplorer:
    """The explorer's controls and what they show.

    `threshold` changes what is selected, at most 100 concepts an image, and with it `f1`, (N,), and `told`; the image
    that is shown stays. `order`, `category` and `search` (image, CUI or name of a true concept) choose the images that
    `previous`, `following` and `number` walk through. `answers` is the shown image's table: concept, name, probability,
    and whether it is right, missed or wrong.

    Args:
        dataset: where the images and their true concepts are.
        vocabulary: K concepts.
        image_ids: (N,) of the predicted images.
        probabilities: (N, K), theirs.
    """

    def __init__(
        self, dataset: Dataset, vocabulary: ConceptVocabulary, image_ids: np.ndarray, probabilities: np.ndarray
    ):
        self.dataset, self.vocabulary, self.probabilities = dataset, vocabulary, probabilities
        self.images = dataset.images.set_index("image_id").loc[list(image_ids)].reset_index()
        self.labels = vocabulary.encode(self.images["concepts"])
        self.true = np.diff(self.labels.indptr)
        # Whatever the threshold, only an image's most probable concepts can be selected: they are sorted once.
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :CAP]
        self.most_probable = np.take_along_axis(probabilities, best, axis=1)
        self.most_probable_are_true = np.take_along_axis(self.labels.toarray(), best, axis=1).astype(bool)
        self.texts = [self._searchable(row) for row in self.images.itertuples()]
        self.chosen, self.shown, self.answers = np.arange(len(self.images)), 0, pd.DataFrame()
        self._make_controls()
        self.box = self._laid_out()
        self._listen()
        self._decide()

    def _make_controls(self) -> None:
        known = self.images["category"].dropna().unique()
        self.threshold = FloatSlider(0.5, min=0.01, max=0.99, step=0.01, description="threshold")
        self.order = Dropdown(options=ORDERS, description="order")
        self.category = Dropdown(options=[EVERYTHING, *sorted(known)], description="category")
        self.search = Text(description="search", placeholder="image, CUI or name")
        self.previous = Button(icon="arrow-left", tooltip="previous image", layout=Layout(width="4em"))
        self.following = Button(icon="arrow-right", tooltip="next image", layout=Layout(width="4em"))
        self.number = BoundedIntText(1, min=1, max=1, layout=Layout(width="6em"))
        self.told, self.pages, self.picture, self.figure = (HTML() for _ in range(4))

    def _laid_out(self) -> VBox:
        return VBox(
            [
                HBox([self.threshold, self.told]),
                HBox([self.order, self.category, self.search]),
                HBox([self.previous, self.following, self.number, self.pages]),
                HBox([self.picture, self.figure]),
            ]
        )

    def _listen(self) -> None:
        self.threshold.observe(self._decide, "value")
        for control in (self.order, self.category, self.search):
            control.observe(lambda _: self._choose(), "value")
        self.number.observe(self._turn, "value")
        self.previous.on_click(lambda _: self._step(-1))
        self.following.on_click(lambda _: self._step(1))

    def _decide(self, change=None) -> None:
        """Selects what is above the threshold, and scores it; the image that is shown stays."""
        kept = self.most_probable > self.threshold.value
        hits = (kept & self.most_probable_are_true).sum(axis=1)
        answered = np.maximum(self.true + kept.sum(axis=1), 1)
        self.f1 = np.where(self.true > 0, 2 * hits / answered, np.nan)
        self._choose(keep=change is not None)

    def _choose(self, keep: bool = False) -> None:
        """Takes the images of the category and the search, in the order that is asked for."""
        sought = self.search.value.strip().casefold()
        wanted = np.array([sought in text for text in self.texts], dtype=bool)
        if self.category.value != EVERYTHING:
            wanted &= (self.images["category"] == self.category.value).to_numpy(dtype=bool)
        key = {"worst first": self.f1, "best first": -self.f1}.get(self.order.value, np.zeros(len(self.f1)))
        order = np.argsort(key, kind="stable")  # images without F1 come last
        self.chosen = order[wanted[order]]
        scored = self.f1[self.chosen]
        mean = f"{np.nanmean(scored):.3f}" if np.isfinite(scored).any() else "none"
        self.told.value = f"F1 {mean} over {len(self.chosen):,} images"
        place = np.flatnonzero(self.chosen == self.shown) if keep else []
        self._go_to(int(place[0]) if len(place) else 0)

    def _go_to(self, place: int) -> None:
        """Sets the number without being told of it, then shows its image."""
        self.number.unobserve(self._turn, "value")
        self.number.max = max(len(self.chosen), 1)
        self.number.value = place + 1
        self.number.observe(self._turn, "value")
        self._turn()

    def _step(self, step: int) -> None:
        self.number.value = min(max(self.number.value + step, 1), self.number.max)

    def _turn(self, _=None) -> None:
        """Shows the chosen image of the present number."""
        place = self.number.value - 1
        self.previous.disabled, self.following.disabled = place == 0, place + 1 >= len(self.chosen)
        self.pages.value = f"of {len(self.chosen):,} images"
        if not len(self.chosen):
            self.answers = pd.DataFrame()
            self.picture.value, self.figure.value = "No image is chosen; widen the choice.", ""
            return
        self.shown = int(self.chosen[place])
        (row,) = image_sizes(self.images.iloc[[self.shown]]).itertuples()
        told = ", ".join(escape(str(word)) for word in (row.split, row.category) if word)
        self.picture.value = (
            f"{inline_picture(row, PICTURE_SIDE)}<div><b>{escape(row.image_id)}</b> {told}; {self._score()}</div>"
        )
        self.answers = self._answers()
        self.figure.value = _bars(self.answers, self.threshold.value)

    def _score(self) -> str:
        f1 = self.f1[self.shown]
        return "no true concept" if np.isnan(f1) else f"F1 {f1:.2f}"

    def _answers(self) -> pd.DataFrame:
        """The shown image's true and selected concepts, most probable first."""
        probabilities = self.probabilities[self.shown]
        true = np.zeros(len(probabilities), dtype=bool)
        true[self.labels[[self.shown]].indices] = True
        best = np.argsort(-probabilities, kind="stable")
        kept = np.zeros_like(true)
        kept[best[:CAP]] = probabilities[best[:CAP]] > self.threshold.value
        told = best[(true | kept)[best]]
        concepts = [self.vocabulary.concepts[position] for position in told]
        answer = np.select([true & kept, true], ["right", "missed"], "wrong")[told]
        labels = [concept_label(concept, self.dataset.name_of) for concept in concepts]
        return pd.DataFrame({"concept": concepts, "name": labels, "probability": probabilities[told], "answer": answer})

    def _searchable(self, row) -> str:
        names = (f"{concept} {self.dataset.name_of(concept)}" for concept in row.concepts)
        return " ".join((row.image_id, *names)).casefold()


def _bars(answers: pd.DataFrame, threshold: float) -> str:
    """The probabilities of an image's concepts as SVG bars, coloured and named by answer, the threshold dashed."""
    row = (
        "<text x='300' y='{y}' text-anchor='end'>{label}</text>"
        "<rect x='308' y='{top}' width='{width:.1f}' height='12' fill='{colour}'/>"
        "<text x='576' y='{y}'>{probability:.2f} {answer}</text>"
    )
    rows = []
    for number, (_, label, probability, answer) in enumerate(answers.itertuples(index=False)):
        width, y = 260 * probability, 24 + 17 * number
        rows.append(
            row.format(y=y, top=y - 10, width=width, label=escape(label), answer=answer,
                       colour=COLOURS[answer], probability=probability)
        )  # fmt: skip
    height, place = 30 + 17 * len(answers), 308 + 260 * threshold
    line = (
        f"<line x1='{place:.1f}' x2='{place:.1f}' y1='6' y2='{height - 6}' stroke='currentColor' stroke-dasharray='4'/>"
    )
    return f"<svg width='680' height='{height}' font-size='12' fill='currentColor'>{''.join(rows)}{line}</svg>"
