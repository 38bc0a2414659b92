"""Reading DICOM leaves the process as it was."""

from __future__ import annotations

import locale
from pathlib import Path

from anatomy import ct_phantom as phantom
from vertebro.anatomy.volumes import read_volume


def test_reading_dicom_keeps_the_locale(tmp_path: Path) -> None:
    """GDCM calls setlocale for the whole process; text files opened later would be read as ASCII."""
    before = locale.setlocale(locale.LC_CTYPE)
    folder = phantom.write_dicom(tmp_path / "series", phantom.make())
    locale.setlocale(locale.LC_CTYPE, before)  # the phantom's writer does it, too
    read_volume(folder)
    assert locale.setlocale(locale.LC_CTYPE) == before
