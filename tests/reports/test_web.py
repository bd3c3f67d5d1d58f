import json

from reports.rendered import SCRIPT, render

from nblib.reports.leaderboard import read_row
from nblib.reports.web import write_index


def test_names_and_parameters_are_escaped_in_the_index_too(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped")
    run.facts["data"] = f"</script>{SCRIPT}"
    (run.folder / "experiment.json").write_text(json.dumps(run.facts))
    leave_run("other")
    index = render(tmp_path)["index.html"]
    assert SCRIPT not in index and "&lt;/script&gt;&lt;script&gt;alert(1)" in index
    assert index.count("</script>") == 5  # three of data, two of libraries


def test_200_runs_make_an_index_under_5_mb(leave_run, tmp_path):
    rows = []
    for n in range(200):
        f1 = [0.5 * epoch / (epoch + 5 + n % 7) for epoch in range(30)]
        run = leave_run(f"run_{n // 2:03}", f"val{n % 2 + 1}", f1=f1, scored=f1[-1], seed=n)
        rows.append(read_row(run))
    write_index(tmp_path / "index.html", rows, [])
    assert (tmp_path / "index.html").stat().st_size < 5_000_000
    assert (tmp_path / "index.html").read_text().count('<tr id="run-') == 200
