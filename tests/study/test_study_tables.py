"""Numbers of a study's tables that are no mere reading of files."""

import pandas as pd
import pytest

from satseg.study.tables import epoch_seconds


def history(*seconds: float) -> pd.DataFrame:
    return pd.DataFrame({"epoch": range(1, len(seconds) + 1), "epoch_seconds": seconds})


def test_a_mean_epoch_time_may_leave_out_the_epoch_of_early_stopping():
    stopped = history(10, 12, 50)
    finished = history(10, 12, 14, 16)
    assert epoch_seconds([stopped]) == pytest.approx(24)
    assert epoch_seconds([stopped], limit=4) == pytest.approx(11)
    # It reached the limit: nothing stopped it.
    assert epoch_seconds([finished], limit=4) == pytest.approx(13)
    assert epoch_seconds([stopped, finished], limit=4) == pytest.approx(12)
    assert epoch_seconds([history(10)], limit=4) == pytest.approx(10)
