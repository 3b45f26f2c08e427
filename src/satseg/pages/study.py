"""The pages of a study, in the order of `paths.TABLES`."""

from satseg.pages.blocks import Page
from satseg.pages.claims import claims_page
from satseg.pages.errors import errors_page
from satseg.pages.models import models_page
from satseg.pages.published import published_page
from satseg.pages.scores import per_class_page, scores_page
from satseg.pages.splits import splits_page
from satseg.pages.tuning import tuning_page
from satseg.study.inputs import StudyInputs
from satseg.study.numbers import StudyNumbers
from satseg.study.tuning import tuning_results


def study_pages(inputs: StudyInputs, numbers: StudyNumbers) -> list[Page]:
    """Every page of tables, from the numbers of a study."""
    job = inputs.job
    return [
        scores_page(job, numbers.comparisons, numbers.gaps, numbers.folds, numbers.agreement),
        per_class_page(job, numbers.comparisons),
        errors_page(numbers.comparisons, numbers.errors, numbers.brightness),
        models_page(job, numbers.models, inputs.profiles, numbers.speed),
        splits_page(job, numbers.splits, inputs.tiles, numbers.gaps, numbers.draws),
        published_page(job, numbers.published),
        claims_page(job, numbers.findings),
        tuning_page(job, tuning_results(inputs)),
    ]
