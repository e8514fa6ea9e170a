//! The store's own counters.

use std::fmt;

use allsource_engine::{Health, TaskReport};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::store::Vitals;

/// Encodes the store's own metrics.
#[derive(Debug)]
pub(super) struct VitalsCollector(pub(super) Vitals);

impl Collector for VitalsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Vitals { counters, stats, health, upkeep } = &self.0;
        let counted = [
            ("events_ingested", "Events appended since the start.", counters.events_appended),
            ("appends", "Appends that succeeded.", counters.appends),
            ("append_conflicts", "Appends refused over an expected version.", counters.conflicts),
            ("append_replays", "Events that were stored before and answered again.", counters.replays),
            ("append_overloads", "Appends refused because the queue was full.", counters.overloads),
            ("journal_rounds", "Group commits.", counters.rounds),
            ("journal_bytes", "Bytes written to the journal.", counters.journal_bytes),
            ("seals", "Tails sealed.", counters.seals),
            ("sealed_bytes", "Bytes of segments written by sealing.", counters.sealed_bytes),
            ("compactions", "Merges of generations.", counters.merges),
            ("compaction_bytes", "Bytes of segments written by merging.", counters.merged_bytes),
            ("scrubbed_bytes", "Bytes of sealed files read again and checked.", counters.scrubbed_bytes),
        ];
        for (name, help, value) in counted {
            one(&mut encoder, name, help, &ConstCounter::new(value))?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a metric may round")]
        let sync_seconds = counters.sync_micros as f64 / 1e6;
        one(&mut encoder, "journal_sync_seconds", "Time spent in syncs.", &ConstCounter::new(sync_seconds))?;
        #[expect(clippy::cast_precision_loss, reason = "a metric may round")]
        let stalled = counters.stalled_micros as f64 / 1e6;
        let stalled = ConstCounter::new(stalled);
        one(&mut encoder, "stalled_seconds", "Time appends waited for sealing.", &stalled)?;
        #[expect(clippy::cast_precision_loss, reason = "a metric may round")]
        let behind = counters.clock_behind_micros as f64 / 1e6;
        one(
            &mut encoder,
            "clock_behind_seconds",
            "Time by which the clock is behind the last stored event.",
            &ConstGauge::new(behind),
        )?;
        let levels = [
            ("queue_bytes", "Bytes of appends in the queue.", counters.queue_bytes),
            ("watermark", "The highest durable position.", counters.watermark),
            ("sealed_position", "The highest position in sealed files.", counters.sealed_position),
            ("generations", "Generations of sealed files.", counters.generations),
            ("damaged_files", "Files in which damage was found.", counters.damaged_files),
            (
                "storage_full",
                "1: appends are refused because the disk is full",
                u64::from(matches!(health, Health::StorageFull { .. })),
            ),
            (
                "refusing",
                "1: appends are refused for another temporary reason",
                u64::from(matches!(health, Health::Refusing(_))),
            ),
            (
                "fenced",
                "1: appends are refused until a restart",
                u64::from(matches!(health, Health::Fenced(_))),
            ),
        ];
        encode_upkeep(&mut encoder, upkeep)?;
        // A size that cannot be read is left out: no value is better than a wrong one.
        let sizes = stats.as_ref().map(|stats| {
            [
                ("storage_events", "Events in the store.", stats.events),
                ("storage_entities", "Entities in the store.", stats.entities),
                ("storage_event_types", "Event types in the store.", stats.event_types),
            ]
        });
        for (name, help, value) in levels.into_iter().chain(sizes.into_iter().flatten()) {
            one(&mut encoder, name, help, &ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)))?;
        }
        Ok(())
    }
}

fn encode_upkeep(encoder: &mut DescriptorEncoder<'_>, upkeep: &[TaskReport]) -> Result<(), fmt::Error> {
    type Value = fn(&TaskReport) -> u64;
    let counted: [(&str, &str, Value); 2] = [
        ("upkeep_steps", "Steps of upkeep that did something.", |task| task.steps),
        ("upkeep_failures", "Steps of upkeep that failed.", |task| task.failures),
    ];
    for (name, help, value) in counted {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for task in upkeep {
            ConstCounter::new(value(task)).encode(family.encode_family(&[("task", task.name)])?)?;
        }
    }
    Ok(())
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), fmt::Error> {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
