import sys
from pathlib import Path

# One test looks at the soaks (`python -m bench.soak`).
sys.path.insert(0, str(Path(__file__).parents[2]))
