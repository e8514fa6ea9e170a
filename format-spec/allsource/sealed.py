"""What all sealed files share: header, sections, checksums. SPEC.md, section 10."""

import struct
import zlib

from .base import BLOCK, begins, require

MAGICS = {"segments": b"ALLSSEG\x01", "index": b"ALLSIDX\x01", "snapshot": b"ALLSSNP\x01"}
KINDS = {"segments": 3, "index": 13, "snapshot": 3}
CHECKED = 65_536
SECTIONS_MAX, BYTES_MAX = 32, 1 << 48
TABLE, ENTRY = 128, 32


def header(data, kind):
    begins(data, MAGICS[kind], BLOCK, BLOCK, kind)
    epoch, reserved, count, first, last, reserved_too, events = struct.unpack_from("<QIIQQQQ", data, 32)
    earliest, latest, checksums, checksums_crc, source_crc = struct.unpack_from("<qqQII", data, 80)
    require(count <= SECTIONS_MAX, "range", "number of sections")
    require(reserved == reserved_too == 0, "reserved", kind)
    require(not any(data[112:TABLE] + data[TABLE + count * ENTRY : BLOCK]), "reserved", kind)
    require(epoch > 0 and 0 < first <= last, "range", "epoch or positions")
    sections, end = [], BLOCK
    for number in range(count):
        what, reserved, offset, size, entries = struct.unpack_from("<IIQQQ", data, TABLE + number * ENTRY)
        require(reserved == 0, "reserved", "section")
        require(what > (sections[-1]["kind"] if sections else 0), "range", "order of sections")
        require(offset == -(-end // BLOCK) * BLOCK, "range", "place of a section")
        sections.append({"kind": what, "offset": offset, "bytes": size, "count": entries})
        end = offset + size
    require(checksums == end <= BYTES_MAX, "range", "place of the checksums")
    needed = range(1, KINDS[kind] + 1)
    require([section["kind"] for section in sections[: len(needed)]] == [*needed], "range", "a section is missing")
    return {
        "store": data[16:32].hex(), "epoch": epoch, "first_position": first,
        "last_position": last, "events": events, "min_timestamp": earliest,
        "max_timestamp": latest, "checksums": checksums, "checksums_crc": checksums_crc, "source_crc": source_crc,
        "sections": sections,
    }


def header_crc(data):
    return struct.unpack_from("<I", data, 8)[0]


def whole(data, kind):
    """The header of a sealed file, after comparing every checksum in the file."""
    found = header(data, kind)
    end = found["checksums"]
    blocks = range(BLOCK, end, CHECKED)
    size = end + 4 * len(blocks)
    require(len(data) >= size, "short", kind)
    require(len(data) == size, "range", "length of the file")
    require(zlib.crc32(data[end:]) == found["checksums_crc"], "checksum", "table of checksums")
    for start, crc in zip(blocks, struct.unpack_from(f"<{len(blocks)}I", data, end)):
        require(crc == zlib.crc32(data[start : min(start + CHECKED, end)]), "checksum", f"block at {start}")
    end = BLOCK
    for section in found["sections"]:
        require(not any(data[end : section["offset"]]), "reserved", "filling between sections")
        end = section["offset"] + section["bytes"]
    return found


def section(data, found, kind):
    """A section's bytes and number of entries; None if there is no such section."""
    for entry in found["sections"]:
        if entry["kind"] == kind:
            return data[entry["offset"] : entry["offset"] + entry["bytes"]], entry["count"]
    return None
