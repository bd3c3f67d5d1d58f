"""The command line `nblib`: a thin layer over the library."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pandas import DataFrame, Series
from typer import Argument, Exit, Option, Typer, echo, secho

from nblib.batch import PapermillStyle, batch
from nblib.data import LAYOUTS, Dataset, Problem, count_images, format_problems, inspect_dataset, serious_problems
from nblib.system import stderr_silenced

app = Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown", add_completion=False)

DIGITS = {"label cardinality": ".2f", "label density": ".4f"}  # as in section 3.2 of the paper

SCORES = {"score": "", "score_secondary": ", secondary score"}  # what `nblib evaluate` writes after each

AsJson = Annotated[bool, Option("--json", help="Print JSON instead of text.")]
Layout = Annotated[str | None, Option(help=f"One of {', '.join(LAYOUTS)}; detected by default.", show_default=False)]
ParametersFiles = Annotated[list[Path], Argument(help="Parameters files, as in params/table3.", show_default=False)]
Year = Annotated[int, Option(help="The year of the challenge: 2020, 2022, 2024, 2026.")]
DataFolder = Annotated[Path, Argument(help="Folder of images and concept lists.", show_default=False)]


@app.callback()
def _describe() -> None:
    """Find medical concepts (UMLS CUIs) in radiology images.

    Start with `nblib sample data/sample`; then open the notebooks, or run them with papermill.
    """


@app.command()
def sample(
    folder: Annotated[Path, Argument(help="A new or empty folder.", show_default=False)],
    images: Annotated[int, Option(help="Number of images, at least 50.")] = 1000,
    seed: Annotated[int, Option(help="The same seed draws the same files.", min=0)] = 2020,
) -> None:
    """Draw a synthetic data set in the layout of the 2020 task.

    Example: `nblib sample data/sample --images 1000`
    """
    from nblib.phantoms import draw_sample

    draw_sample(folder, images, seed)
    echo(f"{images} synthetic images in {folder}")


@app.command()
def check(
    data: DataFolder,
    as_json: AsJson = False,
    pixels: Annotated[
        bool, Option("--pixels/--headers", help="Decode each image, or only read headers: faster, less thorough.")
    ] = True,
    quarantine: Annotated[
        Path | None, Option(help="A file to list unusable images in, for training to skip.", show_default=False)
    ] = None,
    layout: Layout = None,
) -> None:
    """Report what a data folder holds and what is wrong with it; exit 1 if it is not fit for training.

    Example: `nblib check data/sample --quarantine quarantine.txt`
    """
    from nblib.data import (
        check_images,
        count_leaks,
        find_groups,
        image_signatures,
        missing_splits,
        near_duplicates,
        pair_agreement,
        write_quarantine,
    )

    dataset = inspect_dataset(data, layout)
    problems = [*missing_splits(dataset), *dataset.problems, *check_images(dataset.images, pixels)]
    left_out = write_quarantine(quarantine, problems) if quarantine else 0
    groups = find_groups(dataset)
    pairs = near_duplicates(image_signatures(dataset.images if pixels else dataset.images.head(0)))
    found = dataset, problems, groups, count_leaks(dataset, groups, pairs), pair_agreement(dataset.images, pairs)
    echo(_check_json(*found) if as_json else _check_text(*found))
    if quarantine:
        echo(f"{left_out:,} images to leave out: {quarantine}", err=as_json)
    if serious_problems(problems):
        raise Exit(1)


@app.command()
def split(
    data: DataFolder,
    to: Annotated[Path, Option(help="The file to write; FILE_1.csv, FILE_2.csv, ... if several.", show_default=False)],
    method: Annotated[Literal["halves", "kfold", "montecarlo"], Option(
        help="halves of validation; or folds, or random draws, of train and validation together.")] = "halves",
    folds: Annotated[int, Option(help="kfold: the number of folds; montecarlo: of draws.", min=1)] = 5,
    seed: Annotated[int, Option(help="The same seed makes the same split.", min=0)] = 2020,
    groups: Annotated[Path | None, Option(
        help="Two columns, image_id,group; by default what the folder says.", show_default=False)] = None,
    pixels: Annotated[bool, Option("--pixels/--headers", help="Keep near-duplicates together as well, or not.")] = True,
    layout: Layout = None,
) -> None:  # fmt: skip
    """Split train and validation into train, val1 and val2, stratified by concept, with related images on one side.

    A notebook takes a file as the parameter `split`.

    Example: `nblib split data/sample --to splits/halves.csv`
    """
    from nblib.data import (
        METHODS,
        count_leaks,
        find_groups,
        image_signatures,
        join_groups,
        near_duplicates,
        read_dataset,
        write_split,
    )

    dataset = read_dataset(data, layout)
    images, known = dataset.split("train", "val"), find_groups(dataset, groups)
    pairs = near_duplicates(image_signatures(images if pixels else images.head(0)))
    made = METHODS[method](dataset, join_groups(images["image_id"], known, pairs), folds, seed)
    files = [to] if len(made) == 1 else [to.with_name(f"{to.stem}_{one}{to.suffix}") for one in range(1, len(made) + 1)]
    for file, parts in zip(files, made, strict=True):
        fingerprint = write_split(file, parts)
        sizes = Series(parts).value_counts()[["train", "val1", "val2"]]
        echo(f"{file}: {', '.join(f'{part} {size:,}' for part, size in sizes.items())}; fingerprint {fingerprint}")
    leaks = count_leaks(read_dataset(data, layout, split=files[0]), known, pairs)
    echo(f"groups of images from: {known.name or 'nothing; they are not known'}; near-duplicates: {len(pairs):,} pairs")
    echo(f"images with relatives in another part of {files[0]}:\n{leaks.round(3).to_string(index=False)}")


@app.command()
def stats(data: DataFolder, as_json: AsJson = False, layout: Layout = None) -> None:
    """Print Table 1 of the paper for your data, and their label cardinality and density.

    Example: `nblib stats data/sample --json`
    """
    from nblib.data import label_statistics

    dataset = inspect_dataset(data, layout)
    table = count_images(dataset.images)
    numbers = label_statistics(dataset.split("train", "val")["concepts"]).to_dict()
    if as_json:
        echo(json.dumps({"images by split": table.T.to_dict(), **numbers}, indent=2))
        return
    echo(table.to_string())
    echo(f"categories from: {dataset.category_from or 'nothing; they are not known'}\n")
    echo("\n".join(f"{name:20} {value:>12{DIGITS.get(name, ',')}}" for name, value in numbers.items()))


@app.command("evaluate")
def evaluate_submission(
    truth: Annotated[Path, Argument(help="The true concepts, a list in the form of any year.", show_default=False)],
    submission: Annotated[Path, Argument(help="The submission file to score.", show_default=False)],
    year: Year = 2020,
    manual: Annotated[
        Path | None, Option(help="The manually curated true concepts: adds the secondary score.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a submission as the challenge does: mean F1 over images.

    Example: `nblib evaluate data/sample/withheld/test_concepts.csv data/sample/withheld/test_concepts.csv`
    """
    from nblib.evaluation import evaluate, evaluate_secondary, read_submission, read_truth

    answers = read_submission(submission, year)
    scores = {"score": evaluate(read_truth(truth), answers, year)}
    if manual:
        scores["score_secondary"] = evaluate_secondary(read_truth(manual), answers)
    if as_json:
        echo(json.dumps({name: f1 if scored else None for name, (f1, scored) in scores.items()}))
        return
    for name, (f1, scored) in scores.items():
        echo(f"{f1:.6f} mean F1 over {scored} images{SCORES[name]}")


@app.command("check-submission")
def check_submission_file(
    submission: Annotated[Path, Argument(help="The file to check.", show_default=False)],
    data: Annotated[Path, Option(help="Data folder with the test images.", show_default=False)],
    year: Year = 2020,
) -> None:
    """Report everything for which the challenge would reject a submission; exit 1 if it would.

    Example: `nblib check-submission data/sample/withheld/test_concepts.csv --data data/sample`
    """
    from nblib.evaluation import check_submission

    test = inspect_dataset(data).split("test")["image_id"]
    if problems := check_submission(submission, test, year):
        echo(format_problems(problems))
    if serious_problems(problems):
        raise Exit(1)
    echo(f"{submission}: accepted, {len(test):,} images answered")


@app.command("submissions")
def list_submissions(
    runs: Annotated[Path, Argument(help="Folder of runs.")] = Path("runs"),
    score: Annotated[
        str | None, Option(help="FILE=F1: enter the online score of a submission.", show_default=False)
    ] = None,
) -> None:
    """List the submissions that notebook 06 wrote, their online scores, and how many are left.

    Example: `nblib submissions runs --score 03_vgg16_flipped/val1/submissions/1_threshold.txt=0.3631`
    """
    from nblib.reports import enter_online_score, remaining_budget, submissions

    if score:
        file, _, f1 = score.rpartition("=")
        try:
            number = float(f1)
        except ValueError:
            raise ValueError(f"--score must be FILE=F1, such as 1_threshold.txt=0.3631; received {score!r}.") from None
        echo(f"entered: {enter_online_score(runs, file, number)}")
    table = submissions(runs)
    if table.empty:
        echo(f"no submissions below {runs}; notebook 06 writes them.")
        return
    columns = ["file", "rule", "nomissing", "cap", "year", "date", "online_f1", "damaged"]
    shown = table.assign(file=table["path"].map(lambda path: path.relative_to(runs)))[columns]
    echo(shown.dropna(axis="columns", how="all").to_string(index=False, na_rep=""))
    for year, sentence in remaining_budget(table).items():
        echo(f"{year}: {sentence}")


@app.command()
def report(
    runs: Annotated[Path, Argument(help="Folder of runs and executed notebooks.")] = Path("runs"),
    to: Annotated[Path, Option(help="Folder for the HTML pages.")] = Path("reports"),
    data: Annotated[
        Path | None, Option(help="Data folder: adds a page to explore its concepts.", show_default=False)
    ] = None,
) -> None:
    """Render executed notebooks as HTML pages with an index; exit 1 if one of them, or a run, is damaged.

    Example: `nblib report runs --to reports`
    """
    from nblib.reports import render_reports, write_concepts_page

    if data:
        write_concepts_page(to / "concepts.html", inspect_dataset(data))
        echo(f"open {to / 'concepts.html'}")
        if not runs.exists():
            return
    reports = render_reports(runs, to)
    echo(f"open {reports.index}")
    for place, reason in reports.damages.items():
        echo(f"damaged: {place}: {reason}", err=True)
    if reports.damages:
        raise Exit(1)


@app.command()
def predict(
    run: Annotated[Path, Argument(help="Folder of a finished run.", show_default=False)],
    images: Annotated[
        list[Path],
        Argument(help="Images, folders, zip archives, parquet shards, or text files of paths.", show_default=False),
    ],
    to: Annotated[
        Path | None,
        Option(help="The file to write instead of printing; or a folder, for millions.", show_default=False),
    ] = None,
    form: Annotated[
        str | None, Option("--format", help="csv, json, parquet, submission; by default the suffix of --to.")
    ] = None,
    others: Annotated[
        list[Path], Option("--with", help="Another run, to predict with the mean; may be repeated.", show_default=False)
    ] = (),
    rule: Annotated[
        str, Option(help="Decision rule, as saved in the run: tuned_threshold, top_k, expected_f1, ...")
    ] = "threshold",
    threshold: Annotated[
        float, Option(help="With the rule threshold: select concepts with a probability above this.", min=0, max=1)
    ] = 0.5,
    nomissing: Annotated[bool, Option("--nomissing", help="Give an image without concepts its most probable.")] = False,
    floor: Annotated[
        float, Option(help="With a folder: write all concepts with at least this probability.", min=0, max=1)
    ] = 0.05,
) -> None:
    """Predict the concepts of new images; needs the run folder, not the data that it was trained on.

    What can't be read is named, and the other images are predicted; the exit code is then 1. Into a folder (--to
    without suffix) each archive or parquet shard is predicted by itself, to a parquet file; started again, also several
    times at once, it predicts what is missing.

    Example: `nblib predict runs/sample/03_vgg16_flipped/val1 my_images --to predictions.csv`
    """
    from nblib.evaluation import Threshold
    from nblib.prediction import Predictor, print_predictions, write_predictions

    chosen = Threshold(threshold) if rule == "threshold" else rule
    predictor = Predictor(run, *others, rule=chosen, nomissing=nomissing)
    if to and not form and (to.is_dir() or not to.suffix):
        _predict_to_folder(predictor, images, to, floor)
        return
    blocks = predictor.blocks(images)
    number, problems = write_predictions(to, blocks, form) if to else print_predictions(blocks)
    if problems:
        echo(format_problems(sorted(problems, key=lambda problem: not problem.serious)), err=True)
    echo(f"{number:,} images predicted" + (f": {to}" if to else ""), err=True)
    if serious_problems(problems) or not number:
        raise Exit(1)


@app.command("import")
def import_probabilities(
    files: Annotated[list[Path], Argument(
        help=".npz: image_ids, concepts, probabilities; or .parquet: image_id, a column per CUI.", show_default=False)],
    name: Annotated[str, Option(help="experiment_name of the run.", show_default=False)],
    data: Annotated[Path, Option(help="Data folder that the images belong to.", show_default=False)],
    half: Annotated[Literal["val1", "val2"], Option(help="The half that tunes rules; the other is scored.")] = "val1",
    runs: Annotated[Path, Option(help="Folder of runs.")] = Path("runs"),
    split: Annotated[Path | None, Option(help="A split file of `nblib split`.", show_default=False)] = None,
    seed: Annotated[int, Option(help="Seed of the training, for reports.", min=0)] = 2020,
    force: Annotated[bool, Option("--force", help="Archive another run in the same folder.")] = False,
) -> None:  # fmt: skip
    """Make a run of probabilities that were predicted elsewhere: for rules, intervals, submissions and reports.

    Example: `nblib import val.npz test.npz --name my_swin --data my_data`
    """
    from nblib.experiments import Experiment
    from nblib.prediction import import_run

    places = {"data": str(data.resolve()), "runs": str(runs.resolve()), "split": split and str(split.resolve())}
    experiment = Experiment(experiment_name=name, validation_half=half, seed=seed, force=force, **places)
    run, notes = import_run(files, experiment)
    echo("".join(f"note: {note}\n" for note in notes), nl=False)
    scores, interval = run.scores, "{:.4f} to {:.4f}".format(*run.scores["test_f1_interval"])
    echo(f"{run.folder}: F1 {scores['test_f1']:.4f} ({interval}) on {experiment.test_half} at threshold 0.5")


@app.command()
def export(
    run: Annotated[Path, Argument(help="Folder of a finished run.", show_default=False)],
    to: Annotated[Path, Option(help="The folder to write to.", show_default=False)],
    form: Annotated[str, Option("--format", help="onnx, saved_model or litert.")] = "onnx",
    rule: Annotated[
        str, Option(help="Where thresholds are from: threshold (0.5), tuned_threshold or concept_thresholds.")
    ] = "threshold",
) -> None:
    """Write a run's model with preprocessing, concepts, thresholds and calibration, and a script that needs no nblib.

    Example: `nblib export runs/sample/03_vgg16_flipped/val1 --to exported`
    """
    with stderr_silenced():  # TensorFlow and tf2onnx report what they convert
        from nblib.prediction import export_run

        difference = export_run(run, to, form, rule)
    echo(f"{to}: probabilities differ from Keras's by at most {difference:.0e}; try: python {to / 'predict.py'} IMAGE")


@app.command()
def card(
    run: Annotated[Path, Argument(help="Folder of a finished run.", show_default=False)],
    to: Annotated[Path | None, Option(help="The file to write instead of printing.", show_default=False)] = None,
    licence: Annotated[str, Option(help="Licence of the model, as you publish it.")] = "not stated",
    data_licence: Annotated[str, Option(help="Licence of the data that it was trained on.")] = "not stated",
) -> None:
    """Write the model card of a run: data, recipe, F1, calibration, limits, licences, and the command that repeats it.

    Needs the run folder alone. `nblib export` writes it as well.

    Example: `nblib card runs/sample/03_vgg16_flipped/val1 --to exported/README.md`
    """
    from nblib.prediction import model_card, write_card

    text = model_card(run, licence, data_licence)
    if to is None:
        echo(text, nl=False)
    elif write_card(to, text):
        echo(f"{to}")
    else:
        raise ValueError(f"{to} exists and is not a card of nblib; it stays. Name another file.")


@app.command("app")
def serve(
    run: Annotated[Path, Argument(help="Folder of a finished run.", show_default=False)],
    port: Annotated[int, Option(help="Port of this machine; the next free one where it is taken.")] = 8866,
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Serve a web page to this machine alone: upload an image or DICOM, see its concepts and where they are seen.

    Needs the run folder, and Voila. Nothing that is uploaded is written to disk. Ctrl-C stops it.

    Example: `nblib app runs/sample/03_vgg16_flipped/val1`
    """
    from nblib.prediction import serve_app

    raise Exit(serve_app(run, port, browser))


@app.command()
def doctor(
    experiments: ParametersFiles = (),
    data: Annotated[
        Path | None, Option(help="A data folder instead of the experiments' own.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report what this machine has, and whether experiments can run on it; exit 1 if one can't.

    Example: `nblib doctor params/table3/03_vgg16_flipped.yaml --data my_data`
    """
    from nblib.training import examine, read_experiment, versions

    if data and not data.is_dir():
        raise FileNotFoundError(f"no data folder at {data}; --data names the folder with images and concept lists.")
    findings = examine([read_experiment(path, data and data.resolve()) for path in experiments])
    fit = all(finding.level != "error" for finding in findings)
    if as_json:
        echo(json.dumps({"versions": versions(), "fit": fit, "findings": list(map(asdict, findings))}, indent=2))
    else:
        echo(", ".join(f"{name} {number}" for name, number in versions().items()))
        for finding in findings:
            advice = f"\n{'':8} -> {finding.advice}" if finding.advice else ""
            echo(f"{finding.level:8} {finding.what}{advice}")
    if not fit:
        raise Exit(1)


@app.command()
def features(
    data: DataFolder,
    to: Annotated[Path, Option(help="The file to write, .npz.", show_default=False)],
    backbone: Annotated[str, Option(help="Of keras.applications, or hub:PRESET.")] = "VGG16",
    weights: Annotated[str, Option(help="imagenet, a file, a run folder; empty: random.")] = "imagenet",
    layers: Annotated[str, Option(help="Comma-separated names of layers.")] = "block4_pool,block5_pool",
    image_size: Annotated[int, Option(help="Pixels per side.", min=32)] = 224,
    runs: Annotated[Path, Option(help="Where pixels and features are cached.")] = Path("runs"),
) -> None:  # fmt: skip
    """Extract features of all images from a frozen backbone into a file, for notebook 08 or for use elsewhere.

    Example: `nblib features my_data --to features.npz --layers block4_pool,block5_pool`
    """
    from nblib.data import concatenate, labelled_splits, read_dataset, write_features
    from nblib.experiments import Experiment
    from nblib.training import extract_features

    conditions = {"backbone": backbone, "weights": weights or None, "image_size": image_size}
    experiment = Experiment(**conditions, data=str(data.resolve()), runs=str(runs.resolve()))
    examples = concatenate(labelled_splits(read_dataset(data)).values())
    extracted = extract_features(examples.images, experiment, tuple(layers.split(",")))
    write_features(to, examples.image_ids, extracted)
    echo(f"{to}: {extracted.shape[1]:,} features of {len(extracted):,} images")


@app.command()
def prepare(experiments: ParametersFiles) -> None:
    """Decode the pixels and download the weights that experiments share; `nblib batch` does so by itself.

    Example: `nblib prepare my_experiment.yaml`
    """
    from nblib.training import prepare as prepare_experiments
    from nblib.training import read_experiment

    prepare_experiments([read_experiment(path) for path in experiments])


@app.command()
def watch(
    run: Annotated[Path, Argument(help="Run folder, such as that in the example.", show_default=False)],
    wait: Annotated[bool, Option("--wait", help="Wait where no process trains the run.")] = False,
) -> None:
    """Print the epochs of a run while it is being trained; Ctrl-C stops watching, not the training. Exit 1 if none is.

    Example: `nblib watch runs/03_vgg16_flipped/val1`
    """
    from nblib.experiments import watch_run

    watch_run(run, wait=wait)


app.command(cls=PapermillStyle)(batch)


def _predict_to_folder(predictor, images: list[Path], to: Path, floor: float) -> None:
    from nblib.prediction import predict_shards

    made = predict_shards(predictor, images, to, floor)
    if problems := made.damaged + made.problems:
        echo(format_problems(sorted(problems, key=lambda problem: not problem.serious)), err=True)
    unreadable = f"; {made.unreadable:,} images can't be read, see the column problem" if made.unreadable else ""
    elsewhere = f", {made.elsewhere:,} being predicted by other processes" if made.elsewhere else ""
    echo(f"{made.images:,} images of {made.predicted:,} shards predicted: {to}{unreadable}", err=True)
    echo(f"{made.before:,} shards were predicted before, {len(made.damaged):,} are damaged{elsewhere}", err=True)
    if made.unreadable or serious_problems(problems):
        raise Exit(1)


def _check_text(
    dataset: Dataset, problems: list[Problem], groups: Series, leaks: DataFrame, agreement: DataFrame
) -> str:
    """The output of `nblib check`: counts, then problems, the serious ones first."""
    title = LAYOUTS[dataset.layout].title
    text = [f"{dataset.folder}: {title}, {len(dataset.images):,} images, {len(dataset.names):,} concept names"]
    if len(dataset.images):
        text.append(f"categories from: {dataset.category_from or 'nothing; they are not known'}")
        text.append(count_images(dataset.images).to_string())
    for what, labelled in (
        ("manually curated concepts", dataset.manual_concepts),
        ("labels of the test split, for scores only", dataset.test_concepts),
    ):
        if labelled:
            text.append(f"{what}: {len(labelled):,} images")
    text.append(f"groups of images from: {groups.name or 'nothing; they are not known'}")
    if leaks["either"].any():
        text.append(f"images with relatives in another part:\n{leaks.round(3).to_string(index=False)}")
    if len(agreement):
        text.append(f"near-duplicates, and how far their concepts agree:\n{agreement.round(3).to_string(index=False)}")
    serious, notes = serious_problems(problems), [problem for problem in problems if not problem.serious]
    for heading, found in (("Training would be wrong", serious), ("Good to know", notes)):
        if found:
            text.append(f"\n{heading}: {len(found):,}\n{format_problems(found)}")
    if not serious:
        has_images = dataset.images["path"].notna().any()
        purpose = "training." if has_images else "notebooks 01 and 02; training needs the images."
        text.append(f"\nFit for {purpose}")
    return "\n".join(text)


def _check_json(
    dataset: Dataset, problems: list[Problem], groups: Series, leaks: DataFrame, agreement: DataFrame
) -> str:
    """The same for programs, with every problem."""
    facts = {
        "folder": str(dataset.folder), "layout": dataset.layout, "category_from": dataset.category_from,
        "images": len(dataset.images), "manual_concepts": len(dataset.manual_concepts),
        "test_concepts": len(dataset.test_concepts), "fit": not serious_problems(problems),
        "groups_from": groups.name, "leaks": leaks.to_dict("records"),
        "near_duplicates": agreement.astype(object).where(agreement.notna(), None).to_dict("records"),
        "problems": list(map(asdict, problems)),
    }  # fmt: skip
    return json.dumps(facts, indent=2)


def main() -> None:
    """Runs the command line; an error in the input is reported in one sentence, not as a traceback."""
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        app()
    except (ValueError, OSError) as error:
        secho(str(error), fg="red", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
