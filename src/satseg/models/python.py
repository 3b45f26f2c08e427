"""A model of the user's own, from a Python file of theirs."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from torch import nn

from satseg.config.models import PythonSpec
from satseg.errors import UserError


def build(spec: PythonSpec, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    """What the class or function makes of `num_classes`, `in_channels` and the entry's arguments.

    Weights name the file too, so only a file below the working folder is run, and only what is
    defined in it.

    Raises:
        UserError: no such file or name, or the call does not give a module.
    """
    path = Path(spec.file)
    if not path.is_file() or not path.resolve().is_relative_to(Path.cwd().resolve()):
        raise UserError(
            f"{spec.file}: no such file in {Path.cwd()}; correct the model's `file`, or change the folder"
        )
    origin = spec_from_file_location(f"satseg_own_{path.stem}", path)
    module = module_from_spec(origin)
    origin.loader.exec_module(module)
    make = getattr(module, spec.name, None)
    if not callable(make) or getattr(make, "__module__", None) != module.__name__:
        own = [
            name
            for name, it in vars(module).items()
            if getattr(it, "__module__", None) == module.__name__
        ]
        raise UserError(
            f"{spec.file}: defines no {spec.name!r}; it has {', '.join(own) or 'nothing'}"
        )
    try:
        model = make(num_classes=num_classes, in_channels=in_channels, **spec.arguments)
    except TypeError as error:
        raise UserError(
            f"{spec.file}: {spec.name}(num_classes=…, in_channels=…, **arguments): {error}; correct it or `arguments`"
        ) from error
    if not isinstance(model, nn.Module):
        raise UserError(
            f"{spec.file}: {spec.name} gives a {type(model).__name__}; a torch.nn.Module is expected"
        )
    return model
