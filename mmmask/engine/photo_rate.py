"""How many photos per second a training takes."""

import time


class PhotoRate:
    """Count photos and time of the epochs between ``start`` and ``stop``."""

    def __init__(self) -> None:
        self.photos, self._all_photos = 0, 0
        self._all_seconds = 0.0

    def start(self) -> None:
        """Begin an epoch."""
        self.photos, self._begun = 0, time.monotonic()

    def add(self, photos: int) -> None:
        """Count the photos of a step."""
        self.photos += photos

    def epoch(self) -> float:
        """Return photos per second since the epoch began."""
        return self.photos / max(time.monotonic() - self._begun, 1e-9)

    def stop(self) -> None:
        """End an epoch."""
        self._all_photos += self.photos
        self._all_seconds += time.monotonic() - self._begun

    def overall(self) -> float | None:
        """Return photos per second over all ended epochs; None where none was counted."""
        return self._all_photos / self._all_seconds if self._all_photos else None
