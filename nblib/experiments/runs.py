"""The run folder: one experiment on one validation half, what is written when, and how it is read back.

runs/<experiment_name>/<val1, val2 or all>/
    experiment.json       first: its parameters, the data's fingerprint, versions, machine
    vocabulary.txt        first: the concept of each sigmoid, one per line
    concepts.csv          first: concept, name where it is known, and in how many images of train it is
    backbone.json         of a backbone of KerasHub: what it is, so that it can be built without its preset
    history.csv           after every epoch: loss, F1, accuracy, learning rate, seconds
    best.weights.h5       after every epoch that is the best so far; where all images are trained on, after every epoch
    state.npz             after every epoch: all that is needed to go on; gone once finished
    host.txt              while a process has the run: the name of its machine
    tensorboard/          after every epoch, where the experiment says so: the history for TensorBoard
    probabilities/*.npz   at the end: image_ids and probabilities, (N, K), of val1 and val2, unless they were trained
                          on; later of test, with the fingerprint of the test images
    scores.json           at the end: a run that has it is finished
    concept_scores.csv    last: how well each concept was found in the test half, at threshold 0.5
    category_scores.csv   last: F1 of the test half by category, at threshold 0.5
    rules/*.json          last: decision rules, with their calibration, fitted on the validation half
    submissions/*         what notebook 06 wrote for the challenge, each with its record (`nblib.reports.submissions`)
    notebook.ipynb        the executed notebook, where papermill writes it here

With `force` a conflicting or finished run is archived: its folder is renamed to <val1, val2 or all>_archived_<date>.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nblib.data import ConceptVocabulary, Dataset, Examples
from nblib.experiments.experiment import Experiment
from nblib.experiments.run_files import (
    naming_damage,
    read_arrays,
    read_category_scores,
    read_concept_scores,
    read_concepts,
    read_facts,
    read_history,
    read_probabilities,
    read_scores,
    read_vocabulary,
)
from nblib.system import remove_leftovers, replacing, take_lock, write_json

PARTS = {
    read_vocabulary: "vocabulary.txt",
    read_concepts: "concepts.csv",
    read_concept_scores: "concept_scores.csv",
    read_category_scores: "category_scores.csv",
    read_history: "history.csv",
    read_scores: "scores.json",
}


@dataclass(frozen=True)
class Run:
    """A run folder; its attributes are read from disk when they are used."""

    folder: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Content of experiment.json: experiment, identity, data (their name), fingerprints, provenance."""
        return read_facts(self.folder / "experiment.json")

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment as it was validated."""
        parameters = self.facts["experiment"]
        with naming_damage(self.folder / "experiment.json"):
            return Experiment(**parameters)

    @cached_property
    def vocabulary(self) -> ConceptVocabulary:
        """The concepts of its sigmoids."""
        return read_vocabulary(self.folder / "vocabulary.txt")

    @property
    def damage(self) -> str | None:
        """Why it can't be read and what to do, in a sentence; None if it can. Arrays and weights are not looked at."""
        try:
            _ = self.experiment
            for read, name in PARTS.items():
                if (path := self.folder / name).exists():
                    read(path)
        except (OSError, ValueError) as error:
            return str(error)
        return None

    @cached_property
    def concepts(self) -> pd.DataFrame:
        """One row per concept of the vocabulary: name, images of train; without rows in runs of older versions."""
        return read_concepts(self.folder / "concepts.csv")

    @cached_property
    def concept_scores(self) -> pd.DataFrame:
        """One row per concept, from `nblib.evaluation.concept_scores` on the test half; without rows where none is.

        None is in runs of older versions, and in those that are trained on all images.
        """
        return read_concept_scores(self.folder / "concept_scores.csv")

    @cached_property
    def category_scores(self) -> pd.DataFrame:
        """One row per category, from `nblib.evaluation.f1_by_category` on the test half; or none, as above."""
        return read_category_scores(self.folder / "category_scores.csv")

    @property
    def started(self) -> bool:
        """True once experiment.json is written."""
        return (self.folder / "experiment.json").is_file()

    @property
    def finished(self) -> bool:
        """True once scores.json is written."""
        return (self.folder / "scores.json").is_file()

    @property
    def running(self) -> bool | None:
        """Whether a process trains it; None where it had one and its locks are not seen here: it may still run.

        So it is with a shared folder that does not share locks, and with systems that have none, such as Windows.
        """
        if self.finished or not self.started:
            return False
        with (self.folder / "experiment.json").open("rb") as file:
            free = take_lock(file, shared=True)
        if free is False:
            return True
        return False if self.host is None or (free and self.host == socket.gethostname()) else None

    @property
    def host(self) -> str | None:
        """The machine that trains it, or whose training was killed; None if there is none."""
        path = self.folder / "host.txt"
        return path.read_text(encoding="utf-8", errors="replace")[:100] if path.is_file() else None

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch (from 1), learning_rate, seconds; loss, f1 and accuracy of train, and as `val_...`.

        An older run has no accuracy; one trained on all images has no `val_...`. Where the experiment has another
        `monitor` than f1, it is there as `monitored`: the higher the better.
        """
        return read_history(self.folder / "history.csv")

    @property
    def scores(self) -> dict[str, Any]:
        """Best epoch, F1 of the validation and test half, of the most frequent concepts, epochs, seconds.

        A run trained on all images has only the last two: no figure is claimed on images that it has seen.
        """
        return read_scores(self.folder / "scores.json")

    def require(self, dataset: Dataset) -> None:
        """Raises ValueError unless the run was trained on exactly these data."""
        if dataset.fingerprint != self.facts["data_fingerprint"]:
            raise ValueError(
                f"{self.folder} was trained on data {self.facts['data_fingerprint']}; {dataset.folder} now holds "
                f"{dataset.fingerprint}. Restore images, concepts and split of train and validation, or train again "
                f"under another name; so must an older run, whose fingerprint still covered the test images."
            )

    def has_probabilities(self, name: str) -> bool:
        """Whether probabilities of `name` (val1, val2 or test) were predicted and written."""
        return self._probabilities_file(name).is_file()

    def has_predicted_test(self, dataset: Dataset) -> bool:
        """Whether probabilities of exactly these test images were predicted and written, and can be read."""
        try:
            self.probabilities("test")
            arrays = read_arrays(self._probabilities_file("test"))
        except (FileNotFoundError, ValueError):
            return False
        return str(arrays.get("test_fingerprint")) == dataset.test_fingerprint

    def probabilities(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """image_ids, (N,), and probabilities, (N, K) float32, of val1, val2 or test.

        Raises:
            FileNotFoundError: they were never predicted.
            ValueError: the file is damaged; the message says how to predict them again.
        """
        if not self.has_probabilities(name):
            raise FileNotFoundError(
                f"no probabilities of {name} in {self.folder}: the run is not finished, was trained on all images, or "
                f"nblib.training.predict_test has not been called for it."
            )
        return read_probabilities(self._probabilities_file(name), len(self.vocabulary))

    def write_probabilities(
        self, name: str, image_ids: np.ndarray, probabilities: np.ndarray, test_fingerprint: str = ""
    ) -> None:
        """Writes what `probabilities(name)` reads, and of test also which images they are of."""
        arrays = {"image_ids": np.asarray(image_ids, dtype=str), "probabilities": probabilities}
        with replacing(self._probabilities_file(name)) as beside:
            np.savez(beside, **arrays, test_fingerprint=test_fingerprint)

    def write_history(self, rows: list[dict[str, float]]) -> None:
        """Writes what `history` reads."""
        with replacing(self.folder / "history.csv") as beside:
            pd.DataFrame(rows).to_csv(beside, index=False)

    def write_scores(self, scores: dict[str, Any]) -> None:
        """Writes what `scores` reads, and so marks the run as finished."""
        write_json(self.folder / "scores.json", scores)

    def write_concept_scores(self, table: pd.DataFrame) -> None:
        """Writes what `concept_scores` reads."""
        with replacing(self.folder / "concept_scores.csv") as beside:
            table.to_csv(beside)

    def write_category_scores(self, table: pd.DataFrame) -> None:
        """Writes what `category_scores` reads."""
        with replacing(self.folder / "category_scores.csv") as beside:
            table.to_csv(beside)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the run for this process, and removes what a killed process left half-written.

        The lock is on experiment.json; it is released when the block or the process ends, however that happens.
        Meanwhile host.txt names this machine, for others that do not see its locks; a killed process leaves it.

        Raises:
            RuntimeError: another process has the lock.
        """
        with self.exclusive():
            (self.folder / "host.txt").write_text(socket.gethostname(), encoding="utf-8")
            try:
                yield
            finally:
                (self.folder / "host.txt").unlink(missing_ok=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """The lock of `lock`, which raises as it does, without host.txt: for a run that is moved."""
        with (self.folder / "experiment.json").open("r+b") as file:
            locked = take_lock(file)  # None where the system has no locks: two processes are not kept apart there
            if locked is False:
                time.sleep(0.1)  # to ask whether a run is running takes its lock for a moment
                locked = take_lock(file)
            if locked is False:
                raise RuntimeError(f"{self.folder} is being trained by another process; wait for it, or follow it with "
                                   f"`nblib watch {self.folder}`.")  # fmt: skip
            remove_leftovers(self.folder)
            yield

    def _probabilities_file(self, name: str) -> Path:
        return self.folder / "probabilities" / f"{name}.npz"


def read_half(run: Run, dataset: Dataset, name: str) -> Examples:
    """The images of val1, val2 or test with their labels and the probabilities that a finished run predicted.

    The label space is that of all concepts of the data. One without a sigmoid has probability 0, so that it counts as
    a miss in every score.

    Raises:
        ValueError: the run was trained on other data, or the file of its probabilities is damaged.
        FileNotFoundError: they were never predicted.
    """
    run.require(dataset)
    image_ids, probabilities = run.probabilities(name)
    images = dataset.images.set_index("image_id", drop=False).loc[image_ids].reset_index(drop=True)
    vocabulary = ConceptVocabulary.of([run.vocabulary.concepts, *dataset.images["concepts"]])
    return replace(Examples.of(images, vocabulary), probabilities=run.vocabulary.convert(probabilities, vocabulary))


def read_own_data(run: Run) -> Dataset | None:
    """The data that the run was trained on; None where their folder is gone, unreadable or holds other data."""
    try:
        dataset = run.experiment.read_data()
    except (OSError, ValueError):
        return None
    return dataset if dataset.fingerprint == run.facts["data_fingerprint"] else None


def best_epoch(history: pd.DataFrame) -> int:
    """The epoch, from 1, with the best validation F1: the first if several are equal; the last epoch while F1 is 0.

    Where the experiment monitors something else, the history has it as `monitored`, and its highest value decides.
    """
    values = list(history["monitored"] if "monitored" in history else history["val_f1"])
    return len(values) if max(values) == 0 else values.index(max(values)) + 1
