"""How far apart two colours look."""

import numpy as np

TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.95047, 1, 1.08883])


def linear(color: str) -> np.ndarray:
    """Light of an sRGB colour `#rrggbb`, 0 to 1 [3]."""
    shares = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1 between two colours, 1 to 21."""
    low, high = sorted(float(TO_XYZ[1] @ linear(color)) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(color: str) -> np.ndarray:
    """CIELAB under D65 [3]."""
    xyz = TO_XYZ @ linear(color) / WHITE
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def cie76(one: str, other: str) -> float:
    """The distance in CIELAB."""
    return float(np.linalg.norm(lab(one) - lab(other)))


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """CIEDE2000 of two points of CIELAB, by Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1 + (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7))) / 2
    c1, c2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    h1, h2 = np.arctan2(b1, stretch * a1), np.arctan2(b2, stretch * a2)
    turn = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi if c1 * c2 else 0.0
    hue = h1 + turn / 2 if c1 * c2 else h1 + h2
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(turn / 2)
    light, chroma = (l1 + l2) / 2 - 50, (c1 + c2) / 2
    degrees = np.degrees(hue) % 360
    waves = [(-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63)]
    t = 1 + sum(w * np.cos(np.radians(n * degrees + shift)) for w, n, shift in waves)
    sl = 1 + 0.015 * light**2 / np.sqrt(20 + light**2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    around = np.radians(60 * np.exp(-(((degrees - 275) / 25) ** 2)))
    rt = -np.sin(around) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    parts = (dl / sl, dc / sc, dh / sh)
    return float(np.sqrt(sum(p**2 for p in parts) + rt * parts[1] * parts[2]))
