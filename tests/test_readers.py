"""Files of other stages are read as written, or refused in one line."""

import re

import numpy as np
import pandas as pd
import pytest

from satseg.errors import UserError
from satseg.readers import (
    present,
    read_array,
    read_arrays,
    read_counts,
    read_csv,
    read_json,
    read_split,
)


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


@pytest.mark.parametrize("value", ["", "-1", "1.5", "inf", "nan", "1e300"])
@pytest.mark.parametrize("column", ["tile", "tp", "fp", "fn", "tn"])
def test_counts_that_count_nothing_are_refused(tmp_path, column, value):
    path = tmp_path / "counts.csv"
    row = {"tile": "1", "scene": "s", "class": "a", "tp": "1", "fp": "1", "fn": "1", "tn": "1"}
    rows = [row, row | {"class": "b", column: value}]
    lines = [",".join(cells.values()) for cells in rows]
    path.write_text("\n".join([",".join(row), *lines]))
    shown = value if value == "-1" else float(value or "nan")
    words = f"{path}: row 2 holds {shown} in column '{column}', where a whole number from 0 up"
    with pytest.raises(UserError, match=re.escape(words)):
        read_counts(path, ["a", "b"])


@pytest.mark.parametrize("value", ["inf", "-inf"])
def test_infinite_numbers_are_refused(tmp_path, value):
    path = tmp_path / "history.csv"
    path.write_text(f"epoch,loss\n1,0.5\n2,\n3,{value}\n")
    with pytest.raises(UserError, match=r"row 3 holds -?inf in column 'loss', where a finite"):
        read_csv(path, ["loss"])
    path.write_text("epoch,loss\n1,0.5\n2,\n")
    assert read_csv(path, ["loss"])["loss"].isna().tolist() == [False, True]


def test_pixels_of_a_class_are_counts_asked_for_or_not(tmp_path):
    path = tmp_path / "tiles.csv"
    path.write_text("tile,pixels_Land\n0,5\n1,-5\n")
    with pytest.raises(UserError, match="row 2 holds -5 in column 'pixels_Land'"):
        read_csv(path, ["tile"])


def test_a_column_nobody_asked_for_may_hold_text(tmp_path):
    path = tmp_path / "models.csv"
    path.write_text("model,gflops,tile\na,1.5,3×64×64\n")
    assert read_csv(path, ["model", "gflops"])["tile"].tolist() == ["3×64×64"]


@pytest.mark.parametrize(
    ("classes", "words"), [(["a", "c"], "a, b, but a, c are counted"), (["a"], "evaluate again")]
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
    array = read_array(tmp_path / "a.npy")
    assert isinstance(array, np.memmap) and array.tolist() == values.tolist()


def test_arrays_of_an_archive_come_in_the_order_asked_for(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, numbers=np.arange(3), texts=np.array(["b", ""]))
    texts, numbers = read_arrays(path, ["texts", "numbers"])
    assert (texts.tolist(), numbers.tolist()) == (["b", ""], [0, 1, 2])
    with pytest.raises(UserError, match=r"a\.npz: 'more' is missing; delete the file and build"):
        read_arrays(path, ["texts", "more"])


READERS = {
    "a readable table": lambda path: read_csv(path, ["tile"]),
    "valid JSON": lambda path: read_json(path, []),
    "a readable array of numbers": read_array,
    "readable arrays": lambda path: read_arrays(path, ["tiles"]),
}


@pytest.mark.parametrize(("kind", "read"), READERS.items(), ids=READERS)
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00tile", b'"'])
def test_damage_is_reported_in_one_form(tmp_path, kind, read, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path)
    form = rf"{path}: not {kind} \([^\n]+\); delete the file and build it again"
    assert re.fullmatch(form, str(caught.value)), caught.value


def test_an_archive_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, tiles=np.arange(300))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(
        UserError, match=r"a\.npz: not readable arrays \(File is not a zip file\); "
    ):
        read_arrays(path, ["tiles"])


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.json", "a.csv"])
def test_a_byte_that_changed_is_read_or_refused(tmp_path, name):
    """numpy, zipfile and zlib meet such a byte with errors of many kinds."""
    path = tmp_path / name
    array = np.arange(40.0)
    read = {
        "a.npz": lambda: read_arrays(path, ["a"]),
        "a.npy": lambda: read_array(path),
        "a.json": lambda: read_json(path, {"a": [float]}),
        "a.csv": lambda: read_csv(path, ["tile"]),
    }[name]
    if name == "a.npz":
        np.savez_compressed(path, a=array)
    elif name == "a.npy":
        np.save(path, array)
    else:
        text = '{"a": [1, 2.5]}' if name == "a.json" else "tile,scene\n1,a\n2,b\n"
        path.write_text(text)

    content = path.read_bytes()
    rng = np.random.default_rng(8)
    refused = 0
    for place in range(min(len(content), 600)):
        damaged = bytearray(content)
        damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read()
        except UserError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused


def test_brackets_without_end_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"a\.json: not valid JSON"):
        read_json(path, [])


def test_objects_are_refused(tmp_path):
    objects = np.array([{}], object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "b.npz", tiles=objects)
    with pytest.raises(UserError, match=r"a\.npy: not a readable array of numbers \("):
        read_array(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"b\.npz: not readable arrays \("):
        read_arrays(tmp_path / "b.npz", ["tiles"])


def test_an_archive_is_not_an_array(tmp_path):
    np.savez(tmp_path / "a.npz", tiles=np.arange(3))
    with pytest.raises(UserError, match=r"a\.npz: not a readable array of numbers \(it is an arch"):
        read_array(tmp_path / "a.npz")


def test_a_split_belongs_to_its_tiles(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("tile,scene,subset\n0,a,train\n2,b,val\n")
    table = pd.DataFrame({"tile": [0, 1, 2], "scene": ["a", "a", "b"]})
    assert read_split(path, table)["subset"].tolist() == ["train", "val"]
    for other in (table[:2], table.assign(scene=["a", "b", "a"])):
        with pytest.raises(UserError, match=r"split\.csv: its tiles are not those of tiles\.csv"):
            read_split(path, other)
