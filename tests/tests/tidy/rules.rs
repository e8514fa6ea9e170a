//! The rules every file must follow.

use super::files::File;

/// Finds the violations in a file, by line. The second argument holds all files, for look-ups.
pub(crate) type Rule = fn(&File, &[File]) -> Vec<(usize, String)>;

const LINES_MAX: usize = 400;
const FACADE_LINES_MAX: usize = 250;

/// The lines of code that contain one of the words.
fn found(file: &File, words: &[&str]) -> Vec<(usize, String)> {
    let find = |line: &str| words.iter().find(|word| line.contains(**word)).map(|word| format!("`{word}`"));
    file.code().filter_map(|(number, line)| Some((number, find(line)?))).collect()
}

pub(crate) fn length(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let most = if file.path() == "engine/src/engine.rs" { FACADE_LINES_MAX } else { LINES_MAX };
    let count = file.code().count();
    if count > most { vec![(1, format!("{count} lines; at most {most} are allowed"))] } else { Vec::new() }
}

pub(crate) fn opening(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let is_described = file.lines().next().is_some_and(|(_, line)| line.starts_with("//! "));
    if is_described || !file.is_rust() { Vec::new() } else { vec![(1, "no `//!`".to_owned())] }
}

/// The modules of a crate in order, and the module a file belongs to.
fn rooms(file: &File, files: &[File]) -> Option<(Vec<String>, String)> {
    let (package, inside) = file.path().split_once("/src/")?;
    let library = files.iter().find(|file| file.path() == format!("{package}/src/lib.rs"))?;
    let name = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
    };
    let order = library.lines().filter_map(|(_, line)| name(line)).collect();
    let room = inside.split('/').next()?.trim_end_matches(".rs").to_owned();
    Some((order, room))
}

pub(crate) fn direction(file: &File, files: &[File]) -> Vec<(usize, String)> {
    let Some((order, room)) = rooms(file, files) else { return Vec::new() };
    let Some(place) = order.iter().position(|name| *name == room) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (number, line) in file.code() {
        for used in line.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            match order.iter().position(|name| *name == used) {
                Some(at) if at > place => {
                    wrong.push((number, format!("{room} uses {used}, which is below it")))
                }
                None if !used.is_empty() => wrong.push((number, format!("`crate::{used}` hides its module"))),
                _ => {}
            }
        }
    }
    wrong
}

pub(crate) fn leftovers(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let words =
        [concat!("to", "do!"), concat!("db", "g!("), concat!("unimple", "mented!"), concat!("#[ign", "ore")];
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X ")];
    let find = |line: &str| words.iter().chain(&marks).find(|word| line.contains(**word));
    file.lines().filter_map(|(number, line)| Some((number, format!("`{}`", find(line)?)))).collect()
}

pub(crate) fn names(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let kinds = ["struct ", "enum ", "trait ", "mod ", "type "];
    let empty = ["Manager", "Helper", "Util", "helpers", "utils", "common", "misc"];
    // The compatibility API keeps the names of the API it mirrors.
    let is_foreign = file.path().starts_with("engine/src/compat/");
    let mut wrong = if is_foreign { Vec::new() } else { found(file, &[concat!("fn g", "et_")]) };
    for (number, line) in file.code() {
        let declared = kinds.iter().find_map(|kind| {
            let rest = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            rest.strip_prefix(kind)
        });
        let name: String =
            declared.unwrap_or("").chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if empty.iter().any(|word| name == *word || name.ends_with(word)) {
            wrong.push((number, format!("`{name}` could be anything")));
        }
    }
    wrong
}

pub(crate) fn traces(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let words = [
        concat!("crates", ".io"),
        concat!("py", "pi.org"),
        concat!("npm", "js.com"),
        concat!("/wo", "rk/"),
        concat!("/t", "mp/"),
        concat!("static.rust", "-lang"),
    ];
    let find = |line: &str| words.iter().find(|word| line.contains(**word)).map(|word| format!("`{word}`"));
    file.lines().filter_map(|(number, line)| Some((number, find(line)?))).collect()
}

pub(crate) fn platform(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let path = file.path();
    if path.starts_with("engine/src/platform") {
        return Vec::new();
    }
    let mut wrong =
        found(file, &[concat!("uns", "afe {"), concat!("uns", "afe fn"), concat!("uns", "afe impl")]);
    if path.starts_with("engine/src/") || path.starts_with("format-spec/src/") {
        let calls =
            ["std::fs", "rustix::", "libc::", "memmap2::", "Instant::now", "SystemTime::now", "Utc::now"];
        wrong.extend(found(file, &calls));
    }
    wrong
}

pub(crate) fn framework(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let is_elsewhere = file.path().starts_with("server/src/") && !file.path().starts_with("server/src/http");
    if is_elsewhere { found(file, &["axum", "hyper::"]) } else { Vec::new() }
}

pub(crate) fn appends(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let path = file.path();
    // The measuring code appends to its own store.
    let rooms = ["server/src/admission", "server/src/store", "server/src/measure.rs"];
    let is_inside = rooms.iter().any(|room| path.starts_with(room));
    if is_inside || !path.starts_with("server/src/") {
        return Vec::new();
    }
    found(file, &["engine.append(", "engine().append(", "store.append(", "store().append("])
}

/// Commands that work on a store's folder directly.
const OPENERS: [&str; 4] = ["bench", "dump", "index", "verify"];

pub(crate) fn door(file: &File, _: &[File]) -> Vec<(usize, String)> {
    let path = file.path();
    let is_opener = OPENERS.iter().any(|name| path == format!("server/src/cli/{name}.rs"));
    let is_inside = ["server/src/store", "server/src/measure.rs"].iter().any(|room| path.starts_with(room));
    if !path.starts_with("server/src/") || is_inside || is_opener {
        return Vec::new();
    }
    let names_it = |line: &str| {
        let line = line.replace("base64::Engine as _", "");
        line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "Engine")
    };
    file.code()
        .filter(|(_, line)| names_it(line))
        .map(|(number, _)| (number, "`Engine`".to_owned()))
        .collect()
}
