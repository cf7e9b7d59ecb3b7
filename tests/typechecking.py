"""The checker that tests put around every function of the package: shapes and types as annotated, at run time."""

import functools

from beartype import BeartypeConf, beartype

checked = functools.partial(beartype, conf=BeartypeConf(is_pep484_tower=True))
"""An int where a float is annotated is right, as PEP 484 says."""
