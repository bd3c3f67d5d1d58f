"""Predict the concepts of new images with finished runs; nothing but their run folders is needed."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import (
    ConceptVocabulary,
    ImageSource,
    Problem,
    UnreadableImage,
    decode_compactly,
    stack_images,
    unlabelled_images,
)
from nblib.evaluation import CAP, Threshold, read_saved_rule
from nblib.experiments import open_finished
from nblib.system import cores
from nblib.training import load_model, predict_batch

Images = str | Path | Iterable[str | Path]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was predicted of N images, in a label space of K concepts.

    Attributes:
        image_ids: one per image.
        probabilities: (N, K) float32.
        selected: (N, K) sparse, 0 and 1: the concepts that the decision rule selected.
        vocabulary: the K concepts.
        names: concept -> its name, where it is known.
        problems: what could not be read.
    """

    image_ids: tuple[str, ...]
    probabilities: np.ndarray
    selected: sparse.csr_array
    vocabulary: ConceptVocabulary
    names: dict[str, str]
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def table(self) -> pd.DataFrame:
        """One row per image: image_id, and as tuples its concepts, the most probable first, names, probabilities."""
        rows = []
        for image_id, probabilities, selected in zip(self.image_ids, self.probabilities, self.selected, strict=True):
            chosen = selected.indices[np.argsort(-probabilities[selected.indices], kind="stable")]
            concepts = tuple(self.vocabulary.concepts[sigmoid] for sigmoid in chosen)
            names = tuple(self.names.get(concept, "") for concept in concepts)
            rows.append((image_id, concepts, names, tuple(probabilities[chosen].tolist())))
        return pd.DataFrame(rows, columns=["image_id", "concepts", "names", "probabilities"])


class Predictor:
    """A finished run, or the mean of several, as a function from images to concepts.

        predictor = Predictor("runs/sample/03_vgg16_flipped/val1")
        predictor("new_images").table

    Args:
        folders: run folders, of the same vocabulary.
        rule: a name in `nblib.evaluation.RULES`: the rule that was fitted on the run and is saved in it, by default the
            paper's threshold of 0.5; or what has `select(probabilities, cap, nomissing)`.
        cap: at most this many concepts per image.
        nomissing: an image without a concept gets its most probable one.

    Raises:
        FileNotFoundError: a folder has no finished run, or the run has no such rule.
        ValueError: the runs have different vocabularies, or a fitted rule is asked of several of them.
    """

    def __init__(self, *folders: str | Path, rule="threshold", cap: int = CAP, nomissing: bool = False):
        self.runs = [open_finished(folder) for folder in folders]
        self.vocabulary, self.names = self.runs[0].vocabulary, self.runs[0].concepts["name"].to_dict()
        for run in self.runs[1:]:
            if run.vocabulary != self.vocabulary:
                raise ValueError(f"{run.folder} and {self.runs[0].folder} have different vocabularies; their "
                                 f"probabilities can't be averaged.")  # fmt: skip
        self.rule, self.cap, self.nomissing = self._named(rule) if isinstance(rule, str) else rule, cap, nomissing
        self._models = [load_model(run) for run in self.runs]
        self._sizes = sorted({run.experiment.image_size for run in self.runs})
        self.batch_size = self.runs[0].experiment.batch_size

    def __call__(self, images: Images) -> Predictions:
        """The predictions of all images in a folder, file or archive (see `unlabelled_images`), or in several of them.

        What can't be read is among their `problems`; the other images are predicted.
        """
        return _concatenated([self._predicted([], []), *self.blocks(images)])

    def blocks(self, images: Images) -> Iterator[Predictions]:
        """The predictions batch by batch, in order: memory does not grow with the number of images."""
        places = [images] if isinstance(images, str | Path) else images
        decoded = self._decoded(chain.from_iterable(map(unlabelled_images, places)))
        problems = []
        good = (item for item in decoded if not isinstance(item, Problem) or problems.append(item))
        while (batch := list(islice(good, self.batch_size))) or problems:
            yield self._predicted(batch, problems)
            problems.clear()

    def _named(self, rule: str):
        """The rule of this name as it was fitted on the run."""
        if rule == "threshold":
            return Threshold()
        if len(self.runs) > 1:
            raise ValueError(f"rule {rule!r} was fitted on the probabilities of one run, not on the mean of several; "
                             f"predict with one of them, or choose a threshold.")  # fmt: skip
        return read_saved_rule(self.runs[0].folder, rule, len(self.vocabulary))

    def _decoded(self, found: Iterable) -> Iterator:
        """For each image its image_id and pixels, or a Problem; in order, decoded ahead on all cores."""
        with ThreadPoolExecutor(cores()) as workers:
            waiting = deque()
            for item in found:
                waiting.append(workers.submit(self._decode, item))
                if len(waiting) > 2 * self.batch_size:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _decode(self, item: tuple[str, ImageSource] | Problem) -> tuple[str, dict[int, np.ndarray]] | Problem:
        """image_id and size -> pixels."""
        if isinstance(item, Problem):
            return item
        image_id, source = item
        try:
            return image_id, {size: decode_compactly(source, size) for size in self._sizes}
        except UnreadableImage as error:
            return Problem(str(source), f"{error.why}; not predicted.", image_id=image_id)

    def _predicted(self, batch: list[tuple[str, dict[int, np.ndarray]]], problems: list[Problem]) -> Predictions:
        probabilities = self._probabilities([pixels for _, pixels in batch])
        selected = self.rule.select(probabilities, self.cap, self.nomissing)
        image_ids = tuple(image_id for image_id, _ in batch)
        return Predictions(image_ids, probabilities, selected, self.vocabulary, self.names, tuple(problems))

    def _probabilities(self, images: list[dict[int, np.ndarray]]) -> np.ndarray:
        """The mean over the runs, (n, K) float32."""
        if not images:
            return np.empty((0, len(self.vocabulary)), np.float32)
        predicted = []
        for run, model in zip(self.runs, self._models, strict=True):
            size = run.experiment.image_size
            predicted.append(predict_batch(model, stack_images([pixels[size] for pixels in images], size)))
        return np.mean(predicted, axis=0)


def _concatenated(blocks: list[Predictions]) -> Predictions:
    image_ids = tuple(chain.from_iterable(block.image_ids for block in blocks))
    problems = tuple(chain.from_iterable(block.problems for block in blocks))
    probabilities = np.concatenate([block.probabilities for block in blocks])
    selected = sparse.vstack([block.selected for block in blocks], format="csr")
    return replace(blocks[0], image_ids=image_ids, probabilities=probabilities, selected=selected, problems=problems)
