//! A batch in one JSON body.

use allsource_engine::AppendError;
use allsource_format::limits::FRAME_EVENTS_MAX;
use axum::http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::admission::{Admitted, Ended, Events, InOrder, Settled, Terms};
use crate::app::App;
use crate::budget::{Buffer, Charge, Hold};
use crate::http::reply::{Reply, charged, json as json_body};
use crate::http::routes::append::mark_replayed;
use crate::problem::{Kind, Problem};
use crate::wire::{batch_working_bytes, parse_batch, parse_event, write_commit};

/// Most problems to list.
const LISTED_MAX: usize = 100;
/// About how many bytes an appended event takes in an answer, and one that could not be appended.
const COMMIT_BYTES: usize = 192;
const PROBLEM_BYTES: usize = 640;

pub(super) async fn append(app: &App, terms: &Terms, body: Buffer) -> Reply {
    let bytes = body.len();
    let parse = {
        let terms = terms.clone();
        move || Parsed::of(&terms, body)
    };
    let parsed = app.store().compute(bytes, parse).await??;
    match parsed.events {
        Admitting::All(events) if events.is_empty() => {
            let mut out = head(0, 0, 0);
            out.extend_from_slice(b"]}");
            Ok(json_body(out))
        }
        Admitting::All(events) => {
            let charge = Hold::from(parsed.charge);
            let events = Events::from(events).charged_to(charge.clone());
            all_or_nothing(app, terms, events, charge).await
        }
        Admitting::Each(events) => each_alone(app, terms, events, parsed.charge).await,
    }
}

/// A parsed batch.
struct Parsed {
    events: Admitting,
    /// The charge of the events and of what appending them takes.
    charge: Charge,
}

enum Admitting {
    /// All of them, or none.
    All(Vec<Admitted>),
    /// Each on its own: admitted, or the text of the problem.
    Each(Vec<Result<Admitted, Box<str>>>),
}

impl Parsed {
    fn of(terms: &Terms, body: Buffer) -> Result<Self, Problem> {
        let (body, mut charge) = body.into_parts();
        let batch = parse_batch(&body)?;
        let count = batch.events.count();
        if count > FRAME_EVENTS_MAX {
            let what = "number of events in a batch";
            return Err(AppendError::TooLarge { what, actual: count, limit: FRAME_EVENTS_MAX }.into());
        }
        charge.grow_by_derived(batch_working_bytes(body.len(), count))?;
        let is_atomic = batch.atomic.unwrap_or(true) || count == 0;
        let mut admitted = batch.events.iter().enumerate().map(|(index, text)| {
            let event = parse_event(text.get().as_bytes())?;
            terms.admit(&event, index as u64, event.expected())
        });
        let events = if is_atomic {
            Admitting::All(all(&mut admitted)?)
        } else {
            Admitting::Each(admitted.map(|one| one.map_err(|problem| text_of(&problem))).collect())
        };
        Ok(Self { events, charge })
    }
}

/// All events, or the problem of those that are refused.
fn all(admitted: impl Iterator<Item = Result<Admitted, Problem>>) -> Result<Vec<Admitted>, Problem> {
    let (mut passed, mut refused, mut count) = (Vec::new(), Vec::new(), 0);
    for (index, one) in admitted.enumerate() {
        match one {
            Ok(one) if refused.is_empty() => passed.push(one),
            Ok(_) => {}
            Err(problem) => {
                count += 1;
                if refused.len() < LISTED_MAX {
                    refused.push((index, problem));
                }
            }
        }
    }
    if refused.is_empty() { Ok(passed) } else { Err(invalid_batch(&refused, count)) }
}

fn text_of(problem: &Problem) -> Box<str> {
    problem.to_value().to_string().into_boxed_str()
}

async fn all_or_nothing(app: &App, terms: &Terms, events: Events, charge: Hold) -> Reply {
    let commit = app.admission().append(terms, &events).await.map_err(|error| match error {
        AppendError::Invalid { index, problem } => invalid_batch(&[(index, problem.into())], 1),
        error => terms.problem(error.into()),
    })?;
    let total = events.len();
    let partitions = app.store().partitions();
    let is_replayed = commit.events.iter().all(|committed| committed.replayed);
    let write = move || {
        let mut out = head(total, total, total * COMMIT_BYTES);
        for (place, (one, committed)) in events.iter().zip(&commit.events).enumerate() {
            separate(&mut out, place);
            write_commit(&mut out, one.entity(), committed, commit.acknowledged, partitions);
        }
        out.extend_from_slice(b"]}");
        out
    };
    let out = app.store().compute(total * COMMIT_BYTES, write).await?;
    let mut response = charged(out, charge);
    mark_replayed(terms, is_replayed, &mut response);
    Ok(response)
}

/// The problem of a batch of which `count` events are refused, the first of them listed.
fn invalid_batch(refused: &[(usize, Problem)], count: usize) -> Problem {
    let listed = refused.iter().map(|(index, problem)| {
        let text = |name| problem.member(name).and_then(Value::as_str);
        let within = text("pointer").map(str::to_owned).or_else(|| Some(format!("/{}", text("field")?)));
        json!({
            "pointer": format!("/events/{index}{}", within.unwrap_or_default()),
            "type": problem.kind().path(),
            "detail": problem.detail(),
        })
    });
    let errors: Vec<Value> = listed.collect();
    #[expect(clippy::expect_used, reason = "callers have found a refused event")]
    let (index, first) = refused.first().expect("an event is refused");
    let how_many = if count == 1 { "an event is".to_owned() } else { format!("{count} events are") };
    let detail = format!("{how_many} not valid; events[{index}]: {}", first.detail());
    let kind = if count == 1 { first.kind() } else { Kind::INVALID_BATCH };
    Problem::new(kind, detail).with("errors", errors)
}

async fn each_alone(
    app: &App,
    terms: &Terms,
    admitted: Vec<Result<Admitted, Box<str>>>,
    charge: Charge,
) -> Reply {
    let total = admitted.len();
    let (mut passed, mut refusals) = (Vec::new(), Vec::with_capacity(total));
    for one in admitted {
        match one {
            Ok(one) => {
                passed.push(one);
                refusals.push(None);
            }
            Err(text) => refusals.push(Some(text)),
        }
    }
    let charge = Hold::from(charge);
    let passed = Events::from(passed).charged_to(charge.clone());
    app.admission().check_key(terms, &passed, total).await?;
    let InOrder { settled, ended } = app.admission().append_in_order(&passed).await;
    let is_all = settled.iter().filter(|one| one.is_ok()).count() == total;
    let is_replayed =
        is_all && settled.iter().flatten().all(|(committed, _)| committed.replayed) && terms.key().is_some();
    let (terms, partitions) = (terms.clone(), app.store().partitions());
    let write = move || {
        let ingested = settled.iter().filter(|one| one.is_ok()).count();
        let refused_bytes: usize = refusals.iter().flatten().map(|text| text.len()).sum();
        let failed = passed.len() - ingested;
        let mut out = head(total, ingested, refused_bytes + ingested * COMMIT_BYTES + failed * PROBLEM_BYTES);
        let mut outcomes = settled.into_iter().map(Outcome::Settled).chain(unsettled(ended, passed.len()));
        let mut events = passed.iter();
        for (place, refusal) in refusals.into_iter().enumerate() {
            separate(&mut out, place);
            let problem = match refusal {
                Some(text) => text,
                None => match (events.next(), outcomes.next()) {
                    (Some(one), Some(Outcome::Settled(Ok((committed, acknowledged))))) => {
                        write_commit(&mut out, one.entity(), &committed, acknowledged, partitions);
                        continue;
                    }
                    (_, Some(Outcome::Settled(Err(error)))) => text_of(&terms.problem(error.into())),
                    (_, Some(Outcome::Ended(problem))) => text_of(&problem),
                    (_, None) | (None, _) => unreachable!("every event is settled or ended"),
                },
            };
            out.extend_from_slice(problem.as_bytes());
        }
        out.extend_from_slice(b"]}");
        out
    };
    let out = app.store().compute(total * COMMIT_BYTES, write).await?;
    let mut response = charged(out, charge);
    if !is_all {
        *response.status_mut() = StatusCode::MULTI_STATUS;
    }
    if is_replayed {
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

/// The beginning of an answer, with room for this many bytes of items.
fn head(total: usize, ingested: usize, bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + total + 128);
    out.extend_from_slice(format!("{{\"total\":{total},\"ingested\":{ingested},\"events\":[").as_bytes());
    out
}

fn separate(out: &mut Vec<u8>, place: usize) {
    if place > 0 {
        out.push(b',');
    }
}
