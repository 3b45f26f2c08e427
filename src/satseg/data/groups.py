"""Scenes that show the same ground."""

from collections import Counter
from fnmatch import fnmatchcase
from itertools import chain

from satseg.data.layout import Scene
from satseg.files import sha256


def scene_groups(
    scenes: list[Scene], patterns: list[list[str]], copies: list[list[str]]
) -> dict[str, str]:
    """Group of every scene: `group1`, … by the patterns of scene names, or its own name.

    Scenes that are `copies` of each other show the same ground, whatever they are called: their
    groups become one.
    """
    groups = {scene.name: _group(scene.name, patterns) for scene in scenes}

    for first, *others in copies:
        joined = {groups[name] for name in others}
        groups |= {name: groups[first] for name, group in groups.items() if group in joined}

    return groups


def unmatched(scenes: list[Scene], patterns: list[list[str]]) -> list[str]:
    """What is wrong with each pattern that matches no scene: what it should have kept together may
    be divided."""
    mistakes = []
    for pattern in chain.from_iterable(patterns):
        if scenes and not any(fnmatchcase(scene.name, pattern) for scene in scenes):
            mistakes.append(
                f"groups: {pattern!r} matches no scene (one is called {scenes[0].name}); correct "
                f"it, or leave it out"
            )
    return mistakes


def same_images(scenes: list[Scene]) -> list[list[str]]:
    """Names of scenes whose image files are identical, grouped."""
    sizes = Counter(scene.image.stat().st_size for scene in scenes)
    names_by_digest: dict[str, list[str]] = {}

    for scene in scenes:
        if sizes[scene.image.stat().st_size] > 1:
            names_by_digest.setdefault(sha256(scene.image), []).append(scene.name)

    return [names for names in names_by_digest.values() if len(names) > 1]


def _group(scene: str, patterns: list[list[str]]) -> str:
    for number, group in enumerate(patterns, start=1):
        if any(fnmatchcase(scene, pattern) for pattern in group):
            return f"group{number}"
    return scene
