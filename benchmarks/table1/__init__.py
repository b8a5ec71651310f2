"""Table 1 on public data: every arm that could refute the method, on the same rows, seeds and budget.

`python -m benchmarks.table1 --corpus FILE --vectors FOLDER` runs what is not there yet; `... summary` makes
the table. A cell is one use case of one corpus with one seed; in it every arm gets the same champion, strata,
development and test rows. No arm sees a test row of the new use case, not even to stop or to choose a round.
"""
