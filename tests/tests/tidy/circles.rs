//! No files in a folder use each other in a circle, so that one of them can be read first.

use std::collections::{BTreeMap, BTreeSet};

use super::files::File;

/// The files of a folder, each with the files beside it that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The circles of files that use each other, as `folder: one -> other -> one`.
pub(crate) fn circles(files: &[File]) -> Vec<String> {
    let modules = modules(files);
    let mut folders: BTreeMap<String, Uses> = BTreeMap::new();
    for (module, code) in &modules {
        for path in paths(code) {
            let Some(target) = resolve(module, &path, &modules) else { continue };
            let same = module.iter().zip(&target).take_while(|(one, other)| one == other).count();
            if let (Some(own), Some(used)) = (module.get(same), target.get(same)) {
                let uses = folders.entry(module[..same].join("/")).or_default();
                uses.entry(own.clone()).or_default().insert(used.clone());
            }
        }
    }
    folders.iter().flat_map(|(folder, uses)| rounds(folder, uses)).collect()
}

/// The code of each source file by its module path, starting with the package. Another rule covers the order at the top
/// of a crate.
fn modules(files: &[File]) -> BTreeMap<Vec<String>, String> {
    let module = |file: &File| {
        let (package, inside) = file.path().strip_suffix(".rs")?.split_once("/src/")?;
        let is_source = inside != "lib" && inside != "main" && !inside.starts_with("bin/");
        let names = std::iter::once(package).chain(inside.split('/')).map(str::to_owned);
        is_source.then(|| names.collect::<Vec<_>>())
    };
    let code = |file: &File| file.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
    files.iter().filter_map(|file| Some((module(file)?, code(file)))).collect()
}

/// Every path in a text that starts with `super` or `crate`, with groups in braces expanded.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["super::", "crate::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':') {
                tree(&code[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Reads a path, or a tree of paths; returns the rest of the text.
fn tree<'a>(mut text: &'a str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    loop {
        text = text.trim_start();
        if let Some(mut group) = text.strip_prefix('{') {
            loop {
                group = tree(group, prefix, found).trim_start();
                match group.strip_prefix(',') {
                    Some(rest) => group = rest,
                    None => break,
                }
            }
            prefix.truncate(depth);
            return group.strip_prefix('}').unwrap_or(group);
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        if end > 0 {
            prefix.push(text[..end].to_owned());
        }
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) if end > 0 => text = rest,
            _ => break,
        }
    }
    if prefix.len() > depth {
        found.push(prefix.clone());
    }
    prefix.truncate(depth);
    // `x as y` ends with a name that is not part of the path.
    let rest = text.trim_start();
    let renamed = rest
        .strip_prefix("as ")
        .map(|rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
    renamed.unwrap_or(text)
}

/// The module that a path in another module leads to, following their parent's re-exports of its children.
fn resolve(from: &[String], path: &[String], modules: &BTreeMap<Vec<String>, String>) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let (mut place, rest) = match path.first().map(String::as_str) {
        Some("crate") => (from[..1].to_vec(), &path[1..]),
        _ => (from.get(..from.len().checked_sub(supers)?)?.to_vec(), &path[supers..]),
    };
    for name in rest {
        let inner = [&place[..], std::slice::from_ref(name)].concat();
        if modules.contains_key(&inner) {
            place = inner;
            continue;
        }
        let child = modules.get(&place).and_then(|code| exporter(code, name));
        return child.map(|child| [place.clone(), vec![child]].concat()).or(Some(place));
    }
    Some(place)
}

/// The child from which a module imports a name.
fn exporter(code: &str, name: &str) -> Option<String> {
    code.split("use ").skip(1).find_map(|used| {
        let statement = used.split(';').next()?;
        let (child, names) = statement.split_once("::")?;
        let is_child = code.contains(&format!("mod {child};"));
        let mut words = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        (is_child && words.any(|word| word == name)).then(|| child.to_owned())
    })
}

fn rounds(folder: &str, uses: &Uses) -> Vec<String> {
    let mut found = BTreeSet::new();
    for start in uses.keys() {
        let (mut left, mut seen) = (vec![vec![start.clone()]], BTreeSet::new());
        while let Some(walk) = left.pop() {
            let last = walk.last().expect("a walk has a start");
            for next in uses.get(last).into_iter().flatten() {
                if next == start && walk.iter().all(|name| name >= start) {
                    found.insert(format!("{folder}: {} -> {start}", walk.join(" -> ")));
                } else if seen.insert(next.clone()) {
                    left.push([&walk[..], std::slice::from_ref(next)].concat());
                }
            }
        }
    }
    found.into_iter().collect()
}

#[test]
fn circles_are_found_through_groups_and_through_re_exports_of_the_parent() {
    let file = |path: &str, text: &str| File::new(path, text);
    let parent =
        file("engine/src/read.rs", "//! x\nmod plan;\nmod walk;\npub(crate) use walk::{Walk, Step};\n");
    let check = |plan: &str, walk: &str, expected: &[&str]| {
        let files = [
            parent.clone(),
            file("engine/src/read/plan.rs", &format!("//! x\n{plan}\n")),
            file("engine/src/read/walk.rs", &format!("//! x\n{walk}\n")),
        ];
        assert_eq!(circles(&files), expected, "{plan} {walk}");
    };
    check("use super::walk::Walk;", "use super::plan::Plan;", &["engine/read: plan -> walk -> plan"]);
    check(
        "use super::{a, Step};",
        "use crate::read::{x, plan::{Plan, y}};",
        &["engine/read: plan -> walk -> plan"],
    );
    check(
        "let x = super::Walk::new();",
        "use std::{a, b};\nuse super::plan;",
        &["engine/read: plan -> walk -> plan"],
    );
    check("use super::walk::Walk;", "use super::Plan;", &[]);
    check("// use super::walk::Walk;", "use super::plan::Plan;", &[]);
}
