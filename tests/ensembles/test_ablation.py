"""Members of two folds: what was tuned on the images of one is evaluated on those of the other, and nothing else is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from labelled import labelled
from scipy import sparse

from nblib.data import ConceptVocabulary
from nblib.ensembles.ablation import (
    Choice,
    Configuration,
    ablation_table,
    out_of_fold,
    pool_members,
    run_ablation,
    select_in_fold,
    select_out_of_fold,
    select_test,
)
from nblib.ensembles.ensembles import EVALUATED_ON, TEST, TUNED_ON
from nblib.evaluation import as_csr, compare_f1, f1_per_image, sample_f1
from nblib.evaluation.decision_rules import TunedThreshold

CONFIGURATIONS = {
    "as it is": Configuration(("sure",)),
    "tuned": Configuration(("unsure",), "tuned_threshold"),
    "chance": Configuration(("chance",)),
    "all of them": Configuration(("sure", "unsure"), "tuned_threshold", "union"),
}
VOCABULARY = ConceptVocabulary(tuple(f"C{number:07}" for number in range(12)))


@pytest.fixture(scope="module")
def parts():
    rng = np.random.default_rng(0)
    numbers = {"a": 40, "b": 41, TEST: 30}
    return {
        name: labelled([f"{name}_{row}" for row in range(number)], VOCABULARY, as_csr(rng.random((number, 12)) < 0.3))
        for name, number in numbers.items()
    }


@pytest.fixture(scope="module")
def groups(parts):
    """Pairs of images."""
    names = [image_id for fold in "ab" for image_id in parts[fold].image_ids]
    return pd.Series(np.arange(len(names)) // 2, names)


@pytest.fixture(scope="module")
def members(parts):
    """`sure` knows the truth; `unsure` too, but is never above 0.4, or 0.2 in fold a."""
    rng = np.random.default_rng(1)

    def in_fold(evaluated_on, predict):
        parts_of_fold = {TUNED_ON: "b" if evaluated_on == "a" else "a", EVALUATED_ON: evaluated_on, TEST: TEST}
        return {
            part: replace(parts[name], probabilities=predict(parts[name].labels.toarray()))
            for part, name in parts_of_fold.items()
        }

    return {
        "b": {
            "sure": in_fold("b", lambda labels: 0.9 * labels),
            "unsure": in_fold("b", lambda labels: 0.4 * labels),
            "chance": in_fold("b", lambda labels: rng.random(labels.shape)),
        },
        "a": {"sure": in_fold("a", lambda labels: 0.9 * labels), "unsure": in_fold("a", lambda labels: 0.2 * labels)},
    }


def test_a_configuration_is_tuned_on_some_images_and_selects_on_the_others(members, parts):
    assert sample_f1(parts["b"].labels, select_in_fold(members["b"], CONFIGURATIONS["tuned"])) == 1
    assert sample_f1(parts["b"].labels, select_in_fold(members["b"], Configuration(("unsure",)))) < 1


def test_f1_is_that_of_all_folds_together_where_their_members_exist(members, parts):
    table = run_ablation(CONFIGURATIONS, members).set_index("configuration")
    assert list(table.index) == list(CONFIGURATIONS)
    assert table.loc[["as it is", "tuned"], "f1"].tolist() == [1, 1]
    assert table["images"].tolist() == [81, 81, 41, 81]  # chance is a member of one fold only
    row = table.loc["chance"]
    scores = f1_per_image(parts["b"].labels, select_in_fold(members["b"], CONFIGURATIONS["chance"]))
    assert row["f1"] == pytest.approx(np.nanmean(scores)) and row["low"] < row["f1"] < row["high"]
    assert row["gain"] == pytest.approx(row["f1"] - 1) and row["gain_high"] < 0


def test_intervals_resample_groups_where_they_are_given(members, groups):
    half = {"half": Configuration(("unsure",), "top_k"), "chance": CONFIGURATIONS["chance"]}
    table = run_ablation(half, members, groups).set_index("configuration")
    labels = out_of_fold(members, "unsure").labels
    f1 = f1_per_image(labels, select_out_of_fold(members, half["half"]))
    expected = compare_f1({"half": f1}, groups=groups.loc[out_of_fold(members, "unsure").image_ids].to_numpy())
    assert table.loc["half", ["low", "high"]].tolist() == expected.loc["half", ["low", "high"]].tolist()


def test_an_unknown_member_is_refused(members):
    with pytest.raises(ValueError, match="unknown member 'shure': did you mean 'sure'"):
        run_ablation({"mistyped": Configuration(("shure",))}, members)


@pytest.mark.parametrize("chosen", [False, True])
def test_the_labels_of_the_images_evaluated_on_change_no_selection(chosen, members, groups):
    rules = ("concept_thresholds", "tuned_threshold", "top_k")
    candidates = {rule: Configuration((name,), rule) for rule in rules for name in ("chance", "unsure")}
    configuration = Choice(candidates, groups) if chosen else candidates["concept_thresholds"]
    inverted = {}
    for name, member in members["b"].items():
        labels = sparse.csr_array(1 - member[EVALUATED_ON].labels.toarray())
        inverted[name] = {**member, EVALUATED_ON: replace(member[EVALUATED_ON], labels=labels)}
    one, other = (select_in_fold(each, configuration) for each in (members["b"], inverted))
    assert (one != other).nnz == 0


def test_the_best_candidate_is_chosen_by_rules_that_were_fitted_on_other_groups(members, groups):
    candidates = {
        "chance": Configuration(("chance",), "tuned_threshold"),
        "fixed": Configuration(("unsure",)),
        "tuned": Configuration(("unsure",), "tuned_threshold"),
    }
    choice = Choice(candidates, groups)
    assert choice.members == ("chance", "unsure")
    assert choice.choose({name: member[TUNED_ON] for name, member in members["b"].items()}) == "tuned"
    selected = {name: select_in_fold(members["b"], each) for name, each in (candidates | {"chosen": choice}).items()}
    assert (selected["chosen"] != selected["tuned"]).nnz == 0 < (selected["chosen"] != selected["fixed"]).nnz
    known = {name: candidates[name] for name in ("fixed", "tuned")}
    of_test = [select_test(members, each) for each in (Choice(known, groups), candidates["tuned"])]
    assert (of_test[0] != of_test[1]).nnz == 0


def test_a_choice_among_many_candidates_without_skill_reports_none(groups, parts):
    """On the images that tune, the best of 20 random members looks better than it is; what is reported does not."""
    rng, names = np.random.default_rng(5), [f"random {number}" for number in range(20)]
    candidates = {name: Configuration((name,)) for name in names}
    skill, looked, reported = [], [], []
    for _ in range(30):
        of_fold = {
            name: {
                part: replace(parts[fold], probabilities=rng.random((len(parts[fold]), 12))) for part, fold in halves
            }
            for name in names
            for halves in [((TUNED_ON, "a"), (EVALUATED_ON, "b"))]
        }
        f1 = {part: [sample_f1(of_fold[name][part].labels, of_fold[name][part].probabilities > 0.5) for name in names]
              for part in (TUNED_ON, EVALUATED_ON)}  # fmt: skip
        skill.append(np.mean(f1[EVALUATED_ON]))
        looked.append(np.max(f1[TUNED_ON]))
        reported.append(sample_f1(parts["b"].labels, select_in_fold(of_fold, Choice(candidates, groups))))
    assert np.mean(looked) > np.mean(skill) + 0.015
    assert abs(np.mean(reported) - np.mean(skill)) < 0.01


def test_several_members_vote(members):
    both = select_in_fold(members["b"], Configuration(("sure", "chance"), vote="intersection")).toarray()
    one, other = (select_in_fold(members["b"], Configuration((name,))).toarray() for name in ("sure", "chance"))
    assert np.array_equal(both, one & other)


def test_with_nomissing_no_image_is_left_without_a_concept(members):
    for nomissing in (False, True):
        selected = select_in_fold(members["a"], Configuration(("unsure",), nomissing=nomissing))
        assert set(np.diff(selected.indptr)) == {int(nomissing)}  # none of its probabilities is above 0.5


def test_pooled_members_are_their_mean(members):
    pooled = pool_members(members, ["sure", "chance"])
    mean = (members["b"]["sure"][TEST].probabilities + members["b"]["chance"][TEST].probabilities) / 2
    assert pooled["b"][TEST].probabilities == pytest.approx(mean)
    alone = members["a"]["sure"][EVALUATED_ON].probabilities
    assert pooled["a"][EVALUATED_ON].probabilities == pytest.approx(alone)  # chance is no member of this fold


def test_members_are_chosen_on_the_images_that_tune(members):
    pooled = pool_members(members, ["sure", "chance"], choose=True)["b"]
    assert pooled[EVALUATED_ON].probabilities == pytest.approx(members["b"]["sure"][EVALUATED_ON].probabilities)


def test_out_of_fold_predictions_of_all_of_validation(members):
    both = out_of_fold(members, "unsure")
    assert [*both.image_ids[:2], *both.image_ids[-1:]] == ["b_0", "b_1", "a_39"]
    assert [both.probabilities[:41].max(), both.probabilities[41:].max()] == pytest.approx([0.4, 0.2])
    assert sample_f1(both.labels, select_out_of_fold(members, CONFIGURATIONS["tuned"])) == 1
    chance = out_of_fold(members, "chance")
    assert select_out_of_fold(members, CONFIGURATIONS["chance"]).shape[0] == len(chance) == 41


def test_concepts_of_test_images_are_selected_with_all_of_validation(members):
    selected = select_test(members, CONFIGURATIONS["tuned"])
    one, other = members["b"]["unsure"], members["a"]["unsure"]
    probabilities = np.concatenate([one[EVALUATED_ON].probabilities, other[EVALUATED_ON].probabilities])
    labels = sparse.vstack([one[EVALUATED_ON].labels, other[EVALUATED_ON].labels])
    rule = TunedThreshold.fit(probabilities, labels)
    mean = (one[TEST].probabilities + other[TEST].probabilities) / 2
    assert (selected != rule.select(mean)).nnz == 0
    assert select_test(members, CONFIGURATIONS["chance"]).nnz > 0  # of a member of one fold only


def test_the_table_has_a_row_per_configuration_and_the_ways_side_by_side(members, groups):
    some = {name: each for name, each in CONFIGURATIONS.items() if name != "chance"}
    table = ablation_table({"some": run_ablation(some, members, groups), "all": run_ablation(CONFIGURATIONS, members)})
    assert list(table.index) == list(CONFIGURATIONS)
    assert [*table.columns] == [("some", "F1"), ("some", "gain"), ("all", "F1"), ("all", "gain")]
    assert table.loc["as it is", ("some", "F1")] == "1.000 (1.000 to 1.000)"
    assert table.loc["as it is", ("all", "gain")] == "+0.000 (+0.000 to +0.000)"
    assert table.loc["chance", ("some", "F1")] == ""
