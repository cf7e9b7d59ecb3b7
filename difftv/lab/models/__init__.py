"""Trained models by the place that a user names: the directory of a run, a model file, or the name of a shipped one."""
