import sys
from pathlib import Path

# The crash tests are the soaks (`python -m bench.soak`), shorter.
sys.path.insert(0, str(Path(__file__).parents[2]))
