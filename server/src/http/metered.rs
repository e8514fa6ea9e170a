//! Charges answers to the server's memory budget until the client has read them.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use super::kept::{IsCharged, kept};
use crate::budget::{Budget, Exhausted};
use crate::problem::Problem;

/// Answers of fewer bytes are not charged: every connection has a buffer of that size.
const UNCHARGED_BYTES: u64 = 8 << 10;

/// An answer whose body stays charged until the client has read it, or a refusal if there is no room. A body of unknown
/// length charges its pieces itself.
pub(super) fn leaving(mut response: Response, budget: &Budget) -> Response {
    let length = response.body().size_hint().exact().unwrap_or(0);
    if response.extensions_mut().remove::<IsCharged>().is_some() || length < UNCHARGED_BYTES {
        return response;
    }
    let mut charge = budget.charge();
    if charge.grow_to(usize::try_from(length).unwrap_or(usize::MAX)).is_err() {
        return Problem::from(Exhausted).into_response();
    }
    let mut charge = Some(charge);
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            frame.map_data(|bytes| match charge.take() {
                Some(charge) => kept(bytes, charge),
                None => bytes,
            })
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_charged_until_the_client_has_taken_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let budget = Budget::sized(96 << 20);
            let answer = || Body::from(vec![b'x'; 50 << 20]).into_response();
            let first = leaving(answer(), &budget);
            assert_eq!(leaving(answer(), &budget).status().as_u16(), 503);
            let bytes = first.into_body().collect().await.expect("a body").to_bytes();
            assert_eq!(budget.charged(), 50 << 20, "it is not written yet");
            drop(bytes);
            assert_eq!(budget.charged(), 0);
        });
    }
}
