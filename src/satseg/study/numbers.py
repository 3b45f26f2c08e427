"""Every number of a study, worked out once for its tables and pages."""

from dataclasses import dataclass
from itertools import product

import pandas as pd

from satseg.study.agreement import agreement_frame
from satseg.study.claims.evidence import Finding, gather_evidence
from satseg.study.claims.examine import claims_frame, examine
from satseg.study.comparison import Comparison, Gap, compare, leakage_gaps
from satseg.study.errors import brightness_frame, errors_frame
from satseg.study.folds import folds_table
from satseg.study.inputs import StudyInputs
from satseg.study.pairs import differences_table
from satseg.study.speed import speed_frame
from satseg.study.strata import DrawFits, fit_draw
from satseg.study.summary import summary_table
from satseg.study.tables import (
    evaluated_counts,
    models_table,
    published_table,
    scores_table,
    splits_table,
)


@dataclass(frozen=True)
class StudyNumbers:
    """The frames of a study's tables, and what is concluded from them."""

    scores: pd.DataFrame
    models: pd.DataFrame
    errors: pd.DataFrame
    brightness: pd.DataFrame
    agreement: pd.DataFrame
    splits: pd.DataFrame
    published: pd.DataFrame
    speed: pd.DataFrame
    comparisons: list[Comparison]
    gaps: list[Gap]
    findings: list[Finding]
    folds: pd.DataFrame
    draws: list[DrawFits]
    """What the paper's training images were drawn from, as far as the study has the dataset."""

    def frames(self) -> dict[str, pd.DataFrame]:
        """Name of each CSV file → its frame."""
        return {
            "scores": self.scores,
            "summary": summary_table(self.comparisons),
            "folds": self.folds,
            "differences": differences_table(self.comparisons),
            "errors": self.errors,
            "brightness": self.brightness,
            "agreement": self.agreement,
            "models": self.models,
            "splits": self.splits,
            "published": self.published,
            "claims": claims_frame(self.findings),
            "speed": self.speed,
        }


def study_numbers(inputs: StudyInputs) -> StudyNumbers:
    """Work out a study's numbers from its files.

    Raises:
        UserError: a file is missing, or does not hold what it should.
    """
    job = inputs.job
    models = models_table(inputs)
    splits = splits_table(inputs)
    places = product(job.datasets, job.recipes)
    evaluated = [evaluated_counts(inputs, dataset, recipe) for dataset, recipe in places]
    scores = scores_table(inputs, evaluated)
    published = published_table(inputs, scores)
    comparisons = [compare(inputs, counts, splits) for counts in evaluated]

    findings = []
    draws = []
    if job.paper:
        for draw in job.paper.draws:
            if draw.dataset in job.datasets:
                draws.append(fit_draw(draw, inputs.tiles[draw.dataset]))
        evidence = [gather_evidence(inputs, comparison) for comparison in comparisons]
        findings = examine(job.paper, evidence)

    return StudyNumbers(
        scores=scores,
        models=models,
        errors=errors_frame(evaluated),
        brightness=brightness_frame(inputs),
        agreement=agreement_frame(inputs),
        splits=splits,
        published=published,
        speed=speed_frame(job.paper, inputs.profiles),
        comparisons=comparisons,
        gaps=leakage_gaps(comparisons, job.recipes),
        findings=findings,
        folds=folds_table(evaluated),
        draws=[fits for fits in draws if fits.strata],
    )
