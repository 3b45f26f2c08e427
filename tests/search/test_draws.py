"""What a trial is given: within its ranges, spread over them, and the same each time."""

from itertools import pairwise

import numpy as np
import pytest

from satseg.config.tunings import Range
from satseg.search.drawing import DIGITS, draw_qmc, draw_tpe, to_points

SPACE = {
    "optimizer.lr": Range(low=1e-4, high=1e-1, log=True),
    "augmentation.brightness": Range(low=0, high=0.3),
    "batch_size": Range(low=2, high=9),
    "loss.name": ["cross_entropy", "jdt", "focal"],
    "scheduler": [None, {"name": "cosine", "warmup": 1}],
}
WHOLE = ["batch_size"]


def drawn(count: int, seed: int = 3) -> list[dict]:
    return [draw_qmc(SPACE, WHOLE, seed, number) for number in range(1, count + 1)]


def test_a_draw_depends_on_the_seed_and_its_number_alone():
    trials = drawn(6)
    assert draw_qmc(SPACE, WHOLE, 3, 5) == trials[4]  # with none before it
    assert drawn(6) == trials
    assert drawn(6, seed=4) != trials
    for a, b in pairwise(trials):
        assert a["optimizer.lr"] != b["optimizer.lr"]


def test_draws_are_spread_over_the_space():
    """Of the first sixteen points of a Sobol sequence, one falls into each sixteenth of a range."""
    trials = drawn(16)
    for settings in trials:
        assert list(settings) == list(SPACE)
        assert settings["loss.name"] in SPACE["loss.name"]
        assert settings["scheduler"] in SPACE["scheduler"]
        assert isinstance(settings["batch_size"], int)
        assert 2 <= settings["batch_size"] <= 9
    exponents = [np.log10(settings["optimizer.lr"]) for settings in trials]
    brightness = [settings["augmentation.brightness"] for settings in trials]
    for places in ((np.array(exponents) + 4) / 3, np.array(brightness) / 0.3):
        assert sorted((places * 16).astype(int)) == list(range(16))
    sizes = [settings["batch_size"] for settings in trials]
    assert [sizes.count(size) for size in range(2, 10)] == [2] * 8


def test_a_number_is_what_a_person_writes():
    for settings in drawn(8):
        for key in ("optimizer.lr", "augmentation.brightness"):
            assert float(f"{settings[key]:.{DIGITS}g}") == settings[key]


def test_rounding_does_not_leave_the_range():
    narrow = {"optimizer.lr": Range(low=0.123456, high=0.123459)}
    for number in range(1, 5):
        assert 0.123456 <= draw_qmc(narrow, [], 0, number)["optimizer.lr"] <= 0.123459


def test_tpe_draws_where_others_did_well():
    """Of forty trials scored by how close their rate is to 0.01, those by TPE come closer than
    those by chance."""
    space = {"optimizer.lr": Range(low=1e-5, high=1e1, log=True), "loss.name": ["a", "b"]}
    rivals = []
    for number in range(1, 41):
        settings = draw_tpe(space, [], 5, number, rivals)
        assert draw_tpe(space, [], 5, number, rivals) == settings
        rivals.append((settings, -abs(np.log10(settings["optimizer.lr"]) + 2)))
    misses = [-value for _, value in rivals]
    assert np.median(misses[20:]) < 0.5 * np.median(misses[:10])
    assert all(1e-5 <= settings["optimizer.lr"] <= 1e1 for settings, _ in rivals)


def test_tpe_takes_account_of_an_unknown_value():
    """A trial that diverged counts as worse than any other."""
    space = {"optimizer.lr": Range(low=0.001, high=1, log=True)}
    rivals = [({"optimizer.lr": 0.001 * 10 ** (k / 10)}, 0.5 - k / 100) for k in range(20)]
    rivals += [({"optimizer.lr": 0.9}, float("nan")), ({"optimizer.lr": 1.0}, float("nan"))]
    rates = [draw_tpe(space, [], 1, number, rivals)["optimizer.lr"] for number in range(23, 29)]
    assert np.median(rates) < 0.03


@pytest.mark.parametrize("key", SPACE)
def test_settings_are_points_of_the_space(key):
    settings = drawn(3)[2]
    point = to_points(SPACE, settings)[key]
    values = SPACE[key]
    assert settings[key] == (values[point] if isinstance(values, list) else point)
