#!/usr/bin/env python3
"""A reader of AllSource stores, written from SPEC.md alone. Python 3.11, standard library only.

    reader.py dump DIR       prints every event of a store as a line of JSON; close the store first
    reader.py verify DIR     reads every event of a store, rebuilds and compares its indexes, and folds its snapshots
                             again; snapshots that readers would ignore are reported, but are not damage
    reader.py check [DIR]    decodes the test vectors and compares them with the meaning written beside them
"""

import heapq
import json
import re
import sys
from pathlib import Path

from allsource import index, journal, manifest, segment, snapshot
from allsource.base import TIMES, Refused, require
from allsource.xxh3 import key_hash, xxh3_64


# Section 4.
def newest_manifest(folder):
    named = sorted(path for path in (folder / "manifest").iterdir() if len(path.name) == 20)
    require(named, "store", f"{folder} has no manifest")
    main = manifest.read(named[-1].read_bytes())
    require(main["number"] == int(named[-1].name), "store", "the manifest's number differs from its name")
    return main


def files_of(folder, generation):
    """The segments of a generation and the path of its index, as the manifest names them."""
    named, index_named = generation["files"]
    path = folder / named["name"]
    require(path.exists(), "store", f"{path} is missing")
    data = path.read_bytes()
    found = segment.Segments(data)
    said = [len(data), found.header_crc, found.header["first_position"], found.header["last_position"]]
    expected = [named["bytes"], named["checksum"], generation["first_position"], generation["last_position"]]
    require(said == expected, "store", f"{path} is not the file the manifest names")
    return found, folder / index_named["name"]


# Sections 10 and 11.
def sealed_events(folder, main):
    """Every sealed event, in order."""
    sequences, hashes = [0] * main["partitions"], {}
    for generation in main["generations"]:
        file, _ = files_of(folder, generation)
        fields = ("events", "min_timestamp", "max_timestamp")
        is_same = all(file.header[field] == generation[field] for field in fields)
        require(is_same, "store", "a generation differs from its manifest entry")
        require(file.header["store"] == main["store"], "store", "segments of another store")
        for found in file.list:
            require(found["partition"] < main["partitions"], "store", "partition")
            require(found["first_sequence"] == sequences[found["partition"]] + 1, "store", "sequences")
            sequences[found["partition"]] += found["events"]

        def by_position(found):
            for run in file.events(found):
                for _, event in sorted(run, key=lambda entry: entry[1]["position"]):
                    key = event["tenant"], event["entity_id"]
                    if key not in hashes:
                        hashes[key] = key_hash(key[0], key[1].encode())
                    of_it = hashes[key] & (main["partitions"] - 1)
                    require(of_it == found["partition"], "store", f"{key} belongs to another partition")
                    yield event

        for event in heapq.merge(*map(by_position, file.list), key=lambda event: event["position"]):
            del event["checksum"], event["length"]
            yield event
        require(event["recorded_at"] == generation["last_recorded_at"], "store", "time of the last event")
    require(sequences == main["sequences"], "store", "sequences of the manifest")


# Section 9, steps 3 to 7.
def journal_events(folder, main):
    """Every event in the journal, in order."""
    names = [path.stem for path in (folder / "journal").glob("*.jnl")]
    numbers = sorted(int(name) for name in names if name.isdecimal() and name == f"{int(name):010}")
    numbers = [number for number in numbers if number >= main["first_journal"]]
    last = max([main["last_journal"], *numbers])
    require(numbers == list(range(main["first_journal"], last + 1)), "store", "a journal file is missing")
    files = [(folder / "journal" / f"{number:010}.jnl").read_bytes() for number in numbers]
    headers, expected, next_position = [journal.header(data) for data in files], None, 1
    for number, data, header, following in zip(numbers, files, headers, [*headers[1:], None]):
        require(header["store"] == main["store"] and header["number"] == number, "store", "a journal file of another store")
        place = (header["log_offset"], header["previous_checksum"], header["first_position"])
        require(expected is None or place == expected[:3], "store", f"file {number} does not continue the log")
        require(expected is None or header["epoch"] >= expected[3], "store", "the epoch fell")
        is_known = expected or header["first_position"] <= main["sealed_position"] + 1
        require(is_known, "store", "events are missing between the sealed ones and the journal")
        until = following["log_offset"] if following else None
        _, frames, end, problem = journal.walk(data, until)
        if following is None:
            require(len(data) >= header["file_bytes"], "store", f"file {number} is too short")
            is_damaged = journal.is_damaged(data, header, frames, end)
            require(not is_damaged, "store", f"file {number} is damaged: {problem}")
        else:
            require(end == until, "store", f"file {number} is damaged: {problem}")
        checksum, next_position = place[1:]
        for found in frames:
            first, next_position = found["first_position"], found["first_position"] + found["count"]
            is_inside = first <= main["sealed_position"] < next_position - 1
            require(not is_inside, "store", "the sealed position lies inside an append")
            checksum = found["checksum"]
            yield from found["records"]
        expected = (end, checksum, next_position, header["epoch"])
    require(next_position > main["sealed_position"], "store", "the journal ends below the sealed position")


def store(folder):
    """Every event in a store, in order."""
    main, versions, recorded_at = newest_manifest(folder), {}, TIMES[0] - 1
    unsealed = (event for event in journal_events(folder, main) if event["position"] > main["sealed_position"])
    position = 0
    for events in (sealed_events(folder, main), unsealed):
        for event in events:
            position += 1
            require(event["position"] == position, "store", f"the event at position {position} is missing")
            key = (event["tenant"], event["entity_id"])
            versions[key] = versions.get(key, 0) + 1
            require(event["version"] == versions[key], "store", f"a gap in the history of {key}")
            require(event["recorded_at"] > recorded_at, "store", "commit times do not rise")
            recorded_at = event["recorded_at"]
            yield event


# Section 13.
def usable_snapshots(folder, main, end):
    """Every state a reader may start from, with the path of its file, and notes on what a writer would remove."""
    states, notes = [], []
    for path in sorted((folder / "snapshots").glob("*")):
        try:
            is_named = re.fullmatch(r"(?!0{10})[0-9]{10}\.snp", path.name) and path.is_file()
            require(is_named, "store", "its name is not that of a snapshots file")
            found = snapshot.read(path.read_bytes())
            require(found["header"]["store"] == main["store"], "store", "it belongs to another store")
            for state in found["states"]:
                is_known = state["fold"] == snapshot.FOLD_MERGE and state["position"] <= end
                writer = manifest.writer_of(main["lineage"], state["position"])
                if is_known and writer == state["incarnation"]:
                    states.append((path, state))
                else:
                    notes.append(f"a state in {path} is from another history or another fold")
        except Refused as problem:
            notes.append(f"{path} is unusable: {problem}")
    return states, notes


def check_states(folder, states):
    """Folds the events of every entity that has a state, and compares the results."""
    waiting, folded = {}, {}
    for path, state in states:
        versions = waiting.setdefault((state["tenant"], state["entity_id"]), {})
        versions.setdefault(state["version"], []).append((path, state))
    for event in store(folder) if waiting else ():
        key = event["tenant"], event["entity_id"]
        if key in waiting:
            state = folded.setdefault(key, snapshot.Folded())
            state.add(event)
            for path, said in waiting[key].pop(event["version"], ()):
                require(state.matches(said), "differs", f"the state of {key} at {event['version']} in {path}")
    left = [key for key, versions in waiting.items() if versions]
    require(not left, "differs", f"states at versions that do not exist: {left}")


def verify(folder):
    main, count, indexes = newest_manifest(folder), sum(1 for _ in store(folder)), 0
    for generation in main["generations"]:
        segments, path = files_of(folder, generation)
        if path.exists():
            index.check(path.read_bytes(), segments, main["partitions"])
            indexes += 1
    states, notes = usable_snapshots(folder, main, count)
    check_states(folder, states)
    for note in notes:
        print(f"note: {note}")
    known = f"{main['sealed_position']} sealed in {len(main['generations'])} generations"
    print(f"{count} events, {known}, {indexes} indexes, {len(states)} snapshots")
    return 0


# Section 16.
def partition(examples):
    for example in examples:
        key = example["tenant"].encode() + b"\0" + example["entity_id"].encode()
        hashed = xxh3_64(key)
        said = [int(example["xxh3_64"], 16), example["of_1"], example["of_32"], example["of_1024"]]
        require([hashed, 0, hashed & 31, hashed & 1023] == said, "partition", example)
    return examples


def read_vector(path, meaning):
    """The meaning of a vector."""
    kind = path.stem.split("-")[0]
    if kind == "partition":
        return partition(meaning)
    data = path.with_suffix(".bin").read_bytes()
    if kind == "manifest":
        return manifest.read(data)
    if kind == "segments":
        return segment.read(data)
    if kind == "snapshot":
        return snapshot.read(data)
    if kind == "index":
        made_of = meaning["made_of"]
        beside = path.parent.parent / "v2" / f"{made_of['segments']}.bin"
        segments = segment.Segments(beside.read_bytes())
        return {"made_of": made_of, **index.read(data, segments, made_of["partitions"])}
    header, frames, end, problem = journal.walk(data)
    if "durable" in meaning and end < meaning["durable"]:
        raise problem
    for found in frames:
        del found["count"], found["previous"]
    return {"header": header, "frames": frames, "end": end}


def check(folder):
    wrong = []
    for path in sorted([*folder.glob("v2/*.json"), *folder.glob("bad/*.json")]):
        meaning = json.loads(path.read_text())
        try:
            said = read_vector(path, meaning)
            outcome = "accepted" if said == meaning else f"accepted, and says {said}"
        except Refused as problem:
            outcome = f"refused: {problem.reason}"
        expected = f"refused: {meaning['reason']}" if path.parent.name == "bad" else "accepted"
        if outcome != expected:
            wrong.append(f"{path.parent.name}/{path.stem}: {outcome}; it should be {expected}")
    count = len([*folder.glob("*/*.json")])
    print("\n".join([*wrong, f"{count} vectors, {len(wrong)} wrong"]))
    return 1 if wrong or count == 0 else 0


def main(arguments):
    match arguments:
        case ["dump", folder]:
            for event in store(Path(folder)):
                print(json.dumps(event, ensure_ascii=False))
            return 0
        case ["verify", folder]:
            return verify(Path(folder))
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
