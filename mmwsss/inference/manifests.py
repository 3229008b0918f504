"""What the manifest of an earlier call still says of the files of a folder."""

import os
from pathlib import Path

from mmwsss.structures.artifacts import read_manifest


def known_records(folder: Path, suffix: str) -> dict[str, dict]:
    """Records of ``<folder>/manifest.jsonl`` by name, without those of files that are gone or were
    made again since, by a call that was cut off before it wrote its manifest.

    Args:
        folder: Of the files.
        suffix: Ending of the files.

    Raises:
        ValueError: The manifest is damaged.
    """
    try:
        stamp = os.stat(folder / 'manifest.jsonl').st_mtime_ns
    except FileNotFoundError:
        return {}
    known = {}
    for record in read_manifest(folder):
        file = folder / f'{record["name"]}{suffix}'
        # Not at the same time either: the clock of a file system may be coarse.
        if file.is_file() and file.stat().st_mtime_ns < stamp:
            known[record['name']] = record
    return known
