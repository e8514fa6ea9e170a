//! Writes a small store with a bit of everything into an empty folder, for readers of the format.

use std::path::PathBuf;
use std::process::ExitCode;

use allsource_tests::fixture;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fixture FOLDER");
        return ExitCode::from(2);
    };
    match write(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &std::path::Path) -> Result<(), String> {
    let disk = fixture::make()?;
    for path in disk.paths().iter().filter(|path| !path.ends_with(".tmp")) {
        let target = folder.join(path);
        let parent = target.parent().ok_or("a file lies in a folder")?;
        std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        let bytes = disk.contents(path).ok_or("a listed file exists")?;
        std::fs::write(&target, bytes).map_err(|error| error.to_string())?;
    }
    Ok(())
}
