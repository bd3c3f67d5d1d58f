"""Predict the concepts of new images with finished runs; nothing but their run folders is needed."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data import (
    ConceptVocabulary,
    ImageSource,
    Problem,
    UnreadableImage,
    check_image,
    decode_compactly,
    stack_images,
    unlabelled_images,
)
from nblib.evaluation import CAP, Threshold, read_saved_rule
from nblib.experiments import Run, open_finished
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
        problems: what could not be read; and, not serious, in what way an odd image was read.
        sources: where each image is.
    """

    image_ids: tuple[str, ...]
    probabilities: np.ndarray
    selected: sparse.csr_array
    vocabulary: ConceptVocabulary
    names: dict[str, str]
    problems: tuple[Problem, ...] = ()
    sources: tuple[ImageSource, ...] = ()

    def __len__(self) -> int:
        return len(self.image_ids)

    def name_of(self, concept: str) -> str:
        """The name of a concept, or the concept itself where its name is not known."""
        return self.names.get(concept) or concept

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


class Decoded(NamedTuple):
    """An image with its pixels by size, none if it can't be read, and what is wrong or odd about it."""

    image_id: str
    source: ImageSource | None
    pixels: dict[tuple[int, str], np.ndarray]
    problems: list[Problem]


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
        self._sizes = sorted({_size_of(run) for run in self.runs})
        self.batch_size = self.runs[0].experiment.batch_size

    def __call__(self, images: Images) -> Predictions:
        """The predictions of all images in a folder, file or archive (see `unlabelled_images`), or in several of them.

        What can't be read is among their `problems`; all other images are predicted.
        """
        return _concatenated([self._predicted([], []), *self.blocks(images)])

    def blocks(self, images: Images) -> Iterator[Predictions]:
        """The predictions batch by batch, in order: memory does not grow with the number of images."""
        places = [images] if isinstance(images, str | Path) else images
        found = chain.from_iterable(map(unlabelled_images, places))
        return chain.from_iterable(blocks for _, blocks in self.grouped([(None, found)]))

    def predict_source(self, image_id: str, source: ImageSource) -> Predictions:
        """The prediction of one image, wherever its bytes are; none, and why, where it can't be read."""
        ((_, blocks),) = ((key, list(blocks)) for key, blocks in self.grouped([(None, [(image_id, source)])]))
        return _concatenated([self._predicted([], []), *blocks])

    def grouped(
        self, groups: Iterable[tuple[Any, Iterable[tuple[str, ImageSource] | Problem]]]
    ) -> Iterator[tuple[Any, Iterator[Predictions]]]:
        """Each group's key with the predictions of its images, batch by batch; to be used up before the next is taken.

        While the last batches of a group are predicted, the first images of the next one are decoded.
        """
        for key, decoded in groupby(self._decoded(groups), itemgetter(0)):
            yield key, self._batches(image for _, image in decoded if image)

    def _batches(self, decoded: Iterator["Decoded"]) -> Iterator[Predictions]:
        problems = []
        good = (image for image in decoded if problems.extend(image.problems) or image.pixels)
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

    def _decoded(self, groups: Iterable) -> Iterator[tuple[Any, "Decoded | None"]]:
        """Key and image, in order, decoded ahead on all cores; a None ends each group, also one without images."""
        with ThreadPoolExecutor(cores()) as workers:
            waiting = deque()
            for key, found in groups:
                for item in chain(found, [None]):
                    waiting.append((key, workers.submit(self._decode, item)))
                    if len(waiting) > 2 * self.batch_size:
                        yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())

    def _decode(self, item: tuple[str, ImageSource] | Problem | None) -> "Decoded | None":
        if item is None:
            return None
        if isinstance(item, Problem):
            return Decoded("", None, {}, [item])
        image_id, source = item
        try:
            pixels = {size: decode_compactly(source, *size) for size in self._sizes}
        except UnreadableImage as error:
            why = error.why.removeprefix(f"{source} ")
            return Decoded(image_id, source, {}, [Problem(str(source), f"{why}; not predicted.", True, image_id)])
        notes = [problem for problem in check_image(image_id, source) if not problem.serious]
        return Decoded(image_id, source, pixels, notes)

    def _predicted(self, batch: list["Decoded"], problems: list[Problem]) -> Predictions:
        probabilities = self._probabilities([image.pixels for image in batch])
        selected = self.rule.select(probabilities, self.cap, self.nomissing)
        image_ids, sources = (tuple(getattr(image, name) for image in batch) for name in ("image_id", "source"))
        return Predictions(image_ids, probabilities, selected, self.vocabulary, self.names, tuple(problems), sources)

    def _probabilities(self, images: list[dict[tuple[int, str], np.ndarray]]) -> np.ndarray:
        """The mean over the runs, (n, K) float32."""
        if not images:
            return np.empty((0, len(self.vocabulary)), np.float32)
        predicted = []
        for run, model in zip(self.runs, self._models, strict=True):
            size = _size_of(run)
            predicted.append(predict_batch(model, stack_images([pixels[size] for pixels in images], size[0])))
        return np.mean(predicted, axis=0)


def _size_of(run: Run) -> tuple[int, str]:
    """To what its images are resized, and how."""
    return run.experiment.image_size, run.experiment.resize


def _result(key: Any, decoded: Future) -> tuple[Any, Any]:
    return key, decoded.result()


def _concatenated(blocks: list[Predictions]) -> Predictions:
    names = ("image_ids", "problems", "sources")
    joined = {name: tuple(chain.from_iterable(getattr(block, name) for block in blocks)) for name in names}
    probabilities = np.concatenate([block.probabilities for block in blocks])
    selected = sparse.vstack([block.selected for block in blocks], format="csr")
    return replace(blocks[0], probabilities=probabilities, selected=selected, **joined)
