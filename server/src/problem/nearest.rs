//! Suggestions for misspelt names.

/// The known name most similar to an unknown one, if any is similar enough; of equally similar ones the first.
pub fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&unknown.to_lowercase(), name);
    let best = known.iter().map(|name| (likeness(name), *name)).rev().max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.7).map(|(_, name)| name)
}
