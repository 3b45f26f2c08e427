"""Shifts of images against each other, against cutting them from one image."""

import numpy as np
import pytest

from satseg.data.shifts import OUTSTANDING, common_shape, shift_between, spectrum

GROUND = np.random.default_rng(3).normal(size=(330, 340)).astype(np.float32)


def found(first, second):
    shape = common_shape(first.shape, second.shape)
    return shift_between(spectrum(first, shape), spectrum(second, shape))


@pytest.mark.parametrize("size", [(129, 150), (160, 131)])
@pytest.mark.parametrize("down", [-90, -1, 0, 1, 90])
@pytest.mark.parametrize("right", [-88, 0, 87])
def test_a_shift_is_found(size, down, right):
    first = GROUND[100:250, 100:260]
    second = GROUND[100 + down :, 100 + right :][: size[0], : size[1]]
    shift = found(first, 0.5 * second + 20)
    assert (shift.down, shift.right) == (down, right)
    assert shift.stands_out


def test_other_ground_does_not_stand_out():
    rng = np.random.default_rng(4)
    for _ in range(20):
        shift = found(*rng.normal(size=(2, 200, 180)).astype(np.float32))
        assert shift.strength < OUTSTANDING / 2


def test_without_a_gradient_nothing_is_found():
    flat = np.full((50, 60), 7, np.float32)
    assert found(flat, flat).strength == 0
    assert found(flat, GROUND[:50, :60]).strength == 0
