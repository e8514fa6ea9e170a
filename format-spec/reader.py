#!/usr/bin/env python3
"""A reader of AllSource stores, written from SPEC.md alone. Python 3.11, standard library only.

    reader.py dump DIR       prints every event of a store as a line of JSON; it must not be open
    reader.py check [DIR]    decodes the test vectors and holds them against what is written beside them
"""

import json
import struct
import sys
import zlib
from pathlib import Path

BLOCK = 4096
READ_VERSION = 1
TIMES = (-62_135_596_800_000_000, 253_402_300_799_999_999)
FRAME_MAX, RECORD_MAX, COUNT_MAX = 1 << 24, 9 << 20, 65_536
ROOT = 104
KINDS = {1: "append", 2: "mark", 3: "pad"}


class Refused(Exception):
    """Bytes are not what they claim to be; `reason` is the word the vectors use."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def require(condition, reason, detail):
    if not condition:
        raise Refused(reason, detail)


# Section 5.
def manifest(data):
    require(data[:8] == b"ALLSMAN\x01", "magic", "manifest")
    require(len(data) >= 128, "short", "manifest")
    crc, write, read = struct.unpack_from("<IHH", data, 8)
    require(crc == zlib.crc32(data[12:]), "checksum", "manifest")
    require(read <= READ_VERSION, "newer", f"written by version {write}, needs {read}")
    require(not any(data[88:128]), "reserved", "manifest")
    number, created_at, sealed, first, file_bytes = struct.unpack_from("<QqQQQ", data, 32)
    partitions, files, last = struct.unpack_from("<IIQ", data, 72)
    require(len(data) == 128 and files == 0, "range", "file list")
    require(number > 0 and first > 0, "range", "number")
    require(partitions in [1 << n for n in range(11)], "range", "partitions")
    require(65_536 <= file_bytes <= 1 << 30 and file_bytes % BLOCK == 0, "range", "journal file length")
    return {
        "store": data[16:32].hex(), "number": number, "created_at": created_at, "sealed_position": sealed,
        "first_journal": first, "last_journal": last, "journal_file_bytes": file_bytes, "partitions": partitions,
    }


# Section 6.
def journal_header(data):
    require(data[:8] == b"ALLSJNL\x01", "magic", "journal file")
    require(len(data) >= BLOCK, "short", "journal header")
    crc, write, read = struct.unpack_from("<IHH", data, 8)
    require(crc == zlib.crc32(data[12:BLOCK]), "checksum", "journal header")
    require(read <= READ_VERSION, "newer", f"written by version {write}, needs {read}")
    require(not any(data[76:BLOCK]), "reserved", "journal header")
    number, epoch, log_offset, synced, position, previous = struct.unpack_from("<QQQQQI", data, 32)
    require(number and epoch and position, "range", "number, epoch or position")
    require(log_offset % BLOCK == 0 and synced >= log_offset, "range", "log offset")
    return {
        "store": data[16:32].hex(), "number": number, "epoch": epoch, "log_offset": log_offset,
        "synced_through": synced, "first_position": position, "previous_checksum": previous,
    }


def seed_of(header):
    return zlib.crc32(bytes.fromhex(header["store"]) + struct.pack("<QQ", header["number"], header["epoch"]))


def frame(data, offset, seed):
    """The frame that begins at an offset, if one validates there, without its records."""
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
    at, end = offset + 64, offset + found["length"]
    for position in range(found["first_position"], found["first_position"] + found["count"]):
        event, length = record(data[at:end])
        require(event["position"] == position, "range", "position of a record")
        at += length
        yield event
    require(not any(data[at:end]), "reserved", "bytes after the last record")


# Section 7.
def record(data):
    require(len(data) >= 8, "short", "record")
    length, crc = struct.unpack_from("<II", data)
    total = length + 8
    require(ROOT + 8 <= total <= RECORD_MAX and total % 8 == 0, "range", "record length")
    require(len(data) >= total, "short", "record")
    require(crc == zlib.crc32(data[:4] + data[8:total]), "record checksum", "record")
    root = total - ROOT

    def place(entry, size):
        relative, count = struct.unpack_from("<iI", data, entry)
        start = entry + relative
        require(8 <= start and start + count * size <= total, "archive", "a slice lies outside")
        return start, count

    def content(entry, name, least, most):
        start, count = place(entry, 1)
        require(least <= count <= most, "field", name)
        return data[start : start + count]

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


# Section 8.
def xxh3_64(key):
    """XXH3 in its 64-bit form with seed 0, for inputs of up to 240 bytes, from its published description."""
    mask, secret = (1 << 64) - 1, SECRET
    p32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
    p64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
    word = lambda data, at: int.from_bytes(data[at : at + 8], "little")
    half = lambda data, at: int.from_bytes(data[at : at + 4], "little")
    n = len(key)

    def fold(a, b):
        product = a * b
        return (product & mask) ^ (product >> 64)

    def avalanche(h):
        h = ((h ^ (h >> 37)) * 0x165667919E3779F9) & mask
        return h ^ (h >> 32)

    def avalanche64(h):
        h = ((h ^ (h >> 33)) * p64[1]) & mask
        h = ((h ^ (h >> 29)) * p64[2]) & mask
        return h ^ (h >> 32)

    def swap(value):
        return int.from_bytes(value.to_bytes(8, "little"), "big")

    def mix16(at, secret_at):
        return fold(word(key, at) ^ word(secret, secret_at), word(key, at + 8) ^ word(secret, secret_at + 8))

    if n == 0:
        return avalanche64(word(secret, 56) ^ word(secret, 64))
    if n <= 3:
        combined = key[0] << 16 | key[n >> 1] << 24 | key[-1] | n << 8
        return avalanche64(combined ^ half(secret, 0) ^ half(secret, 4))
    if n <= 8:
        h = (half(key, n - 4) + (half(key, 0) << 32)) ^ word(secret, 8) ^ word(secret, 16)
        rotate = lambda value, by: ((value << by) | (value >> (64 - by))) & mask
        h ^= rotate(h, 49) ^ rotate(h, 24)
        h = (h * 0x9FB21C651E98DF25) & mask
        h ^= (h >> 35) + n
        h = (h * 0x9FB21C651E98DF25) & mask
        return h ^ (h >> 28)
    if n <= 16:
        low = word(key, 0) ^ word(secret, 24) ^ word(secret, 32)
        high = word(key, n - 8) ^ word(secret, 40) ^ word(secret, 48)
        return avalanche((n + swap(low) + high + fold(low, high)) & mask)
    total = n * p64[0]
    if n <= 128:
        for pair in range((n - 1) // 32, -1, -1):
            total += mix16(16 * pair, 32 * pair) + mix16(n - 16 * (pair + 1), 32 * pair + 16)
        return avalanche(total & mask)
    require(n <= 240, "range", "this reader hashes keys of up to 240 bytes")
    for step in range(8):
        total += mix16(16 * step, 16 * step)
    total = avalanche(total & mask)
    for step in range(8, n // 16):
        total += mix16(16 * step, 16 * (step - 8) + 3)
    return avalanche((total + mix16(n - 16, 136 - 17)) & mask)


# The default secret of XXH3.
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)


# Section 9, steps 4 to 7, for one file.
def walk(data, until=None):
    """Walks a journal file: its header, its frames, the log offset at which it ended, and why."""
    header = journal_header(data)
    seed = seed_of(header)
    frames, end = [], header["log_offset"]
    expected = (header["previous_checksum"], header["first_position"])
    while until is None or end < until:
        offset = BLOCK + end - header["log_offset"]
        try:
            found = frame(data, offset, seed)
            place = (found["log_offset"], found["previous"], found["first_position"])
            require(place == (end, *expected), "place", "the frame belongs elsewhere")
            found["records"] = list(records(data, offset, found))
        except Refused as problem:
            return header, frames, end, problem
        frames.append(found)
        expected = (found["checksum"], found["first_position"] + found["count"])
        end += found["length"]
    return header, frames, end, None


def is_damaged(data, header, frames, end):
    """Whether something at or behind the end of a walk was durable once."""
    if end < max([header["synced_through"]] + [found["synced_through"] for found in frames]):
        return True
    first = -(-(BLOCK + end - header["log_offset"]) // BLOCK) * BLOCK
    for offset in range(first, len(data), BLOCK):
        try:
            found = frame(data, offset, seed_of(header))
        except Refused:
            continue
        if found["log_offset"] == header["log_offset"] + offset - BLOCK and found["synced_through"] > end:
            return True
    return False


def store(folder):
    """Every event of a store, in order."""
    named = sorted(path for path in (folder / "manifest").iterdir() if len(path.name) == 20)
    require(named, "store", f"{folder} has no manifest")
    main = manifest(named[-1].read_bytes())
    numbers = sorted(int(path.stem) for path in (folder / "journal").glob("*.jnl"))
    numbers = [number for number in numbers if number >= main["first_journal"]]
    last = max([main["last_journal"], *numbers])
    require(numbers == list(range(main["first_journal"], last + 1)), "store", "a journal file is missing")
    files = [(folder / "journal" / f"{number:010}.jnl").read_bytes() for number in numbers]
    headers, expected, versions, recorded_at = [journal_header(data) for data in files], None, {}, TIMES[0] - 1
    for number, data, header, following in zip(numbers, files, headers, [*headers[1:], None]):
        require(header["store"] == main["store"] and header["number"] == number, "store", "a foreign journal file")
        place = (header["log_offset"], header["previous_checksum"], header["first_position"])
        require(expected is None or place == expected[:3], "store", f"file {number} does not continue the log")
        require(expected is None or header["epoch"] >= expected[3], "store", "the epoch fell")
        until = following["log_offset"] if following else None
        _, frames, end, problem = walk(data, until)
        if following is None:
            require(len(data) >= main["journal_file_bytes"], "store", f"file {number} is too short")
            require(not is_damaged(data, header, frames, end), "store", f"file {number} is damaged: {problem}")
        else:
            require(end == until, "store", f"file {number} is damaged: {problem}")
        checksum, position = place[1:]
        for found in frames:
            checksum, position = found["checksum"], found["first_position"] + found["count"]
            for event in found["records"]:
                key = (event["tenant"], event["entity_id"])
                versions[key] = versions.get(key, 0) + 1
                require(event["version"] == versions[key], "store", f"a gap in the history of {key}")
                require(event["recorded_at"] > recorded_at, "store", "commit times do not rise")
                recorded_at = event["recorded_at"]
                yield event
        expected = (end, checksum, position, header["epoch"])


# Section 12.
def check(folder):
    wrong = []
    for path in sorted([*folder.glob("v1/*.json"), *folder.glob("bad/*.json")]):
        name, meaning = path.stem, json.loads(path.read_text())
        try:
            if name.startswith("partition"):
                for example in meaning:
                    key = example["tenant"].encode() + b"\0" + example["entity_id"].encode()
                    hashed = xxh3_64(key)
                    said = [int(example["xxh3_64"], 16), example["of_1"], example["of_32"], example["of_1024"]]
                    require([hashed, 0, hashed & 31, hashed & 1023] == said, "partition", example)
                continue
            data = path.with_suffix(".bin").read_bytes()
            if name.startswith("manifest"):
                said = manifest(data)
            else:
                header, frames, end, problem = walk(data)
                if "durable" in meaning and end < meaning["durable"]:
                    raise problem
                for found in frames:
                    del found["count"], found["previous"]
                said = {"header": header, "frames": frames, "end": end}
            outcome = "accepted" if said == meaning else f"accepted, and says {said}"
        except Refused as problem:
            outcome = f"refused: {problem.reason}"
        expected = f"refused: {meaning['reason']}" if path.parent.name == "bad" else "accepted"
        if outcome != expected:
            wrong.append(f"{path.parent.name}/{name}: {outcome}; it should be {expected}")
    count = len([*folder.glob("*/*.json")])
    print("\n".join([*wrong, f"{count} vectors, {len(wrong)} wrong"]))
    return 1 if wrong or count == 0 else 0


def main(arguments):
    match arguments:
        case ["dump", folder]:
            for event in store(Path(folder)):
                print(json.dumps(event, ensure_ascii=False))
            return 0
        case ["check"]:
            return check(Path(__file__).parent / "vectors")
        case ["check", folder]:
            return check(Path(folder))
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as problem:
        sys.exit(f"refused: {problem}")
    except BrokenPipeError:
        sys.exit(0)
