"""What a stopped run reports; interrupted runs: tests/faults."""

import pytest

from satseg.training.limits import Stopped


def test_stopping_on_request_is_an_exit_status(caplog):
    with pytest.raises(SystemExit) as ended:
        raise Stopped("SIGTERM: stopped in epoch 3, after batch 17 of 40")
    assert ended.value.code == 75
    assert caplog.messages == [
        "SIGTERM: stopped in epoch 3, after batch 17 of 40; run the same command again to resume"
    ]
