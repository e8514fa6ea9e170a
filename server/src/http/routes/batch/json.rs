//! A batch in one JSON body.

use allsource_engine::AppendError;
use axum::http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::admission::{Admitted, Ended, InOrder, Settled, Terms};
use crate::app::App;
use crate::http::reply::{Reply, json as json_body};
use crate::http::routes::append::mark_replayed;
use crate::problem::{Kind, Problem};
use crate::wire::{parse_batch, parse_event, to_json, write_commit};

/// Most problems to list.
const LISTED_MAX: usize = 100;

pub(super) async fn append(app: &App, terms: &Terms, bytes: &[u8]) -> Reply {
    let batch = parse_batch(bytes)?;
    let admit = |(index, raw): (usize, &&serde_json::value::RawValue)| {
        let body = parse_event(raw.get().as_bytes())?;
        terms.admit(&body, index as u64, body.expected())
    };
    let admitted: Vec<Result<Admitted, Problem>> = batch.events.iter().enumerate().map(admit).collect();
    let is_atomic = batch.atomic.unwrap_or(true);
    let passed: Vec<Admitted> = admitted.iter().flatten().cloned().collect();
    if passed.is_empty() && admitted.is_empty() {
        return Ok(json_body(to_json(&json!({"total": 0, "ingested": 0, "events": []}))));
    }
    if is_atomic {
        return all_or_nothing(app, terms, admitted).await;
    }
    app.admission().check_key(terms, &passed, admitted.len()).await?;
    each_alone(app, terms, admitted).await
}

async fn all_or_nothing(app: &App, terms: &Terms, admitted: Vec<Result<Admitted, Problem>>) -> Reply {
    let refused: Vec<(usize, &Problem)> =
        admitted.iter().enumerate().filter_map(|(index, one)| Some((index, one.as_ref().err()?))).collect();
    if let Some((index, first)) = refused.first() {
        return Err(invalid_batch(&refused, *index, first));
    }
    let admitted: Vec<Admitted> = admitted.into_iter().flatten().collect();
    let commit = app.admission().append(terms, &admitted).await.map_err(|error| match error {
        AppendError::Invalid { index, problem } => {
            let problem = problem.into();
            invalid_batch(&[(index, &problem)], index, &problem)
        }
        error => terms.problem(error.into()),
    })?;
    let total = admitted.len();
    let mut out = head(total, total);
    for (place, (one, committed)) in admitted.iter().zip(&commit.events).enumerate() {
        separate(&mut out, place);
        write_commit(&mut out, one.entity(), committed, commit.acknowledged, app.store().partitions());
    }
    out.extend_from_slice(b"]}");
    let mut response = json_body(out);
    mark_replayed(terms, &commit, &mut response);
    Ok(response)
}

fn invalid_batch(refused: &[(usize, &Problem)], index: usize, first: &Problem) -> Problem {
    let listed = refused.iter().take(LISTED_MAX).map(|(index, problem)| {
        let text = |name| problem.member(name).and_then(Value::as_str);
        let within = text("pointer").map(str::to_owned).or_else(|| Some(format!("/{}", text("field")?)));
        json!({
            "pointer": format!("/events/{index}{}", within.unwrap_or_default()),
            "type": problem.kind().path(),
            "detail": problem.detail(),
        })
    });
    let how_many =
        if refused.len() == 1 { "an event is".to_owned() } else { format!("{} events are", refused.len()) };
    let detail = format!("{how_many} not valid; events[{index}]: {}", first.detail());
    let errors: Vec<Value> = listed.collect();
    let kind = if refused.len() == 1 { first.kind() } else { Kind::INVALID_BATCH };
    Problem::new(kind, detail).with("errors", errors)
}

async fn each_alone(app: &App, terms: &Terms, admitted: Vec<Result<Admitted, Problem>>) -> Reply {
    let total = admitted.len();
    let passed: Vec<Admitted> = admitted.iter().flatten().cloned().collect();
    let InOrder { settled, ended } = app.admission().append_in_order(&passed).await;
    let mut outcomes = settled.into_iter().map(Outcome::Settled).chain(unsettled(ended, passed.len()));
    let (mut items, mut ingested, mut replayed) = (Vec::new(), 0, 0);
    for (place, one) in admitted.into_iter().enumerate() {
        let problem = match one {
            Err(problem) => problem,
            Ok(one) => match outcomes.next() {
                Some(Outcome::Settled(Ok((committed, acknowledged)))) => {
                    separate(&mut items, place);
                    let partitions = app.store().partitions();
                    write_commit(&mut items, one.entity(), &committed, acknowledged, partitions);
                    ingested += 1;
                    replayed += usize::from(committed.replayed);
                    continue;
                }
                Some(Outcome::Settled(Err(error))) => terms.problem(error.into()),
                Some(Outcome::Ended(problem)) => problem,
                None => unreachable!("every event is settled or ended"),
            },
        };
        separate(&mut items, place);
        items.extend_from_slice(problem.to_value().to_string().as_bytes());
    }
    let mut out = head(total, ingested);
    out.extend_from_slice(&items);
    out.extend_from_slice(b"]}");
    let mut response = json_body(out);
    if ingested < total {
        *response.status_mut() = StatusCode::MULTI_STATUS;
    }
    if terms.key().is_some() && replayed == total {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

enum Outcome {
    Settled(Settled),
    Ended(Problem),
}

/// The outcomes of the unsettled events: first of those that the failure is about, then of the rest.
fn unsettled(ended: Option<Ended>, total: usize) -> impl Iterator<Item = Outcome> {
    ended.into_iter().flat_map(move |Ended { count, error }| {
        let detail =
            format!("an earlier event could not be appended, so this one was not attempted: {error}");
        let rest = Problem::new(Kind::NOT_ATTEMPTED, detail);
        let concerned = std::iter::repeat_n(Problem::from(error), count);
        concerned.chain(std::iter::repeat_n(rest, total)).map(Outcome::Ended)
    })
}

fn head(total: usize, ingested: usize) -> Vec<u8> {
    format!("{{\"total\":{total},\"ingested\":{ingested},\"events\":[").into_bytes()
}

fn separate(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}
