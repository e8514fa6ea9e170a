//! What stays open.

use std::cell::Cell;

use allsource_format::sealed::Kind;

use super::*;
use crate::platform::sim::SimDisk;
use crate::sealed::tests::{file_on, header};

/// A file in memory; counts how often it is opened.
fn opened(count: &Cell<usize>) -> Result<SealedFile, ReadError> {
    count.set(count.get() + 1);
    let disk = SimDisk::new(1);
    file_on(&disk, "file", header());
    SealedFile::in_memory("file", Kind::Snapshots, disk.contents("file").unwrap())
}

#[test]
fn the_files_used_last_stay_open_and_a_reader_keeps_its_file() {
    let files = OpenFiles::at_most(2);
    let [one, two, three] = [(); 3].map(|()| Arc::new(Slot::default()));
    let count = Cell::new(0);
    let open = |slot: &Arc<Slot>| files.file(slot, || opened(&count)).unwrap();
    let held = open(&one);
    open(&two);
    open(&one);
    open(&three);
    assert_eq!((files.len(), count.get()), (2, 3), "the second was used least");
    open(&one);
    open(&three);
    assert_eq!(count.get(), 3, "both are open still");
    open(&two);
    assert_eq!(count.get(), 4);
    assert_eq!(held.header().events, 5, "what a reader holds goes on");
}

#[test]
fn a_slot_that_is_closed_and_filled_again_counts_once() {
    let files = OpenFiles::at_most(10);
    let (slot, count) = (Arc::new(Slot::default()), Cell::new(0));
    for _ in 0..3 {
        files.file(&slot, || opened(&count)).unwrap();
        assert_eq!(files.filled.lock().len(), 1);
        slot.close();
    }
    assert_eq!((files.len(), count.get()), (0, 3));
}

#[test]
fn a_system_that_allows_less_than_the_budget_is_obeyed() {
    let files = OpenFiles::at_most(100);
    let slots: Vec<_> = (0..10).map(|_| Arc::new(Slot::default())).collect();
    let refuse = || ReadError::of_system("open", "file", 0, &std::io::Error::from_raw_os_error(24));
    let count = Cell::new(0);
    for slot in &slots {
        let open = || if files.len() < 4 { opened(&count) } else { Err(refuse()) };
        files.file(slot, open).unwrap();
    }
    assert!(files.len() <= 4);
    let never = files.file(&Arc::new(Slot::default()), || Err(refuse()));
    assert!(matches!(never, Err(ReadError::Unavailable(_))));
}
