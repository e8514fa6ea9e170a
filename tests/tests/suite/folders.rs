//! The store's folder as users treat it: copied, moved, removed, with strangers inside, and within limits.

use std::path::Path;
use std::process::Command;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::inspect::verify;
use allsource_engine::{Batch, Engine, OpenError, Options};

fn append(engine: &Engine, id: &str) {
    let entity = Entity::new(id).unwrap();
    let event = NewEvent::json("t", "{}").unwrap();
    engine.append(Batch::to(&entity).event(event)).wait().unwrap();
}

fn small() -> Options {
    Options { journal_file_bytes: 64 << 10, partitions: 2, ..Options::default() }
}

/// A copy that came without `LOCK`, which nobody needs to copy, once had one after it was looked at.
#[test]
fn a_copy_without_a_lock_is_verified_and_stays_without() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), small()).unwrap();
    append(&engine, "a");
    assert!(matches!(verify(folder.path()), Err(OpenError::InUse(_))));
    engine.close();
    let lock = folder.path().join("LOCK");
    std::fs::remove_file(&lock).unwrap();
    assert_eq!(verify(folder.path()).unwrap().damage, []);
    assert!(!lock.exists());
}

/// The signal that comes with a write beyond the limit once killed the server without a word.
#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_not_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_server"));
    let script = format!("ulimit -f 64; exec {} serve --listen 127.0.0.1:0 --data store", program.display());
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{:?} {told}", output.status);
    assert!(told.contains("File too large"), "{told}");
}
