"""Segmentation results of a known distribution: units of ground, and models that err on them.

A unit has a heavy-tailed size and heavy-tailed shares of five classes. A model finds some of the
pixels of each class; how many depends on the unit (for all models alike, and for each model), on
the training, and on chance in both. What it misses it gives to the other classes, so that true
positives, false positives and false negatives fit together as they do in real counts.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from satseg.statistics.jackknife import Jackknife

SHARES = np.array([0.55, 0.25, 0.12, 0.06, 0.02])
RECALLS = np.array([1.8, 1.2, 0.8, 0.5, 0.2])  # logits
CLASSES = len(SHARES)


class World(NamedTuple):
    """Standard deviations: of log sizes and log shares; of logits of recall."""

    sizes: float = 0.8
    shares: float = 0.8
    units: float = 0.7
    """How hard a unit is, for all models alike."""
    models: float = 0.0
    """How hard a unit is for one model in particular."""
    training: float = 0.25
    """How good one training is, on all units alike."""
    chance: float = 0.3
    """What is left, for each training on each unit."""


def ground(random: np.random.Generator, world: World, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels per class of units: float64 [*shape, C]."""
    shares = SHARES * np.exp(world.shares * random.standard_normal((*shape, CLASSES)))
    shares /= shares.sum(-1, keepdims=True)
    return np.exp(world.sizes * random.standard_normal(shape))[..., None] * shares


def counts(
    random: np.random.Generator,
    world: World,
    units: int,
    trainings: int,
    advantages: tuple[float, ...] = (0.0,),
    runs: int = 250,
) -> np.ndarray:
    """tp, fp and fn of models on the same units: float64 [R, M, S, U, C, 3].

    Args:
        advantages: what each model's logits of recall have over `RECALLS`, [M].
        runs: how often all of it is drawn, R.
    """
    models = len(advantages)
    pixels = ground(random, world, (runs, units))
    for_all = world.units * random.standard_normal((runs, 1, 1, units, CLASSES))
    for_model = world.models * random.standard_normal((runs, models, 1, units, CLASSES))
    of_training = world.training * random.standard_normal((runs, models, trainings, 1, CLASSES))
    left = world.chance * random.standard_normal((runs, models, trainings, units, CLASSES))
    advantage = np.reshape(advantages, (models, 1, 1, 1))
    recall = expit(RECALLS + advantage + for_all + for_model + of_training + left)

    of_class = pixels[:, None, None]
    found = of_class * recall
    missed = of_class - found
    taken = np.einsum("rmsuc,rucd->rmsud", missed, _confusion(pixels))
    return np.stack([found, taken, missed], axis=-1)


def miou(sums: np.ndarray) -> np.ndarray:
    """mIoU of one confusion matrix: tp, fp, fn [..., C, 3] → [...]."""
    return (sums[..., 0] / sums.sum(-1)).mean(-1)


def replicates(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """mIoU over all units and without each: [..., U, C, 3] → [...] and [..., U]."""
    total = sums.sum(-3, keepdims=True)
    return miou(total)[..., 0], miou(total - sums)


def means(values: np.ndarray) -> Jackknife:
    """The plain mean over units, [S, U], and the mean over all others."""
    total = values.sum(axis=1, keepdims=True)
    return Jackknife(values.mean(axis=1), (total - values) / (values.shape[1] - 1))


@cache
def true_miou(world: World) -> float:
    """What mIoU is over all units there could be, mean over all trainings.

    Logits of recall are normal, so quadrature gives the expected counts for a training of given
    quality, and the mean over trainings; only the mean confusion of shares is drawn, from many
    units.
    """
    random = np.random.default_rng(0)
    shares = ground(random, world._replace(sizes=0.0), (50_000,))
    spilled = np.einsum("uc,ucd->cd", shares, _confusion(shares)) / len(shares)
    found_of = shares.mean(0)

    nodes, weights = hermegauss(30)
    spread = np.sqrt(world.units**2 + world.models**2 + world.chance**2)
    qualities, chances = hermegauss(7)
    logits = RECALLS + world.training * qualities[:, None]
    recalls = expit(logits[..., None] + spread * nodes) @ weights / weights.sum()

    trainings = np.array(list(product(range(len(qualities)), repeat=CLASSES)))
    recall = recalls[trainings, np.arange(CLASSES)]
    found = found_of * recall
    taken = (1 - recall) @ spilled
    values = miou(np.stack([found, taken, found_of - found], axis=-1))
    return float(np.average(values, weights=chances[trainings].prod(-1)))


def _confusion(pixels: np.ndarray) -> np.ndarray:
    """Which share of what is missed of a class goes to which other: [..., C] → [..., C, C]."""
    shares = pixels / pixels.sum(-1, keepdims=True)
    attraction = np.sqrt(shares)[..., None, :] * (1 - np.eye(CLASSES))
    return attraction / attraction.sum(-1, keepdims=True)
