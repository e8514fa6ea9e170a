//! `allsource bench`: measures the engine on this machine, beside what its disk alone can do.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use crate::measure::{self, Durations, Floor, MeasureError};
use crate::numbers;
use allsource_engine::Engine;
use allsource_engine::platform::LocalDisk;
use clap::Args;
use serde_json::{Value, json};

use super::failure::{Failure, Outcome};
use super::terminal::{self, Format, Output};

/// Appends in flight at once.
const WINDOW: usize = 64;

/// Measure the engine on this machine, beside what its disk alone can do
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  allsource bench\n  allsource bench --data /mnt/disk/bench --scale 10 --output json"
)]
pub(super) struct Bench {
    /// Folder to work in, on the disk to measure; it must not exist, and is not removed
    #[arg(long, value_name = "DIR", default_value = "bench-data")]
    data: PathBuf,
    /// Factor by which to lengthen the measurement
    #[arg(long, value_name = "N", default_value = "1", value_parser = numbers::within::<u16>(1..=1000))]
    scale: u16,
    #[command(flatten)]
    pub(super) format: Format,
}

/// A line of the result.
struct Line {
    what: &'static str,
    measured: String,
    floor: String,
    ratio: f64,
    goal: &'static str,
}

impl From<MeasureError> for Failure {
    fn from(error: MeasureError) -> Self {
        Self::new(format!("cannot measure: {error}"))
    }
}

impl Bench {
    pub(super) fn run(self) -> Outcome {
        let engine = Engine::open(self.data.join("store")).map_err(|error| {
            Failure::new(error.to_string()).advise("choose a folder with --data that does not exist")
        })?;
        let disk = Arc::new(LocalDisk::new(self.data.join("floor")));
        allsource_engine::platform::Disk::create_dir(&*disk, "")?;
        let mut floor = Floor::new(&*disk)?;
        let mut lines = appends(&engine, &mut floor, u64::from(self.scale))?;
        lines.extend(reads(&engine, usize::from(self.scale))?);
        engine.close();
        self.print(&lines)?;
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, lines: &[Line]) -> std::io::Result<()> {
        if self.format.output == Output::Table {
            let row = |line: &Line| {
                let ratio = format!("{:.2}", line.ratio);
                [line.what, &line.measured, &line.floor, &ratio, line.goal].map(str::to_owned).to_vec()
            };
            let columns = ["WHAT", "MEASURED", "FLOOR", "RATIO", "GOAL"];
            return terminal::table(&columns, lines.iter().map(row).collect());
        }
        let object = |line: &Line| {
            json!({"what": line.what, "measured": line.measured, "floor": line.floor, "ratio": line.ratio,
                "goal": line.goal})
        };
        let objects: Vec<Value> = lines.iter().map(object).collect();
        match self.format.output {
            Output::Ndjson => objects.iter().try_for_each(|object| terminal::say(&object.to_string())),
            _ => terminal::say(&Value::from(objects).to_string()),
        }
    }
}

fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

fn appends(engine: &Engine, floor: &mut Floor, scale: u64) -> Result<Vec<Line>, MeasureError> {
    floor.blocks(200)?;
    measure::in_flight(engine, WINDOW, 20_000)?;
    let one = measure::one_writer(engine, floor, 3_000 * scale)?;
    let (append, write) = (one.engine.median(), one.floor.median());
    let alone = measure::rate(1, append);
    let many = measure::in_flight(engine, WINDOW, 200_000 * scale)?;
    let batches = measure::batches(engine, floor, 300 * scale)?;
    Ok(vec![
        Line {
            what: "one writer, one event: median",
            measured: format!("{append:.0?}"),
            floor: format!("{write:.0?}"),
            ratio: append.as_secs_f64() / write.as_secs_f64(),
            goal: "at most 1.6 floors",
        },
        Line {
            what: "64 appends in flight",
            measured: per_second(many),
            floor: format!("{} alone", per_second(alone)),
            ratio: many / alone,
            goal: "at least 25 times one writer",
        },
        Line {
            what: "batches of 1,000 events of 300 bytes",
            measured: per_second(batches.engine),
            floor: per_second(batches.floor),
            ratio: batches.engine / batches.floor,
            goal: "at least 0.5 floors",
        },
        Line {
            what: "processor time for an event of a batch",
            measured: format!("{:?}", batches.cpu_per_event),
            floor: "1µs".to_owned(),
            ratio: batches.cpu_per_event.as_secs_f64() / 1e-6,
            goal: "at most 1",
        },
    ])
}

fn reads(engine: &Engine, scale: usize) -> Result<Vec<Line>, MeasureError> {
    let entity = measure::entity(engine, "read-me", 100)?;
    let line = |what, took: &Durations, most: f64| Line {
        what,
        measured: format!("{:.1?}", took.median()),
        floor: format!("{most}µs"),
        ratio: took.median().as_secs_f64() / (most * 1e-6),
        goal: "at most 1",
    };
    Ok(vec![
        line("100 events of an entity: median", &measure::reads(engine, &entity, 5_000 * scale)?, 10.0),
        line("state of it: median", &measure::folds(engine, &entity, 5_000 * scale)?, 30.0),
    ])
}
