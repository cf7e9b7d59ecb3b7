"""Stored models: a trained predictor with its regularizer, read back from what lies on the disk."""
