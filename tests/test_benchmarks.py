"""The benchmarks: that every comparison runs, that both sides do the same work, and what is made of
the numbers."""

import json
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import page, projects, tables
from benchmarks.__main__ import ROWS
from benchmarks.imagery import write_store
from benchmarks.row import Row, measure, write
from benchmarks.rows import breakdown, growth, operations, precision, speed

from benchmark_sides import broken, nothing, side

# Whole runs of Snakemake, which the tests of the workflow have too, and one that takes a C++
# compiler.
LONG = {"orchestration_demo", "orchestration_short", "orchestration_nothing", "compiled"}
# The rows for a GPU differ in the model only.
LONG |= {name for name in ROWS if name.startswith("epoch_gpu_")} - {"epoch_gpu_unet_skinny"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One folder for all rows: they share what is drawn."""
    return tmp_path_factory.mktemp("benchmarks")


@pytest.mark.parametrize("name", sorted(set(ROWS) - LONG))
def test_both_sides_do_the_same_work(place, name):
    row = ROWS[name]
    (place / name).mkdir()
    # Each row's own check compares the sides and raises where they disagree.
    record = measure(row, place / name, quick=True)
    if "not_run" in record:
        pytest.skip(record["not_run"])
    assert list(record["sides"]) == list(row.sides)
    assert all(side["seconds"] and side["median"] > 0 for side in record["sides"].values())
    facts = record["facts"]
    if name in ("reading_augmented", "evaluation_counting", "reading_raw"):
        assert facts.get("equal_masks") or facts.get("equal_counts") or facts.get("equal_pixels")
    if name.startswith("epoch_"):
        assert np.abs(facts["train_loss"]["mean_difference"]).max() < 0.1
    write(record, place / "out")
    assert json.loads((place / "out" / f"{name}.json").read_text())["row"] == name


def test_a_gpu_gets_few_operations_whatever_the_batch(place):
    record = operations.measure(place, quick=False)
    small, large = (record["facts"]["queue"][str(batch)] for batch in operations.BATCHES)
    assert small == large
    assert sum(large["augmentation"].values()) < 40
    by_tile = record["facts"]["CPU"]
    few, many = (sum(by_tile[str(batch)]["augmentation"].values()) for batch in operations.BATCHES)
    assert many > 2 * few
    table = tables.operations({"operations": record}).splitlines()
    parts = [[int(cell) for cell in line.split("|")[2:-1]] for line in table[2:8]]
    assert np.sum(parts, 0).tolist() == [int(cell) for cell in table[8].split("|")[2:-1]]


def test_a_missing_peer_leaves_its_row_out(tmp_path):
    row = Row("r", "w", "a", {}, print, {}, {}, peers=("no_such_peer",))
    assert measure(row, tmp_path, quick=True)["not_run"] == "no_such_peer not installed"


def test_sides_take_turns_in_processes_of_their_own(tmp_path):
    sides = {name: partial(side, name=name) for name in "ab"}
    row = Row("r", "w", "a", sides, nothing, {"log": "log"}, {}, repeats=3, warmups=1)
    record = measure(row, tmp_path, quick=False)
    assert (tmp_path / "log").read_text().split() == [
        "a-1",
        "b-1",
        "a0",
        "b0",
        "a1",
        "b1",
        "a2",
        "b2",
    ]
    assert record["sides"]["a"]["seconds"] == [2, 3, 4] and record["sides"]["b"]["median"] == 4
    # Ratios are taken turn by turn: 3/2, 4/3, 5/4.
    ratio = record["ratios"]["b"]
    assert len(ratio.pop("cpu")["each"]) == 3
    assert ratio == {"median": 1.333, "low": 1.25, "high": 1.5, "each": [1.5, 1.333, 1.25]}
    assert 5 < record["sides"]["a"]["peak_memory_mb"] < 2000


def test_a_side_that_fails_is_named(tmp_path):
    row = Row("r", "w", "a", {"ours": broken}, nothing, {}, {})
    with pytest.raises(RuntimeError, match=r"side 'ours' failed(.|\n)*nothing there"):
        measure(row, tmp_path, quick=False)


def test_growth_is_fitted(tmp_path):
    counts = [1, 2, 4, 8]
    assert growth.fit(counts, [3 * n**1.5 for n in counts])["exponent"] == 1.5
    line = growth.fit(counts, [0.5 + 0.25 * n for n in counts])
    assert line["fixed_seconds"] == 0.5 and line["each_seconds"] == 0.25
    chosen = [series for series in growth.SERIES if series.of in ("scenes", "tiles")]
    record = growth.measure(tmp_path, True, chosen)
    assert list(record["series"]) == [series.name for series in chosen]
    assert all(
        len(one["seconds"]) == 2 and min(one["seconds"]) > 0 for one in record["series"].values()
    )


def test_growth_is_drawn_in_the_style_of_all_figures():
    counts = [1, 10, 100]
    line = {"of": "tiles", "counts": counts, "exponent": 1, "seconds": [2, 20, 200]}
    series = {"one": line, "two": line | {"peak_memory_mb": [900, 950, 990]}, "three": {}}
    above, below = page.growth_figure(series).axes
    assert [list(drawn.get_ydata()) for drawn in above.lines] == [[2, 20, 200]] * 2
    assert [list(drawn.get_ydata()) for drawn in below.lines] == [[900, 950, 990]]
    assert (above.get_yscale(), below.get_yscale()) == ("log", "linear")
    assert above.lines[1].get_color() == below.lines[0].get_color() != above.lines[0].get_color()
    assert above.get_ylabel() == "Seconds, logarithmic"


def test_time_is_broken_down(tmp_path):
    record = breakdown.measure(tmp_path, True)
    for sides in record["cases"].values():
        assert list(sides) == ["plain", "satseg"]
        for spent in sides.values():
            assert sum(spent["operations"].values()) + spent["elsewhere"] == pytest.approx(
                spent["seconds"], rel=0.01
            )
    step, reading = record["cases"].values()
    for spent in step.values():
        assert "convolution_backward" in spent["operations"]
        assert spent["operations"]["convolution_backward"] > 0
    assert not any(
        "convolution" in name for spent in reading.values() for name in spent["operations"]
    )
    lines = tables.breakdown({"breakdown": record}).splitlines()
    assert lines[0].endswith("| plain | satseg |") and lines[1] == "|---|--:|--:|"
    assert sum(line.startswith("| **total** |") for line in lines) == 2


def test_a_row_for_a_gpu_is_left_out_without_one(tmp_path):
    row = Row("r", "w", "a", {}, print, {}, {}, gpu=True)
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert measure(row, tmp_path, quick=False)["not_run"] == "no GPU available"


def test_speeds_of_a_model(tmp_path):
    sizes = speed.QUICK
    write_store(tmp_path, sizes["tiles"], sizes["size"], speed.CLASSES, sizes["drawn"])
    found = speed.speeds(tmp_path, "unet_tiny", sizes)
    assert (
        found["epoch_seconds"] > 0 and found["train_step_ms"] > 0 and found["train_memory_mb"] > 0
    )
    for batch in sizes["batches"]:
        spent = found["forward_ms"][str(batch)]
        assert found["tiles_per_second"][str(batch)] == pytest.approx(
            batch / (spent / 1000), rel=0.01
        )


def test_speeds_beside_the_published_ones():
    """The printed times of a table rank as themselves, and backwards when they are turned round."""
    models = dict.fromkeys(speed.STUDY.models, 1.0)
    third, fourth = speed.published(models).values()
    assert (
        third["epoch_seconds"]["unet_base"] == 60.7846
        and fourth["epoch_seconds"]["unet_base"] == 730.9526
    )
    assert third["epoch_seconds"].keys() == models.keys()
    same, _ = speed.published(third["epoch_seconds"]).values()
    turned, _ = speed.published(
        {model: -value for model, value in third["epoch_seconds"].items()}
    ).values()
    assert same["rho"] == 1 and turned["rho"] == -1


def test_speeds_on_the_page():
    one = {"epoch_seconds": 12.34, "train_step_ms": 1234.5, "train_memory_mb": 5678}
    one |= {"forward_ms": {"1": 50.0, "2": 80.0}, "tiles_per_second": {"1": 20.0, "2": 25.0}}
    printed = {"Table 9": {"device": "an abacus", "epoch_seconds": {"unet": 61.2}, "rho": 0.5}}
    record = {
        "sizes": {"tiles": 24, "batch": 8, "batches": [1, 2]},
        "precision": "bf16",
        "models": {"unet": one},
    }
    record |= {"machine": {"name": "a GPU"}, "published": printed}
    lines = tables.speed({"speed/a-gpu": record, "other": {}}).splitlines()
    assert lines[0].startswith("| a GPU, bf16 | epoch of 24 tiles | step, batch of 8 |")
    assert lines[0].endswith("| Table 9, an abacus |")
    assert lines[2] == "| unet | 12.3 s | 1.23 s | 5,678 MB | 50 ms | 20 | 25 | 61.2 s |"
    assert lines[3] == "| rank correlation with our epoch times |  |  |  |  |  |  | 0.5 |"
    assert tables.speed({}) == "Not measured."


def test_difference_of_precisions():
    def frame(right: list[int]) -> pd.DataFrame:
        rows = []
        for tile, tp in enumerate(right):
            wrong = 100 - tp
            for name, counts in (("a", (tp, wrong, wrong, tp)), ("b", (tp, wrong, wrong, tp))):
                rows.append([tile, f"s{tile}", name, *counts])
        return pd.DataFrame(rows, columns=["tile", "scene", "class", "tp", "fp", "fn", "tn"])

    groups = {tile: f"g{tile}" for tile in range(12)}
    varied = [50, 62, 71, 55, 80, 66, 58, 74, 69, 77, 52, 64]
    facts = precision.compare([frame([tp + 9 for tp in varied])], [frame(varied)], groups)
    shares = [(sum(varied) + more) / 1200 for more in (9 * 12, 0)]
    ours, theirs = (share / (2 - share) for share in shares)  # IoU of equally large tiles
    assert facts["difference"] == pytest.approx(ours - theirs, abs=1e-4)
    assert facts["low"] < facts["difference"] < facts["high"]

    few = {tile: f"g{tile % 5}" for tile in range(12)}
    facts = precision.compare([frame(varied)], [frame(varied)], few)
    assert (facts["difference"], facts["low"], facts["high"]) == (0, None, None)


def test_script_runs_the_stages_in_order(tmp_path):
    projects.copy(tmp_path / "project", small=True)
    text = projects.script(tmp_path / "project", "demo").read_text()
    stages = re.findall(r"satseg\.stages\.(\w+)", text)
    order = ["download", "tile", "split", "train", "evaluate", "tables", "figures", "report"]
    assert [stage for stage in stages if stage not in ("profile", "speed")] == order
    for measured in ("profile", "speed"):
        assert stages.index(measured) < stages.index("tables")


def test_the_page_shows_the_published_numbers():
    text, records = page.PAGE.read_text(encoding="utf-8"), page.published()
    assert records and page.filled(text, records) == text, "run python -m benchmarks.page"


def test_tables_of_the_page():
    def record(name: str, **more: object) -> dict:
        timed = {"median": 0.5, "low": 0.4, "high": 0.6, "seconds": [0.5], "peak_memory_mb": 1200}
        bounds = {"at_least": 2.0, "below_seconds": None, "memory_below_mb": None}
        return (
            {"row": name, "what": f"the {name}", "against": "a loop", "sides": {"us": timed}}
            | bounds
            | more
        )

    both = record("pair")["sides"] | {"them": {"median": 0.05}}
    ratios = {"them": {"median": 0.1, "low": 0.09, "high": 0.11, "cpu": {"median": 0.2}}}
    records = {
        "pair": record("pair", sides=both, ratios=ratios, memory_below_mb=600),
        "start": record("start", at_least=None, below_seconds=1),
        "large": record(
            "large",
            sides={"small": {"peak_memory_mb": 1000}, "large": {"peak_memory_mb": 1100}},
            memory_times=1.2,
        ),
        "peer": {
            "row": "peer",
            "what": "the peer",
            "against": "it",
            "not_run": "it is not installed",
        },
    }
    lines = tables.comparisons(records).splitlines()[2:]
    memory = "1,200 MB (target: under 600 MB)"
    assert (
        lines[0]
        == f"| the pair | a loop | 0.5 s | 50 ms | **0.10×** (0.09–0.11) | 0.20× | ≥ 2× | {memory} |"
    )
    assert lines[1] == "| the start | us | 0.5 s |  |  |  | under 1 s |  |"
    assert (
        lines[2]
        == "| the large | a loop | 1,000 MB | 1,100 MB | **1.10×** the memory |  | ≤ 1.2× |  |"
    )
    assert "not run: it is not installed" in lines[3]


def test_no_record_breaks_a_row():
    machine = {"name": "a | b", "cores": 2, "load_before": 0.5}
    record = {"machine": machine, "measured": "2026-01-01T12:00", "notes": "one\ntwo", "threads": 1}
    row = tables.machines({"tiling": record}).splitlines()[2]
    assert row == "| tiling | 2026-01-01 12:00 | a \\| b, 2 cores | 1 | 0.5 | one two |"
