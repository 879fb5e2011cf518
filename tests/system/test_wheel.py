"""What is installed is the wheel, not the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SHIPPED = {".py", ".sql", ".typed", ".html", ".css", ".js", ".svg"}


def test_the_wheel_carries_everything_that_runs(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("hogline/")}
    source = REPOSITORY / "src"
    ours = {str(file.relative_to(source)) for file in source.rglob("*") if file.suffix in SHIPPED}
    assert ours <= packed
    assert {f"hogline/sources/static/{name}" for name in ("array.js", "version", "LICENSE.txt")} <= packed
    unpacked = tmp_path / "unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    told = subprocess.run(
        [sys.executable, "-m", "hogline", "connections", "--data", str(tmp_path / "data")],
        env={"PYTHONPATH": str(unpacked)},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"no connection yet" in told.stdout
