import sys
from pathlib import Path

# The simulation is one package, for pytest as for `python -m tests.model`; the soaks use it, too.
sys.path.insert(0, str(Path(__file__).parents[2]))
