//! Converts the errors of the layers below to problems.

use allsource_engine::Unavailable;
use allsource_engine::error::{AppendError, FoldError, ReadError, SealError};
use allsource_engine::event::{Entity, InvalidEvent, NameError};
use allsource_engine::{CursorError, ExpectedVersion, Position, Version};
use serde_json::Value;
use serde_json::error::Category;
use uuid::Uuid;

use super::{Kind, Problem, nearest, plain};

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        match error {
            AppendError::Conflict { entity, expected, actual, in_batch } => {
                let mut problem = Self::new(Kind::VERSION_CONFLICT, detail)
                    .error_word("version_conflict")
                    .with("entity_id", entity.id().as_str())
                    .with("current_version", actual.map_or(0, Version::value));
                if let Some(version) = in_batch {
                    problem = problem.with("version_in_batch", version.value());
                }
                match expected {
                    ExpectedVersion::Empty => problem.with("expected_version", 0),
                    ExpectedVersion::At(version) => problem.with("expected_version", version.value()),
                    ExpectedVersion::Any | ExpectedVersion::Exists => problem,
                }
            }
            AppendError::Duplicate { id, position, entity, version } => {
                Self::new(Kind::DUPLICATE_ID, detail).of_event(id, position, &entity, version)
            }
            AppendError::OtherBatch { id, position, entity, version } => {
                let detail = "this Idempotency-Key was used before with another number of events";
                Self::new(Kind::KEY_REUSED, detail).of_event(id, position, &entity, version)
            }
            AppendError::Overtaken { .. } => Self::new(Kind::OVERLOADED, detail).with("retry_after", 1),
            AppendError::Invalid { problem, .. } => problem.into(),
            AppendError::RepeatedId { id } => {
                Self::new(Kind::DUPLICATE_ID, detail).with("event_id", id.to_string())
            }
            AppendError::TooLarge { limit, actual, .. } => {
                Self::new(Kind::TOO_LARGE, detail).with("limit", limit).with("actual", actual)
            }
            AppendError::Empty => Self::new(Kind::INVALID_BATCH, detail),
            AppendError::Overloaded => Self::new(Kind::OVERLOADED, detail).with("retry_after", 1),
            AppendError::StorageFull => Self::new(Kind::STORAGE_FULL, detail),
            AppendError::Refusing(_) => Self::new(Kind::REFUSING, detail).with("retry_after", 1),
            AppendError::Fenced(_) => Self::new(Kind::FENCED, detail),
            AppendError::Unknown(_) => Self::new(Kind::OUTCOME_UNKNOWN, detail),
            AppendError::Damaged(damage) => {
                Self::new(Kind::DAMAGED, detail).with("file", damage.file).with("offset", damage.offset)
            }
            AppendError::Unavailable(unavailable) => unavailable.into(),
            AppendError::NotOwner { partition } => {
                Self::new(Kind::NOT_OWNER, detail).with("partition", partition)
            }
            _ => Self::new(Kind::INTERNAL, detail),
        }
    }
}

impl Problem {
    /// Names the stored event that conflicts.
    fn of_event(self, id: Uuid, position: Position, entity: &Entity, version: Version) -> Self {
        self.with("event_id", id.to_string())
            .with("position", position.value())
            .with("entity_id", entity.id().as_str())
            .with("version", version.value())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let detail = error.to_string();
        match error {
            ReadError::Damaged(damage) => {
                Self::new(Kind::DAMAGED, detail).with("file", damage.file).with("offset", damage.offset)
            }
            ReadError::Unavailable(unavailable) => unavailable.into(),
            _ => Self::new(Kind::INTERNAL, detail),
        }
    }
}

impl From<FoldError> for Problem {
    fn from(error: FoldError) -> Self {
        let detail = error.to_string();
        match error {
            FoldError::Read(error) => error.into(),
            FoldError::MissingEvent { entity, version } => Self::new(Kind::DAMAGED, detail)
                .with("entity_id", entity.id().as_str())
                .with("version", version),
            FoldError::Unfoldable { position, .. } => {
                Self::new(Kind::DAMAGED, detail).with("position", position.value())
            }
            _ => Self::new(Kind::INTERNAL, detail),
        }
    }
}

/// Seconds after which to retry a request that the system refused to read for.
const RETRY_AFTER: u64 = 1;

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Self {
        Self::new(Kind::UNAVAILABLE, unavailable.to_string())
            .with("file", unavailable.file)
            .with("operation", unavailable.operation)
            .with("retry_after", RETRY_AFTER)
    }
}

impl From<CursorError> for Problem {
    fn from(error: CursorError) -> Self {
        let advice = match error {
            CursorError::OtherHistory { common: Some(common), .. } => {
                format!(
                    "undo what you derived from events after position {common}, and go on from {}",
                    common + 1
                )
            }
            _ => "the store was replaced, or the cursor is of another one; read it again from the beginning"
                .to_owned(),
        };
        let problem = Self::new(Kind::CURSOR_REFUSED, format!("{error}; {advice}"));
        match error {
            CursorError::OtherHistory { position, common } => {
                problem.with("position", position).with("common_position", common)
            }
            CursorError::BeyondEnd { position, end } => problem.with("position", position).with("end", end),
            _ => problem,
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        let detail = error.to_string();
        match error {
            SealError::Failed(_) => Self::new(Kind::NOT_SEALING, detail),
            SealError::Fenced(_) | SealError::Closed => Self::new(Kind::FENCED, detail),
            _ => Self::new(Kind::INTERNAL, detail),
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::new(Kind::INVALID_NAME, error.to_string()).with("field", error.field)
    }
}

impl From<InvalidEvent> for Problem {
    fn from(error: InvalidEvent) -> Self {
        let detail = error.to_string();
        match error {
            InvalidEvent::Name(name) => name.into(),
            InvalidEvent::Json { field, .. } | InvalidEvent::TooDeep { field } => {
                Self::new(Kind::INVALID_EVENT, detail).with("field", field)
            }
            InvalidEvent::Unportable { field, pointer, .. } => {
                Self::new(Kind::INVALID_EVENT, detail).with("field", field).with("pointer", pointer)
            }
            InvalidEvent::TooLarge { field, actual, limit } => Self::new(Kind::TOO_LARGE, detail)
                .with("field", field)
                .with("limit", limit)
                .with("actual", actual),
            _ => Self::new(Kind::INVALID_EVENT, detail),
        }
    }
}

impl Problem {
    /// The problem of a body that is not JSON with the `known` fields; `place` is the field at fault, where known.
    pub fn of_json(error: &serde_json::Error, known: &[&str], place: Option<&str>) -> Self {
        let text = error.to_string();
        let problem = if error.classify() != Category::Data {
            Self::new(Kind::INVALID_JSON, format!("the body is not valid JSON: {}", plain(&text)))
        } else if let Some(field) = between_ticks(&text, "unknown field `") {
            let suggestion = nearest(field, known);
            let detail = match suggestion {
                Some(name) => format!("unknown field `{field}`; did you mean `{name}`?"),
                None if known.is_empty() => format!("unknown field `{field}`; this body has none"),
                None => format!("unknown field `{field}`; known fields: {}", known.join(", ")),
            };
            Self::new(Kind::UNKNOWN_FIELD, detail)
                .with("field", field)
                .with("nearest", suggestion.map_or(Value::Null, Value::from))
        } else {
            let field = between_ticks(&text, "missing field `").or(place);
            let problem = Self::new(Kind::INVALID_BODY, in_plain_words(&text, place));
            field.map_or(problem.clone(), |field| problem.with("field", field))
        };
        problem.with("line", error.line()).with("column", error.column())
    }
}

/// The parser's message without its line and column, which the problem has as members.
fn in_plain_words(text: &str, place: Option<&str>) -> String {
    let text = plain(text.split(" at line ").next().unwrap_or(text));
    match place {
        Some(field) => format!("`{field}` is not as it should be: {text}"),
        None => text,
    }
}

/// The field name in the parser's message.
fn between_ticks<'a>(text: &'a str, complaint: &str) -> Option<&'a str> {
    text.strip_prefix(complaint)?.split('`').next()
}
