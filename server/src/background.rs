//! What the server does beside answering requests.

mod tasks;
mod clock;
mod health;

pub(crate) use clock::if_far as clock_lag;
pub use health::watch as watch_health;
pub use tasks::{Member, Tasks};
