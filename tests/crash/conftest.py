import sys
from pathlib import Path

# The crash tests start the same real processes as the system tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
