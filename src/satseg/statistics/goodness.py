"""Which stratum published class pixels were drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Fit(NamedTuple):
    """How well published class pixels fit a random draw of images from one stratum."""

    statistic: float
    """Squared Mahalanobis distance of the class shares; infinite if the draw is impossible."""
    freedom: int
    p: float
    """How often a draw from the stratum would be as far from its shares."""
    log_likelihood: float
    """Of the published shares in draws from the stratum, to compare strata."""


def class_fit(published: np.ndarray, images: np.ndarray, drawn: int) -> Fit:
    """χ² test of published class pixels against a stratum from which whole images were drawn.

    Pixels of an image belong together, so class totals vary far more than in the multinomial of
    Pearson's χ². The class shares of a draw are a ratio estimate over images drawn without
    replacement (Cochran 1977, ch. 6). With e the counts of an image minus the stratum's shares of
    its pixels, their covariance is (1 − n / N) / n · cov(e) / (mean pixels per image)². Under it,
    the squared Mahalanobis distance between the shares follows χ² with C − 1 degrees of freedom.

    Args:
        published: pixels per class of the draw, [C]; only the shares count, so a rounded total is
            fine.
        images: pixels per class of every image of the stratum, [N, C].
        drawn: number of images drawn, n.

    Returns:
        The fit. A class that neither has is left out; a published one that the stratum lacks makes
        the draw impossible.

    Raises:
        ValueError: the stratum has fewer than two classes or too few images, or all images were
            drawn.
    """
    from scipy.special import chdtrc

    published = np.asarray(published, float)
    images = np.asarray(images, float)
    occurs = images.sum(axis=0) > 0
    freedom = int(occurs.sum()) - 1
    count = len(images)
    if freedom < 1 or count <= freedom + 1:
        raise ValueError(f"{count} images of {freedom + 1} classes are too few to tell a draw from")
    if not 0 < drawn < count:
        raise ValueError(f"a draw of {drawn} from {count} images leaves nothing to chance")
    if published[~occurs].any():
        return Fit(math.inf, freedom, 0.0, -math.inf)

    pixels = images[:, occurs]
    shares = pixels.sum(axis=0) / pixels.sum()
    residuals = pixels - shares * pixels.sum(axis=1, keepdims=True)
    scale = (1 - drawn / count) / drawn / (pixels.sum() / count) ** 2
    # Shares add up to 1, so one is redundant; the distance is the same whichever is left out.
    covariance = scale * np.cov(residuals[:, :-1], rowvar=False).reshape(freedom, freedom)

    away = (published[occurs] / published.sum() - shares)[:-1]
    statistic = float(away @ np.linalg.solve(covariance, away))
    log_determinant = float(np.linalg.slogdet(covariance)[1])
    log_likelihood = -0.5 * (statistic + log_determinant + freedom * math.log(2 * math.pi))
    return Fit(statistic, freedom, float(chdtrc(freedom, statistic)), log_likelihood)


def likeliest(fits: Mapping[str, Fit]) -> str:
    """The stratum with the highest likelihood, the first of equals.

    One of them always is: its p says whether it fits.

    Args:
        fits: stratum → fit, for strata with the same classes.
    """
    return max(fits, key=lambda stratum: fits[stratum].log_likelihood)
