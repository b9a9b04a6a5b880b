"""A file backend of MMEngine that writes checkpoints whole or not at all."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmmask.files import atomic_write

#: The ``backend_args`` by which a hook chooses :class:`WholeFileBackend`.
WHOLE_FILES = {"backend": "mmmask_whole"}


@register_backend(WHOLE_FILES["backend"], force=True)
class WholeFileBackend(LocalBackend):
    """Local files; a run killed while writing leaves the former content."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        with atomic_write(filepath) as partial:
            partial.write_bytes(obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = "utf-8") -> None:
        self.put(obj.encode(encoding), filepath)
