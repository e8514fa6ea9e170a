//! Sealed files that lack a section, or hold less than their header says, with checksums that are right: they must not
//! pass for files in which nothing is found.

use super::*;
use allsource_format::sealed::{Checksums, HEADER_BYTES, Header, Kind, SECTION_ALIGN, Section};

/// What becomes of a section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change<'a> {
    Removed,
    Emptied,
    /// It has as many entries as before.
    To(&'a [u8]),
}

/// The same file after a change of one section.
pub(super) fn changed(file: &[u8], kind: Kind, number: u32, change: Change<'_>) -> Vec<u8> {
    let mut header = Header::decode(file, kind).unwrap();
    let sections = std::mem::take(&mut header.sections).into_iter();
    let mut out = vec![0; HEADER_BYTES];
    for section in sections.filter(|section| section.kind != number || change != Change::Removed) {
        out.resize(out.len().next_multiple_of(SECTION_ALIGN), 0);
        let offset = out.len() as u64;
        let (bytes, count) = match change {
            Change::To(bytes) if section.kind == number => (bytes, section.count),
            _ if section.kind == number => (&[][..], 0),
            _ => (section.of(file), section.count),
        };
        header.sections.push(Section { offset, bytes: bytes.len() as u64, count, ..section });
        out.extend_from_slice(bytes);
    }
    header.checksums = out.len() as u64;
    let mut checksums = Checksums::default();
    checksums.update(&out[HEADER_BYTES..]);
    let (table, crc) = checksums.finish();
    header.checksums_crc = crc;
    out[..HEADER_BYTES].copy_from_slice(&header.encode());
    [out, table].concat()
}

#[test]
fn an_index_that_lacks_a_section_or_its_entries_is_rebuilt_and_never_finds_nothing() {
    let mut random = Seeded::new(21);
    let mut store = Store::new(ReadMode::Map);
    store.append(&mut random, 60);
    assert!(store.seal());
    let path = store.disk.paths().into_iter().find(|path| path.ends_with(".idx")).unwrap();
    let good = store.disk.contents(&path).unwrap();
    for number in 1..=Kind::Index.sections() {
        for change in [Change::Removed, Change::Emptied] {
            store.disk.damage(&path, changed(&good, Kind::Index, number, change));
            store.reopen(ReadMode::Map);
            queries::check(&store.engine, &mut random, 15).unwrap();
            let health = store.engine.health();
            assert!(
                matches!(&health, Health::Damaged(damages) if damages[0].file == path),
                "section {number} {change:?}: {health:?}"
            );
            assert!(store.engine.step(Step::Index));
            assert_eq!(store.engine.health(), Health::Serving);
            let now = store.disk.contents(&path).unwrap();
            assert_eq!(now, good, "the index is written again as it was");
        }
    }
}

#[test]
fn a_snapshot_file_that_lacks_a_section_or_its_entries_is_removed() {
    for number in 1..=Kind::Snapshots.sections() {
        for change in [Change::Removed, Change::Emptied] {
            let mut store = Store::new(ReadMode::Map);
            store.append(&mut Seeded::new(22), 60);
            let event = store.engine.read(&Query::all()).unwrap().next().unwrap().unwrap();
            let (tenant, id) =
                (TenantId::new(event.tenant()).unwrap(), EntityId::new(event.entity_id()).unwrap());
            let entity = Entity::of(tenant, id);
            let state = store.engine.snapshot(&entity).unwrap().unwrap().state;
            store.reopen(ReadMode::Map);
            let path = store.disk.paths().into_iter().find(|path| path.ends_with(".snp")).unwrap();
            let good = store.disk.contents(&path).unwrap();
            store.disk.damage(&path, changed(&good, Kind::Snapshots, number, change));
            store.reopen(ReadMode::Map);
            assert!(store.disk.contents(&path).is_none(), "section {number} {change:?}");
            let again = store.engine.fold(&entity, AsOf::Now).unwrap().unwrap();
            assert_eq!((again.version(), again.to_json()), (state.version(), state.to_json()));
        }
    }
}
