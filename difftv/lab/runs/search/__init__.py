"""A search: which values the next run of a sweep takes follows from what the ones before have found (Optuna).

Trials are ordinary runs of the same folder. The study lies beside them in `search.journal`, which is data only, and
what reports need of it in `search.json`.
"""
