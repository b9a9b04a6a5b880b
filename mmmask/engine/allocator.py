"""Keep the memory of one training step for the next."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed; return whether there was a glibc to tell.

    On a CPU torch takes the activations of each step from malloc. By default glibc gives large
    blocks back to the system as soon as they are freed, and the next step pays for every page of
    them again: half the time of a step of MobileNetV2 at 160x120, batch 64. The process then
    stays as large as at its peak.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
