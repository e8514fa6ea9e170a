"""Records. SPEC.md, section 7."""

import struct
import zlib

from .base import TIMES, Refused, require

RECORD_MAX = 9 << 20
ROOT = 104


def read(data):
    """The event whose record starts here, and the record's length."""
    require(len(data) >= 8, "short", "record")
    length, crc = struct.unpack_from("<II", data)
    total = length + 8
    require(ROOT + 8 <= total <= RECORD_MAX and total % 8 == 0, "range", "record length")
    require(len(data) >= total, "short", "record")
    require(crc == zlib.crc32(data[8:total], zlib.crc32(data[:4])), "record checksum", "record")
    root = total - ROOT

    def place(entry, size):
        relative, count = struct.unpack_from("<iI", data, entry)
        start = entry + relative
        require(8 <= start and start + count * size <= total, "archive", "a slice lies outside")
        return start, count

    def content(entry, name, least, most):
        start, count = place(entry, 1)
        require(least <= count <= most, "field", name)
        return bytes(data[start : start + count])

    def text(*arguments):
        try:
            return content(*arguments).decode()
        except UnicodeDecodeError:
            raise Refused("field", arguments[1]) from None

    position, version, recorded_at, timestamp, flags = struct.unpack_from("<QQqqI", data, root + 16)
    start, count = place(root + 92, 8)
    require(flags & ~3 == 0 and data[root + 100 : total] == bytes(4), "reserved", "record")
    require(position and version, "range", "position or version")
    require(all(TIMES[0] <= time <= TIMES[1] for time in (recorded_at, timestamp)), "range", "time")
    event = {
        "id": data[root : root + 16].hex(), "position": position, "version": version, "recorded_at": recorded_at,
        "timestamp": timestamp, "is_json": bool(flags & 1), "timestamp_given": bool(flags & 2),
        "tenant": text(root + 52, "tenant", 1, 64), "entity_id": text(root + 60, "entity id", 1, 512),
        "event_type": text(root + 68, "event type", 1, 256),
        "payload_hex": content(root + 76, "payload", 0, 8 << 20).hex(),
        "metadata": text(root + 84, "metadata", 0, 65_536),
    }
    if event["is_json"]:
        text(root + 76, "payload", 0, 8 << 20)
    require(count <= 64, "range", "tags")
    event["tags"] = [text(start + 8 * n, "tag", 1, 256) for n in range(count)]
    return event, total
