"""The one exception whose message is written for the user, and errors that are no file's fault."""

import errno

# On a CPU, torch raises a plain RuntimeError; behind one of rasterio stands one of GDAL.
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "out of memory")
GDAL_OUT_OF_MEMORY = "CPLE_OutOfMemoryError"


class UserError(Exception):
    """A mistake the user can fix; the message says which file or key, what is wrong and what to
    do."""


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is lacking, however the library that raises it does."""
    if isinstance(error, MemoryError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if type(cause).__name__ == GDAL_OUT_OF_MEMORY:
            return True
        cause = cause.__cause__
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY)


def is_innocent(error: BaseException) -> bool:
    """Whether the content of the file that was read is not to blame: no permission, no memory, too
    many open files."""
    if isinstance(error, OSError):
        # Without a number, or as an invalid argument, libraries report what they cannot read.
        return error.errno not in (None, errno.EINVAL)
    return out_of_memory(error)


def one_line(error: BaseException) -> str:
    """The first line of what an error of a library says; its kind if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
