"""Find installed packages that are not whole: a killed installer, or a full disk, leaves such.

Their metadata are removed, so that the installer, which goes by these, installs them again.
Run it with the environment's Python; exit status 1 means that there were any.
"""

import csv
import shutil
import sys
import sysconfig
from pathlib import Path


def is_whole(info: Path) -> bool:
    """Whether every file that a package lists in its RECORD is there, in its full length."""
    record = info / "RECORD"
    if not record.is_file() or not (info / "METADATA").is_file():
        return False

    text = record.read_text(encoding="utf-8", errors="replace")
    for row in csv.reader(text.splitlines()):
        if len(row) != 3:
            return False
        name, _, size = row
        file = info.parent / name
        if size and (not file.is_file() or str(file.stat().st_size) != size):
            return False
    return text.endswith("\n")


def main() -> None:
    """Look through the environment."""
    site = Path(sysconfig.get_path("purelib"))
    damaged = [info for info in sorted(site.glob("*.dist-info")) if not is_whole(info)]
    for info in damaged:
        if "--keep" not in sys.argv:
            shutil.rmtree(info)
        print(f"{info.name.removesuffix('.dist-info')}: not whole", file=sys.stderr)
    sys.exit(bool(damaged))


if __name__ == "__main__":
    main()
