//! Every path of the server.

/// Paths, as they are named in metrics.
pub(super) const PATHS: [&str; 15] = [
    "/api/v1/events",
    "/api/v1/events/batch",
    "/api/v1/events/query",
    "/api/v1/events/stream",
    "/api/v1/events/{id}",
    "/api/v1/entities/{id}/state",
    "/api/v1/entities/{id}/snapshot",
    "/api/v1/snapshots",
    "/api/v1/snapshots/{id}/latest",
    "/api/v1/stats",
    "/api/v1/maintenance/seal",
    "/health",
    "/healthz",
    "/readyz",
    "/metrics",
];
