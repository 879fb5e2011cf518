"""Random lives of people, and an independent judge of what became of them.

A history says what PostHog sends and what happens to Hogline meanwhile (`history`, made by `lives`). The real Hogline
lives through it in virtual time (`virtual`, `machine`) before a Customer.io in this process (`customerio`). Beside it
stands the truth, one short pass over the events by PostHog's documented rules (`truth`, `expected`); it shares no code
with Hogline. At every rest the judge compares the two (`judge`).

    .venv/bin/python -m tests.model 1234          # the history of one seed, shrunk if it ends wrong
    .venv/bin/python -m tests.model 1000-2000     # many
"""
