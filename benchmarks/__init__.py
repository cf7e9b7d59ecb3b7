"""How fast, how exact and how large: measurements that can be repeated on any machine (experiments/benchmark.py)."""
