//! HTTP: the only room that knows axum. Routes are thin; what they do is done below.

mod reply;
mod params;
mod path;
mod caller;
mod filter;
mod positions;
mod metered;
mod body;
mod chunks;
mod clock;
mod lend;
mod framing;
mod resource;
mod middleware;
mod routes;
mod listeners;
mod patience;
mod socket;
mod serve;

pub use listeners::Listeners;
pub use routes::router;
pub use serve::serve;
