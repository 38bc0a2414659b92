"""Where vertebro keeps things on the user's machine (standard library only: imported by light commands)."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_root() -> Path:
    """User cache folder of vertebro; ``VERTEBRO_CACHE`` overrides it."""
    if override := os.environ.get("VERTEBRO_CACHE"):
        return Path(override)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "vertebro"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "vertebro" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "vertebro"
