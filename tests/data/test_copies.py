"""A copy of the tile store lives as long as its process."""

import os
import subprocess
import sys
from pathlib import Path

from satseg.data.copies import local_copy
from satseg.processes import this_process


def test_local_copy_lives_as_long_as_its_process(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "images.npy").write_bytes(bytes(range(256)))
    (tmp_path / "node").mkdir()
    text = (
        "import sys; from satseg.data.copies import local_copy; folder = local_copy(sys.argv[1])\n"
        "print(folder, (folder / 'images.npy').read_bytes() == bytes(range(256)))"
    )
    command = [sys.executable, "-c", text, tmp_path / "store"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "node")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    folder, same = done.stdout.split()
    assert same == "True"
    assert Path(folder).parent == tmp_path / "node"
    assert not list((tmp_path / "node").iterdir())
    assert (tmp_path / "store" / "images.npy").exists()


def test_a_copy_of_a_killed_process_is_removed_by_the_next(tmp_path, monkeypatch):
    """One of a living process stays, and what another program left."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = this_process()
    (tmp_path / "store").mkdir()
    node = tmp_path / "node"
    for name in (here._replace(pid=gone.pid), here._replace(pid=os.getppid()), "other"):
        (node / f"satseg-{name}-ab").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(node))
    copy = local_copy(tmp_path / "store")
    kept = {f"satseg-{here._replace(pid=os.getppid())}-ab", "satseg-other-ab", copy.name}
    assert {path.name for path in node.iterdir()} == kept
