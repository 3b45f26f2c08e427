"""Files appear whole or not at all."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from satseg.errors import UserError
from satseg.files import atomic, files_below, room, sha256, together, write_json
from satseg.processes import this_process


def test_atomic_replaces_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".csv"
        temporary.write_text("a")
        assert not path.exists()
    assert path.read_text() == "a"
    with atomic(path) as temporary:
        temporary.write_text("b")
        assert path.read_text() == "a"
    assert path.read_text() == "b"
    assert list(path.parent.iterdir()) == [path]


def test_atomic_leaves_nothing_behind_when_it_does_not(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError("half way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_leaves_no_empty_folder_behind(tmp_path):
    """But the one that was there, and one in which something else was written."""
    for folder, other in ("new", False), ("old", False), ("shared", True):
        if folder == "old":
            (tmp_path / folder).mkdir()
        with pytest.raises(RuntimeError), atomic(tmp_path / folder / "a.csv") as temporary:
            temporary.write_text("ne")
            if other:
                (temporary.parent / "b.csv").touch()
            raise RuntimeError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b.csv", "old", "shared"]


def test_atomic_complains_when_nothing_was_written(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "table.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_file_has_none_of_its_own(tmp_path):
    """Killed in its block, a process leaves names that the next run knows and removes."""
    outputs = [tmp_path / "a.json", tmp_path / "b.json"]
    with together(*outputs) as temporaries:
        for number, temporary in enumerate(temporaries):
            with atomic(temporary) as same:
                assert same == temporary
                same.write_text(f"{number}\n")
        write_json(temporaries[1], [2])
        assert sorted(tmp_path.iterdir()) == sorted(temporaries)
    assert [path.read_text() for path in outputs] == ["0\n", "[\n 2\n]\n"]
    assert sorted(tmp_path.iterdir()) == outputs


def test_write_json(tmp_path):
    value = {"name": "Gebäude", "values": [1, 2.5, None]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "Gebäude" in text
    assert text.endswith("\n")


def test_sha256(tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "a.bin").write_bytes(content)
    assert sha256(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()
    (tmp_path / "b.bin").touch()
    assert (
        sha256(tmp_path / "b.bin")
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_together_none_takes_its_name_before_all_are_written(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    with pytest.raises(ValueError, match="second"), together(*paths) as (first, _):
        first.write_text("done")
        raise ValueError("second")
    assert list(tmp_path.iterdir()) == []
    with together(*paths) as files:
        for file, text in zip(files, "ab", strict=True):
            file.write_text(text)
        assert not any(path.exists() for path in paths)
    assert [path.read_text() for path in paths] == ["a", "b"]
    assert sorted(tmp_path.iterdir()) == paths


def test_what_a_killed_process_left_is_removed_but_not_what_a_living_one_writes(tmp_path):
    path = tmp_path / "table.csv"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = this_process()
    dead = here._replace(pid=gone.pid)
    alive = here._replace(pid=os.getppid())
    elsewhere = dead._replace(host="0" * 8)
    other_container = dead._replace(boot="0" * 8)
    kept = [f"table.{owner}" for owner in (alive, elsewhere, other_container)]
    kept += [f"tables.{dead}", f"table.{gone.pid}"]
    for name in (f"table.{dead}", *kept):
        (tmp_path / f".{name}.tmp.csv").touch()
    (tmp_path / f".table.{dead}.old.csv").touch()
    with atomic(path) as temporary:
        temporary.touch()
    assert {p.name for p in tmp_path.iterdir()} == {
        path.name,
        *(f".{name}.tmp.csv" for name in kept),
    }


def test_a_long_name_has_room_for_the_temporary_one(tmp_path):
    path = tmp_path / f"{'ä' * 125}.csv"
    with atomic(path) as temporary:
        temporary.touch()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("broken", ["in the way", "renaming", "flushing"])
def test_together_all_take_their_names_or_none(tmp_path, monkeypatch, broken):
    paths = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    paths[0].write_text("old")
    if broken == "in the way":
        paths[2].mkdir()
    before = sorted(tmp_path.iterdir())

    def third(work, calls=[]):  # noqa: B006
        def fails(*arguments):
            calls.append(arguments)
            if len(calls) == 3:
                raise OSError(errno.EIO, "broken")
            return work(*arguments)

        return fails

    with monkeypatch.context() as patched:
        if broken == "renaming":
            patched.setattr(Path, "rename", third(Path.rename))
        if broken == "flushing":
            patched.setattr(os, "fsync", third(os.fsync))
        with pytest.raises(OSError), together(*paths) as files:
            for file in files:
                file.write_text("new")
    assert sorted(tmp_path.iterdir()) == before
    assert paths[0].read_text() == "old"


def test_an_error_of_the_system_names_the_file_itself(tmp_path):
    with pytest.raises(IsADirectoryError) as caught, atomic(tmp_path / "a.csv") as temporary:
        temporary.mkdir()
        temporary.write_text("")
    assert caught.value.filename == str(tmp_path / "a.csv")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_space_is_one_line(tmp_path, number):
    with (
        pytest.raises(UserError, match=r": no space left on its disk; free some and run") as caught,
        room(tmp_path),
    ):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith(str(tmp_path)) and caught.value.__cause__.errno == number


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "broken"), OSError("broken"), RuntimeError("broken")]
)
def test_other_troubles_of_a_disk_with_space_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error), match="broken"), room(tmp_path / "not" / "there"):
        raise error


def test_files_below_follow_links_but_in_no_circle(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/1").touch()
    (tmp_path / "a/b/2").touch()
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    assert [
        path.relative_to(tmp_path / "linked").as_posix()
        for path in files_below(tmp_path / "linked")
    ] == [
        "1",
        "b/2",
    ]
    with pytest.raises(UserError, match="no such folder"):
        files_below(tmp_path / "a/1")


@pytest.mark.parametrize(
    ("target", "words"),
    [("nowhere", "a broken link; remove it"), ("pipe", "neither a file nor a folder; remove it")],
)
def test_files_below_name_what_is_not_a_file(tmp_path, target, words):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match=rf"folder/link: {words}"):
        files_below(tmp_path / "folder")
