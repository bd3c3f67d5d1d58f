"""Members tuned on either half: what was tuned on val1 is evaluated on val2, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest
from labelled import labelled
from scipy import sparse

from nblib.data import ConceptVocabulary
from nblib.ensembles.ablation import (
    Configuration,
    ablation_table,
    add_runs,
    finished_runs,
    out_of_fold,
    pool_members,
    run_ablation,
    run_as_member,
    select_other_half,
    select_out_of_fold,
    select_test,
)
from nblib.evaluation import as_csr, f1_per_image, sample_f1
from nblib.evaluation.decision_rules import TunedThreshold
from nblib.experiments import Experiment, open_run

CONFIGURATIONS = {
    "as it is": Configuration(("sure",)),
    "tuned": Configuration(("unsure",), "tuned_threshold"),
    "chance": Configuration(("chance",)),
    "all of them": Configuration(("sure", "unsure"), "tuned_threshold", "union"),
}
VOCABULARY = ConceptVocabulary(tuple(f"C{number:07}" for number in range(12)))


@pytest.fixture(scope="module")
def examples():
    rng = np.random.default_rng(0)
    numbers = {"val1": 40, "val2": 41, "test": 30}
    return {
        name: labelled([f"{name}_{row}" for row in range(number)], VOCABULARY, as_csr(rng.random((number, 12)) < 0.3))
        for name, number in numbers.items()
    }


@pytest.fixture(scope="module")
def members(examples):
    """`sure` knows the truth; `unsure` too, but is never above 0.4, or 0.2 where it was tuned on val2."""
    rng = np.random.default_rng(1)

    def knowing(height):
        return {name: replace(each, probabilities=height * each.labels.toarray()) for name, each in examples.items()}

    chance = {name: replace(each, probabilities=rng.random(each.labels.shape)) for name, each in examples.items()}
    return {
        "val1": {"sure": knowing(0.9), "unsure": knowing(0.4), "chance": chance},
        "val2": {"sure": knowing(0.9), "unsure": knowing(0.2)},
    }


def test_a_configuration_is_tuned_on_one_half_and_selects_on_the_other(members):
    selected = select_other_half(members, "val1", CONFIGURATIONS["tuned"])
    assert sample_f1(members["val1"]["sure"]["val2"].labels, selected) == 1
    assert (
        sample_f1(
            members["val1"]["sure"]["val2"].labels, select_other_half(members, "val1", Configuration(("unsure",)))
        )
        < 1
    )


def test_configurations_are_evaluated_on_both_halves_where_their_members_exist(members):
    table = run_ablation(CONFIGURATIONS, members).set_index(["half", "configuration"])
    assert table.loc[("val1", "as it is"), "f1"] == table.loc[("val2", "tuned"), "f1"] == 1
    assert ("val1", "chance") not in table.index  # this member was tuned on val1 only
    row = table.loc[("val2", "chance")]
    scores = f1_per_image(
        members["val1"]["chance"]["val2"].labels, select_other_half(members, "val1", CONFIGURATIONS["chance"])
    )
    assert row["f1"] == pytest.approx(np.nanmean(scores)) and row["low"] < row["f1"] < row["high"]
    assert row["gain"] == pytest.approx(row["f1"] - 1) and row["gain_high"] < 0


def test_an_unknown_member_is_refused(members):
    with pytest.raises(ValueError, match="unknown member 'shure': did you mean 'sure'"):
        run_ablation({"mistyped": Configuration(("shure",))}, members)


def test_the_labels_of_the_half_evaluated_on_change_no_selection(members):
    configuration = Configuration(("chance",), "concept_thresholds")
    chance = members["val1"]["chance"]
    inverted = replace(chance["val2"], labels=sparse.csr_array(1 - chance["val2"].labels.toarray()))
    with_inverted = {"val1": {"chance": {**chance, "val2": inverted}}}
    selections = [select_other_half(each, "val1", configuration) for each in (members, with_inverted)]
    assert (selections[0] != selections[1]).nnz == 0


def test_several_members_vote(members):
    both = select_other_half(members, "val1", Configuration(("sure", "chance"), vote="intersection")).toarray()
    one, other = (select_other_half(members, "val1", Configuration((name,))).toarray() for name in ("sure", "chance"))
    assert np.array_equal(both, one & other)


def test_with_nomissing_no_image_is_left_without_a_concept(members):
    for nomissing in (False, True):
        selected = select_other_half(members, "val2", Configuration(("unsure",), nomissing=nomissing))
        assert set(np.diff(selected.indptr)) == {int(nomissing)}  # none of its probabilities is above 0.5


def test_pooled_members_are_their_mean(members):
    pooled = pool_members(members, ["sure", "chance"])
    mean = (members["val1"]["sure"]["test"].probabilities + members["val1"]["chance"]["test"].probabilities) / 2
    assert pooled["val1"]["test"].probabilities == pytest.approx(mean)
    alone = members["val2"]["sure"]["val1"].probabilities
    assert pooled["val2"]["val1"].probabilities == pytest.approx(alone)  # chance was not tuned on val2


def test_members_are_chosen_on_the_half_that_tunes(members):
    pooled = pool_members(members, ["sure", "chance"], choose=True)["val1"]
    assert pooled["val2"].probabilities == pytest.approx(members["val1"]["sure"]["val2"].probabilities)


def test_out_of_fold_predictions_of_all_of_validation(members):
    both = out_of_fold(members, "unsure")
    assert [*both.image_ids[:2], *both.image_ids[-1:]] == ["val2_0", "val2_1", "val1_39"]
    assert [both.probabilities[:41].max(), both.probabilities[41:].max()] == pytest.approx([0.4, 0.2])
    selected = select_out_of_fold(members, CONFIGURATIONS["tuned"])
    assert sample_f1(both.labels, selected) == 1
    assert (
        select_out_of_fold(members, CONFIGURATIONS["chance"]).shape[0]
        == len(out_of_fold(members, "chance").image_ids)
        == 41
    )


def test_concepts_of_test_images_are_selected_with_all_of_validation(members):
    selected = select_test(members, CONFIGURATIONS["tuned"])
    one, other = members["val1"]["unsure"], members["val2"]["unsure"]
    probabilities = np.concatenate([one["val2"].probabilities, other["val1"].probabilities])
    rule = TunedThreshold.fit(probabilities, sparse.vstack([one["val2"].labels, other["val1"].labels]))
    mean = (one["test"].probabilities + other["test"].probabilities) / 2
    assert (selected != rule.select(mean)).nnz == 0
    assert select_test(members, CONFIGURATIONS["chance"]).nnz > 0  # of a member tuned on one half only


def test_the_table_has_a_row_per_configuration_and_the_halves_side_by_side(members):
    table = ablation_table(run_ablation(CONFIGURATIONS, members))
    assert list(table.index) == list(CONFIGURATIONS)
    assert [*table.columns] == [("val1", "F1"), ("val1", "gain"), ("val2", "F1"), ("val2", "gain")]
    assert table.loc["as it is", ("val1", "F1")] == "1.000 (1.000 to 1.000)"
    assert table.loc["as it is", ("val1", "gain")] == "+0.000 (+0.000 to +0.000)"
    assert table.loc["chance", ("val1", "F1")] == ""


@pytest.fixture
def run(sample_dataset, tmp_path):
    vocabulary = ConceptVocabulary(("C0000001", "C0000002", "UNUSED0001"))
    run = open_run(Experiment(runs=str(tmp_path)), sample_dataset, vocabulary)
    for name in ("val1", "val2"):
        probabilities = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], np.float32)
        run.write_probabilities(name, np.array([f"{name}_a", f"{name}_b"]), probabilities)
    return run


def test_a_run_as_a_member_has_the_rows_and_columns_of_the_examples(run):
    label = sparse.csr_array(np.ones((2, 1), np.uint8))
    second = ConceptVocabulary(("C0000002",))
    asked = {name: labelled([f"{name}_b", f"{name}_a"], second, label) for name in ("val1", "val2")}
    member = run_as_member(run, asked)
    assert list(member) == ["val1", "val2"]
    assert member["val1"].probabilities == pytest.approx(np.array([[0.5], [0.2]]))
    with pytest.raises(FileNotFoundError, match="no probabilities of test"):
        run_as_member(run, {**asked, "test": asked["val1"]})
    two = ConceptVocabulary(("C0000002", "C0000009"))  # the run has no sigmoid for the second
    member = run_as_member(run, {name: labelled([f"{name}_a"], two, sparse.csr_array((1, 2))) for name in asked})
    assert member["val2"].probabilities == pytest.approx(np.array([[0.2, 0]]))
    with pytest.raises(ValueError, match="did not predict 2 images of val1"):
        run_as_member(run, {"val1": asked["val2"]})


def test_a_run_trained_on_all_images_joins_those_of_the_halves_for_test_only(run, sample_dataset, tmp_path):
    label = sparse.csr_array(np.ones((2, 1), np.uint8))
    second = ConceptVocabulary(("C0000002",))
    asked = {name: labelled([f"{name}_a", f"{name}_b"], second, label) for name in ("val1", "val2", "test")}
    seen = open_run(Experiment(runs=str(tmp_path), train_on="all"), sample_dataset, run.vocabulary)
    for each, shift in ((run, 0), (seen, 0.5)):
        probabilities = np.array([[0, 0.1, 0], [0, 0.3, 0]], np.float32) + shift
        each.write_probabilities("test", np.array(["test_a", "test_b"]), probabilities)
    name, alone = run.experiment.experiment_name, add_runs({"val1": {}, "val2": {}}, [seen], asked)
    assert alone == {"val1": {}, "val2": {}}
    members = add_runs({"val1": {}, "val2": {}}, [seen, run], asked)
    assert members["val2"] == {} and list(members["val1"]) == [name]
    assert members["val1"][name]["test"].probabilities == pytest.approx(np.array([[0.35], [0.55]]))
    assert members["val1"][name]["val2"].probabilities == pytest.approx(np.array([[0.2], [0.5]]))


def test_finished_runs_on_these_data_are_found(run, sample_dataset):
    assert finished_runs(run.folder.parent.parent, sample_dataset) == []
    run.write_scores({"epochs": 1, "seconds": 9.5})
    assert [found.folder for found in finished_runs(run.folder.parent.parent, sample_dataset)] == [run.folder]
    other = replace(sample_dataset, images=sample_dataset.images.head(3))
    assert finished_runs(run.folder.parent.parent, other) == []
