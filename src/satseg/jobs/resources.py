"""What a job on a device does first."""

from satseg.devices import keep_memory
from satseg.jobs.gpus import take_gpu


def claim_device(number: int = 1) -> None:
    """Take one GPU, or `number` of them, if the machine has any, and keep freed memory for reuse.

    Call it before CUDA starts.
    """
    take_gpu(number=number)
    keep_memory()
