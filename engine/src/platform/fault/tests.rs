//! What a file cut short under its mapping does.

use std::io::Write;

use super::*;

#[test]
fn a_file_cut_short_shows_zeros_and_says_that_it_faulted() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 3 * 65_536]).unwrap();
    let mapped = MappedFile::new(&file).unwrap();
    assert_eq!((mapped.bytes()[0], mapped.has_faulted()), (7, false));
    file.set_len(65_536).unwrap();
    assert_eq!((mapped.bytes()[65_535], mapped.has_faulted()), (7, false));
    // More than one page: the handler of the standard library, called first, once took ours away at the first fault.
    for page in 16..48 {
        assert_eq!((mapped.bytes()[page * 4096], mapped.has_faulted()), (0, true), "page {page}");
    }
    drop(mapped);
    let other = MappedFile::new(&file).unwrap();
    assert!(!other.has_faulted(), "the range is another mapping's now");
}
