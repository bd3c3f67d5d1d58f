import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from finished import finished_run
from paper_labels import write_labels
from PIL import Image
from prediction.test_predictor import ODD
from typer.testing import CliRunner

from nblib.__main__ import app, main
from nblib.data import ConceptVocabulary, Examples, read_dataset
from nblib.evaluation import SECONDARY_2025, Threshold, read_truth, write_submission
from nblib.reports import submit

COMMANDS = (
    "sample", "check", "stats", "evaluate", "check-submission", "submissions", "report", "doctor", "prepare", "predict",
    "watch", "split", "export", "app", "card",
    "batch", "features", "import",
)  # fmt: skip


@pytest.fixture
def nblib(monkeypatch, capsys):
    """Runs `nblib ...` as the installed command does; returns exit code, output and errors."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nblib", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out, output.err

    return run


@pytest.fixture
def broken(sample, tmp_path):
    """A copy of the sample with a bad CUI on the first line of its CT list."""
    data = shutil.copytree(sample, tmp_path / "broken")
    path = data / "concepts/train/DRCT_CLEF_Train.csv"
    path.write_text(path.read_text().replace(",C", ",X", 1))
    return data


def test_every_command_is_tested_here():
    assert {command.name or command.callback.__name__ for command in app.registered_commands} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(command):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0
    assert f"Example: nblib {command} " in result.output


def test_watching_a_folder_without_a_run_is_one_sentence(nblib, tmp_path):
    code, out, err = nblib("watch", tmp_path)
    assert (code, out) == (1, "") and err.startswith(f"no run has started in {tmp_path}; expected ")


def test_watching_a_run_that_nobody_trains_is_one_sentence(nblib, run):
    code, out, err = nblib("watch", run.folder)
    assert (code, out) == (1, "") and err.count("\n") == 1
    assert err.startswith(f"no process trains {run.folder}; 0 of at most 50 epochs are done. To go on, repeat")


def test_without_a_command_the_help_names_them_all():
    result = CliRunner().invoke(app, [], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert all(command in result.output for command in COMMANDS)


def test_python_m_nblib_is_the_same_command(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "nblib", "check", tmp_path / "nowhere"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"no data folder at {tmp_path}")
    assert "Traceback" not in ended.stderr


def test_the_command_line_starts_without_tensorflow():
    code = "import sys, nblib.__main__; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- sample


def test_sample_draws_a_data_set_fit_for_training(nblib, tmp_path):
    code, out, _ = nblib("sample", tmp_path / "sample", "--images", "60", "--seed", "1")
    assert (code, out) == (0, f"60 synthetic images in {tmp_path / 'sample'}\n")
    assert len(read_dataset(tmp_path / "sample").images) == 60


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--images", "3"], "images must be at least 50"), ([], "is not an empty folder. Remove it")],
)
def test_sample_gives_the_reason_in_one_sentence_when_it_does_not_draw(nblib, tmp_path, arguments, sentence):
    folder = tmp_path / "sample"
    if not arguments:
        folder.mkdir()
        (folder / "mine.txt").touch()
    code, out, err = nblib("sample", folder, *arguments)
    assert (code, out) == (1, "")
    assert sentence in err and len(err.splitlines()) == 1


# ---- check


def test_check_of_good_data_says_so_and_ends_with_0(nblib, sample):
    code, out, err = nblib("check", sample)
    assert (code, err) == (0, "")
    assert out.startswith(f"{sample}: ImageCLEF 2020 (one list per category), 120 images, ")
    assert "\nlabels of the test split, for scores only: 12 images\n" in out
    assert out.endswith("\nFit for training.\n")


def test_check_reports_what_is_merely_odd_and_ends_with_0(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    (data / "train" / "DRCT" / "UNLISTED.jpg").touch()
    code, out, _ = nblib("check", data)
    assert code == 0
    assert (
        "Good to know: 2\n" in out
        and "zero bytes" not in out
        and "UNLISTED.jpg: the image is in no concept list" in out
    )
    assert "Training would be wrong" not in out


def test_check_counts_images_with_relatives_in_train(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    (train, mate, *_), (copy, other, *_) = (sorted(data.glob(f"{split}/DRCT/*.jpg")) for split in ("train", "val"))
    shutil.copy(train, copy)
    (data / "groups.csv").write_text(f"image_id,group\n{mate.stem},case 1\n{other.stem},case 1\n")
    _, out, _ = nblib("check", data, "--json")
    assert json.loads(out)["groups_from"] == "groups.csv"
    leaks = json.loads(out)["leaks"][0]
    assert (leaks["part"], leaks["relatives_in"], leaks["group_mates"]) == ("val", "train", 1)
    before = json.loads(nblib("check", sample, "--json")[1])["leaks"][0]
    assert (leaks["near_duplicates"], leaks["either"]) == (before["near_duplicates"] + 1, before["either"] + 2)
    found = json.loads(out)["near_duplicates"][-1]
    assert (found["bits_apart"], found["pairs"]) == ("all", found["labelled"])
    assert 0 <= found["same_concepts"] <= found["mean_f1"] <= 1
    text = nblib("check", data)[1]
    assert "groups of images from: groups.csv\nimages with relatives" in text and "concepts agree:\n" in text


def test_import_makes_a_run_that_says_what_it_scores(nblib, sample, tmp_path):
    validation = read_dataset(sample).split("val")
    vocabulary = ConceptVocabulary.of(validation["concepts"])
    arrays = {"image_ids": validation["image_id"].to_numpy(str), "concepts": np.array(vocabulary.concepts)}
    np.savez(tmp_path / "val.npz", **arrays, probabilities=vocabulary.encode(validation["concepts"]).toarray() * 0.9)
    words = ["import", tmp_path / "val.npz", "--name", "mine", "--data", sample, "--runs", tmp_path / "runs"]
    code, out, _ = nblib(*words)
    assert code == 0 and "note: no test images" in out and " not predicted: a miss wherever true" in out
    assert f"{tmp_path}/runs/mine/val1: F1 1.0000 (1.0000 to 1.0000) on val2 at threshold 0.5" in out
    assert nblib("report", tmp_path / "runs", "--to", tmp_path / "reports")[0] == 0
    assert "probabilities imported, not trained here" in (tmp_path / "reports" / "index.html").read_text()


def test_split_writes_files_that_keep_groups_whole(nblib, sample, tmp_path):
    ids = read_dataset(sample).split("train", "val")["image_id"]
    groups = tmp_path / "groups.csv"
    groups.write_text("".join(f"{image_id},{number % 30}\n" for number, image_id in enumerate(ids)))
    code, out, _ = nblib("split", sample, "--to", tmp_path / "fold.csv", "--method", "kfold", "--groups", groups)
    assert code == 0
    files = [tmp_path / f"fold_{number}.csv" for number in range(1, 6)]
    assert [line.split(":")[0] for line in out.splitlines()[:5]] == list(map(str, files))
    assert "groups of images from: groups.csv; near-duplicates: 0 pairs\nimages with relatives in another part" in out
    for file in files:
        halves = read_dataset(sample, split=file).halves()
        groups_in = [set(ids.index[ids.isin(half["image_id"])] % 30) for half in halves.values()]
        assert all(groups_in) and not set.intersection(*groups_in)


def test_split_makes_two_halves_by_default_and_too_few_folds_are_an_error(nblib, sample, tmp_path):
    assert nblib("split", sample, "--to", tmp_path / "halves.csv")[0] == 0
    assert "train 84, val1 12, val2 12; " in nblib("split", sample, "--to", tmp_path / "halves.csv", "--seed", 3)[1]
    code, _, err = nblib("split", sample, "--to", tmp_path / "f.csv", "--method", "kfold", "--folds", 2)
    assert (code, err.splitlines()[-1]) == (1, "expected at least 3 folds, for train, val1 and val2; received 2.")


def test_check_of_bad_data_names_file_and_line_and_ends_with_1(nblib, broken):
    code, out, _ = nblib("check", broken)
    assert code == 1
    assert "Training would be wrong: 1\n" in out
    assert f"- {broken}/concepts/train/DRCT_CLEF_Train.csv:1: 'X" in out
    assert "Fit for training" not in out


def test_check_goes_on_after_names_that_are_not_utf_8(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / os.fsdecode(b"R\xf6ntgen"))
    (data / "test" / os.fsdecode(b"Th\xf6rax.jpg")).touch()
    code, out, err = nblib("check", data, "--quarantine", tmp_path / "quarantine.txt")
    assert (code, err) == (0, "")
    assert "Th\\xf6rax.jpg: the name is not UTF-8; left out. Rename it.\n" in out and "\nFit for training.\n" in out


def test_check_does_not_call_data_fit_whose_images_are_missing(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    next(data.glob("train/*/*.jpg")).unlink()
    code, out, _ = nblib("check", data)
    assert code == 1
    assert "is listed, but there is no such image." in out


def test_check_of_an_empty_folder_ends_with_1(nblib, tmp_path):
    code, out, _ = nblib("check", tmp_path)
    assert code == 1
    assert "no images; expected .jpg or .png files" in out and "; imageclef-2026: no concepts.csv; " in out


def test_check_as_json_has_every_problem(nblib, broken):
    code, out, _ = nblib("check", broken, "--json")
    report = json.loads(out)
    assert (code, report["layout"], report["fit"], report["images"]) == (1, "imageclef-2020", False, 120)
    (serious,) = (problem for problem in report["problems"] if problem["serious"])
    assert serious["where"] == f"{broken}/concepts/train/DRCT_CLEF_Train.csv:1"
    assert serious["image_id"].startswith("PHANTOM_")


def test_check_decodes_images_and_writes_a_quarantine(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    empty, cut, *_ = sorted(data.glob("train/DRCT/*.jpg"))
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:2000])
    quarantine = tmp_path / "quarantine.txt"
    code, out, err = nblib("check", data, "--quarantine", quarantine)
    assert (code, err) == (1, "")
    assert "Training would be wrong: 2\n" in out and out.endswith(f"2 images to leave out: {quarantine}\n")
    lines = [line.split("\t") for line in quarantine.read_text().splitlines()]
    assert [image_id for image_id, _ in lines] == [empty.stem, cut.stem]
    assert lines[0][1] == f"{empty}: zero bytes; download the file again or leave the image out."
    assert len(read_dataset(data, quarantine=quarantine).images) == 118


def test_check_decodes_images_unless_headers_suffice(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    cut = sorted(data.glob("train/DRCT/*.jpg"))[0]
    cut.write_bytes(cut.read_bytes()[:2000])
    assert nblib("check", data, "--headers")[0] == 0
    code, out, _ = nblib("check", data)
    assert code == 1 and f"{cut}: can't be read as an image (" in out


def test_features_are_those_of_the_backbone_for_all_images(nblib, sample, tmp_path):
    options = ["--backbone", "small_plain", "--weights", "", "--image-size", 32, "--layers", "block4_pool"]
    code, out, err = nblib("features", sample, "--to", tmp_path / "f.npz", *options, "--runs", tmp_path)
    assert (code, out) == (0, f"{tmp_path}/f.npz: 128 features of 120 images\n"), err
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays["features"].shape == (120, 128) and len(set(arrays["image_ids"])) == 120


def test_check_of_labels_alone_names_the_notebooks_that_work(nblib, real_data):
    code, out, _ = nblib("check", real_data / "rocov2")
    assert code == 0
    assert out.startswith(f"{real_data}/rocov2: ROCOv2, 69,866 images, ")
    assert out.endswith("\nFit for notebooks 01 and 02; training needs the images.\n")


def test_an_unknown_layout_is_one_sentence(nblib, sample):
    code, _, err = nblib("check", sample, "--layout", "2020")
    assert code == 1
    assert err.startswith(
        "layout must be one of parquet, roco, imageclef-2020, imageclef-2026, rocov2, imageclef; received '2020'."
    )


# ---- stats


def test_stats_as_json_are_the_counts_of_the_sample(nblib, sample, sample_dataset):
    code, out, _ = nblib("stats", sample, "--json")
    numbers = json.loads(out)
    labelled = sample_dataset.split("train", "val")["concepts"]
    assert code == 0
    assert {split: counts["total"] for split, counts in numbers["images by split"].items()} == {
        "train": 84, "val": 24, "test": 12
    }  # fmt: skip
    assert numbers["images"] == 108
    assert numbers["concept occurrences"] == sum(map(len, labelled))
    assert numbers["unique concepts"] == len({concept for concepts in labelled for concept in concepts})
    assert numbers["label cardinality"] == pytest.approx(sum(map(len, labelled)) / 108)
    assert numbers["label density"] == pytest.approx(numbers["label cardinality"] / numbers["unique concepts"])


def test_stats_as_text_show_the_same_numbers(nblib, sample):
    numbers = json.loads(nblib("stats", sample, "--json")[1])
    _, out, _ = nblib("stats", sample)
    (line,) = (line for line in out.splitlines() if line.startswith("concept occurrences"))
    assert int(line.split()[-1].replace(",", "")) == numbers["concept occurrences"]
    assert out.splitlines()[0].split() == ["DRAN", "DRCO", "DRCT", "DRMR", "DRPE", "DRUS", "DRXR", "unknown", "total"]


def test_a_million_occurrences_are_printed_to_the_last_digit(nblib, tmp_path):
    concepts = ",".join(f"C{number:07}" for number in range(1_001))
    (tmp_path / "train_concepts.csv").write_text("".join(f"IMAGE_{row},{concepts}\n" for row in range(1_000)))
    _, out, _ = nblib("stats", tmp_path)
    assert "1,001,000" in out


def test_stats_of_labels_with_the_paper_s_counts_are_the_paper_s(nblib, tmp_path):
    code, out, err = nblib("stats", write_labels(tmp_path / "data"))
    assert (code, err) == (0, "")
    assert [line.split()[-1] for line in out.splitlines()[-5:]] == ["80,723", "907,718", "3,047", "11.24", "0.0037"]
    assert [line.split()[-1] for line in out.splitlines()[2:4]] == ["64753", "15970"]


def test_stats_of_real_labels_keep_every_digit_of_a_count(nblib, real_data):
    _, out, _ = nblib("stats", real_data / "rocov2")
    assert [line.split()[-1] for line in out.splitlines()[-5:]] == ["69,866", "234,247", "1,948", "3.35", "0.0017"]


def test_stats_without_labels_is_one_sentence(nblib, tmp_path):
    code, _, err = nblib("stats", tmp_path)
    assert code == 1
    assert "no image has a concept" in err and "Traceback" not in err


# ---- submissions


@pytest.fixture
def truth(sample):
    return sample / "withheld" / "test_concepts.csv"


def test_the_truth_scores_1(nblib, truth):
    assert nblib("evaluate", truth, truth) == (0, "1.000000 mean F1 over 12 images\n", "")


def test_a_submission_with_half_of_the_answers_empty_scores_a_half(nblib, truth, tmp_path):
    answer = {image_id: cuis if number % 2 else () for number, (image_id, cuis) in enumerate(read_truth(truth).items())}
    path = write_submission(tmp_path / "submission.txt", answer.keys(), answer.values())
    assert nblib("evaluate", truth, path) == (0, "0.500000 mean F1 over 12 images\n", "")


def test_evaluate_names_a_missing_file(nblib, truth, tmp_path):
    code, out, err = nblib("evaluate", truth, tmp_path / "submission.txt")
    assert (code, out) == (1, "")
    assert err == f"no file {tmp_path / 'submission.txt'}; expected lines `image_id<TAB>CUI;CUI`.\n"


def test_evaluate_rejects_answers_to_other_images(nblib, truth, tmp_path):
    (tmp_path / "submission.txt").write_text("X\tC0000001\n")
    code, _, err = nblib("evaluate", truth, tmp_path / "submission.txt")
    assert code == 1
    assert "12 missing" in err and "1 unknown ['X']" in err and "Traceback" not in err


def test_check_submission_accepts_the_truth(nblib, sample, truth):
    code, out, _ = nblib("check-submission", truth, "--data", sample)
    assert (code, out) == (0, f"{truth}: accepted, 12 images answered\n")


def test_check_submission_lists_what_would_be_rejected(nblib, sample, truth, tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text("".join(truth.read_text().splitlines(keepends=True)[1:]) + "X\tC0000001\n")
    code, out, _ = nblib("check-submission", path, "--data", sample)
    assert code == 1
    assert f"- {path}:12: 'X' is none of the 12 test images." in out
    assert "is missing; every test image needs a line." in out
    assert "accepted" not in out


def test_evaluate_refuses_what_the_challenge_refuses(nblib, truth, tmp_path):
    path = tmp_path / "submission.txt"
    path.write_text(truth.read_text().replace("\n", ";c0000009;C0000009\n", 1))
    code, out, err = nblib("evaluate", truth, path)
    assert (code, out) == (1, "")
    assert f"{path}:1: duplicate concept C0000009; write each once." in err


@pytest.fixture
def task_2026(tmp_path):
    """Truth, curated truth and a submission of three images, the second without a true concept."""
    counted, other = SECONDARY_2025[0], "C0000001"
    ids = ["T_1", "T_2", "T_10"]
    (tmp_path / "concepts.csv").write_text(f"ID,CUIs\nT_1,{counted};{other}\nT_2,\nT_10,{other}\n")
    (tmp_path / "concepts_manual.csv").write_text(f"ID,CUIs\nT_1,{counted}\nT_2,\nT_10,{other}\n")
    path = write_submission(tmp_path / "submission.zip", ids, [(counted,), (), (counted,)], 2026)
    return tmp_path / "concepts.csv", path, tmp_path / "concepts_manual.csv"


def test_evaluate_prints_both_scores_of_2026(nblib, task_2026):
    truth, path, manual = task_2026
    code, out, err = nblib("evaluate", truth, path, "--year", 2026, "--manual", manual)
    assert (code, err) == (0, "")
    assert out == "0.555556 mean F1 over 3 images\n1.000000 mean F1 over 1 images, secondary score\n"


def test_evaluate_prints_the_scores_as_the_platform_stores_them(nblib, task_2026):
    truth, path, manual = task_2026
    _, out, _ = nblib("evaluate", truth, path, "--year", 2026, "--manual", manual, "--json")
    assert json.loads(out) == {"score": pytest.approx((2 / 3 + 1 + 0) / 3, abs=1e-15), "score_secondary": 1}
    _, out, _ = nblib("evaluate", truth, path, "--year", 2026, "--json")
    assert list(json.loads(out)) == ["score"]


def test_an_unknown_year_is_one_sentence(nblib, truth):
    code, _, err = nblib("evaluate", truth, truth, "--year", 2019)
    assert (code, err) == (1, "year must be one of 2020, 2022, 2024, 2026; received 2019.\n")


def test_check_submission_knows_the_form_of_the_year(nblib, sample, truth, tmp_path):
    answer = {image_id: ("C0000001",) for image_id in sorted(read_truth(truth))}
    path = write_submission(tmp_path / "submission.zip", answer, answer.values(), 2026)
    assert nblib("check-submission", path, "--data", sample, "--year", 2026)[0] == 0
    code, out, _ = nblib("check-submission", path, "--data", sample)
    assert code == 1 and "expected the list itself, not a zip archive." in out


def test_submissions_are_listed_and_their_online_scores_entered(nblib, run, sample_dataset):
    runs = run.folder.parent.parent
    assert nblib("submissions", runs) == (0, f"no submissions below {runs}; notebook 06 writes them.\n", "")
    images = Examples.of(sample_dataset.split("test"), run.vocabulary)
    path = submit(run, replace(images, probabilities=images.labels.toarray()), images.image_ids, Threshold(), 100)
    code, out, _ = nblib("submissions", runs, "--score", f"{path}=0.25")
    assert code == 0
    assert out.splitlines()[0] == f"entered: {path}"
    assert out.splitlines()[2].split()[:3] == ["small/val1/submissions/1_threshold.txt", "threshold", "False"]
    assert out.splitlines()[-1] == "2020: 1 of 1 submissions have an online score; 9 of 10 are left"
    code, _, err = nblib("submissions", runs, "--score", "1_threshold.txt")
    assert (code, err) == (1, "--score must be FILE=F1, such as 1_threshold.txt=0.3631; received '1_threshold.txt'.\n")


# ---- prepare


def test_prepare_decodes_the_pixels_of_all_experiments_and_reports_errors_in_one_sentence(sample, tmp_path, capfd):
    small = {"backbone": "small_plain", "weights": None, "data": str(sample), "runs": str(tmp_path / "runs")}
    files = [tmp_path / f"{size}.yaml" for size in (32, 40)]
    for file in files:
        file.write_text(json.dumps({**small, "image_size": int(file.stem)}))  # JSON is YAML
    files.append(tmp_path / "wrong.yaml")
    files[-1].write_text(json.dumps({**small, "weights": str(tmp_path / "missing.weights.h5")}))
    program = """
import sys
from nblib.__main__ import main
for files in (sys.argv[1:3], sys.argv[3:4], ["nowhere.yaml"]):
    sys.argv = ["nblib", "prepare", *files]
    try:
        main()
    except SystemExit as ended:
        print(ended.code)
"""  # three commands, for one import of TensorFlow
    subprocess.run([sys.executable, "-c", program, *files], check=True)
    out, err = capfd.readouterr()
    assert out.split() == ["0", "1", "1"]
    missing_weights, missing_file = err.splitlines()
    assert str(tmp_path / "missing.weights.h5") in missing_weights and "nowhere.yaml" in missing_file
    assert {path.parent.name[-5:] for path in tmp_path.rglob("facts.json")} == {"_32px", "_40px"}


# ---- predict


def test_predict_prints_or_writes_and_names_what_it_cannot_read(nblib, sample, tmp_path):
    run = finished_run(sample, tmp_path / "runs")
    images = tmp_path / "images"
    shutil.copytree(sample / "test", images)
    (images / "0.jpg").write_text("no image")
    number = len(list(images.rglob("*.jpg"))) - 1
    code, out, err = nblib("predict", run.folder, images, "--to", tmp_path / "p.csv", "--nomissing")
    assert (code, out) == (1, "")
    assert f"{images / '0.jpg'}: " in err and err.endswith(f"{number} images predicted: {tmp_path / 'p.csv'}\n")
    table = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    assert len(table) == number and table["concepts"].str.startswith("C").all()
    one = images / f"{table['image_id'][0]}.jpg"
    code, out, err = nblib("predict", run.folder, one, "--nomissing")
    assert (code, err) == (0, "1 images predicted\n")
    assert [line.split()[0] for line in out.splitlines()] == [one.stem, *table["concepts"][0].split(";")]
    code, _, err = nblib("predict", run.folder, one, "--rule", "top_k")
    assert code == 1 and err.startswith(f"no file {run.folder / 'rules' / 'top_k.json'}: ") and err.count("\n") == 1


def test_predict_names_each_of_many_hostile_images_in_a_line_and_predicts_all_others(nblib, sample, tmp_path):
    data = shutil.copytree(sample, tmp_path / "data")
    run = finished_run(data, tmp_path / "runs")
    images = shutil.move(data / "test", tmp_path / "images")
    shutil.rmtree(data)
    number = len(list(images.iterdir()))
    for name, content, _, predicted in ODD:
        (images / name).write_bytes(content())
        number += predicted
    code, out, err = nblib("predict", run.folder, images, "--to", tmp_path / "p.csv")
    assert (code, out) == (1, "")
    *lines, last = err.splitlines()
    assert last == f"{number} images predicted: {tmp_path / 'p.csv'}" and len(lines) == len(ODD)
    for name, _, line, _ in ODD:
        (said,) = [each for each in lines if each.startswith(f"- {images / name}: ")]
        assert line in said
    assert len(pd.read_csv(tmp_path / "p.csv")) == number


def test_predict_without_images_or_with_an_unknown_format_says_so(nblib, sample, tmp_path):
    run = finished_run(sample, tmp_path / "runs")
    assert nblib("predict", run.folder, tmp_path / "none")[2].startswith(f"no images at {tmp_path / 'none'}; expected ")
    code, _, err = nblib("predict", run.folder, sample / "test", "--to", tmp_path / "p.xml")
    assert code == 1 and err.startswith("format must be one of csv, json, parquet, submission; received 'xml'")
    assert not (tmp_path / "p.xml").exists()


# ---- export


def test_export_writes_a_folder_and_names_what_it_has_not(nblib, sample, tmp_path):
    run = finished_run(sample, tmp_path / "runs")
    code, out, _ = nblib("export", run.folder, "--to", tmp_path / "to", "--format", "saved_model")
    assert code == 0
    assert out.startswith(f"{tmp_path / 'to'}: probabilities differ from Keras's by at most ") and "predict.py" in out
    code, _, err = nblib("export", run.folder, "--to", tmp_path / "to", "--format", "pickle")
    assert (code, err) == (1, "format must be one of onnx, saved_model, litert; received 'pickle'.\n")


# ---- app and card


def test_card_is_printed_or_written_and_another_file_stays(nblib, sample, tmp_path):
    run = finished_run(sample, tmp_path / "runs", train_on="all")
    run.write_scores({"epochs": 3, "seconds": 2.0})
    code, out, _ = nblib("card", run.folder, "--licence", "CC BY 4.0")
    assert code == 0 and out.startswith("---\n") and "- model: CC BY 4.0" in out
    assert nblib("card", run.folder, "--to", tmp_path / "card.md")[:2] == (0, f"{tmp_path / 'card.md'}\n")
    (tmp_path / "mine.md").write_text("mine")
    code, _, err = nblib("card", run.folder, "--to", tmp_path / "mine.md")
    assert code == 1 and err.startswith(f"{tmp_path / 'mine.md'} exists and is not a card of nblib")


def test_app_of_a_folder_without_a_run_is_one_sentence(nblib, tmp_path):
    code, out, err = nblib("app", tmp_path / "none")
    assert (code, out) == (1, "") and err.startswith(f"no finished run in {tmp_path / 'none'}; ")


# ---- report and mistakes


def test_report_names_a_missing_folder(nblib, tmp_path):
    code, _, err = nblib("report", tmp_path / "runs", "--to", tmp_path / "reports")
    assert code == 1
    assert err.startswith(f"no folder {tmp_path / 'runs'}; ") and "Traceback" not in err


def test_report_of_no_runs_is_an_index(nblib, tmp_path):
    (tmp_path / "runs").mkdir()
    code, out, _ = nblib("report", tmp_path / "runs", "--to", tmp_path / "reports")
    assert (code, out) == (0, f"open {tmp_path / 'reports' / 'index.html'}\n")
    assert (tmp_path / "reports" / "index.html").is_file()


def test_report_of_data_is_a_page_of_concepts_which_the_index_links(nblib, sample, tmp_path):
    to = tmp_path / "reports"
    arguments = ("report", tmp_path / "runs", "--to", to, "--data", sample)
    assert nblib(*arguments)[:2] == (0, f"open {to / 'concepts.html'}\n")
    assert not (to / "index.html").exists()
    (tmp_path / "runs").mkdir()
    assert nblib(*arguments)[:2] == (0, f"open {to / 'concepts.html'}\nopen {to / 'index.html'}\n")
    assert '<a href="concepts.html">' in (to / "index.html").read_text()


@pytest.mark.parametrize("arguments", [["bogus"], ["check"], ["sample", "x", "--images", "many"]])
def test_a_mistyped_command_line_ends_with_2(nblib, arguments):
    code, _, err = nblib(*arguments)
    assert code == 2
    assert err.startswith("Usage: ") and "Error" in err


def test_check_refuses_data_without_a_validation_split(nblib, tmp_path):
    (tmp_path / "train").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "train" / "A.png")
    (tmp_path / "train_concepts.csv").write_text("A\tC0040405\n")
    code, out, _ = nblib("check", tmp_path)
    assert code == 1
    assert "no image with concepts in val; training needs train and val." in out
