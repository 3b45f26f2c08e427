"""Drawing the settings of a trial, by Optuna."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, QMCSampler, TPESampler

from satseg.config.tunings import Range

DIGITS = 4  # of a number drawn: what a person writes, and more than a learning rate needs

Space = Mapping[str, Range | Sequence[Any]]

optuna.logging.set_verbosity(optuna.logging.WARNING)


def draw_qmc(space: Space, whole: Sequence[str], seed: int, number: int) -> dict[str, Any]:
    """The settings of a trial, from a scrambled Sobol sequence.

    Args:
        space: the range or the values of each key.
        whole: keys that take whole numbers only.
        seed: of the sequence.
        number: of the trial, from 1: it takes the point of this number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = QMCSampler(scramble=True, seed=seed)
    # The sampler takes the space from the first trial that is there, and draws that one otherwise.
    any_point = {name: _first(kind) for name, kind in distributions(space, whole).items()}
    return _draw(space, whole, sampler, [(any_point, 0.0)], number)


def draw_tpe(
    space: Space,
    whole: Sequence[str],
    seed: int,
    number: int,
    rivals: Sequence[tuple[Mapping[str, Any], float]],
) -> dict[str, Any]:
    """The settings of a trial, by a tree-structured Parzen estimator: at random up to the tenth
    trial, then where others did well.

    Args:
        space: the range or the values of each key.
        whole: keys that take whole numbers only.
        seed: of the tuning.
        number: of the trial, from 1.
        rivals: settings and value of each trial that has finished; NaN if it diverged.
    """
    own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    worst = min((value for _, value in rivals if not math.isnan(value)), default=0.0)
    finished = [
        (to_points(space, settings), worst if math.isnan(value) else value)
        for settings, value in rivals
    ]
    return _draw(space, whole, TPESampler(seed=own_seed), finished, 1)


def _draw(
    space: Space,
    whole: Sequence[str],
    sampler: BaseSampler,
    finished: Sequence[tuple[Mapping[str, Any], float]],
    times: int,
) -> dict[str, Any]:
    """The last of as many draws."""
    kinds = distributions(space, whole)
    study = study_of(kinds, finished, sampler)
    for _ in range(times):
        points = study.ask(kinds).params
    return {name: _setting(space[name], points[name]) for name in space}


def study_of(
    kinds: Mapping[str, BaseDistribution],
    finished: Sequence[tuple[Mapping[str, Any], float]],
    sampler: BaseSampler | None = None,
) -> optuna.Study:
    """Optuna's record of the trials that have finished.

    Args:
        kinds: as of `distributions`.
        finished: points, as of `to_points`, and value of each trial.
        sampler: what draws the next one.
    """
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for points, value in finished:
        trial = optuna.create_trial(value=value, params=dict(points), distributions=dict(kinds))
        study.add_trial(trial)
    return study


def distributions(space: Space, whole: Sequence[str]) -> dict[str, BaseDistribution]:
    """What Optuna draws each key from; of a list, the index of a value."""
    kinds: dict[str, BaseDistribution] = {}
    for name, values in space.items():
        if not isinstance(values, Range):
            kinds[name] = CategoricalDistribution(range(len(values)))
        elif name in whole:
            kinds[name] = IntDistribution(int(values.low), int(values.high), log=values.log)
        else:
            kinds[name] = FloatDistribution(values.low, values.high, log=values.log)
    return kinds


def to_points(space: Space, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as Optuna knows them: of a list, the index of the value."""
    points = {}
    for name, values in space.items():
        value = settings[name]
        points[name] = value if isinstance(values, Range) else list(values).index(value)
    return points


def _setting(values: Range | Sequence[Any], point: Any) -> Any:
    """What a recipe takes for a point."""
    if not isinstance(values, Range):
        return values[point]
    if isinstance(point, int):
        return point
    rounded = float(f"{point:.{DIGITS}g}")
    return min(max(rounded, values.low), values.high)


def _first(kind: BaseDistribution) -> Any:
    """A point that the distribution has."""
    return kind.choices[0] if isinstance(kind, CategoricalDistribution) else kind.low
