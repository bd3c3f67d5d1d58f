import pytest
from reports.rendered import render, write_notebooks


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> dict[str, str]:
    """The pages of a runs folder with hostile, failed, stopped and half-written notebooks, by file name; read-only."""
    project = tmp_path_factory.mktemp("notebooks")
    write_notebooks(project / "runs")
    return render(project)
