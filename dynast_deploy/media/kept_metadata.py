"""What a written video keeps of its source's metadata: title, date, language and the like."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

# What describes the stored file rather than what is shown: true of the source, false of the new file.
_OF_THE_FILE = re.compile(
    r"encoder|encoded_by|encoding.*|(major|compatible)_brands?|minor_version|duration|timecode|vendor_id|"
    r"handler_name|bps|number_of_(frames|bytes)|_statistics_.*|source_id|rotate|variant_bitrate|creation_time",
    re.IGNORECASE,
)
_OF_STREAMS = frozenset({"language", "title"})
# ISO 639-2 has two codes for these languages (and QuickTime its own for Swedish); FFmpeg's QuickTime muxer knows one.
_IN_QUICKTIME = {
    **{"bod": "tib", "cym": "wel", "deu": "ger", "ell": "gre", "eus": "baq", "fas": "per", "hye": "arm"},
    **{"isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may", "mya": "bur", "nld": "dut", "sqi": "alb"},
    **{"zho": "chi", "cze": "ces", "fre": "fra", "rum": "ron", "slo": "slk", "swe": "sve"},
}


def kept_of_container(metadata: Mapping[str, str]) -> dict[str, str]:
    """Title, artist, date, comment and whatever else is said of the work; muxers write the names they know."""
    kept = {name: value for name, value in metadata.items() if not _OF_THE_FILE.fullmatch(name)}
    created = next((value for name, value in metadata.items() if name.lower() == "creation_time"), "")
    if _is_time(created):
        kept["creation_time"] = created
    return kept


def kept_of_stream(metadata: Mapping[str, str], muxer: str) -> dict[str, str]:
    """The language and the title of one stream, as FFmpeg's `muxer` takes them."""
    kept = {name.lower(): value for name, value in metadata.items() if name.lower() in _OF_STREAMS}
    if muxer == "mov" and "language" in kept:
        kept["language"] = _IN_QUICKTIME.get(kept["language"], kept["language"])
    return kept


def _is_time(text: str) -> bool:
    """FFmpeg refuses to write a file whose time of creation it cannot read."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
