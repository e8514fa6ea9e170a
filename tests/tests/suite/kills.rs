//! The server, killed while it works.

use std::path::Path;

use allsource_tests::kills;

#[test]
fn no_kill_loses_doubles_or_invents_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_server"));
    let survived = kills::run(program, folder.path(), 50, 1).unwrap();
    println!("{survived:?}");
    assert_eq!(survived.kills, 50);
    assert!(survived.acknowledged > 1_000 && survived.kills_while_starting > 0, "{survived:?}");
}
