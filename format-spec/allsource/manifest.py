"""Manifests. SPEC.md, section 5."""

import struct

from .base import BLOCK, begins, require

HEADER, ENTRY = 128, 64
GENERATIONS_MAX, EVENTS_MAX = 65_536, (1 << 32) - 1
FIELDS = (
    "first_position", "last_position", "events", "bytes", "min_timestamp", "max_timestamp", "last_recorded_at",
    "segments", "segments_crc",
)


def read(data):
    begins(data, b"ALLSMAN\x01", HEADER, len(data), "manifest")
    require(not any(data[88:HEADER]), "reserved", "manifest")
    number, created_at, sealed, first, file_bytes = struct.unpack_from("<QqQQQ", data, 32)
    partitions, count, last = struct.unpack_from("<IIQ", data, 72)
    require(number > 0 and first > 0, "range", "number")
    require(partitions in [1 << n for n in range(11)], "range", "partitions")
    require(65_536 <= file_bytes <= 1 << 30 and file_bytes % BLOCK == 0, "range", "journal file length")
    require(count <= GENERATIONS_MAX, "range", "number of generations")
    require(len(data) == HEADER + count * ENTRY + partitions * 8, "range", "length")
    entries = struct.iter_unpack("<QQQQqqqII", data[HEADER : HEADER + count * ENTRY])
    generations = [dict(zip(FIELDS, entry)) for entry in entries]
    sequences = list(struct.unpack_from(f"<{partitions}Q", data, HEADER + count * ENTRY))
    position = 0
    for generation in generations:
        require(generation["first_position"] == position + 1, "range", "first position of a generation")
        require(generation["last_position"] > position, "range", "last position of a generation")
        events = generation["last_position"] - position
        require(generation["events"] == events <= EVENTS_MAX, "range", "events of a generation")
        require(1 <= generation["segments"] <= partitions, "range", "segments of a generation")
        position = generation["last_position"]
    require(sealed == position, "range", "sealed position")
    require(sum(sequences) == sealed, "range", "sum of the sequences")
    return {
        "store": data[16:32].hex(), "number": number, "created_at": created_at, "sealed_position": sealed,
        "first_journal": first, "last_journal": last, "journal_file_bytes": file_bytes, "partitions": partitions,
        "generations": generations, "sequences": sequences,
    }
