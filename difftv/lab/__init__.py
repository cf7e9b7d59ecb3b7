"""Everything that trains, sweeps and compares: data, training, runs on disk, sweeps, reports, figures, commands."""
