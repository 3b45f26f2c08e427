"""Given splits that name scenes."""

from pathlib import Path

import pandas as pd
import pytest

from satseg.config.datasets import OfficialLists
from satseg.data.layout import Scene
from satseg.data.official import published_subsets
from satseg.errors import UserError

SCENES = [
    Scene(name, Path(), Path(), {"area": name[0], "n": name[2:]})
    for name in ("a 1", "a 2", "b 1", "b 2")
]
TABLE = pd.DataFrame(
    {"scene": ["a 1", "a 1", "a 2", "b 1", "b 2"], "row": 0, "col": [0, 1, 0, 0, 0], "whole": 1}
)


def official(**changes) -> OfficialLists:
    return OfficialLists(by="lists", lists={"train": "train.txt", "val": "**/val.txt"}, **changes)


def write(folder, **lists):
    (folder / "deep").mkdir()
    for name, text in lists.items():
        (folder / ("deep" if name == "val" else "") / f"{name}.txt").write_text(
            text, encoding="utf-8"
        )


def test_scenes_by_name_one_a_line(tmp_path):
    write(tmp_path, train="\ufeffa 1\r\n\r\n  b 2 \r\n", val="a 2\n")
    assert published_subsets(TABLE, SCENES, tmp_path, official()).tolist() == [
        "train",
        "train",
        "val",
        "",
        "train",
    ]


def test_names_made_of_fields(tmp_path):
    write(tmp_path, train="a/1.tif\nb/1.tif\n", val="a/2.tif\n")
    subsets = published_subsets(TABLE, SCENES, tmp_path, official(name="{area}/{n}.tif"))
    assert subsets.tolist() == ["train", "train", "val", "train", ""]


def test_a_scene_in_two_lists(tmp_path):
    write(tmp_path, train="a 1\n", val="a 2\na 1\n")
    with pytest.raises(UserError, match=r"val\.txt: a 1 is also listed for train"):
        published_subsets(TABLE, SCENES, tmp_path, official())


def test_listed_scenes_that_are_not_here_are_counted(tmp_path, caplog):
    write(tmp_path, train="a 1\nc 9\n", val="a 2\nc 8\n")
    published_subsets(TABLE, SCENES, tmp_path, official())
    assert "2 of 4 scenes in the official lists are not here, such as c 8" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1", "utf-32"])
def test_lists_in_other_encodings_are_refused(tmp_path, encoding):
    write(tmp_path, train="", val="a 2\n")
    (tmp_path / "train.txt").write_bytes("a 1\nÄcker 2\n".encode(encoding))
    with pytest.raises(UserError, match=r"train\.txt: not text in UTF-8; save it as UTF-8"):
        published_subsets(TABLE, SCENES, tmp_path, official())
