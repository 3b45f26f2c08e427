"""A user's own model, from a Python file."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb

from torch import nn

from satseg.config.models import PythonSpec
from satseg.errors import UserError, is_innocent, one_line


def build(model: PythonSpec, num_classes: int, in_channels: int, pretrained: bool) -> nn.Module:
    """What the class or function makes of `num_classes`, `in_channels` and the entry's arguments.

    Only a file below the working folder is run, and only what is defined in it is called. Whether a
    weights file may name it: `satseg.models.segmenter`.

    Raises:
        UserError: there is no such file or name, or the call does not return a module.
    """
    path = Path(model.file)
    if not path.is_file() or not path.resolve().is_relative_to(Path.cwd().resolve()):
        raise UserError(
            f"{model.file}: no such file in {Path.cwd()}; "
            "correct the model's `file`, or change the folder"
        )
    origin = spec_from_file_location(f"satseg_own_{path.stem}", path)
    module = module_from_spec(origin)
    try:
        origin.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        if is_innocent(error):
            raise
        raise UserError(f"{model.file}: {_where(error, path)}; correct it") from error
    make = getattr(module, model.name, None)
    if not callable(make) or getattr(make, "__module__", None) != module.__name__:
        defined = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
        ]
        raise UserError(
            f"{model.file}: does not define {model.name!r}; "
            f"it has {', '.join(defined) or 'nothing'}"
        )
    try:
        net = make(num_classes=num_classes, in_channels=in_channels, **model.arguments)
    except (Exception, SystemExit) as error:
        if is_innocent(error):
            raise
        raise UserError(
            f"{model.file}: {model.name}(num_classes=…, in_channels=…, **arguments): "
            f"{_where(error, path)}; correct it or `arguments`"
        ) from error
    if not isinstance(net, nn.Module):
        raise UserError(
            f"{model.file}: {model.name} returns a {type(net).__name__}; "
            "a torch.nn.Module is expected"
        )
    return net


def _where(error: BaseException, path: Path) -> str:
    """What an error says, and the last line of the file that it came through."""
    lines = [
        step.lineno
        for step in extract_tb(error.__traceback__)
        if step.filename == str(path.absolute())
    ]
    lines += [error.lineno] if isinstance(error, SyntaxError) else []
    kind = "" if isinstance(error, TypeError) else f"{type(error).__name__}: "
    return f"line {lines[-1]}: {kind}{one_line(error)}" if lines else f"{kind}{one_line(error)}"
