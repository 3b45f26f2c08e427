"""Claims about how long something takes: on measured times, and in the tables that print them."""

import numpy as np
import pytest
from test_claims import evidence

from satseg.config.claims import FasterClaim, LastsClaim
from satseg.config.papers import Paper
from satseg.config.reading import load
from satseg.study.claims.evidence import (
    FAILS,
    HOLDS,
    NOT_PRINTED,
    PRINTED,
    RESULTS,
    UNKNOWN,
    Untestable,
)
from satseg.study.claims.examine import examine
from satseg.study.claims.measured import Quantity
from satseg.study.claims.times import faster, lasts

PAPER = load().papers["faster_unet"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(1.01, 1.6, HOLDS), (0.9, 1.4, UNKNOWN), (0.5, 0.99, FAILS)]
)
def test_a_model_is_faster_if_the_ratio_excludes_1(low, high, verdict):
    times = Quantity({"a": 2.0, "b": 2.5}, lambda a, b: (1.25, low, high), 1.0)
    (ratio,), found, why = faster("a", "b", times)
    assert found == verdict
    assert (ratio.name, *ratio[1:4]) == ("b / a", 1.25, low, high)
    assert why == f"b takes 1.25 times as long as a ({low:.2f} to {high:.2f})"


def paper(**claim) -> Paper:
    table = {
        "title": "Table 9", "device": "GPU", "dataset": "d", "recipe": "r",
        "columns": [{"metric": "epoch_seconds"}], "rows": {"a": [100], "b": [90], "c": [80]},
    }  # fmt: skip
    return Paper.model_validate(
        {"title": "P", "models": ["a", "b", "c"], "tables": [table], "claims": {"it": claim}}
    )


def test_a_claim_names_two_models_and_the_others_decide_nothing():
    claim = {"text": "?", "test": "faster", "by": ["epoch_seconds"], "model": "a", "than": "b"}
    epochs = {"a": [1.0, 1.01], "b": [1.3, 1.31], "c": [0.01, 900.0]}
    here = evidence(dict.fromkeys("abc", 0.5), epochs=epochs)
    found = {row.source: row for row in examine(paper(**claim), [here])}
    assert found[RESULTS].verdict == HOLDS
    (ratio,) = found[RESULTS].statistics
    assert ratio.value == pytest.approx(1.305 / 1.005)
    assert found["Table 9"].verdict == NOT_PRINTED
    assert np.isnan(found["Table 9"].statistics[0].low)


def test_hours_are_those_of_the_papers_own_table():
    claim = {"text": "?", "test": "lasts", "by": ["epoch_seconds"], "epochs": 90, "hours": 2}
    found = {row.source: row for row in examine(paper(**claim), [evidence({"a": 0.5})])}
    assert found[RESULTS].verdict == UNKNOWN and "the paper's device" in found[RESULTS].why
    assert found["Table 9"].verdict == PRINTED
    (hours,) = found["Table 9"].statistics
    assert (hours.name, hours.value) == ("hours, c", 2.0)
    with pytest.raises(Untestable, match="no epoch times"):
        lasts(LastsClaim(**claim), {})


def test_what_the_paper_says_of_times_in_its_own_tables():
    """Of Table 3 and Table 4, against the printed numbers."""
    tables = [table for table in PAPER.tables if len(table.rows) > 1]
    claim = PAPER.claims["fastest_takes_five_hours"]
    hours = []
    for table, seconds in zip(tables, (22.512, 259.2879), strict=True):
        (statistic,), verdict, why = lasts(claim, table.column("epoch_seconds"))
        hours.append(statistic.value)
        assert statistic.value == pytest.approx(50 * seconds / 3600)
        assert verdict == NOT_PRINTED and "deeplabv3plus" in why
    assert [round(value, 1) for value in hours] == [0.3, 3.6]

    here = evidence(dict.fromkeys(["unet_base", "unet_skinny", "unet_less_conv"], 0.5))
    for name in ("skinny_is_faster", "less_conv_is_faster"):
        assert isinstance(PAPER.claims[name], FasterClaim)
        found = examine(PAPER.model_copy(update={"claims": {name: PAPER.claims[name]}}), [here])
        printed = [row.verdict for row in found if row.source != RESULTS]
        assert printed == [PRINTED, PRINTED]  # 60.8 s and 28.0 or 35.7; 731 s and 312 or 443
