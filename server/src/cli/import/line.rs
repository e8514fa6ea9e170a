//! One line of an import: what it must be to be worth sending, and the id that makes sending it twice harmless.

use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

/// Ids of imported events are made in this name space, fixed for good: another would append files anew.
const NAME_SPACE: Uuid = Uuid::from_u128(0x6f1d_9a52_33c7_4e0b_9d1e_a4b8_02f7_51c3);

#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    id: Option<IgnoredAny>,
}

/// Makes ids of events that have none from where they come.
#[derive(Debug)]
pub(super) struct Identity {
    name_space: Uuid,
    key: Vec<u8>,
}

impl Identity {
    pub(super) fn new(name: &str) -> Self {
        Self { name_space: Uuid::new_v5(&NAME_SPACE, name.as_bytes()), key: Vec::new() }
    }

    fn id(&mut self, number: u64, line: &[u8]) -> Uuid {
        self.key.clear();
        self.key.extend_from_slice(&number.to_le_bytes());
        self.key.extend_from_slice(line);
        Uuid::new_v5(&self.name_space, &self.key)
    }
}

/// Adds `line`, with an id, to `body`; or says why it cannot be an event.
pub(super) fn write(
    body: &mut Vec<u8>,
    identity: &mut Identity,
    number: u64,
    line: &[u8],
) -> Result<(), String> {
    let Some(members) = line.strip_prefix(b"{") else {
        return Err("is not a JSON object".to_owned());
    };
    let shape: Shape = serde_json::from_slice(line).map_err(|error| reason(&error))?;
    if shape.id.is_some() {
        body.extend_from_slice(line);
    } else {
        let mut text = Uuid::encode_buffer();
        body.extend_from_slice(b"{\"id\":\"");
        body.extend_from_slice(identity.id(number, line).hyphenated().encode_lower(&mut text).as_bytes());
        let is_empty = members.trim_ascii_start().starts_with(b"}");
        body.extend_from_slice(if is_empty { b"\"" } else { b"\"," });
        body.extend_from_slice(members);
    }
    body.push(b'\n');
    Ok(())
}

/// What the parser says, without its line number: to it, every line is the first.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text.split(" at line ").next().unwrap_or(&text);
    format!("is not valid JSON: {said} at column {}", error.column())
}
