//! The project's own rules, enforced by tests. Each rule is a function that finds the violations in a file, and a test
//! shows that each rule can fail.

mod circles;
mod dead;
mod files;
mod rules;

use files::File;
use rules::Rule;

/// Every rule, with the name it reports.
const RULES: [(&str, Rule); 10] = [
    ("a file has at most 400 lines of code", rules::length),
    ("a file starts by saying what it is about", rules::opening),
    ("a module uses only modules listed above it in lib.rs", rules::direction),
    ("unfinished and leftover code stays out", rules::leftovers),
    ("names say what a thing is", rules::names),
    ("the product mentions only itself", rules::traces),
    ("only the platform room is unsafe or talks to the system", rules::platform),
    ("only the http room knows its framework", rules::framework),
    ("only admission appends", rules::appends),
    ("only the store room opens the door to the engine", rules::door),
];

fn complaints(files: &[File]) -> Vec<String> {
    let check = |file| {
        move |(name, rule): &(&str, Rule)| {
            let complain = |(line, what)| format!("{}:{line}: {what} ({name})", File::path(file));
            rule(file, files).into_iter().map(complain).collect::<Vec<_>>()
        }
    };
    files.iter().flat_map(|file| RULES.iter().flat_map(check(file))).collect()
}

#[test]
fn the_rules_of_the_house_hold() {
    let files = files::all();
    assert!(files.len() > 100, "the sources were not found");
    let complaints = complaints(&files);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn no_files_in_a_folder_use_each_other_in_a_circle() {
    let circles = circles::circles(&files::all());
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn nothing_is_declared_that_nobody_uses() {
    let unused = dead::unused(&files::all());
    assert!(unused.is_empty(), "\n{}", unused.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    let check = |package: &str, unknown: &[&str]| {
        let manifest = files::read(&format!("{package}/Cargo.toml"));
        for name in unknown {
            assert!(!manifest.lines().any(|line| line.starts_with(name)), "{package} depends on {name}");
        }
    };
    check("format-spec", &["allsource-engine", "allsource-server", "tokio", "axum"]);
    check("engine", &["allsource-server", "tokio", "axum", "arrow", "parquet"]);
    check("server", &["allsource-tests"]);
}

/// Each rule fails where it must and nowhere else.
#[test]
fn every_rule_can_fail() {
    let long = format!("//! x\n{}", "fn f() {}\n".repeat(401));
    let unwritten = ["to", "do!()"].concat();
    let registry = ["see crates", ".io"].concat();
    let offences = [
        ("engine/src/tail.rs", long.as_str(), 0),
        ("engine/src/tail.rs", "use std::sync::Arc;", 1),
        ("engine/src/tail.rs", "//! x\nuse crate::read::Events;", 2),
        ("engine/src/tail.rs", unwritten.as_str(), 3),
        ("engine/src/tail.rs", concat!("fn g", "et_it() {}"), 4),
        ("engine/src/tail.rs", "struct TailManager;", 4),
        ("README.md", registry.as_str(), 5),
        ("engine/src/tail.rs", "//! x\nlet t = std::time::Instant::now();", 6),
        ("server/src/app.rs", concat!("//! x\nfn f() { uns", "afe {} }"), 6),
        ("server/src/app.rs", "//! x\nuse axum::Router;", 7),
        ("server/src/app.rs", "//! x\napp.store().append(batch);", 8),
        ("server/src/http/chunks.rs", "//! x\nuse allsource_engine::{\n    AsOf, Engine,\n};", 9),
        ("server/src/cli/tail.rs", "//! x\nlet store = allsource_engine::Engine::open(path)?;", 9),
    ];
    let order = File::new("engine/src/lib.rs", "//! x\nmod tail;\nmod read;\n");
    for (path, text, number) in offences {
        let (name, rule) = RULES[number];
        let files = [File::new(path, text), order.clone()];
        assert!(!rule(&files[0], &files).is_empty(), "{name:?} lets {text:?} pass");
    }
    let fine = [File::new("engine/src/read.rs", "//! x\nuse crate::tail::Tail;\n"), order];
    assert_eq!(complaints(&fine), Vec::<String>::new());
}
