"""The command line `nblib ...`: a thin face on the library."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nblib.batch import PapermillStyle, batch
from nblib.data import (
    LAYOUTS,
    Dataset,
    Problem,
    check_images,
    count_images,
    format_problems,
    inspect_dataset,
    label_statistics,
    missing_splits,
    serious_problems,
    write_quarantine,
)
from nblib.evaluation import check_submission, evaluate, read_submission
from nblib.system import stderr_silenced

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown", add_completion=False
)

# The digits that the paper gives, section 3.2.
DIGITS = {"label cardinality": ".2f", "label density": ".4f"}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
LayoutName = Annotated[
    str | None, typer.Option(help=f"{', '.join(LAYOUTS)}; recognised by default.", show_default=False)
]
DataFolder = Annotated[Path, typer.Argument(help="Folder with images and concept lists.", show_default=False)]


@app.callback()
def _describe() -> None:
    """Find medical concepts (UMLS CUIs) in radiology images.

    Start with `nblib sample data/sample`, then open the notebooks or run them with papermill.
    """


@app.command()
def sample(
    folder: Annotated[Path, typer.Argument(help="A new folder to draw into.", show_default=False)],
    images: Annotated[int, typer.Option(help="How many images in all.")] = 1000,
    seed: Annotated[int, typer.Option(help="Same seed, same files.", min=0)] = 2020,
) -> None:
    """Draw a synthetic sample in the layout of the 2020 task.

    Example: `nblib sample data/sample --images 1000`
    """
    from nblib.phantoms import draw_sample

    draw_sample(folder, images, seed)
    typer.echo(f"{images} synthetic images in {folder}")


@app.command()
def check(
    data: DataFolder,
    as_json: AsJson = False,
    pixels: Annotated[
        bool,
        typer.Option("--pixels/--headers", help="Decode every image, or read headers only: faster, misses cuts."),
    ] = True,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write the images to leave out to this file, with reasons.", show_default=False)
    ] = None,
    layout: LayoutName = None,
) -> None:
    """Say what a data folder holds and what is wrong with it; exit 1 where training would be wrong.

    Example: `nblib check data/sample --quarantine quarantine.txt`
    """
    dataset = inspect_dataset(data, layout)
    problems = [*missing_splits(dataset), *dataset.problems, *check_images(dataset.images, pixels)]
    left_out = write_quarantine(quarantine, problems) if quarantine else 0
    typer.echo(_check_json(dataset, problems) if as_json else _check_text(dataset, problems))
    if quarantine:
        typer.echo(f"{left_out:,} images to leave out: {quarantine}", err=as_json)
    if serious_problems(problems):
        raise typer.Exit(1)


@app.command()
def stats(data: DataFolder, as_json: AsJson = False, layout: LayoutName = None) -> None:
    """Print Table 1 of the paper for your data, and cardinality and density of the labels.

    Example: `nblib stats data/sample --json`
    """
    dataset = inspect_dataset(data, layout)
    table = count_images(dataset.images)
    numbers = label_statistics(dataset.split("train", "val")["concepts"]).to_dict()
    if as_json:
        typer.echo(json.dumps({"images by split": table.T.to_dict(), **numbers}, indent=2))
        return
    typer.echo(table.to_string())
    typer.echo(f"categories from: {dataset.category_from or 'nothing; they are not known'}\n")
    typer.echo("\n".join(f"{name:20} {value:>12{DIGITS.get(name, ',')}}" for name, value in numbers.items()))


@app.command("evaluate")
def evaluate_submission(
    truth: Annotated[Path, typer.Argument(help="The true concepts, in the form of a submission.", show_default=False)],
    submission: Annotated[Path, typer.Argument(help="What to score.", show_default=False)],
) -> None:
    """Score a submission as the challenge does: mean F1 over images.

    Example: `nblib evaluate data/sample/withheld/test_concepts.csv runs/sample/submission.txt`
    """
    f1, scored = evaluate(read_submission(truth), read_submission(submission))
    typer.echo(f"{f1:.6f} mean F1 over {scored} images")


@app.command("check-submission")
def check_submission_file(
    submission: Annotated[Path, typer.Argument(help="The file to check.", show_default=False)],
    data: Annotated[Path, typer.Option(help="Data folder whose test images it answers.", show_default=False)],
) -> None:
    """Say everything the challenge would reject a submission for; exit 1 if there is anything.

    Example: `nblib check-submission runs/sample/submission.txt --data data/sample`
    """
    test = inspect_dataset(data).split("test")
    problems = check_submission(submission, test["image_id"])
    if problems:
        typer.echo(format_problems(problems))
    if any(problem.serious for problem in problems):
        raise typer.Exit(1)
    typer.echo(f"{submission}: accepted, {len(test):,} images answered")


@app.command()
def report(
    runs: Annotated[Path, typer.Argument(help="Folder with executed notebooks and runs.")] = Path("runs"),
    to: Annotated[Path, typer.Option(help="Folder for the pages.")] = Path("reports"),
) -> None:
    """Render executed notebooks as HTML pages with an index.

    Example: `nblib report runs --to reports`
    """
    from nblib.reports import render_reports

    typer.echo(f"open {render_reports(runs, to)}")


@app.command()
def doctor(
    experiments: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of parameters, such as those in params/table3.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data folder of all experiments, instead of their own.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what this machine has, and whether it is enough for experiments; exit 1 where one can't run.

    Example: `nblib doctor params/table3/03_vgg16_flipped.yaml --data my_data`
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from nblib.training import examine, read_experiment, versions

    if data and not data.is_dir():
        raise FileNotFoundError(f"no data folder at {data}; --data names the folder with images and concept lists.")
    findings = examine([read_experiment(path, data and data.resolve()) for path in experiments or ()])
    fit = not any(finding.level == "error" for finding in findings)
    if as_json:
        found = {"versions": versions(), "fit": fit, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(found, indent=2))
    else:
        typer.echo(", ".join(f"{name} {number}" for name, number in versions().items()))
        for finding in findings:
            typer.echo(
                f"{finding.level:8} {finding.what}" + (f"\n{'':8} -> {finding.advice}" if finding.advice else "")
            )
    if not fit:
        raise typer.Exit(1)


@app.command()
def prepare(
    experiments: Annotated[
        list[Path], typer.Argument(help="Files of parameters, such as those in params/table3.", show_default=False)
    ],
) -> None:
    """Decode the pixels and fetch the weights that experiments share, before they run.

    Example: `nblib prepare params/table3/*.yaml`
    """
    with stderr_silenced():
        from nblib.training import prepare as prepare_experiments
        from nblib.training import read_experiment

    prepare_experiments([read_experiment(path) for path in experiments])


@app.command()
def watch(
    run: Annotated[Path, typer.Argument(help="Folder of a run that is being trained.", show_default=False)],
) -> None:
    """Print the epochs of a run as they come, until it is finished; Ctrl-C ends the watching, not the run.

    Example: `nblib watch runs/03_vgg16_flipped/val1`
    """
    from nblib.experiments import watch_run

    watch_run(run)


app.command(cls=PapermillStyle)(batch)


def _check_text(dataset: Dataset, problems: list[Problem]) -> str:
    """What `nblib check` says: counts, then problems, the serious ones first."""
    title = LAYOUTS[dataset.layout].title
    text = [f"{dataset.folder}: {title}, {len(dataset.images):,} images, {len(dataset.names):,} concept names"]
    if len(dataset.images):
        text.append(f"categories from: {dataset.category_from or 'nothing; they are not known'}")
        text.append(count_images(dataset.images).to_string())
    serious = serious_problems(problems)
    notes = [problem for problem in problems if not problem.serious]
    for heading, found in (("Training would be wrong", serious), ("Good to know", notes)):
        if found:
            text.append(f"\n{heading}: {len(found):,}\n{format_problems(found)}")
    if not serious:
        trained = dataset.images["path"].notna().any()
        text.append("\nFit for training." if trained else "\nFit for notebooks 01 and 02; training needs the images.")
    return "\n".join(text)


def _check_json(dataset: Dataset, problems: list[Problem]) -> str:
    """The same for programs, every problem of it."""
    facts = {
        "folder": str(dataset.folder),
        "layout": dataset.layout,
        "category_from": dataset.category_from,
        "images": len(dataset.images),
        "fit": not serious_problems(problems),
        "problems": [asdict(problem) for problem in problems],
    }
    return json.dumps(facts, indent=2)


def main() -> None:
    """Runs the command line; what is wrong with the input is one sentence, not a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
