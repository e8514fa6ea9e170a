//! The codec: it refuses or decodes any bytes, and whatever it decodes it encodes again unchanged.

use std::path::Path;

use allsource_format::frame::Frame;
use allsource_format::journal::{HEADER_BYTES, Header};
use allsource_format::manifest::Manifest;
use allsource_format::record::{Draft, Record, Stamp, complete, encode};
use allsource_format::sealed::{self, Kind};
use allsource_format::segment;
use allsource_format::snapshot::{self, DIRECTORY, PLACE_BYTES, Place, STATES, Snapshot};
use rkyv::util::AlignedVec;

fn aligned(data: &[u8]) -> AlignedVec<16> {
    let mut bytes = AlignedVec::new();
    bytes.extend_from_slice(data);
    bytes
}

/// The published vectors whose names begin with `kind`.
pub fn vectors(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../format-spec/vectors");
    let mut found = Vec::new();
    for part in ["v2", "bad"] {
        let entries = std::fs::read_dir(folder.join(part)).expect("the vectors lie beside this package");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let names =
            |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind));
        let wanted =
            paths.iter().filter(|path| names(path) && path.extension().is_some_and(|end| end == "bin"));
        found.extend(wanted.map(|path| std::fs::read(path).expect("a vector")));
    }
    found
}

/// The checksum seed of the frames in the vectors.
fn seed() -> u32 {
    vectors("journal-events").first().and_then(|bytes| Header::decode(bytes).ok()).expect("a header").seed()
}

/// A frame and its records.
pub fn frame(data: &[u8]) {
    let bytes = aligned(data);
    if let Ok(frame) = Frame::check(&bytes, SEED.with(|seed| *seed)) {
        assert!(frame.length() <= data.len());
        let records: Vec<_> = frame.records().collect();
        if records.iter().all(Result::is_ok) {
            assert_eq!(records.len(), frame.header.count as usize);
        }
    }
}

std::thread_local! {
    static SEED: u32 = seed();
}

/// The frames of each journal vector, without its header.
pub fn frame_seeds() -> Vec<Vec<u8>> {
    vectors("journal").into_iter().map(|bytes| bytes.get(HEADER_BYTES..).unwrap_or(&[]).to_vec()).collect()
}

/// Recomputes the checksums of a frame and of its first record.
pub fn repair_frame(data: &mut [u8]) {
    let length = |data: &[u8]| {
        data.get(8..12).map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            as usize
    };
    if data.len() < 72 || !(64..=data.len()).contains(&length(data)) {
        return;
    }
    let mut record = data[64..].to_vec();
    repair_record(&mut record);
    data[64..].copy_from_slice(&record);
    let mut crc = crc32fast::Hasher::new_with_initial(SEED.with(|seed| *seed));
    crc.update(&data[8..length(data)]);
    data[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
}

/// A record: whatever validates can be encoded again from its fields, and then has the same content.
pub fn record(data: &[u8]) {
    let bytes = aligned(data);
    let Ok(record) = Record::check(&bytes) else { return };
    let tags: Vec<&str> = record.tags().collect();
    let draft = Draft {
        id: record.id(),
        timestamp: record.is_timestamp_given().then(|| record.timestamp()),
        is_json: record.is_json(),
        tenant: record.tenant(),
        entity_id: record.entity_id(),
        event_type: record.event_type(),
        payload: record.payload(),
        metadata: record.metadata(),
        tags: &tags,
    };
    let mut again = AlignedVec::new();
    let crc = encode(&draft, &mut again).expect("a checked record is within the limits");
    let stamp = Stamp {
        position: record.position(),
        version: record.version(),
        recorded_at: record.recorded_at(),
        clock: record.timestamp(),
    };
    complete(&mut again, crc, &stamp);
    let again = Record::check(&again).expect("a record just written is valid");
    assert!(again.same_content(&record, Some(record.timestamp())));
    assert_eq!((again.position(), again.version()), (record.position(), record.version()));
}

/// The first record of each journal vector.
pub fn record_seeds() -> Vec<Vec<u8>> {
    frame_seeds().into_iter().map(|bytes| bytes.get(64..).unwrap_or(&[]).to_vec()).collect()
}

/// Recomputes a record's checksum.
pub fn repair_record(data: &mut [u8]) {
    let Some(length) = data.get(..4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize) else {
        return;
    };
    let Some(archive) = data.get(8..).and_then(|rest| rest.get(..length)) else { return };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&data[..4]);
    crc.update(archive);
    let crc = crc.finalize().to_le_bytes();
    data[4..8].copy_from_slice(&crc);
}

/// A manifest: whatever is accepted is encoded again unchanged, except for its writer's version.
pub fn manifest(data: &[u8]) {
    if let Ok(manifest) = Manifest::decode(data) {
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }
}

/// The manifest vectors.
pub fn manifest_seeds() -> Vec<Vec<u8>> {
    vectors("manifest")
}

/// Recomputes a manifest's checksum.
pub fn repair_manifest(data: &mut [u8]) {
    if data.len() > 12 {
        let crc = crc32fast::hash(&data[12..]).to_le_bytes();
        data[8..12].copy_from_slice(&crc);
    }
}

/// A sealed file's header: whatever is accepted is encoded again unchanged, except for its writer's version.
pub fn sealed(data: &[u8]) {
    for kind in [Kind::Segments, Kind::Index, Kind::Snapshots] {
        if let Ok(header) = sealed::Header::decode(data, kind) {
            assert!(header.file_bytes() >= header.checksums);
            assert_eq!(sealed::Header::decode(&header.encode(), kind), Ok(header));
        }
    }
}

/// The vectors of sealed files.
pub fn sealed_seeds() -> Vec<Vec<u8>> {
    [vectors("segments"), vectors("index"), vectors("snapshot")].concat()
}

/// Recomputes a sealed file's checksums, as far as the file reaches.
pub fn repair_sealed(data: &mut [u8]) {
    let table = data.get(96..104).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
    let table = table.and_then(|table| usize::try_from(table).ok()).unwrap_or(usize::MAX);
    if let Some(blocks) = data.get(sealed::HEADER_BYTES..table) {
        let crcs: Vec<u8> = blocks
            .chunks(sealed::BLOCK_BYTES)
            .flat_map(|block| crc32fast::hash(block).to_le_bytes())
            .collect();
        if let Some(place) = data.get_mut(table..table + crcs.len()) {
            place.copy_from_slice(&crcs);
        }
        data[104..108].copy_from_slice(&crc32fast::hash(&crcs).to_le_bytes());
    }
    if let Some(header) = data.get(..sealed::HEADER_BYTES) {
        let crc = crc32fast::hash(&header[12..]).to_le_bytes();
        data[8..12].copy_from_slice(&crc);
    }
}

/// A whole segments file: whatever is accepted holds as many records as its header says, each in its place.
pub fn segment(data: &[u8]) {
    let bytes = aligned(data);
    let Ok(segments) = segment::check(&bytes) else { return };
    let header = segments.header();
    let mut count = 0;
    for placed in segments.records() {
        let position = placed.record.position();
        assert!((header.first_position..=header.last_position).contains(&position));
        let there = bytes.get(placed.offset as usize..).expect("a place inside");
        assert_eq!(Record::check(there).map(|record| record.position()), Ok(position));
        count += 1;
    }
    assert_eq!(count, header.events);
}

/// The segments-file vectors.
pub fn segment_seeds() -> Vec<Vec<u8>> {
    vectors("segments")
}

/// Recomputes the checksums of a segments file and of its first record.
pub fn repair_segment(data: &mut [u8]) {
    if let Some(records) = data.get_mut(sealed::HEADER_BYTES..) {
        repair_record(records);
    }
    repair_sealed(data);
}

/// A snapshot file, or one state. Whatever is accepted is encoded again unchanged. A file holds as many states as its
/// header says, and its directory names each state once.
pub fn snapshot(data: &[u8]) {
    state(data);
    let Ok(header) = snapshot::check(data) else { return };
    let section = |kind| header.section(kind).of(data);
    let (states, places) = (section(STATES), section(DIRECTORY).chunks(PLACE_BYTES));
    let (mut count, mut bytes) = (0, 0);
    for place in places.map(|entry| Place::decode(entry).expect("a checked entry")) {
        let there = data.get(place.offset as usize..).and_then(|rest| rest.get(..place.bytes as usize));
        let version = state(there.expect("a place inside")).expect("a checked state");
        assert_eq!(version, place.version);
        (count, bytes) = (count + 1, bytes + there.map_or(0, <[u8]>::len));
    }
    assert_eq!((count, bytes), (header.events, states.len()));
}

/// The version of the state in these bytes, if they hold one.
fn state(data: &[u8]) -> Option<u64> {
    let state = Snapshot::decode(data).ok()?;
    let (mut rest, mut again) = (state.text, Vec::new());
    for (name, value) in state.lengths() {
        rest = rest
            .get(name..)
            .and_then(|rest| rest.get(value..))
            .expect("the members divide the text among themselves");
    }
    assert_eq!(rest, "");
    state.encode(&mut again);
    assert_eq!(again, data);
    Some(state.version)
}

/// The snapshot vectors, and each state of the good one.
pub fn snapshot_seeds() -> Vec<Vec<u8>> {
    let files = vectors("snapshot");
    let good = files.iter().find(|file| snapshot::check(file).is_ok()).expect("a good vector");
    let directory = snapshot::check(good).expect("a good vector").section(DIRECTORY);
    let places = directory.of(good).chunks(PLACE_BYTES).map(|entry| Place::decode(entry).expect("an entry"));
    let states = places.map(|place| good[place.offset as usize..][..place.bytes as usize].to_vec());
    states.chain(files.iter().cloned()).collect()
}
