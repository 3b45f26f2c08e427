"""Whether the probabilities of a study's models hold."""

from satseg.figures.calibration import Calibrated
from satseg.readers import read_json
from satseg.study.inputs import StudyInputs

BIN = {"pixels": int, "confidence": (float, None), "right": (float, None)}
STATE = {"pixels": int, "ece": float, "bins": [BIN]}
FOUND = {"temperature": float, "before": STATE, "after": STATE}


def calibrated_models(inputs: StudyInputs) -> list[Calibrated]:
    """What the runs of each model were found to be worth, where the recipe asks for it.

    Raises:
        UserError: a run's `calibration.json` is missing or broken.
    """
    models = []
    for place in inputs.places():
        if not inputs.job.recipes[place.recipe].evaluate.calibrate:
            continue
        for model in inputs.job.study.models:
            cells = inputs.cells(place.dataset, place.recipe)
            files = [
                inputs.run_folder(cell) / "calibration.json"
                for cell in cells
                if cell.model == model
            ]
            runs = [read_json(file, FOUND) for file in files]
            models.append(Calibrated(place.title, model, runs))
    return models
