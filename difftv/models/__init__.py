"""Stored models: a trained predictor with its regularizer, read back from its files."""
