//! The meaning of sealed files and manifests, as JSON.

use allsource_format::index::{
    ENTITIES, ENTITY_FANOUT, ID_FANOUT, IDS, Name, PLACES, RANKS, Stretch, TAG_KEYS, TAG_LISTS, TAGS, TIMES,
    TYPE_KEYS, TYPE_LISTS, TYPES, partition_and_offset,
};
use allsource_format::manifest::{File, Generation, Incarnation, Manifest, Role};
use allsource_format::sealed::{Header, Kind};
use serde_json::{Value, json};

use super::hex;

pub(crate) fn manifest(manifest: &Manifest) -> Value {
    let incarnation = |incarnation: &Incarnation| json!({"id": hex(&incarnation.id), "first_position": incarnation.first_position});
    json!({
        "store": hex(&manifest.store), "number": manifest.number, "created_at": manifest.created_at,
        "sealed_position": manifest.sealed_position(), "first_journal": manifest.first_journal,
        "last_journal": manifest.last_journal, "journal_file_bytes": manifest.journal_file_bytes,
        "partitions": manifest.partitions, "sequences": manifest.sequences,
        "lineage": manifest.lineage.incarnations().iter().map(incarnation).collect::<Vec<_>>(),
        "generations": manifest.generations.iter().map(generation).collect::<Vec<_>>(),
    })
}

fn generation(generation: &Generation) -> Value {
    let file = |file: &File| {
        let role = if file.role == Role::Records { "segments" } else { "index" };
        json!({"role": role, "name": file.name, "bytes": file.bytes, "checksum": file.checksum})
    };
    json!({
        "first_position": generation.first_position, "last_position": generation.last_position,
        "events": generation.events, "min_timestamp": generation.min_timestamp,
        "max_timestamp": generation.max_timestamp, "last_recorded_at": generation.last_recorded_at,
        "files": generation.files().map(file),
    })
}

pub(crate) fn header(header: &Header) -> Value {
    let section = |section: &allsource_format::sealed::Section| json!({"kind": section.kind, "offset": section.offset, "bytes": section.bytes, "count": section.count});
    json!({
        "store": hex(&header.store), "epoch": header.epoch,
        "first_position": header.first_position, "last_position": header.last_position,
        "events": header.events,
        "min_timestamp": header.min_timestamp, "max_timestamp": header.max_timestamp,
        "checksums": header.checksums, "checksums_crc": header.checksums_crc, "source_crc": header.source_crc,
        "sections": header.sections.iter().map(section).collect::<Vec<_>>(),
    })
}

/// The meaning of an index.
pub(crate) fn index(bytes: &[u8]) -> Value {
    let found = Header::decode(bytes, Kind::Index).expect("a vector is whole");
    let section = |kind| found.section(kind).of(bytes);
    let list = |kind, entry: &dyn Fn(&[u8]) -> Value| -> Vec<Value> {
        let section = found.section(kind);
        let bytes = section.of(bytes);
        bytes.chunks((section.bytes / section.count.max(1)).max(1) as usize).map(entry).collect()
    };
    let u32_of = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let u64_of = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let number = |bytes: &[u8]| json!(u32_of(bytes));
    let names = |kind, keys: u32, lists: u32| {
        list(kind, &|entry| {
            let name = Name::decode(entry).expect("an entry");
            let key = &section(keys)[name.key_offset as usize..][..name.key_bytes as usize];
            let ordinals = &section(lists)[name.first as usize * 4..][..name.count as usize * 4];
            json!({
                "key": String::from_utf8_lossy(key), "entities": name.entities,
                "ordinals": ordinals.chunks(4).map(u32_of).collect::<Vec<_>>(),
            })
        })
    };
    json!({
        "header": header(&found),
        "places": list(PLACES, &|entry| json!(partition_and_offset(u64_of(entry)))),
        "times": list(TIMES, &|entry| json!(u64_of(entry).cast_signed())),
        "stretches": list(ENTITIES, &|entry| {
            let stretch = Stretch::decode(entry).expect("an entry");
            json!({"hash": format!("{:016x}", stretch.hash), "first_version": stretch.first_version,
                "offset": stretch.offset, "count": stretch.count, "bytes": stretch.bytes})
        }),
        "entity_fanout": list(ENTITY_FANOUT, &number),
        "ids": list(IDS, &|entry| json!(format!("{:016x}", u64_of(entry)))),
        "id_fanout": list(ID_FANOUT, &number),
        "types": names(TYPES, TYPE_KEYS, TYPE_LISTS),
        "tags": names(TAGS, TAG_KEYS, TAG_LISTS),
        "ranks": list(RANKS, &number),
    })
}
