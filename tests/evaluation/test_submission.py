import math

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from nblib.data import read_concept_lines
from nblib.evaluation.submission import check_submission, evaluate, read_submission, score_submissions, write_submission

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


@pytest.mark.parametrize(
    ("separator", "content"),
    [
        ("tab", "ROCO2_CLEF_00001\tC0000001;C0000002\nROCO2_CLEF_00002\t\nROCO2_CLEF_00003\tC0000003\n"),
        ("pipe", "ROCO2_CLEF_00001|C0000001;C0000002\nROCO2_CLEF_00002|\nROCO2_CLEF_00003|C0000003\n"),
        ("csv", "ID,CUIs\nROCO2_CLEF_00001,C0000001;C0000002\nROCO2_CLEF_00002,\nROCO2_CLEF_00003,C0000003\n"),
    ],
)
def test_a_submission_is_written_in_the_form_of_its_year_and_read_back(tmp_path, separator, content):
    path = write_submission(tmp_path / "submission.txt", IMAGE_IDS, CONCEPT_LISTS, separator)
    assert path.read_bytes() == content.encode()
    assert read_submission(path) == dict(zip(IMAGE_IDS, CONCEPT_LISTS, strict=True))
    assert [str(problem) for problem in check_submission(path, IMAGE_IDS) if problem.serious] == []


def test_tab_is_the_default_separator(tmp_path):
    path = write_submission(tmp_path / "submission.txt", ["A"], [("C0000001",)])
    assert path.read_text() == "A\tC0000001\n"


def test_an_unknown_separator_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one of tab, pipe, csv; received ';'"):
        write_submission(tmp_path / "submission.txt", ["A"], [()], ";")


def test_too_few_concept_lists_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_submission(tmp_path / "submission.txt", ["A", "B"], [()])
    assert list(tmp_path.iterdir()) == []


def test_lower_case_concepts_are_upper_cased_when_read(tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("A\tc0000001;C0000002\n")
    assert read_submission(path) == {"A": ("C0000001", "C0000002")}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "submission.txt is empty; expected lines"),
        ("ID,CUIs\n", "submission.txt is empty; expected lines"),
        ("A\tC0000001\nA\tC0000002\n", "submission.txt:2: duplicate image_id A; keep one line per image"),
    ],
)
def test_a_file_that_is_not_a_submission_is_refused(tmp_path, content, sentence):
    (tmp_path / "submission.txt").write_text(content)
    with pytest.raises(ValueError, match=sentence):
        read_submission(tmp_path / "submission.txt")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*submission\.txt; expected lines"):
        read_submission(tmp_path / "submission.txt")


# ---- check

MANY = ";".join(f"C{number:07}" for number in range(1, 102))
REJECTED = {
    "an image missing": ("A\tC0000001\n", "", "B is missing; every test image needs a line."),
    "an unknown image": ("A\tC0000001\nB\tC0000001\nX\tC0000001\n", ":3", "'X' is none of the 2 test images."),
    "an image repeated": ("A\tC0000001\nB\tC0000001\nA\tC0000001\n", ":3",
                          "duplicate image_id A; one line per image."),
    "a concept repeated": ("A\tC0000001\nB\tC0000001;C0000002;C0000001\n", ":2",
                           "duplicate concept C0000001; write each once."),
    "a concept repeated in another case": ("A\tC0000001\nB\tC0000001;c0000001\n", ":2",
                                           "duplicate concept C0000001; write each once."),
    "over 100 concepts": (f"A\t{MANY}\nB\tC0000001\n", ":1", "101 concepts; at most 100 are allowed."),
}  # fmt: skip


@pytest.mark.parametrize("kind", REJECTED)
def test_the_check_finds(tmp_path, kind):
    content, line, sentence = REJECTED[kind]
    path = tmp_path / "submission.txt"
    path.write_text(content)
    (problem,) = check_submission(path, ["A", "B"])
    assert (problem.where, problem.what, problem.serious) == (f"{path}{line}", sentence, True)


@pytest.mark.parametrize("line", ["B|C0000001", "B C0000001", "B\tC0000001\tC0000002", "B,C0000001;C0000002"])
def test_a_line_in_another_form_than_the_first_is_found(tmp_path, line):
    path = tmp_path / "submission.txt"
    path.write_text(f"A\tC0000001\n{line}\n")
    problems = check_submission(path, ["A", "B"])
    expected = f"{path}:2: expected image_id, one '\\t', and concepts joined by `;`."
    assert str(problems[0]) == expected and problems[0].serious


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path):
    (tmp_path / "submission.txt").write_bytes(b"\xef\xbb\xbfA\tC0000001\r\nB\tC0000002\r\n")
    assert check_submission(tmp_path / "submission.txt", ["A", "B"]) == []


def test_exactly_a_hundred_concepts_are_accepted(tmp_path):
    (tmp_path / "submission.txt").write_text(f"A\t{MANY.removesuffix(';C0000101')}\n")
    assert check_submission(tmp_path / "submission.txt", ["A"]) == []


def test_an_image_without_concepts_is_reported_but_accepted(tmp_path):
    (tmp_path / "submission.txt").write_text("A\t\n")
    (problem,) = check_submission(tmp_path / "submission.txt", ["A"])
    assert not problem.serious
    assert problem.what == "no concept for A; it scores 0 (`nomissing` avoids that)."


def test_all_rejections_are_reported(tmp_path):
    (tmp_path / "submission.txt").write_text("X\tC0000001;C0000001\n")
    assert len(check_submission(tmp_path / "submission.txt", ["A", "B"])) == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, ": there is no such file."),
        (
            b"A\t\xff\n",
            ":1: byte 2 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path, content, sentence):
    path = tmp_path / "submission.txt"
    if content:
        path.write_bytes(content)
    (problem,) = check_submission(path, ["A"])
    assert str(problem) == f"{path}{sentence}"


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
    scores = set()
    for separator in ("tab", "pipe", "csv"):
        lowered = [[concept.lower() for concept in concepts] for concepts in answer.values()]
        write_submission(tmp_path / f"submission_{separator}.txt", answer.keys(), lowered, separator)
        write_submission(tmp_path / "truth.csv", truth.keys(), truth.values(), separator)
        scores.add(
            evaluate(read_submission(tmp_path / "truth.csv"), read_submission(tmp_path / f"submission_{separator}.txt"))
        )
    assert scores == {evaluate(truth, answer)}
    by_file = score_submissions(tmp_path, truth)
    assert by_file == dict.fromkeys(
        ["submission_csv.txt", "submission_pipe.txt", "submission_tab.txt"], evaluate(truth, answer)[0]
    )


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


def test_check_rejects_an_image_with_its_extension_and_says_what_to_do(tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("IMAGE_1.jpg\tC0040405\n")
    problems = check_submission(path, ["IMAGE_1"])
    assert [problem.where for problem in problems] == [f"{path}:1", str(path)]
    assert "write it without extension" in problems[0].what


def test_check_reports_what_is_not_a_cui_without_rejecting_it(tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("IMAGE_1\tC0040405;C12\n")
    (problem,) = check_submission(path, ["IMAGE_1"])
    assert "C12" in problem.what and not problem.serious
