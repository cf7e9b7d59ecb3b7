"""Earlier name of gradient_accuracy.py."""

import sys

from gradient_accuracy import main

if __name__ == "__main__":
    sys.exit(main())
