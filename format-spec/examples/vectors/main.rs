//! Writes the test vectors into the given folder, or into this crate's `vectors`.

mod make;

use std::path::{Path, PathBuf};

#[expect(clippy::disallowed_methods, reason = "vectors are not part of a store")]
fn main() -> std::io::Result<()> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let folder = std::env::args_os().nth(1).map_or_else(beside, PathBuf::from);
    for vector in make::all() {
        let path = folder.join(&vector.path);
        std::fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        std::fs::write(path.with_extension("json"), vector.meaning_text())?;
        if !vector.bytes.is_empty() {
            std::fs::write(path.with_extension("bin"), &vector.bytes)?;
        }
    }
    Ok(())
}
