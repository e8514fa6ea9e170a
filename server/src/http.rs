//! HTTP: the only module that knows axum. Routes are thin; the modules below do the work.

mod kept;
mod socket;
mod reply;
mod params;
mod path;
mod headers;
mod caller;
mod filter;
mod positions;
mod metered;
mod arriving;
mod body;
mod chunks;
mod lend;
mod framing;
mod resource;
mod middleware;
mod routes;
mod idle;
mod listeners;
mod patience;
mod accept;

pub use accept::accept;
pub use listeners::Listeners;
pub use routes::router;
