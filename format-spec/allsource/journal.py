"""Journal files. SPEC.md, sections 6 and 9."""

import struct
import zlib

from . import record
from .base import BLOCK, Refused, begins, require

FRAME_MAX, COUNT_MAX = 1 << 24, 65_536
KINDS = {1: "append", 2: "mark", 3: "pad"}


def header(data):
    begins(data, b"ALLSJNL\x01", BLOCK, BLOCK, "journal file")
    require(not any(data[80:BLOCK]), "reserved", "journal header")
    number, epoch, log_offset, synced, position, previous, blocks = struct.unpack_from("<QQQQQII", data, 32)
    require(number and epoch and position, "range", "number, epoch or position")
    require(log_offset % BLOCK == 0 and synced >= log_offset, "range", "log offset")
    require(blocks >= 2, "range", "length of the file")
    return {
        "store": data[16:32].hex(), "number": number, "epoch": epoch, "log_offset": log_offset,
        "synced_through": synced, "first_position": position, "previous_checksum": previous,
        "file_bytes": blocks * BLOCK,
    }


def seed_of(header):
    return zlib.crc32(bytes.fromhex(header["store"]) + struct.pack("<QQ", header["number"], header["epoch"]))


def frame(data, offset, seed):
    """The frame at an offset, without its records; refuses it unless it validates."""
    require(data[offset : offset + 4] == b"ASf1", "magic", "frame")
    require(len(data) >= offset + 64, "short", "frame header")
    crc, length, kind = struct.unpack_from("<IIB", data, offset + 4)
    require(64 <= length <= FRAME_MAX and length % 64 == 0, "range", "frame length")
    require(len(data) >= offset + length, "short", "frame")
    require(crc == zlib.crc32(data[offset + 8 : offset + length], seed), "checksum", "frame")
    require(not any(data[offset + 13 : offset + 16] + data[offset + 48 : offset + 64]), "reserved", "frame")
    require(kind in KINDS, "field", "frame kind")
    count, previous, log_offset, position, synced = struct.unpack_from("<IIQQQ", data, offset + 16)
    require((kind == 1) == (count > 0) and count <= COUNT_MAX, "range", "number of records")
    require(synced <= log_offset and position > 0, "range", "synced through or position")
    return {
        "kind": KINDS[kind], "length": length, "log_offset": log_offset, "first_position": position,
        "synced_through": synced, "checksum": crc, "count": count, "previous": previous,
    }


def records(data, offset, found):
    at, end, view = offset + 64, offset + found["length"], memoryview(data)
    for position in range(found["first_position"], found["first_position"] + found["count"]):
        event, length = record.read(view[at:end])
        require(event["position"] == position, "range", "position of a record")
        at += length
        yield event
    require(not any(data[at:end]), "reserved", "bytes after the last record")


def walk(data, until=None):
    """Walks a journal file; returns its header, its frames, the log offset where the walk ended, and why it ended."""
    begin = header(data)
    seed = seed_of(begin)
    frames, end = [], begin["log_offset"]
    expected = (begin["previous_checksum"], begin["first_position"])
    while until is None or end < until:
        offset = BLOCK + end - begin["log_offset"]
        try:
            found = frame(data, offset, seed)
            place = (found["log_offset"], found["previous"], found["first_position"])
            require(place == (end, *expected), "place", "the frame belongs elsewhere")
            found["records"] = list(records(data, offset, found))
        except Refused as problem:
            return begin, frames, end, problem
        frames.append(found)
        expected = (found["checksum"], found["first_position"] + found["count"])
        end += found["length"]
    return begin, frames, end, None


def is_damaged(data, begin, frames, end):
    """Whether anything at or after the end of a walk was once durable."""
    if end < max([begin["synced_through"]] + [found["synced_through"] for found in frames]):
        return True
    first = -(-(BLOCK + end - begin["log_offset"]) // BLOCK) * BLOCK
    for offset in range(first, len(data), BLOCK):
        try:
            found = frame(data, offset, seed_of(begin))
        except Refused:
            continue
        if found["log_offset"] == begin["log_offset"] + offset - BLOCK and found["synced_through"] > end:
            return True
    return False
