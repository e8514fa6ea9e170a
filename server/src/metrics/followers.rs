//! How far the background work is.

use std::fmt;

use allsource_engine::Position;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::background::{Follower, Progress};

/// Encodes the progress of every worker that follows a log.
#[derive(Debug)]
pub(super) struct FollowersCollector(pub(super) Vec<Follower>);

impl Collector for FollowersCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        type Value = fn(&Progress) -> u64;
        let levels: [(&str, &str, Value); 2] = [
            (
                "background_position",
                "The position up to which background work has taken its log.",
                |progress| progress.through.map_or(0, Position::value),
            ),
            ("background_failing", "1: background work failed and rests.", |progress| {
                u64::from(progress.failure.is_some())
            }),
        ];
        for (name, help, value) in levels {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for follower in &self.0 {
                let value = i64::try_from(value(&follower.progress())).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&[("work", follower.name())])?)?;
            }
        }
        Ok(())
    }
}
