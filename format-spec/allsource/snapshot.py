"""Snapshots files, and the fold that produces their states. SPEC.md, section 13."""

import json
import struct

from . import sealed
from .base import TIMES, Refused, require
from .index import fanout
from .xxh3 import xxh3_64

STATES, DIRECTORY, FANOUT = 1, 2, 3
HEADER, PLACE = 104, 32
FOLD_MERGE = 2
FIELDS = ("created_at", "version", "position", "events", "last_updated", "max_timestamp", "cause", "fold")
# Values are only skipped, so a number may have more digits than Python would convert.
DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
SPACE = " \t\n\r"


def state(data):
    """The meaning of a state's bytes."""
    require(len(data) >= HEADER, "short", "state")
    found = dict(zip(FIELDS, struct.unpack_from("<qQQQqqII", data, 16)))
    key_size, count, text_size = struct.unpack_from("<III", data, 72)
    require(not any(data[84:88]), "reserved", "state")
    at = HEADER + 8 * count
    end = at + key_size + text_size
    require(end <= len(data), "short", "state")
    require(len(data) == -(-end // 8) * 8, "range", "length of a state")
    require(not any(data[end:]), "reserved", "filling of a state")
    sizes = list(struct.iter_unpack("<II", data[HEADER:at]))
    require(sum(map(sum, sizes)) == text_size, "range", "lengths of the members")

    def text(size):
        nonlocal at
        at += size
        try:
            return data[at - size : at].decode()
        except UnicodeDecodeError:
            raise Refused("field", "text of a state") from None

    tenant, zero, entity_id = text(key_size).partition("\0")
    limits = 1 <= len(tenant.encode()) <= 64 and 1 <= len(entity_id.encode()) <= 512
    require(zero and limits and "\0" not in entity_id, "field", "key of a state")
    require(found["cause"] in (1, 2, 3), "field", "cause")
    times = [found[name] for name in ("created_at", "last_updated", "max_timestamp")]
    require(all(TIMES[0] <= time <= TIMES[1] for time in times) and times[1] <= times[2], "range", "times of a state")
    require(1 <= found["version"] == found["events"] <= found["position"], "range", "version, events or position")
    members = [[text(name), text(value)] for name, value in sizes]
    return {
        "id": data[:16].hex(), **found, "incarnation": data[88:HEADER].hex(), "tenant": tenant, "entity_id": entity_id, "members": members,
    }


def read(data):
    """The meaning of a snapshots file, after checking everything in it."""
    header = sealed.whole(data, "snapshot")
    require(header["source_crc"] == 0, "reserved", "header of snapshots")
    sections = [sealed.section(data, header, kind) for kind in (STATES, DIRECTORY, FANOUT)]
    require(all(sections), "range", "a section is missing")
    (area, count), (directory, places_count), (table, table_count) = sections
    require(0 < count == places_count == header["events"], "range", "number of states")
    require(len(directory) == count * PLACE, "range", "length of the directory")
    places = list(struct.iter_unpack("<QQQQ", directory))
    require(all(one[:3] < other[:3] for one, other in zip(places, places[1:])), "order", "directory")
    expected = fanout([place[0] for place in places])
    require(len(table) == 4 * table_count and table_count == len(expected), "range", "length of the fanout")
    found = list(struct.unpack(f"<{table_count}I", table))
    require(found == expected, "differs", "fanout")

    at, states = header["sections"][0]["offset"], []
    end = at + len(area)
    for hashed, version, offset, size in sorted(places, key=lambda place: place[2]):
        require(offset == at and size <= end - at, "range", "place of a state")
        said = state(data[at : at + size])
        key = said["tenant"].encode() + b"\0" + said["entity_id"].encode()
        require((hashed, version) == (xxh3_64(key), said["version"]), "differs", "directory")
        states.append(said)
        at += size
    require(at == end, "range", "states that no place names")
    positions, times = ([said[field] for said in states] for field in ("position", "max_timestamp"))
    for field, value in (
        ("first_position", min(positions)), ("last_position", max(positions)),
        ("min_timestamp", min(times)), ("max_timestamp", max(times)),
    ):
        require(header[field] == value, "range", f"{field} of the header")
    return {
        "header": header, "states": states, "fanout": found,
        "directory": [
            {"hash": f"{place[0]:016x}", **dict(zip(("version", "offset", "bytes"), place[1:]))} for place in places
        ],
    }


def spelled(name):
    """A name as JSON text without its quotes, with as few escapes as possible; half a surrogate pair stays escaped."""
    plain = json.dumps(name, ensure_ascii=False)[1:-1]
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in plain)


def members_of(text):
    """Name and value text of each member of an object; empty if the text is not an object."""

    def skip(at):
        while text[at] in SPACE:
            at += 1
        return at

    at = skip(0)
    if text[at] != "{":
        return
    at = skip(at + 1)
    while text[at] != "}":
        name, at = DECODER.raw_decode(text, at)
        start = skip(skip(at) + 1)
        _, at = DECODER.raw_decode(text, start)
        yield spelled(name), text[start:at]
        at = skip(at)
        if text[at] == ",":
            at = skip(at + 1)


class Folded:
    """The state of an entity, folded from its events in version order."""

    def __init__(self):
        self.members, self.events, self.max_timestamp = {}, 0, TIMES[0]

    def add(self, event):
        """Folds the next event."""
        if event["is_json"]:
            try:
                self.members.update(members_of(bytes.fromhex(event["payload_hex"]).decode()))
            except (ValueError, IndexError):
                raise Refused("field", f"the payload at position {event['position']} is not JSON") from None
        self.events += 1
        self.max_timestamp = max(self.max_timestamp, event["timestamp"])
        self.last = event

    def matches(self, said):
        """Whether a snapshot's state equals the folded one."""
        expected = {
            "version": self.last["version"], "position": self.last["position"], "events": self.events,
            "last_updated": self.last["timestamp"], "max_timestamp": self.max_timestamp,
            "members": [list(member) for member in self.members.items()],
        }
        return all(said[field] == value for field, value in expected.items())
