import json
from pathlib import Path

import pytest

from nblib.system.files import remove_leftovers, replacing, write_json


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends_well(tmp_path):
    target = tmp_path / "new" / "folder" / "scores.json"
    with replacing(target) as beside:
        beside.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names_in(target.parent) == ["scores.json"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")
    with replacing(target) as beside:
        beside.write_text("ne")
        assert target.read_text() == "old"
        beside.write_text("new")
    assert target.read_text() == "new"


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    target = tmp_path / "scores.json"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="killed"), replacing(target) as beside:
        beside.write_text("half of the n")
        raise RuntimeError("killed")
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["scores.json"]


def test_the_file_beside_has_the_same_folder_and_suffix(tmp_path):
    with replacing(tmp_path / "best.weights.h5") as beside:
        assert beside.parent == tmp_path
        assert beside.name.endswith("best.weights.h5") and beside.name != "best.weights.h5"
        beside.touch()


def test_a_folder_can_be_written_whole(tmp_path):
    with replacing(tmp_path / "pages") as beside:
        beside.mkdir()
        (beside / "index.html").write_text("page")
    assert (tmp_path / "pages" / "index.html").read_text() == "page"
    assert names_in(tmp_path) == ["pages"]


def test_half_a_folder_vanishes(tmp_path):
    with pytest.raises(RuntimeError, match="killed"), replacing(tmp_path / "pages") as beside:
        beside.mkdir()
        (beside / "index.html").write_text("page")
        raise RuntimeError("killed")
    assert names_in(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_the_content_is_on_the_disk_before_it_gets_its_name_and_then_the_name(tmp_path, monkeypatch):
    synced, target = [], tmp_path / "scores.json"

    def note(file):
        synced.append((Path(f"/proc/self/fd/{file}").resolve(), target.exists()))

    monkeypatch.setattr("os.fsync", note)
    with replacing(target) as beside:
        beside.write_text("whole")
    assert synced == [(beside, False), (tmp_path, True)]


def test_json_is_read_back_as_it_was(tmp_path):
    content = {"best_epoch": 9, "f1": 0.3475, "name": "Röntgen", "none": None}
    write_json(tmp_path / "scores.json", content)
    text = (tmp_path / "scores.json").read_text(encoding="utf-8")
    assert json.loads(text) == content
    assert text.endswith("}\n")


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "scores.json", {"f1": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "scores.json", {"f1": object()})
    assert json.loads((tmp_path / "scores.json").read_text()) == {"f1": 1}
    assert names_in(tmp_path) == ["scores.json"]


def test_what_a_killed_writer_left_beside_its_file_is_removed_and_nothing_else(tmp_path):
    for name in ("state.npz", ".hidden", ".abc.state.npz", "probabilities/.0123456789ab.val1.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with replacing(tmp_path / "pages") as beside:
        (beside / "half").mkdir(parents=True)
        remove_leftovers(tmp_path)
        assert names_in(tmp_path) == [".abc.state.npz", ".hidden", "probabilities", "state.npz"]
        assert names_in(tmp_path / "probabilities") == []
        beside.mkdir()


def test_leftovers_of_one_file_are_removed_alone(tmp_path):
    for name in (".0123456789ab.a.parquet", ".0123456789ab.b.parquet", ".0123456789ab.ba.parquet", "a.parquet"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, "a.parquet")
    assert names_in(tmp_path) == [".0123456789ab.b.parquet", ".0123456789ab.ba.parquet", "a.parquet"]
