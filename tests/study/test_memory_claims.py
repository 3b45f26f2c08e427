"""Claims about memory, and scores of single classes, against numbers worked out by hand."""

import numpy as np
import pytest
from pydantic import ValidationError

from satseg.config.claims import FinestClaim, HigherClaim, SavesMemoryClaim
from satseg.config.papers import Paper
from satseg.statistics.intervals import ScoreInterval
from satseg.statistics.jackknife import Jackknife
from satseg.study.claims.evidence import (
    FAILS,
    HOLDS,
    NOT_PRINTED,
    PRINTED,
    UNKNOWN,
    Evidence,
    Untestable,
)
from satseg.study.claims.examine import examine
from satseg.study.claims.memory import finest, saves_memory
from satseg.study.claims.verdicts import higher
from satseg.study.comparison import Comparison, Result

CLASSES = ["Field", "Road", "House"]
GROUPS = 8
NOWHERE = ScoreInterval(0.5, float("nan"), float("nan"), float("nan"), 0, 1)


def evidence(
    models: dict[str, dict[str, float]],
    recipe: str = "r",
    dataset: str = "d",
    noise: float = 0.01,
    **more,
) -> Evidence:
    """Evidence of models whose classes have these IoUs; what a group changes is nearly the same for
    all."""
    results = []
    for i, (model, ious) in enumerate(models.items()):
        shared = np.linspace(-noise, noise, GROUPS) * (1 + 0.1 * i)
        by_class = {
            ("iou", name): Jackknife(np.array([value]), value + shared[None])
            for name, value in ious.items()
        }
        mean = float(np.mean(list(ious.values())))
        replicates = {"miou_d": Jackknife(np.array([mean]), mean + shared[None])}
        scores = {("miou_d", "all"): NOWHERE}
        results.append(Result(model, scores, replicates=replicates, by_class=by_class))
    comparison = Comparison(
        dataset, "Land", recipe, "test", CLASSES, results, results[0], "x", 2, 2, GROUPS, 0, (0, 1)
    )
    parts = {"profiles": {}, "epochs": {}, "devices": {}, "pixels": {}} | more
    return Evidence(comparison, **parts)


def score(**sides) -> HigherClaim:
    return HigherClaim(text="?", test="higher", by=["iou"], classes=["Road", "House"], **sides)


# Over roads and houses, b is ahead by 0.05, over all three classes it is behind.
TWO = {
    "a": {"Field": 0.9, "Road": 0.2, "House": 0.3},
    "b": {"Field": 0.3, "Road": 0.3, "House": 0.3},
}


def test_a_claim_about_classes_is_about_their_mean():
    found = evidence(TWO)
    statistics, verdict, why = higher(score(model="b", than="a"), "iou", found, found, ["a", "b"])
    assert statistics[0].value == pytest.approx(0.05)
    assert verdict == HOLDS and why.endswith("mean over Road and House")
    all_classes = HigherClaim(text="?", test="higher", by=["miou_d"], model="b", than="a")
    assert higher(all_classes, "miou_d", found, found, ["a", "b"])[1] == FAILS


def test_a_claim_names_any_model_of_the_study():
    """Not only those of the paper; without a pattern, the paper's count alone."""
    found = evidence(TWO)
    assert higher(score(model="b", than="a"), "iou", found, found, ["a"])[1] == HOLDS
    other = evidence({"a": TWO["a"], "b": dict.fromkeys(CLASSES, 0.9)}, recipe="s", noise=0.02)
    pair = score(recipe="s", than_recipe="r")
    assert higher(pair, "iou", other, found, ["a"])[0][0].value == pytest.approx(0)


def test_a_class_that_is_not_there():
    found = evidence(TWO)
    claim = score(model="b", than="a").model_copy(update={"classes": ["Barren"]})
    with pytest.raises(Untestable, match="there is no class Barren"):
        higher(claim, "iou", found, found, ["a", "b"])


@pytest.mark.parametrize(
    ("by", "classes", "said"),
    [
        ("iou", [], "there is no iou over all classes"),
        ("miou_d", ["Road"], "there is no miou_d of single classes"),
    ],
)
def test_a_metric_fits_its_classes(by, classes, said):
    with pytest.raises(ValidationError, match=said):
        HigherClaim(text="?", test="higher", by=[by], classes=classes, model="a", than="b")


def test_the_finest_levels():
    claim = FinestClaim(text="?", test="finest", by=["activations_mb"], model="u*", levels=2)
    wide = {"levels": {"64": 30.0, "32": 25.0, "16": 40.0, "8": 5.0}}
    deep = {"levels": {"64": 20.0, "32": 20.0, "16": 60.0}}
    both = evidence({"u1": TWO["a"], "u2": TWO["a"]}, profiles={"u1": wide, "u2": deep})
    statistics, verdict, why = finest(claim, both, ["u1", "u2"])
    assert [s.value for s in statistics] == pytest.approx([0.55, 0.4])
    assert verdict == FAILS
    assert why == "the 2 finest levels of u1 and u2 hold 40 to 55 % of the activations"
    # It is about the paper's models, whatever others the study has.
    assert finest(claim, both, ["u1"])[1] == HOLDS
    one = evidence({"u1": TWO["a"], "v": TWO["a"]}, profiles={"u1": wide, "v": deep})
    assert finest(claim, one, ["u1", "v"])[1] == HOLDS
    with pytest.raises(Untestable, match=r"there is no u\*"):
        finest(claim, both, [])


LESS = SavesMemoryClaim(
    text="?", test="saves_memory", by=["training_memory_mb"], recipe="small", than_recipe="large"
)


def trained(recipe: str, *memory: float, device: str = "GPU") -> Evidence:
    places = {"a": {device}}
    return evidence({"a": TWO["a"]}, recipe, memory={"a": list(memory)}, devices=places)


@pytest.mark.parametrize(
    ("own", "other", "verdict"),
    [
        ((100, 120), (200, 240), HOLDS),
        ((100, 210), (200, 240), UNKNOWN),
        ((250, 240), (200, 240), FAILS),
    ],
)
def test_which_training_takes_less_memory(own, other, verdict):
    found = saves_memory(LESS, trained("small", *own), trained("large", *other), ["a"])
    assert found[1] == verdict
    assert found[0][0].value == pytest.approx(sum(own) / sum(other))


def test_memory_that_cannot_be_compared():
    first = trained("small", 1)
    with pytest.raises(Untestable, match="the runs of a did not record their memory"):
        saves_memory(LESS, first, trained("large"), ["a"])
    with pytest.raises(Untestable, match=r"different devices \(CPU and GPU\)"):
        saves_memory(LESS, first, trained("large", 2, device="CPU"), ["a"])


def paper(**claims) -> Paper:
    columns = [{"metric": "iou", "class_name": name} for name in CLASSES]
    table = {
        "title": "Table 1", "device": "GPU", "dataset": "d", "recipe": "r", "columns": columns,
        "rows": {"a": list(TWO["a"].values()), "b": list(TWO["b"].values())},
    }  # fmt: skip
    return Paper.model_validate(
        {"title": "P", "models": ["a", "b"], "tables": [table], "claims": claims}
    )


def test_a_printed_table_has_the_classes_too():
    ahead = score(model="b", than="a").model_dump()
    behind = score(model="a", than="b").model_dump()
    found = examine(paper(ahead=ahead, behind=behind), [])
    assert {f.claim: f.verdict for f in found} == {"ahead": PRINTED, "behind": NOT_PRINTED}
    assert found[0].why == "0.3 and 0.25, without intervals"


def test_a_claim_about_one_dataset_is_tested_there_alone():
    claim = score(model="b", than="a", dataset="e").model_dump()
    found = examine(paper(there=claim), [evidence(TWO), evidence(TWO, dataset="e")])
    assert [(f.source, f.dataset) for f in found] == [("results", "e")]


def test_memory_is_compared_between_recipes():
    claim = LESS.model_dump()
    sides = [trained("large", 2), trained("small", 1)]
    (finding,) = examine(paper(less=claim), sides)
    assert (finding.verdict, finding.recipe) == (HOLDS, "")
    (finding,) = examine(paper(less=claim), sides[:1])
    assert (finding.verdict, finding.why) == (UNKNOWN, "this study has no small to compare")
