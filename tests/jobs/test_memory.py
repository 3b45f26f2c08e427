"""A lack of memory, and of a loader process, is one line of any stage."""

import errno
import os

import pytest
import torch

from satseg.errors import is_innocent, out_of_memory
from satseg.jobs.program import guarded

WORDS = {
    "evaluate": "error: evaluate: not enough memory; lower the recipe's batch_size, end other",
    "predict": "error: predict: not enough memory; give a smaller --batch-size, end other",
    "tables": "error: tables: not enough memory; end other programs, or use a machine with more",
}


def numpys():
    raise MemoryError("Unable to allocate 3 TiB")


def torchs():
    torch.empty(2**60)  # what its allocator really says


@pytest.mark.parametrize("work", [numpys, torchs])
@pytest.mark.parametrize("stage", WORDS)
def test_no_memory_is_one_line(stage, work):
    with pytest.raises(SystemExit) as end:
        guarded(stage, work)
    assert str(end.value).startswith(WORDS[stage]) and "\n" not in str(end.value)


def test_other_errors_keep_their_traceback():
    def fail():
        raise RuntimeError("a mistake of ours")

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        guarded("tables", fail)


class Killed(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        os.kill(os.getpid(), 9)


def test_a_killed_loader_process_is_one_line():
    with pytest.raises(SystemExit) as end:
        guarded("train", lambda: list(torch.utils.data.DataLoader(Killed(), num_workers=1)))
    assert str(end.value).startswith("error: train: a loader process was killed, perhaps for lack")


def test_who_is_to_blame():
    assert is_innocent(PermissionError(errno.EACCES, "no"))
    assert is_innocent(OSError(errno.EMFILE, "too many"))
    assert is_innocent(MemoryError())
    assert is_innocent(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert not is_innocent(OSError("no header"))
    assert not is_innocent(RuntimeError("PytorchStreamReader failed"))
    assert not out_of_memory(ValueError("not enough memory"))
