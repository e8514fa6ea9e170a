//! The files of the workspace.

use std::path::{Path, PathBuf};

/// Folders with sources, and documents about the product.
const PLACES: [&str; 11] = [
    "format-spec",
    "engine",
    "server",
    "tests",
    "benches",
    "fuzz",
    "docs",
    "Cargo.toml",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
];

/// A file with its path from the root.
#[derive(Clone)]
pub(crate) struct File {
    path: String,
    text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Its lines with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines of product code in a Rust file, without comments and tests.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.ends_with("tests.rs") || !self.is_rust();
        let product = self.lines().take_while(move |(_, line)| !is_test && !line.starts_with("#[cfg(test)]"));
        product.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text of the file at a path from the root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every source and document.
pub(crate) fn all() -> Vec<File> {
    let mut files = Vec::new();
    for place in PLACES {
        collect(place, &mut files);
    }
    files
}

fn collect(path: &str, files: &mut Vec<File>) {
    let full = root().join(path);
    if full.is_dir() {
        let entries = std::fs::read_dir(&full).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for name in names.iter().filter(|name| !matches!(name.as_str(), "target" | "vectors" | "corpus")) {
            collect(&format!("{path}/{name}"), files);
        }
    } else if [".rs", ".md", ".toml", ".py"].iter().any(|end| path.ends_with(end)) {
        files.push(File::new(path, &read(path)));
    }
}
