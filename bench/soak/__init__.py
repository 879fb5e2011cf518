"""Long runs that show what Hogline keeps when things go wrong. `tests/crash` runs the same ones, shorter."""
