"""Makes docs/report.png: the index of the demo's reports as a picture, by headless Chromium."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

TOP = Path(__file__).parent.parent
REPORT = TOP / "reports" / "index.html"
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--virtual-time-budget=20000",
]  # milliseconds for the tables and charts to draw themselves


def main(report: Path, picture: Path) -> None:
    """Takes the picture and keeps it with few colours, small enough for a README."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or not report.is_file():
        sys.exit(f"Chromium and {report} are needed: install the one, run `make demo` for the other.")
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", f"--screenshot={picture}", "--window-size=1320,1240"]
        subprocess.run([chromium, *QUIET, *options, report.as_uri()], check=True, capture_output=True)
    Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPORT, TOP / "docs" / "report.png")
