"""Everything that trains, sweeps and compares: data, training, runs on disk, sweeps, reports, figures, commands."""

from difftv.printing import replace_missing_streams

replace_missing_streams()
