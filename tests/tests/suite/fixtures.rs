//! Stores of every release open in this one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::platform::sim::SimDisk;
use allsource_engine::{Batch, inspect};
use allsource_tests::fixture::{check, make, open, settle};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn load(disk: &SimDisk, root: &Path, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            load(disk, root, &path);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            disk.damage(&name, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_store_of_every_release_opens_and_goes_on() {
    let mut count = 0;
    for release in fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()) {
        let disk = SimDisk::new(1);
        load(&disk, &release, &release);
        let report = inspect::verify_disk(Arc::new(disk.clone()), Path::new("store")).unwrap();
        assert!(report.damage.is_empty() && report.events == 31, "{}: {report:?}", release.display());
        let engine = open(&disk).unwrap();
        check(&engine).unwrap_or_else(|broken| panic!("{}: {broken}", release.display()));
        let more = NewEvent::json("order.placed", "{}").unwrap();
        let append = engine.append(Batch::to(&Entity::new("order-1").unwrap()).event(more));
        settle(&engine);
        assert_eq!(append.wait().unwrap().events[0].position.value(), 32);
        count += 1;
    }
    assert!(count > 0, "there are stores to open");
}

/// While version 1 is not released, its fixture is what this build writes; `ALLSOURCE_WRITE_FIXTURE=1` writes it anew.
#[test]
fn the_fixture_of_this_release_is_what_it_writes() {
    let (disk, folder) = (make().unwrap(), fixtures().join("v1"));
    let paths: Vec<String> =
        disk.paths().into_iter().filter(|path| !path.ends_with(".tmp") && path != "LOCK").collect();
    for path in &paths {
        let (file, bytes) = (folder.join(path), disk.contents(path).unwrap());
        if std::env::var_os("ALLSOURCE_WRITE_FIXTURE").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        assert!(fs::read(&file).unwrap() == bytes, "{path} is written differently");
    }
    for kind in ["manifest/", "journal/", ".seg", ".idx", ".snp"] {
        assert!(paths.iter().any(|path| path.contains(kind)), "no {kind} in {paths:?}");
    }
}
