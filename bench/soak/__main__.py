"""`python -m bench.soak power|kills|order …`: the long versions, with their figures."""
