"""deepinv and mrpro can be imported beside a torchvision of another build than torch."""

from benchmarks.torchvision_operators import declare

declare()
