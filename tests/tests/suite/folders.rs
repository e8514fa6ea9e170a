//! The store's folder as users treat it: copied, moved, removed, mixed with other files, and under limits.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use allsource_engine::event::{Entity, NewEvent};
use allsource_engine::inspect::verify;
use allsource_engine::platform::{LocalDisk, SystemClock, SystemEntropy};
use allsource_engine::{AppendError, Batch, Engine, Health, OpenError, Options, Step};

fn append(engine: &Engine, id: &str) {
    let entity = Entity::new(id).unwrap();
    let event = NewEvent::json("t", "{}").unwrap();
    engine.append(Batch::to(&entity).event(event)).wait().unwrap();
}

fn small() -> Options {
    Options { journal_file_bytes: 64 << 10, partitions: 2, ..Options::default() }
}

/// A copy need not include `LOCK`, and verifying it must not create one.
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

/// The signal sent for a write beyond the limit must not kill the server silently.
#[test]
fn exceeding_a_file_size_limit_is_an_error_not_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_server"));
    let script = format!("ulimit -f 64; exec {} serve --listen 127.0.0.1:0 --data store", program.display());
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code().is_some_and(|code| code != 0), "{:?} {errors}", output.status);
    let named = ["journal/spare.tmp needs 67108864 bytes", "ulimit -f", "File too large"];
    assert!(named.iter().all(|words| errors.contains(words)), "{errors}");
}

/// Tools that copy, sync or index folders skip empty folders and add their own files.
#[test]
fn a_copy_opens_without_its_empty_folders_and_with_foreign_files_in_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), small()).unwrap();
    append(&engine, "a");
    engine.close();
    for dir in ["segments", "snapshots", "quarantine"] {
        std::fs::remove_dir_all(folder.path().join(dir)).unwrap();
    }
    let strangers = [
        "manifest/lost+found/x",
        "manifest/notes.txt",
        "journal/@eaDir/x",
        "journal/1.jnl",
        "segments/lost+found/x",
        "segments/backup.seg",
        "segments/p000/old.tmp",
        "snapshots/@eaDir/x",
        "snapshots/mine.tmp",
        "snapshots/1.snp",
        "system/manifest/00000000000000000001",
        "derived/state",
        "notes/x",
    ];
    let make = |path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "theirs").unwrap();
    };
    strangers.iter().for_each(|path| make(path));
    assert_eq!(verify(folder.path()).unwrap().damage, []);
    for count in 2..6 {
        let engine = Engine::open_with(folder.path(), small()).unwrap();
        append(&engine, "a");
        engine.seal().unwrap();
        let entity = Entity::new("a").unwrap();
        assert_eq!(engine.head(&entity).unwrap().unwrap().value(), count);
        engine.snapshot(&entity).unwrap();
        engine.close();
        assert_eq!(verify(folder.path()).unwrap().damage, []);
    }
    for path in strangers {
        assert_eq!(std::fs::read_to_string(folder.path().join(path)).unwrap(), "theirs", "{path}");
    }
    let named =
        std::fs::read_dir(folder.path().join("manifest")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(named.filter(|name| name.len() == 20).count(), 2, "the two newest manifests are kept");
}

fn wait_until(engine: &Engine, is_so: impl Fn(&Health) -> bool) -> Health {
    let start = std::time::Instant::now();
    loop {
        let health = engine.health();
        if is_so(&health) {
            return health;
        }
        assert!(start.elapsed().as_secs() < 20, "the health stays {health:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The next rotation must not fail with "not found", or report that as "the disk is full".
#[test]
fn a_folder_that_is_moved_under_a_store_is_reported_and_the_store_goes_on() {
    let above = tempfile::tempdir().unwrap();
    let (old, new) = (above.path().join("old"), above.path().join("new"));
    let engine = Engine::open_with(&old, small()).unwrap();
    append(&engine, "a");
    std::fs::rename(&old, &new).unwrap();
    wait_until(&engine, |health| *health == Health::Moved);
    // Enough for several journal files, and some sealed ones.
    (0..60).for_each(|_| append(&engine, "a"));
    engine.seal().unwrap();
    engine.close();
    assert_eq!(verify(&new).unwrap().events, 61);
    assert!(!old.exists());
}

/// Appends must not be acknowledged into a removed folder until the journal file is full.
#[test]
fn a_folder_that_is_removed_under_a_store_is_reported_and_nothing_more_is_acknowledged() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("store");
    let engine = Engine::open_with(&path, small()).unwrap();
    append(&engine, "a");
    // The store may just be making its next file there.
    while std::fs::remove_dir_all(&path).is_err() {}
    let health = wait_until(&engine, |health| matches!(health, Health::Fenced(_)));
    assert!(matches!(&health, Health::Fenced(reason) if reason.contains("was removed")), "{health:?}");
    let event = NewEvent::json("t", "{}").unwrap();
    let refused = engine.append(Batch::to(&Entity::new("a").unwrap()).event(event)).wait();
    assert!(matches!(refused, Err(AppendError::Fenced(_))), "{refused:?}");
}

/// A store that goes on writing into an open file without a name acknowledges what the next opening does not find.
#[test]
fn a_part_that_is_moved_or_replaced_under_a_store_is_reported_and_nothing_more_is_acknowledged() {
    for part in ["journal", "manifest", "segments", "journal/0000000001.jnl"] {
        for is_replaced in [false, true] {
            let above = tempfile::tempdir().unwrap();
            let path = above.path().join("store");
            let engine = Engine::open_with(&path, Options::default()).unwrap();
            append(&engine, "a");
            let (old, new) = (path.join(part), above.path().join("elsewhere"));
            std::fs::rename(&old, &new).unwrap();
            if is_replaced && new.is_dir() {
                std::fs::create_dir(&old).unwrap();
            } else if is_replaced {
                std::fs::copy(&new, &old).unwrap();
            }
            let health = wait_until(&engine, |health| matches!(health, Health::Fenced(_)));
            let reason = format!("{part} was removed or replaced");
            assert!(matches!(&health, Health::Fenced(why) if why.contains(&reason)), "{part}: {health:?}");
            let event = NewEvent::json("t", "{}").unwrap();
            let refused = engine.append(Batch::to(&Entity::new("a").unwrap()).event(event)).wait();
            assert!(matches!(refused, Err(AppendError::Fenced(_))), "{part}: {refused:?}");
        }
    }
}

/// Files that only the next opening reads must be missed while the store is open, when a copy can still be put back.
#[test]
fn a_removed_journal_file_that_is_not_sealed_is_reported_though_it_is_not_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), small()).unwrap();
    let third = folder.path().join("journal/0000000003.jnl");
    while !third.exists() {
        append(&engine, "a");
    }
    std::fs::remove_file(folder.path().join("journal/0000000002.jnl")).unwrap();
    let health = wait_until(&engine, |health| matches!(health, Health::Fenced(_)));
    let reason = "journal/0000000002.jnl was removed or replaced while the store was open";
    assert!(matches!(&health, Health::Fenced(why) if why.contains(reason)), "{health:?}");
}

/// Sealing into a folder without a name would be reported as success, and the journal then recycled.
#[test]
fn nothing_is_sealed_into_a_folder_that_was_removed_a_moment_ago() {
    type Part = fn(&Path, &Path);
    let ways: [Part; 2] = [
        |folder, aside| std::fs::rename(folder, aside).unwrap(),
        |folder, _| std::fs::remove_dir_all(folder).unwrap(),
    ];
    for (dir, take_away) in ["segments", "journal"].into_iter().flat_map(|dir| ways.map(|way| (dir, way))) {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("store");
        let disk = Arc::new(LocalDisk::new(&path));
        let (clock, entropy) = (Arc::new(SystemClock::default()), Arc::new(SystemEntropy));
        let engine = Engine::open_by_hand(disk, clock, entropy, small()).unwrap();
        let event = NewEvent::json("t", "{}").unwrap();
        let appended = engine.append(Batch::to(&Entity::new("a").unwrap()).event(event));
        // No step looks for the folders before the store seals.
        for step in [Step::Sequence, Step::Commit, Step::Freeze, Step::Commit] {
            engine.step(step);
        }
        appended.wait().unwrap();
        take_away(&path.join(dir), &above.path().join("aside"));
        assert!(!engine.step(Step::Seal), "{dir}");
        assert_eq!(engine.counters().generations, 0);
        assert!(!path.join(dir).exists(), "{dir} is not created again");
        let report = engine.upkeep().into_iter().find(|task| task.name == "seal").unwrap();
        assert!(report.failures == 1 && report.last_error.is_some(), "{report:?}");
        assert!(matches!(engine.health(), Health::NotSealing(_)), "{:?}", engine.health());
        engine.step(Step::Prepare);
        assert!(matches!(engine.health(), Health::Fenced(_)), "{:?}", engine.health());
        engine.close();
    }
}

/// The folder's number must not make another file look as if it were missing.
#[test]
fn a_folder_named_like_a_journal_file_is_reported_as_one() {
    for name in ["0000000002.jnl", "0000000009.jnl"] {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open_with(folder.path(), small()).unwrap();
        append(&engine, "a");
        engine.close();
        let stranger = folder.path().join("journal").join(name);
        std::fs::create_dir(&stranger).unwrap();
        let refused = Engine::open_with(folder.path(), small()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(&format!("journal/{name}")) && refused.contains("a folder"), "{refused}");
        let damage = verify(folder.path()).unwrap().damage;
        assert!(damage.iter().any(|damage| damage.problem.contains("a folder")), "{damage:?}");
        std::fs::remove_dir(&stranger).unwrap();
        append(&Engine::open_with(folder.path(), small()).unwrap(), "a");
    }
}

/// Journal files that are left behind, sealed and used again must not be taken for one that was removed.
#[test]
fn files_that_come_and_go_in_the_usual_way_are_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open_with(folder.path(), small()).unwrap();
    let start = std::time::Instant::now();
    while start.elapsed().as_secs() < 4 {
        (0..40).for_each(|_| append(&engine, "a"));
        engine.seal().unwrap();
    }
    assert_eq!(engine.health(), Health::Serving);
    engine.close();
    assert_eq!(verify(folder.path()).unwrap().damage, []);
}

/// Snapshots are a cache. What is wrong in their folder must not keep the store from opening, or end appends.
#[test]
fn a_store_opens_whatever_is_wrong_in_the_folder_of_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let entity = Entity::new("a").unwrap();
    let use_it = |count: u64| {
        let engine = Engine::open_with(folder.path(), small()).unwrap();
        append(&engine, "a");
        engine.snapshot(&entity).unwrap();
        assert_eq!(engine.head(&entity).unwrap().unwrap().value(), count);
        engine.close();
    };
    use_it(1);
    let snapshots = folder.path().join("snapshots");
    std::fs::create_dir(snapshots.join("0000000777.snp")).unwrap();
    use_it(2);
    assert!(snapshots.join("0000000777.snp").is_dir() && snapshots.join("0000000778.snp").is_file());
    std::fs::create_dir(snapshots.join("new.tmp")).unwrap();
    use_it(3);
    std::fs::remove_dir_all(&snapshots).unwrap();
    std::fs::write(&snapshots, "theirs").unwrap();
    use_it(4);
    let engine = Engine::open_with(folder.path(), small()).unwrap();
    engine.snapshot(&entity).unwrap();
    assert_eq!(engine.health(), Health::Serving);
    append(&engine, "a");
    engine.close();
    assert_eq!(verify(folder.path()).unwrap().events, 5);
}
