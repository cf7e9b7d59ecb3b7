"""What the directory of a run holds, and how it is written and read; nothing here knows Hydra."""
