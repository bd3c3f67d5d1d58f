"""Votes by tuned thresholds, from L of M members on: the "dual threshold" of the second place of 2026."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from nblib.data import Examples
from nblib.ensembles.ablation import Configuration
from nblib.ensembles.ensembles import at_least, count_votes
from nblib.evaluation import sample_f1


@dataclass(frozen=True)
class TunedVotes(Configuration):
    """Each member votes by its own rule; a concept is kept that at least L members selected.

    Rules, by default a threshold per member, and then L are tuned on the same images, L for the best F1; of equal ones
    the largest. The attribute `vote` is not used.
    """

    rule: str = "tuned_threshold"

    def fit(self, tuned_on: Sequence[Examples]) -> list:
        """The rule of each member, fitted on its predictions, and L."""
        rules = super().fit(tuned_on)
        votes = self._votes(rules, tuned_on)
        f1 = [sample_f1(tuned_on[0].labels, at_least(votes, fewest)) for fewest in range(len(rules), 0, -1)]
        return [*rules, len(rules) - int(np.argmax(f1))]

    def select(self, rules: Sequence, predicted: Sequence[Examples]) -> sparse.csr_array:
        """Concepts with at least L votes, a sparse (N, K) matrix."""
        *rules, fewest = rules
        return at_least(self._votes(rules, predicted), fewest)

    def _votes(self, rules: Sequence, predicted: Sequence[Examples]) -> sparse.csr_array:
        pairs = zip(rules, predicted, strict=True)
        return count_votes([rule.select(each.probabilities, nomissing=self.nomissing) for rule, each in pairs])
