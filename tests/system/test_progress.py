import os
import pty
import subprocess
import sys
import termios

from nblib.system import stderr_silenced

BAR = "from nblib.system import ProgressBar\nfor _ in ProgressBar(range(3), 'decode', unit='image'): pass"


def test_a_bar_is_drawn_in_a_terminal():
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    subprocess.run([sys.executable, "-c", BAR], stderr=end, check=True)
    os.close(end)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert shown.startswith("\rdecode:   0%|") and "| 3/3 [" in shown


def test_what_libraries_write_to_stderr_is_discarded_in_the_block_only(capfd):
    with stderr_silenced():
        os.write(2, b"noise")
    os.write(2, b"error")
    assert capfd.readouterr().err == "error"
