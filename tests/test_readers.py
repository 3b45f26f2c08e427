"""Files of other stages are read as written, or refused in one line."""

import numpy as np
import pandas as pd
import pytest

from satseg.errors import UserError
from satseg.readers import present, read_array, read_counts, read_csv, read_json, read_split


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.csv: no such file"):
        present(tmp_path / "gone.csv")


def test_names_stay_text_and_gaps_become_nan(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("scene,class,official_split,value\n007,NA,,\n1e5,None,val,nan\nnan,null,,0.5\n")
    frame = read_csv(path, ["scene"])
    assert frame["scene"].tolist() == ["007", "1e5", "nan"]
    assert frame["class"].tolist() == ["NA", "None", "null"]
    assert frame["official_split"].tolist() == ["", "val", ""]
    assert frame["value"].isna().tolist() == [True, True, False]


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("scene\n1\n")
    with pytest.raises(UserError, match=r"a\.csv: column 'tile' is missing"):
        read_csv(path, ["scene", "tile"])


@pytest.mark.parametrize(
    ("text", "words"), [("{", "not valid JSON"), ('{"a": 1}', "'b' is missing")]
)
def test_damaged_json_is_refused(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        read_json(path, ["a", "b"])


def test_counts_come_sorted_by_tile_and_class(tmp_path):
    path = tmp_path / "counts.csv"
    rows = ["4,s,b,1,0,0,0", "4,s,a,2,0,0,0", "2,s,a,3,0,0,0", "2,s,b,4,0,0,0"]
    path.write_text("\n".join(["tile,scene,class,tp,fp,fn,tn", *rows]))
    frame = read_counts(path, ["a", "b"])
    assert frame[["tile", "class", "tp"]].to_numpy().tolist() == [
        [2, "a", 3],
        [2, "b", 4],
        [4, "a", 2],
        [4, "b", 1],
    ]


@pytest.mark.parametrize(
    ("classes", "words"), [(["a", "c"], "a, b, but a, c count"), (["a"], "evaluate again")]
)
def test_counts_of_other_classes_are_refused(tmp_path, classes, words):
    path = tmp_path / "counts.csv"
    path.write_text("tile,scene,class,tp,fp,fn,tn\n1,s,a,1,0,0,0\n1,s,b,1,0,0,0\n")
    with pytest.raises(UserError, match=words):
        read_counts(path, classes)


def test_incomplete_counts_are_refused(tmp_path):
    path = tmp_path / "counts.csv"
    path.write_text("tile,scene,class,tp,fp,fn,tn\n1,s,a,1,0,0,0\n1,s,b,1,0,0,0\n2,s,a,1,0,0,0\n")
    with pytest.raises(UserError, match=r"counts\.csv: 3 rows for 2 tiles × 2 classes"):
        read_counts(path, ["a", "b"])


def test_arrays_are_memory_mapped(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.save(tmp_path / "a.npy", values)
    found = read_array(tmp_path / "a.npy")
    assert isinstance(found, np.memmap) and found.tolist() == values.tolist()


def test_a_split_belongs_to_its_tiles(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("tile,scene,subset\n0,a,train\n2,b,val\n")
    table = pd.DataFrame({"tile": [0, 1, 2], "scene": ["a", "a", "b"]})
    assert read_split(path, table)["subset"].tolist() == ["train", "val"]
    for other in (table[:2], table.assign(scene=["a", "b", "a"])):
        with pytest.raises(UserError, match=r"split\.csv: its tiles are not those of tiles\.csv"):
            read_split(path, other)
