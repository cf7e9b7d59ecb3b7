"""The errors a caller may want to catch. Wrong arguments raise ValueError, as everywhere in Python."""


class DiffTVError(Exception):
    """Base of the errors below: something that is not a mistake in the caller's code."""


class SolverError(DiffTVError):
    """A solver gave no answer at all (infeasible, numerical breakdown); a slow one only reports `converged=False`."""


class AcceleratorError(DiffTVError):
    """A device computes something else than the CPU does."""


class ProcessLostError(DiffTVError):
    """One of the processes that share a training has ended before it."""


class DataError(DiffTVError):
    """The images that a run needs are missing, unreadable or too small."""


class MissingDependencyError(DiffTVError, ImportError):
    """An optional package that the configuration asks for is not installed."""


class ProblemTooLargeError(DiffTVError, MemoryError):
    """The cone program of this image size would not fit in memory."""


class CheckpointError(DiffTVError):
    """A checkpoint or a model file could not be read or written, or a checkpoint belongs to another run."""


class ConfigError(DiffTVError, ValueError):
    """A value of the configuration cannot be used; the message names the key."""


class RunInUseError(DiffTVError):
    """Another process is working on the same run."""


class RunDirectoryError(DiffTVError):
    """The directory of a run cannot be written to, is gone, or belongs to something else."""


class NoiseLevelWarning(UserWarning):
    """A noise level that a predictor was not trained for, or an estimate of one that is not to be relied on."""


class IntensityWarning(UserWarning):
    """Intensities in other units than the ones that are expected: the result is not what was meant."""
