import math
from zipfile import ZipFile

import numpy as np
import pytest
from data.filing import layout_of_2026
from evaluation.strict_checker import accepts
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from nblib.data import ConceptVocabulary, Examples, read_concept_lines, read_dataset
from nblib.evaluation.challenge import SECONDARY_2025, YEARS
from nblib.evaluation.metrics import sample_f1
from nblib.evaluation.selection import select
from nblib.evaluation.submission import evaluate, evaluate_secondary, read_truth, write_submission
from nblib.evaluation.submission_check import check_submission, read_submission

IMAGE_IDS = ["ROCO2_CLEF_00001", "ROCO2_CLEF_00002", "ROCO2_CLEF_00003"]
CONCEPT_LISTS = [("C0000001", "C0000002"), (), ("C0000003",)]


def per_image_f1_by_scikit_learn(truth, submission):
    """The score as the organisers' scripts compute it: image by image, binary F1 over the union of the concepts."""
    scores = []
    for image_id, true in truth.items():
        if true:
            union = sorted({*true, *submission[image_id]})
            y_true, y_pred = ([concept in some for concept in union] for some in (true, submission[image_id]))
            scores.append(f1_score(y_true, y_pred, average="binary", zero_division=0))
    return np.mean(scores), len(scores)


def with_random_errors(truth, seed):
    """Truth and an answer to it: concepts dropped, swapped for others and added; some truths and answers empty."""
    rng = np.random.default_rng(seed)
    vocabulary = sorted({concept for concepts in truth.values() for concept in concepts})
    damaged, answer = {}, {}
    for image_id, concepts in truth.items():
        damaged[image_id] = () if rng.random() < 0.05 else concepts
        kept = {concept for concept in concepts if rng.random() < 0.6}
        wrong = {vocabulary[position] for position in rng.integers(0, len(vocabulary), rng.integers(0, 4))}
        unknown = {"C9999999"} if rng.random() < 0.1 else set()
        answer[image_id] = () if rng.random() < 0.1 else tuple(kept | wrong | unknown)
    return damaged, answer


# ---- write and read

LINES = "ID,CUIs\nROCO2_CLEF_00001,C0000001;C0000002\nROCO2_CLEF_00002,\nROCO2_CLEF_00003,C0000003\n"
FORMS = {
    2020: LINES.removeprefix("ID,CUIs\n").replace(",", "\t"),
    2022: LINES.removeprefix("ID,CUIs\n").replace(",", "|"),
    2024: LINES,
    2026: LINES,
}


@pytest.mark.parametrize("year", YEARS)
def test_a_submission_is_written_in_the_form_of_its_year_and_read_back(tmp_path, year):
    path = write_submission(tmp_path / "submission", IMAGE_IDS, CONCEPT_LISTS, year)
    if year < 2024:
        assert path.read_bytes() == FORMS[year].encode()
    else:
        with ZipFile(path) as archive:
            assert archive.namelist() == ["submission.csv"]
            assert archive.read("submission.csv") == FORMS[year].encode()
    assert read_submission(path, year) == dict(zip(IMAGE_IDS, CONCEPT_LISTS, strict=True))
    assert [str(problem) for problem in check_submission(path, IMAGE_IDS, year) if problem.serious] == []


def test_a_submission_written_twice_is_the_same_file(tmp_path):
    files = {write_submission(tmp_path / name, ["A"], [("C1",)], 2026).read_bytes() for name in ("one.zip", "two.zip")}
    assert len(files) == 1


def test_tab_is_the_default_separator(tmp_path):
    path = write_submission(tmp_path / "submission.txt", ["A"], [("C0000001",)])
    assert path.read_text() == "A\tC0000001\n"


def test_too_few_concept_lists_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_submission(tmp_path / "submission.txt", ["A", "B"], [()])
    assert list(tmp_path.iterdir()) == []


def test_lower_case_concepts_are_upper_cased_when_read(tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("A\tc0000001;C0000002\n")
    assert read_submission(path) == read_truth(path) == {"A": ("C0000001", "C0000002")}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "truth.txt is empty; expected lines"),
        ("ID,CUIs\n", "truth.txt is empty; expected lines"),
        ("A\tC0000001\nA\tC0000002\n", "truth.txt:2: duplicate image_id A; keep one line per image"),
    ],
)
def test_a_file_that_is_not_a_truth_is_refused(tmp_path, content, sentence):
    (tmp_path / "truth.txt").write_text(content)
    with pytest.raises(ValueError, match=sentence):
        read_truth(tmp_path / "truth.txt")


@pytest.mark.parametrize("read", [read_truth, read_submission])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"no file .*submission\.txt; expected lines"):
        read(tmp_path / "submission.txt")


# ---- evaluate


@pytest.mark.parametrize(
    ("true", "answer", "f1"),
    [
        (("C1", "C2"), ("C2", "C1"), 1),
        (("C1", "C2"), ("C1",), 2 / 3),
        (("C1",), ("C1", "C9"), 2 / 3),  # an unknown CUI is a false positive
        (("C1",), ("C2",), 0),
        (("C1",), (), 0),
    ],
)
def test_the_score_of_one_image_worked_out_by_hand(true, answer, f1):
    score, scored = evaluate({"A": true}, {"A": answer})
    assert (score, scored) == (pytest.approx(f1), 1)


@pytest.mark.parametrize("answer", [(), ("C1",)])
def test_an_image_without_truth_is_left_out_of_the_mean(answer):
    score, scored = evaluate({"A": ("C1", "C2"), "B": ()}, {"A": ("C1",), "B": answer})
    assert (score, scored) == (pytest.approx(2 / 3), 1)


def test_without_any_truth_there_is_no_score():
    score, scored = evaluate({"A": ()}, {"A": ("C1",)})
    assert math.isnan(score) and scored == 0


def test_the_order_of_the_images_does_not_matter():
    assert evaluate({"A": ("C1",), "B": ("C2",)}, {"B": ("C2",), "A": ("C3",)}) == (0.5, 2)


def test_every_image_of_the_truth_must_be_answered_and_no_other():
    with pytest.raises(ValueError, match=r"1 missing \['B'\], 2 unknown \['X', 'Y'\]"):
        evaluate({"A": (), "B": ()}, {"A": (), "X": (), "Y": ()})


def test_the_score_is_that_of_scikit_learn_image_by_image(sample_dataset):
    labelled = sample_dataset.split("train", "val")
    truth, answer = with_random_errors(dict(zip(labelled["image_id"], labelled["concepts"], strict=True)), seed=1)
    assert not all(truth.values()) and not all(answer.values())
    score, scored = evaluate(truth, answer)
    assert (pytest.approx(score, abs=1e-12), scored) == per_image_f1_by_scikit_learn(truth, answer)
    assert 0.2 < score < 0.8


def test_a_header_a_pipe_and_lower_case_change_no_score(sample_dataset, tmp_path):
    labelled = sample_dataset.split("train")
    truth, answer = with_random_errors(dict(zip(labelled["image_id"], labelled["concepts"], strict=True)), seed=2)
    lowered = [[concept.lower() for concept in concepts] for concepts in answer.values()]
    scores = set()
    for year in (2020, 2022, 2024):
        path = write_submission(tmp_path / "submission", answer.keys(), lowered, year)
        write_submission(tmp_path / "truth.csv", truth.keys(), truth.values(), year if year < 2024 else 2020)
        scores.add(evaluate(read_truth(tmp_path / "truth.csv"), read_submission(path)))
    assert scores == {evaluate(truth, answer)}


# ---- the scores of 2026


def in_2026(truth, answer):
    """The primary score as the rules of 2026 word it, with sets and one image at a time."""
    scores = []
    for image_id, true in truth.items():
        true, said = set(true) or {""}, set(answer[image_id]) or {""}
        scores.append(2 * len(true & said) / (len(true) + len(said)))
    return sum(scores) / len(scores)


def secondary_in_2026(manual, answer):
    scores = []
    for image_id, true in manual.items():
        true, said = (set(concepts) & set(SECONDARY_2025) for concepts in (true, answer[image_id]))
        if true:
            scores.append(2 * len(true & said) / (len(true) + len(said)))
    return sum(scores) / len(scores), len(scores)


@pytest.mark.parametrize(("answer", "f1"), [((), 1), (("C1",), 0)])
def test_in_2026_an_image_without_truth_counts(answer, f1):
    score, scored = evaluate({"A": ("C1", "C2"), "B": ()}, {"A": ("C1",), "B": answer}, 2026)
    assert (score, scored) == (pytest.approx((2 / 3 + f1) / 2), 2)


@pytest.mark.parametrize("seed", range(3))
def test_the_scores_of_2026_are_those_of_a_second_implementation(sample_dataset, seed):
    labelled = sample_dataset.split("train", "val")
    truth, answer = with_random_errors(dict(zip(labelled["image_id"], labelled["concepts"], strict=True)), seed)
    empty = [image_id for image_id, concepts in truth.items() if not concepts]
    answer |= {empty[0]: (), empty[1]: ("C0000001",)}
    assert evaluate(truth, answer, 2026) == (pytest.approx(in_2026(truth, answer), abs=1e-12), len(truth))

    manual = {image_id: concepts[:2] for image_id, concepts in truth.items()}
    expected, scored = secondary_in_2026(manual, answer)
    assert evaluate_secondary(manual, answer) == (pytest.approx(expected, abs=1e-12), scored)
    assert 0 < scored < len(manual)


def test_the_secondary_score_sees_fifteen_concepts_on_both_sides():
    counted, other = SECONDARY_2025[0], "C0000001"
    manual = {"A": (counted, other), "B": (other,), "C": (counted,)}
    answer = {"A": (counted, "C0000002"), "B": (counted,), "C": (other,), "not curated": (counted,)}
    assert evaluate_secondary(manual, answer) == (0.5, 2)


def test_the_secondary_score_needs_an_answer_to_each_image():
    with pytest.raises(ValueError, match=r"1 missing \['B'\]"):
        evaluate_secondary({"A": (), "B": ()}, {"A": ()})


def test_the_score_on_the_labels_of_rocov2_is_that_of_scikit_learn(real_data):
    lines = list(read_concept_lines(real_data / "rocov2" / "valid_concepts.csv"))
    truth, answer = with_random_errors({image_id: concepts for _, image_id, concepts in lines}, seed=3)
    assert len(truth) == 9_904

    first = list(truth)[:500]  # scikit-learn takes 2 ms per image
    some_truth, some_answers = ({image_id: some[image_id] for image_id in first} for some in (truth, answer))
    score, scored = evaluate(some_truth, some_answers)
    assert (pytest.approx(score, abs=1e-12), scored) == per_image_f1_by_scikit_learn(some_truth, some_answers)

    judged = [image_id for image_id in truth if truth[image_id]]
    binarizer = MultiLabelBinarizer(sparse_output=True).fit([*truth.values(), *answer.values()])
    y_true, y_pred = (binarizer.transform([some[image_id] for image_id in judged]) for some in (truth, answer))
    expected = f1_score(y_true, y_pred, average="samples", zero_division=0)
    assert evaluate(truth, answer) == (pytest.approx(expected, abs=1e-12), len(judged))
    assert len(judged) < 9_904


# ---- real data


def scored_and_submitted(dataset, name_of, path):
    """F1 of made-up probabilities, and what a submission of 2026 says of each validation image, by our name of it."""
    vocabulary = ConceptVocabulary.of(dataset.images["concepts"])
    images = dataset.split("val").sort_values("image_id", key=lambda ids: ids.map(name_of))[:2000]
    images = Examples.of(images.reset_index(drop=True), vocabulary)
    chance = np.random.default_rng(26).random(images.labels.shape, np.float32)
    selected = select(np.where(images.labels.toarray(), chance, chance**1000))
    write_submission(path, images.image_ids, vocabulary.decode(selected), 2026)
    assert accepts(path, images.image_ids)
    answered = {name_of(image_id): concepts for image_id, concepts in read_submission(path, 2026).items()}
    return sample_f1(images.labels, selected), answered


@pytest.mark.parametrize("name", ["openrad", "rocov2"])
def test_real_data_in_the_layout_of_2026_have_the_same_f1_and_submission(real_data, tmp_path, name):
    ids = layout_of_2026(real_data / name, tmp_path / "data")
    f1, answered = scored_and_submitted(read_dataset(real_data / name), str, tmp_path / "own.zip")
    f1_of_2026, of_2026 = scored_and_submitted(read_dataset(tmp_path / "data"), ids.get, tmp_path / "of_2026.zip")
    assert f1 == f1_of_2026 and 0.3 < f1 < 0.9
    assert answered == of_2026 and len(answered) > 600
