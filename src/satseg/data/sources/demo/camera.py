"""Light and camera: what a satellite sees of the canvas."""

import numpy as np
from scipy import ndimage

from satseg.data.sources.demo.canvas import MARGIN, Land


def light(land: Land) -> np.ndarray:
    """Radiance [n, n, 3] under sky and sun; everything that has height casts a shadow."""
    rng = land.rng
    azimuth = rng.uniform(0.2, 0.8) * np.pi
    elevation = np.radians(rng.uniform(30, 58))

    # Towards the sun, which stands in the south: down.
    sun_x = np.cos(azimuth)
    sun_y = np.sin(azimuth)

    slope_x = _slope(land.height, 1)
    slope_y = _slope(land.height, 0)
    facing = np.sin(elevation) - np.cos(elevation) * (slope_x * sun_x + slope_y * sun_y)
    facing = facing.clip(0) / np.sqrt(1 + slope_x**2 + slope_y**2)

    surroundings = np.pad(land.height, MARGIN)
    horizon = np.zeros_like(land.height)
    drop = np.tan(elevation)

    for step in range(1, min(int(land.height.max() / drop), MARGIN)):
        left = round(step * sun_x) + MARGIN
        top = round(step * sun_y) + MARGIN
        ray = surroundings[top : top + land.size, left : left + land.size]
        horizon = np.maximum(horizon, ray - np.float32(step * drop))

    shade = ((horizon - land.height) / 1.5).clip(0, 1)
    beam = np.array([1.0, 0.95, 0.86]) * rng.uniform(0.85, 1.1)
    sky = np.array([0.13, 0.16, 0.21]) * rng.uniform(0.7, 1.2)
    return land.albedo * (beam * (facing * (1 - shade))[..., None] + sky).astype(np.float32)


def _slope(height: np.ndarray, axis: int) -> np.ndarray:
    """Rise per pixel: the gentler of the slopes to both sides, and 0 where they disagree, so that
    walls do not count."""
    ahead = np.diff(height, axis=axis, append=height.take([-1], axis))
    behind = np.roll(ahead, 1, axis)
    gentler = np.sign(ahead) * np.minimum(np.abs(ahead), np.abs(behind))
    return np.where(ahead * behind > 0, gentler, 0)


def photograph(land: Land, radiance: np.ndarray) -> np.ndarray:
    """Image [n, n, 3] in 0 to 255, seen through haze and a lens by a sensor with noise and
    bands."""
    rng = land.rng
    shape = radiance.shape

    haze = 0.04 * rng.random() ** 2 * (1 + 0.3 * land.texture(250)).clip(0)
    radiance = radiance + haze[..., None] * np.array([0.85, 0.95, 1.1], np.float32)

    radiance = ndimage.gaussian_filter(radiance, rng.uniform(0.55, 0.95), axes=(0, 1))
    falloff = 1 + rng.uniform(-0.12, 0.12) * (land.x + rng.uniform(-1, 1) * land.y) / land.size
    balance = (rng.uniform(2.2, 3.4) * rng.normal(1, 0.04, 3)).astype(np.float32)
    exposed = radiance * falloff[..., None] * balance

    deviation = np.sqrt(2e-5 + rng.uniform(1e-4, 6e-4) * exposed)
    noise = deviation * rng.standard_normal(shape, dtype=np.float32)
    bands = 0.002 * rng.standard_normal((1, land.size, 1), dtype=np.float32)

    # Highlights roll off instead of clipping.
    return 255 * (1 - np.exp(-1.2 * (exposed + noise + bands).clip(0))) ** (1 / 2.2)
