//! Every kind of problem, each with its fixed slug, title and status.

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(&'static Facts);

/// The fixed parts of a kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    /// The last part of the problem's `type`; it never changes.
    pub slug: &'static str,
    /// The kind in a few words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The prefix of the `error` member.
    pub prefix: &'static str,
}

impl Kind {
    /// The `type` of a problem of this kind.
    pub fn path(self) -> String {
        format!("/problems/{}", self.slug)
    }
}

impl std::ops::Deref for Kind {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        self.0
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:literal $slug:literal $title:literal $prefix:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $name: Self = Self(&Facts {
                slug: $slug, title: $title, status: $status, prefix: $prefix,
            });)*
        }
    };
}

kinds! {
    /// The body is not JSON.
    INVALID_JSON = 400 "invalid-json" "The body is not valid JSON" "Invalid input";
    /// The body is JSON, but not of the expected shape.
    INVALID_BODY = 400 "invalid-body" "The body does not have the expected shape" "Invalid input";
    /// The body has a field that does not exist.
    UNKNOWN_FIELD = 400 "unknown-field" "The body has an unknown field" "Invalid input";
    /// The query string has a parameter that does not exist.
    UNKNOWN_PARAMETER = 400 "unknown-parameter" "The request has an unknown parameter" "Invalid query";
    /// A part of the path is not valid.
    INVALID_PATH = 400 "invalid-path" "The path is not valid" "Invalid input";
    /// A parameter has an invalid value.
    INVALID_PARAMETER = 400 "invalid-parameter" "A parameter is not valid" "Invalid query";
    /// A header has an invalid value.
    INVALID_HEADER = 400 "invalid-header" "A header is not valid" "Invalid input";
    /// A name breaks a rule.
    INVALID_NAME = 400 "invalid-name" "A name is not valid" "Invalid input";
    /// A name is reserved for the system.
    RESERVED_NAME = 400 "reserved-name" "The name is reserved for the system" "Invalid input";
    /// An event breaks a rule.
    INVALID_EVENT = 400 "invalid-event" "The event is not valid" "Invalid event";
    /// Some events of a batch break a rule.
    INVALID_BATCH = 400 "invalid-batch" "Events of the batch are not valid" "Invalid input";
    /// A request names two different tenants.
    TENANT_CONTRADICTION = 400 "tenant-contradiction" "The request names two tenants" "Invalid input";
    /// No such event.
    EVENT_NOT_FOUND = 404 "event-not-found" "There is no such event" "Event not found";
    /// No such entity, or not at that moment.
    ENTITY_NOT_FOUND = 404 "entity-not-found" "There is no such entity" "Entity not found";
    /// The entity has not reached this version.
    VERSION_NOT_FOUND = 404 "version-not-found" "The entity has no such version" "Entity not found";
    /// No snapshot of the entity.
    SNAPSHOT_NOT_FOUND = 404 "snapshot-not-found" "There is no snapshot of this entity" "Snapshot not found";
    /// No such path.
    NO_ROUTE = 404 "no-such-route" "There is nothing at this path" "Not found";
    /// The path does not support the method.
    METHOD_NOT_ALLOWED = 405 "method-not-allowed" "The path does not support this method" "Invalid input";
    /// The path is a stream, and the request asks for neither form of it.
    UPGRADE_REQUIRED = 426 "upgrade-required" "This path is a stream" "Invalid input";
    /// An entity is not at the expected version.
    VERSION_CONFLICT = 409 "version-conflict" "The entity is at another version" "Concurrency error";
    /// A cursor does not belong to the store's history.
    CURSOR_REFUSED = 409 "cursor-refused" "The cursor does not belong to this history" "Invalid query";
    /// An entity is not at the version that a header expects.
    PRECONDITION_FAILED = 412 "version-conflict" "The entity is at another version" "Concurrency error";
    /// An id is taken by an event with other content.
    DUPLICATE_ID = 409 "duplicate-id" "The id is taken by another event" "Concurrency error";
    /// A key was used before with another body.
    KEY_REUSED = 422 "idempotency-key-reused" "The idempotency key was used with another body" "Invalid input";
    /// A request is larger than the limit.
    TOO_LARGE = 413 "too-large" "The request is too large" "Invalid input";
    /// The path does not accept the body's media type.
    UNSUPPORTED_TYPE = 415 "unsupported-media-type" "The content type is not supported here" "Invalid input";
    /// The body arrived too slowly.
    TIMEOUT = 408 "request-timeout" "The body did not arrive in time" "Invalid input";
    /// The body has an unsupported transfer coding.
    UNKNOWN_CODING = 501 "unknown-transfer-coding" "The transfer coding is not supported" "Invalid input";
    /// The queue or the memory budget is full.
    OVERLOADED = 503 "overloaded" "The store is overloaded" "Queue full";
    /// The disk is full.
    STORAGE_FULL = 507 "storage-full" "The disk is full" "Storage error";
    /// The store refuses appends for now.
    REFUSING = 503 "appends-refused" "Appends are refused for now" "Storage error";
    /// The store refuses appends until it is reopened.
    FENCED = 503 "fenced" "The store accepts no more events" "Storage error";
    /// The store cannot seal events now.
    NOT_SEALING = 503 "not-sealing" "Events cannot be sealed now" "Storage error";
    /// The events may or may not have been written.
    OUTCOME_UNKNOWN = 503 "outcome-unknown" "It is unknown whether the events were written" "Storage error";
    /// Another node accepts the events of this entity.
    NOT_OWNER = 503 "not-owner" "Another node accepts events of this entity" "Storage error";
    /// Stored data cannot be read now.
    UNAVAILABLE = 503 "unavailable" "Stored data cannot be read now" "Storage error";
    /// Stored data is damaged.
    DAMAGED = 500 "damaged" "Stored data is damaged" "Storage error";
    /// An earlier event could not be appended, so this one was not attempted.
    NOT_ATTEMPTED = 503 "not-attempted" "The event was not attempted" "Storage error";
    /// The server is stopping.
    STOPPING = 503 "stopping" "The server is stopping" "Internal error";
    /// A bug in the server.
    INTERNAL = 500 "internal" "The server failed to handle the request" "Internal error";
}
