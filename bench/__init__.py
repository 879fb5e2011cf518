"""Figures of speed and memory. `make bench` runs all of them; `make bench ARGS=send` one."""
