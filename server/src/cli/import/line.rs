//! One line of an import: the checks before it is sent, and the id that makes sending it twice harmless.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use crate::problem::plain;

/// The UUID namespace of imported events. It is fixed: with another one, importing a file again would duplicate it.
const NAME_SPACE: Uuid = Uuid::from_u128(0x6f1d_9a52_33c7_4e0b_9d1e_a4b8_02f7_51c3);

#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    id: Option<IgnoredAny>,
}

/// Derives the ids of events without one from the text of the line and the number of equal lines before it. So ids do
/// not change when other lines are added or removed, or when the file is renamed.
#[derive(Debug)]
pub(super) struct Identity {
    name_space: Uuid,
    /// Texts seen, and the count of those seen more than once; about 20 bytes for each text.
    once: HashSet<u64>,
    again: HashMap<u64, u64>,
}

impl Identity {
    /// Ids in the namespace of `name`, or in that of all imports.
    pub(super) fn new(name: Option<&str>) -> Self {
        let name_space = name.map_or(NAME_SPACE, |name| Uuid::new_v5(&NAME_SPACE, name.as_bytes()));
        Self { name_space, once: HashSet::new(), again: HashMap::new() }
    }

    fn id(&mut self, line: &[u8]) -> Uuid {
        let first = Uuid::new_v5(&self.name_space, line);
        // Half of the digest is enough: two texts that share it merely share a count.
        let (text, _) = first.as_u64_pair();
        if self.once.insert(text) {
            return first;
        }
        let count = self.again.entry(text).or_insert(1);
        *count += 1;
        Uuid::new_v5(&first, &count.to_le_bytes())
    }
}

/// Adds `line`, with an id, to `body`, or says why it cannot be an event.
pub(super) fn write(body: &mut Vec<u8>, identity: &mut Identity, line: &[u8]) -> Result<(), String> {
    let Some(members) = line.strip_prefix(b"{") else {
        return Err("is not a JSON object".to_owned());
    };
    let shape: Shape = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    if shape.id.is_some() {
        body.extend_from_slice(line);
    } else {
        let mut text = Uuid::encode_buffer();
        body.extend_from_slice(b"{\"id\":\"");
        body.extend_from_slice(identity.id(line).hyphenated().encode_lower(&mut text).as_bytes());
        let is_empty = members.trim_ascii_start().starts_with(b"}");
        body.extend_from_slice(if is_empty { b"\"" } else { b"\"," });
        body.extend_from_slice(members);
    }
    body.push(b'\n');
    Ok(())
}

/// Counts a line that is not sent, so that later equal lines get the same ids as in a full import.
pub(super) fn pass_over(identity: &mut Identity, line: &[u8]) {
    let has_no_id = serde_json::from_slice::<Shape>(line).is_ok_and(|shape| shape.id.is_none());
    if line.starts_with(b"{") && has_no_id {
        identity.id(line);
    }
}

/// The parser's message without its line number: to the parser, every line is the first.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = plain(text.split(" at line ").next().unwrap_or(&text));
    format!("is not valid JSON: {said} at column {}", error.column())
}
