"""For tests of destinations and stores, in this repository and in packages of others: `pip install hogline[testing]`.

`destinations`: what every destination must do. `stores`: what every store must do. `clock`: time that a test moves.
`processes`: real `hogline` processes, and the sandbox. `powercut`: a disk that loses power. docs/extending.md shows how
they are used.
"""
