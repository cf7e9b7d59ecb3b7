"""The commands: each file is the main of one script in `experiments/`."""
