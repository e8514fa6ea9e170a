"""Manifests. SPEC.md, section 5."""

import struct

from .base import BLOCK, begins, require

HEADER, INCARNATION, ENTRY, FILE = 128, 24, 64, 16
GENERATIONS_MAX, LINEAGE_MAX, EVENTS_MAX = 65_536, 1024, (1 << 32) - 1
FIELDS = (
    "first_position", "last_position", "events", "min_timestamp", "max_timestamp", "last_recorded_at",
)
ROLES = {1: "segments", 2: "index"}


def files_of(data, count):
    """The files of an entry, which fill `data`."""
    files, at = [], 0
    for _ in range(count):
        require(at + FILE <= len(data), "range", "files of an entry")
        size, checksum, role, length = struct.unpack_from("<QIHH", data, at)
        require(role in ROLES, "kind", f"file of role {role}")
        end = at + FILE + (length + 7) // 8 * 8
        require(1 <= length <= 255 and end <= len(data), "range", "name of a file")
        name, filling = data[at + FILE : at + FILE + length], data[at + FILE + length : end]
        require(not any(filling), "reserved", "filling of a name")
        try:
            name = name.decode()
        except UnicodeDecodeError:
            require(False, "field", "name of a file")
        is_inside = not any(part in ("", ".", "..") for part in name.split("/"))
        require(is_inside and name.isprintable(), "field", "name of a file")
        files.append({"role": ROLES[role], "name": name, "bytes": size, "checksum": checksum})
        at = end
    require(at == len(data), "range", "length of an entry")
    return files


def generation_at(data, at):
    """The entry at an offset, and the offset of its end."""
    require(at + ENTRY <= len(data), "range", "length of an entry")
    length, kind, count = struct.unpack_from("<IHH", data, at)
    require(length >= ENTRY and length % 8 == 0 and at + length <= len(data), "range", "length of an entry")
    require(kind == 1, "kind", f"entry of kind {kind}")
    require(not any(data[at + 56 : at + ENTRY]), "reserved", "entry")
    generation = dict(zip(FIELDS, struct.unpack_from("<QQQqqq", data, at + 8)))
    return {**generation, "files": files_of(data[at + ENTRY : at + length], count)}, at + length


def read(data):
    begins(data, b"ALLSMAN\x01", HEADER, len(data), "manifest")
    require(not any(data[92:HEADER]), "reserved", "manifest")
    number, created_at, sealed, first, file_bytes = struct.unpack_from("<QqQQQ", data, 32)
    partitions, count, last, incarnations = struct.unpack_from("<IIQI", data, 72)
    require(number > 0 and first > 0, "range", "number")
    require(partitions in [1 << n for n in range(11)], "range", "partitions")
    require(65_536 <= file_bytes <= 1 << 30 and file_bytes % BLOCK == 0, "range", "journal file length")
    require(count <= GENERATIONS_MAX and incarnations <= LINEAGE_MAX, "range", "number of entries")
    at = HEADER + incarnations * INCARNATION
    require(at <= len(data), "range", "length")
    entries = struct.iter_unpack("<16sQ", data[HEADER:at])
    lineage = [{"id": identity.hex(), "first_position": position} for identity, position in entries]
    require(all(incarnation["first_position"] > 0 for incarnation in lineage), "range", "lineage")
    generations, position = [], 0
    for _ in range(count):
        generation, at = generation_at(data, at)
        require(generation["first_position"] == position + 1, "range", "first position of a generation")
        require(generation["last_position"] > position, "range", "last position of a generation")
        events = generation["last_position"] - position
        require(generation["events"] == events <= EVENTS_MAX, "range", "events of a generation")
        roles = [file["role"] for file in generation["files"]]
        require(roles == ["segments", "index"], "range", "files of a generation")
        position = generation["last_position"]
        generations.append(generation)
    require(len(data) == at + partitions * 8, "range", "length")
    sequences = list(struct.unpack_from(f"<{partitions}Q", data, at))
    require(sealed == position, "range", "sealed position")
    require(sum(sequences) == sealed, "range", "sum of the sequences")
    return {
        "store": data[16:32].hex(), "number": number, "created_at": created_at, "sealed_position": sealed,
        "first_journal": first, "last_journal": last, "journal_file_bytes": file_bytes, "partitions": partitions,
        "lineage": lineage, "generations": generations, "sequences": sequences,
    }


def writer_of(lineage, position):
    """The id of the incarnation that wrote a position; zeros if the lineage does not reach back that far."""
    spans = []
    for incarnation in lineage:
        while spans and spans[-1]["first_position"] >= incarnation["first_position"]:
            spans.pop()
        spans.append(incarnation)
    found = [span["id"] for span in spans if span["first_position"] <= position]
    return found[-1] if found else "0" * 32
