import numpy as np
import pytest
from labelled import labelled

from nblib.data import ConceptVocabulary
from nblib.ensembles.ablation import Configuration, select_in_fold
from nblib.ensembles.ensembles import EVALUATED_ON, TUNED_ON
from nblib.ensembles.votes import TunedVotes
from nblib.evaluation import as_csr, sample_f1
from nblib.evaluation.decision_rules import TunedThreshold

NAMES = ("one", "two", "three")


@pytest.fixture(scope="module")
def fold():
    """Three members that miss nothing and add wrong concepts, each others; their probabilities lie in other ranges."""
    rng, vocabulary = np.random.default_rng(0), ConceptVocabulary(tuple(f"C{number:07}" for number in range(12)))
    labels = {part: rng.random((80, 12)) < 0.25 for part in (TUNED_ON, EVALUATED_ON)}

    def member(scale):
        def predict(true):
            return scale * np.where(true | (rng.random(true.shape) < 0.15), rng.uniform(0.6, 1, true.shape), 0.1)

        return {
            part: labelled(
                [f"{part}_{row}" for row in range(80)], vocabulary, as_csr(true), probabilities=predict(true)
            )
            for part, true in labels.items()
        }

    return {name: member(scale) for name, scale in zip(NAMES, (1, 0.6, 0.3), strict=True)}


def test_each_member_votes_by_its_own_threshold_and_l_is_the_best_where_it_was_tuned(fold):
    tuned_on = [fold[name][TUNED_ON] for name in NAMES]
    *rules, fewest = TunedVotes(NAMES).fit(tuned_on)
    assert rules == [TunedThreshold.fit(each.probabilities, each.labels) for each in tuned_on]
    votes = sum(each.probabilities > rule.threshold for each, rule in zip(tuned_on, rules, strict=True))
    f1 = {number: sample_f1(tuned_on[0].labels, as_csr(votes >= number)) for number in (1, 2, 3)}
    assert fewest == max(f1, key=f1.get) == 3, "wrong concepts are those of one or two members"


def test_what_is_selected_elsewhere_has_at_least_so_many_votes_and_beats_a_majority(fold):
    configuration = TunedVotes(NAMES)
    evaluated_on = [fold[name][EVALUATED_ON] for name in NAMES]
    *rules, fewest = configuration.fit([fold[name][TUNED_ON] for name in NAMES])
    votes = sum(each.probabilities > rule.threshold for each, rule in zip(evaluated_on, rules, strict=True))
    selected = select_in_fold(fold, configuration)
    assert np.array_equal(selected.toarray(), votes >= fewest)
    majority = select_in_fold(fold, Configuration(NAMES, "tuned_threshold"))
    assert sample_f1(evaluated_on[0].labels, selected) > sample_f1(evaluated_on[0].labels, majority)


def test_of_a_single_member_it_is_that_members_rule(fold):
    alone = select_in_fold(fold, TunedVotes(("two",)))
    assert (alone != select_in_fold(fold, Configuration(("two",), "tuned_threshold"))).nnz == 0
