//! Every public declaration is used: the compiler does not warn about unused public items.

use std::collections::BTreeMap;

use super::files::File;

/// How a public declaration begins.
const KINDS: [&str; 6] = ["fn ", "const ", "static ", "struct ", "enum ", "trait "];

/// Public names that occur only in their declaration, and variants that nothing constructs or matches.
pub(crate) fn unused(files: &[File]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        for (_, line) in file.lines() {
            for word in line.split(|c: char| !c.is_alphanumeric() && c != '_') {
                *counts.entry(word).or_default() += 1;
            }
        }
    }
    let mut unused = Vec::new();
    for file in files.iter().filter(|file| file.path().contains("/src/")) {
        let mut is_enum = false;
        for (number, line) in file.code() {
            is_enum =
                line.contains("pub enum ") || line.contains("pub(crate) enum ") || is_enum && line != "}";
            if let Some(name) = declared(line).or_else(|| variant(line).filter(|_| is_enum))
                && counts.get(name).is_none_or(|count| *count < 2)
            {
                unused.push(format!("{}:{number}: nothing uses `{name}`", file.path()));
            }
        }
    }
    unused
}

/// The name that a line declares for others.
fn declared(line: &str) -> Option<&str> {
    let public =
        line.trim_start().strip_prefix("pub ").or_else(|| line.trim_start().strip_prefix("pub(crate) "))?;
    let public = public.trim_start_matches("async ");
    // A `const fn` is a function.
    let public = public.strip_prefix("const fn ").map_or(public, |_| &public["const ".len()..]);
    let rest = KINDS.iter().find_map(|kind| public.strip_prefix(kind))?;
    word(rest)
}

/// The name of the variant that a line of an enumeration declares.
fn variant(line: &str) -> Option<&str> {
    // An error that `?` takes in makes its variant without naming it.
    if line.contains("#[from]") {
        return None;
    }
    let inside =
        line.strip_prefix("    ").filter(|inside| inside.starts_with(|c: char| c.is_ascii_uppercase()))?;
    word(inside).filter(|name| inside[name.len()..].starts_with([',', '(', ' ']))
}

fn word(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    text.get(..end).filter(|word| !word.is_empty())
}

#[test]
fn what_nobody_uses_is_found() {
    let declaring =
        "//! x\npub fn used() {}\npub const fn lonely() {}\npub enum Kind {\n    Made,\n    Never(u8),\n}\n";
    let using = "//! x\nfn f() { used(); Kind::Made }\n";
    let files = [File::new("engine/src/a.rs", declaring), File::new("engine/src/b.rs", using)];
    let expected = ["engine/src/a.rs:3: nothing uses `lonely`", "engine/src/a.rs:6: nothing uses `Never`"];
    assert_eq!(unused(&files), expected);
}
