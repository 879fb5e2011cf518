"""A package only so that the simulation in `tests/model` has one name, for pytest, for mypy and on the command line."""
