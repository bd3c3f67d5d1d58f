import os
import pty
import subprocess
import sys
import termios

import pytest
from kernels import displayed, kernel  # noqa: F401

from nblib.system.progress import stderr_silenced

BAR = """
from nblib.system import ProgressBar
for _ in ProgressBar(range(3), "decode", unit="image", mininterval=0):
    pass
"""


def test_a_bar_is_drawn_in_a_terminal():
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    subprocess.run([sys.executable, "-c", BAR], stderr=end, check=True)
    os.close(end)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert shown.startswith("\rdecode:   0%|") and "| 3/3 [" in shown


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of the kernel's client
def test_a_bar_shows_itself_in_one_place_of_a_notebook_and_goes_when_the_work_is_done(kernel):  # noqa: F811
    messages = kernel(BAR)
    shown = displayed(messages)
    *bars, last = [data for _, data, _ in shown]
    assert bars[0]["text/plain"].startswith("decode:   0%|") and " 0/3 [" in bars[0]["text/plain"]
    assert any(" 2/3 [" in each["text/plain"] for each in bars)
    assert last == {"text/html": ""}
    assert len({place for *_, place in shown}) == 1
    assert not [each for each in messages if each["msg_type"] == "stream"]


def test_a_bar_is_silent_where_it_goes_to_a_file():
    done = subprocess.run([sys.executable, "-c", BAR], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_libraries_write_to_stderr_is_discarded_in_the_block_only(capfd):
    with stderr_silenced():
        os.write(2, b"noise")
    os.write(2, b"error")
    assert capfd.readouterr().err == "error"
