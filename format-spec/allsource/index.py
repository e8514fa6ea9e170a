"""Reads indexes, and rebuilds them from their segments. SPEC.md, section 12."""

import struct
from itertools import accumulate

from . import sealed
from .base import require
from .xxh3 import key_hash

PLACES, TIMES, ENTITIES, ENTITY_FANOUT, IDS, ID_FANOUT = range(1, 7)
TYPES, TAGS, RANKS = 7, 10, 13
RANK_STEP, STRETCH_EVENTS, STRETCH_BYTES = 4096, 64, 256 << 10


def fanout(hashes):
    bits = min(24, max(1, (len(hashes) // 8).bit_length()))
    buckets = [0] * ((1 << bits) + 1)
    for value in hashes:
        buckets[(value >> (64 - bits)) + 1] += 1
    return list(accumulate(buckets))


def stretches(segments):
    """Hash, first version, offset, number of records and size of each stretch, in order."""
    found = []
    for found_in in segments.list:
        for run in segments.events(found_in):
            before = None
            for at, event in run:
                key = event["tenant"], event["entity_id"]
                last = found[-1] if found else None
                if key == before and last[3] < STRETCH_EVENTS and last[4] < STRETCH_BYTES:
                    last[3] += 1
                    last[4] += event["length"]
                else:
                    hashed = key_hash(key[0], key[1].encode())
                    found.append([hashed, event["version"], at, 1, event["length"]])
                before = key
    return sorted(found)


def names(events, name_of):
    """Directory, keys and lists of a set of names, each with its number of entries."""
    lists = {}
    for ordinal, event in enumerate(events):
        for name in dict.fromkeys(name_of(event)):
            lists.setdefault(event["tenant"].encode() + b"\0" + name.encode(), []).append(ordinal)
    directory, keys, ordinals = bytearray(), bytearray(), []
    for key, found in sorted(lists.items()):
        # Only types count the events that are the first of their entity.
        firsts = sum(events[ordinal]["version"] == 1 for ordinal in found) if name_of is type_of else 0
        directory += struct.pack("<QQIIII", len(keys), len(ordinals), len(found), firsts, len(key), 0)
        keys += key
        ordinals += found
    return (directory, len(lists)), (keys, len(keys)), pack("I", ordinals)


def type_of(event):
    return [event["event_type"]]


def pack(letter, numbers):
    return struct.pack(f"<{len(numbers)}{letter}", *numbers), len(numbers)


def build(segments, partitions):
    """Bytes and number of entries of each section, by kind."""
    placed = [
        (found["partition"], at, event)
        for found in segments.list for run in segments.events(found) for at, event in run
    ]
    placed.sort(key=lambda entry: entry[2]["position"])
    events = [event for _, _, event in placed]
    first = events[0]["position"]
    require([event["position"] for event in events] == [*range(first, first + len(events))], "range", "positions")
    found = stretches(segments)
    hashes = [key_hash(event["tenant"], bytes.fromhex(event["id"])) for event in events]
    ids = sorted(value >> 32 << 32 | ordinal for ordinal, value in enumerate(hashes))
    ranks, counts = [], [0] * partitions
    for ordinal, (partition, _, event) in enumerate(placed):
        if ordinal % RANK_STEP == 0:
            ranks += counts
        counts[partition] += 1
    sections = {
        PLACES: pack("Q", [partition << 48 | at for partition, at, _ in placed]),
        TIMES: pack("q", [event["timestamp"] for event in events]),
        ENTITIES: (b"".join(struct.pack("<QQQII", *stretch) for stretch in found), len(found)),
        ENTITY_FANOUT: pack("I", fanout([stretch[0] for stretch in found])),
        IDS: pack("Q", ids),
        ID_FANOUT: pack("I", fanout(ids)),
        RANKS: pack("I", ranks),
    }
    sections.update(enumerate(names(events, type_of), TYPES))
    sections.update(enumerate(names(events, lambda event: event["tags"]), TAGS))
    return sections


def check(data, segments, partitions):
    """Checks an index against the segments it was built from; returns its header."""
    header = sealed.whole(data, "index")
    own = ("checksums", "checksums_crc", "sections")
    expected = {field: value for field, value in segments.header.items() if field not in own}
    expected["source_crc"] = segments.header_crc
    for field, value in expected.items():
        require(header[field] == value, "differs", f"{field} of the header")
    for kind, section in sorted(build(segments, partitions).items()):
        require(sealed.section(data, header, kind) == section, "differs", f"section {kind}")
    return header


def read(data, segments, partitions):
    """The meaning of an index."""
    header = check(data, segments, partitions)
    section = lambda kind: sealed.section(data, header, kind)[0]
    numbers = lambda kind, letter: [entry[0] for entry in struct.iter_unpack(f"<{letter}", section(kind))]

    def directory(kind):
        keys, lists = section(kind + 1), numbers(kind + 2, "I")
        return [
            {"key": keys[at : at + size].decode(), "entities": firsts, "ordinals": lists[first : first + count]}
            for at, first, count, firsts, size, _ in struct.iter_unpack("<QQIIII", section(kind))
        ]

    stretch = ("first_version", "offset", "count", "bytes")
    return {
        "header": header,
        "places": [[place >> 48, place & (1 << 48) - 1] for place in numbers(PLACES, "Q")],
        "times": numbers(TIMES, "q"),
        "stretches": [
            {"hash": f"{entry[0]:016x}", **dict(zip(stretch, entry[1:]))}
            for entry in struct.iter_unpack("<QQQII", section(ENTITIES))
        ],
        "entity_fanout": numbers(ENTITY_FANOUT, "I"),
        "ids": [f"{entry:016x}" for entry in numbers(IDS, "Q")],
        "id_fanout": numbers(ID_FANOUT, "I"),
        "types": directory(TYPES), "tags": directory(TAGS), "ranks": numbers(RANKS, "I"),
    }
