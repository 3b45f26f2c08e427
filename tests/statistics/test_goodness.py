"""The fit of class pixels against closed forms, Pearson's χ², and draws of whole images."""

import numpy as np
import pytest
from scipy import stats

from satseg.statistics.goodness import Fit, class_fit, likeliest

BASE = np.array([5.0, 3.0, 1.5, 0.5])


def stratum(images: int, shares: np.ndarray, seed: int, pixels: int = 1_000_000) -> np.ndarray:
    """Class pixels of images that each show mostly a few classes: int64 [N, C]."""
    random = np.random.default_rng(seed)
    return random.multinomial(pixels, random.dirichlet(shares, size=images))


def drawn_from(images: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    return images[random.choice(len(images), count, replace=False)].sum(0)


@pytest.mark.parametrize(("images", "drawn"), [(1156, 378), (200, 60)])
def test_p_is_uniform_for_draws_of_images(images, drawn):
    random = np.random.default_rng(0)
    pool = stratum(images, BASE, seed=1)
    p = [class_fit(drawn_from(pool, drawn, random), pool, drawn).p for _ in range(2000)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_sizes_of_images_may_differ():
    random = np.random.default_rng(2)
    pool = (stratum(400, BASE, seed=3) * random.lognormal(0, 0.6, (400, 1))).round()
    p = [class_fit(drawn_from(pool, 150, random), pool, 150).p for _ in range(2000)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_pearsons_test_of_pixels_would_reject_every_draw():
    random = np.random.default_rng(4)
    pool = stratum(500, BASE, seed=5)
    for _ in range(20):
        drawn = drawn_from(pool, 100, random)
        expected = pool.sum(0) / pool.sum() * drawn.sum()
        assert stats.chisquare(drawn, expected).pvalue < 1e-6


def test_with_one_pixel_an_image_it_is_pearsons_test():
    """Up to the finite population, exactly."""
    labels = np.repeat([0, 1, 2], [500, 300, 200])
    pool = np.eye(3)[labels]
    drawn = np.array([60, 28, 12])
    found = class_fit(drawn, pool, 100)
    pearson = stats.chisquare(drawn, [50, 30, 20]).statistic
    assert found.statistic == pytest.approx(pearson * (999 / 1000) / (1 - 100 / 1000))
    assert found.freedom == 2
    assert found.p == pytest.approx(stats.chi2.sf(found.statistic, 2))


def test_with_two_classes_it_is_the_square_of_z():
    pool = stratum(50, np.array([2.0, 1.0]), seed=6, pixels=1000)
    shares = pool[:, 0] / 1000
    error = np.sqrt((1 - 20 / 50) / 20) * shares.std(ddof=1)
    found = class_fit(np.array([14_000, 6_000]), pool, 20)
    assert found.statistic == pytest.approx(((0.7 - shares.mean()) / error) ** 2)
    assert found.log_likelihood == pytest.approx(stats.norm.logpdf(0.7, shares.mean(), error))


def test_neither_the_order_of_classes_nor_the_total_matters():
    pool = stratum(80, BASE, seed=7)
    published = drawn_from(pool, 30, np.random.default_rng(8))
    found = class_fit(published, pool, 30)
    order = [2, 0, 3, 1]
    turned = class_fit(published[order] * 4, pool[:, order], 30)
    assert turned.statistic == pytest.approx(found.statistic)
    assert turned.p == pytest.approx(found.p)


def test_a_class_that_occurs_nowhere_is_left_out():
    pool = stratum(80, BASE, seed=9)
    published = drawn_from(pool, 30, np.random.default_rng(10))
    wider = class_fit(np.append(published, 0), np.pad(pool, ((0, 0), (0, 1))), 30)
    assert wider == class_fit(published, pool, 30)


def test_a_class_that_the_stratum_lacks_makes_the_draw_impossible():
    pool = np.pad(stratum(80, BASE, seed=9), ((0, 0), (0, 1)))
    found = class_fit(np.append(BASE, 1), pool, 30)
    assert (found.statistic, found.p, found.log_likelihood) == (np.inf, 0.0, -np.inf)


def test_the_stratum_of_a_draw_is_found():
    strata = {
        "town": stratum(1000, np.array([3.0, 2.0, 4.0, 1.0]), seed=11),
        "land": stratum(1200, np.array([5.0, 4.0, 0.5, 0.5]), seed=12),
    }
    strata["both"] = np.vstack([strata["town"], strata["land"]])
    random = np.random.default_rng(13)
    for name, pool in strata.items():
        for _ in range(20):
            published = drawn_from(pool, 378, random)
            fits = {other: class_fit(published, images, 378) for other, images in strata.items()}
            assert likeliest(fits) == name
            assert all(fit.p < 1e-6 for other, fit in fits.items() if other != name)


def test_the_first_of_equals_is_likeliest():
    fit = Fit(1.0, 2, 0.6, -3.0)
    assert likeliest({"a": fit._replace(log_likelihood=-4.0), "b": fit, "c": fit}) == "b"


@pytest.mark.parametrize(
    ("images", "drawn", "message"),
    [
        (np.eye(3), 2, "3 images of 3 classes are too few"),
        (np.ones((9, 1)), 2, "9 images of 1 classes are too few"),
        (stratum(9, BASE, 0), 9, "a draw of 9 from 9 images"),
        (stratum(9, BASE, 0), 0, "a draw of 0 from 9 images"),
    ],
)
def test_what_cannot_be_tested_is_refused(images, drawn, message):
    with pytest.raises(ValueError, match=message):
        class_fit(np.ones(images.shape[1]), images, drawn)
