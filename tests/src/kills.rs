//! Kills a server repeatedly while clients append. After every start, each acknowledged event must be in its place
//! exactly once, and no event may be there that no client sent.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use ureq::Agent;
use uuid::{Builder, Uuid};

use crate::process::Process;

/// Number of clients appending concurrently.
const CLIENTS: u64 = 4;
/// Number of entities they append to.
const ENTITIES: u64 = 20;

/// A batch that a client intends to append.
#[derive(Clone)]
struct Intent {
    events: Vec<(Uuid, String, u64)>,
}

/// The clients' log: intents, recorded before sending, and the server's answers.
#[derive(Default)]
struct Log {
    intents: HashMap<Uuid, Intent>,
    /// Position and version of each acknowledged event.
    acknowledged: HashMap<Uuid, (u64, u64)>,
}

/// Counts of a campaign.
#[derive(Debug, Clone, Copy, Default)]
pub struct Survived {
    /// Kills.
    pub kills: u64,
    /// Kills before the server was ready.
    pub kills_while_starting: u64,
    /// Events acknowledged.
    pub acknowledged: u64,
    /// Events found at the end.
    pub found: u64,
}

/// Kills the server `program` on the store in `data` the given number of times.
///
/// # Errors
/// The promise it broke.
pub fn run(program: &Path, data: &Path, kills: u64, seed: u64) -> Result<Survived, String> {
    let (mut rng, log) = (Rng::with_seed(seed), Mutex::new(Log::default()));
    let (mut survived, mut starts) = (Survived::default(), HashSet::new());
    while survived.kills < kills {
        if rng.u8(..5) == 0 {
            let process = Process::start(program, data);
            thread::sleep(Duration::from_micros(rng.u64(..40_000)));
            process.kill();
            survived.kills += 1;
            survived.kills_while_starting += 1;
            continue;
        }
        let mut process = Process::start(program, data);
        let address = process.address().map_err(|said| format!("it does not start: {said}"))?;
        survived.found = check(&address, &log)?;
        check_starts(&address, &mut starts)?;
        append_until_killed(process, &address, &log, &mut rng);
        survived.kills += 1;
    }
    let mut process = Process::start(program, data);
    let address = process.address().map_err(|said| format!("it does not start: {said}"))?;
    survived.found = check(&address, &log)?;
    check_starts(&address, &mut starts)?;
    process.stop();
    survived.acknowledged = log.lock().map_err(|error| error.to_string())?.acknowledged.len() as u64;
    Ok(survived)
}

fn append_until_killed(process: Process, address: &str, log: &Mutex<Log>, rng: &mut Rng) {
    let is_over = AtomicBool::new(false);
    let pause = Duration::from_micros(rng.u64(1_000..250_000));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut rng = rng.fork();
            let is_over = &is_over;
            scope.spawn(move || {
                let agent =
                    Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().new_agent();
                while !is_over.load(Ordering::Relaxed) && append(&agent, address, log, &mut rng) {}
            });
        }
        thread::sleep(pause);
        process.kill();
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Appends a new batch, or one whose outcome is unknown. Returns false if the server is gone.
fn append(agent: &Agent, address: &str, log: &Mutex<Log>, rng: &mut Rng) -> bool {
    let intent = intend(log, rng);
    let events: Vec<Value> = intent
        .events
        .iter()
        .map(|(id, entity, number)| {
            json!({"id": id, "event_type": "killed.tested", "entity_id": entity, "payload": {"number": number}})
        })
        .collect();
    let url = format!("http://{address}/api/v1/events/batch");
    let answer = agent.post(url).content_type("application/json").send(json!({"events": events}).to_string());
    let Ok(mut answer) = answer else { return false };
    let Ok(text) = answer.body_mut().read_to_string() else { return false };
    let Ok(reply) = serde_json::from_str::<Value>(&text) else { return false };
    let mut log = log.lock().expect("no client panics");
    for event in reply["events"].as_array().into_iter().flatten() {
        let id = event["event_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        let place =
            (event["position"].as_u64().expect("a position"), event["version"].as_u64().expect("a version"));
        let before = log.acknowledged.insert(id, place);
        assert!(
            before.is_none_or(|before| before == place),
            "{id} was acknowledged at {before:?} and at {place:?}"
        );
    }
    true
}

/// Chooses a batch and records it. One in ten is an earlier batch, whatever its outcome.
fn intend(log: &Mutex<Log>, rng: &mut Rng) -> Intent {
    let mut log = log.lock().expect("no client panics");
    if rng.u8(..10) == 0
        && let Some(intent) = log.intents.values().next()
    {
        return intent.clone();
    }
    let count = if rng.u8(..4) == 0 { rng.u64(2..6) } else { 1 };
    let event = |_| {
        let id = Builder::from_random_bytes(rng.u128(..).to_le_bytes()).into_uuid();
        (id, format!("entity-{}", rng.u64(..ENTITIES)), rng.u64(..))
    };
    let intent = Intent { events: (0..count).map(event).collect() };
    for (id, ..) in &intent.events {
        log.intents.insert(*id, intent.clone());
    }
    intent
}

/// Compares the starts in the server's own log with those it has answered from before.
fn check_starts(address: &str, before: &mut HashSet<String>) -> Result<(), String> {
    let answer = ureq::get(format!("http://{address}/api/v1/system/starts?limit=1024")).call();
    let answer = answer.and_then(|mut answer| answer.body_mut().read_json::<Value>());
    let answer = answer.map_err(|error| format!("its starts cannot be read: {error}"))?;
    let starts = answer["starts"].as_array().into_iter().flatten();
    let starts: HashSet<String> =
        starts.filter_map(|start| start["incarnation"].as_str().map(str::to_owned)).collect();
    match before.difference(&starts).next() {
        Some(lost) => Err(format!("the start {lost} was recorded and is gone")),
        None if starts.len() == before.len() => Err("this start was not recorded".to_owned()),
        None => {
            *before = starts;
            Ok(())
        }
    }
}

/// Reads all events and compares them with the log. Returns the number of events.
fn check(address: &str, log: &Mutex<Log>) -> Result<u64, String> {
    let url = format!("http://{address}/api/v1/events/query");
    let answer = ureq::get(url).header("accept", "application/x-ndjson").call();
    let mut answer = answer.map_err(|error| format!("it cannot be read: {error}"))?;
    let text = answer.body_mut().with_config().limit(1 << 30).read_to_string();
    let text = text.map_err(|error| format!("it cannot be read to the end: {error}"))?;
    let log = log.lock().map_err(|error| error.to_string())?;
    let (mut found, mut versions) = (HashMap::new(), HashMap::new());
    let mut recorded_at = String::new();
    for (line, position) in text.lines().zip(1..) {
        let event: Value = serde_json::from_str(line).map_err(|error| format!("{error} in {line}"))?;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let id: Uuid = text("id").parse().map_err(|error| format!("{error} in {line}"))?;
        let version = versions.entry(text("entity_id")).or_insert(0);
        *version += 1;
        if (event["position"].as_u64(), event["version"].as_u64()) != (Some(position), Some(*version)) {
            return Err(format!("a gap: expected position {position} and version {version}, found {line}"));
        }
        if text("recorded_at").len() == recorded_at.len() && text("recorded_at") <= recorded_at {
            return Err(format!("recorded no later than the previous event: {line}"));
        }
        recorded_at = text("recorded_at");
        let Some(intent) = log.intents.get(&id) else { return Err(format!("no client appended {line}")) };
        let is_meant = |(meant, entity, number): &(Uuid, String, u64)| {
            *meant == id && *entity == text("entity_id") && event["payload"]["number"] == *number
        };
        if !intent.events.iter().any(is_meant) {
            return Err(format!("not what the client sent: {line}"));
        }
        if found.insert(id, (position, *version)).is_some() {
            return Err(format!("stored twice: {line}"));
        }
    }
    for (id, place) in &log.acknowledged {
        if found.get(id) != Some(place) {
            return Err(format!("{id} was acknowledged at {place:?} but is at {:?}", found.get(id)));
        }
    }
    let ids: HashSet<Uuid> = found.keys().copied().collect();
    let is_torn = |intent: &Intent| {
        let there = intent.events.iter().filter(|(id, ..)| ids.contains(id)).count();
        there > 0 && there < intent.events.len()
    };
    match log.intents.values().find(|intent| is_torn(intent)) {
        Some(intent) => Err(format!("only part of a batch was stored: {:?}", intent.events)),
        None => Ok(found.len() as u64),
    }
}
