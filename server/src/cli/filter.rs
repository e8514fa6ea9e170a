//! The conditions that commands on many events share.

use clap::Args;

use super::client::Parameter;
use super::times;
use crate::numbers;

/// Conditions on events; an event must meet all of them.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only entities whose id begins with this
    #[arg(long, value_name = "PREFIX")]
    entity_prefix: Option<String>,
    /// Only events of this type; if repeated, of any of these types
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Vec<String>,
    /// Only events whose type begins with this; if repeated, with any of these
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<String>,
    /// Only events whose type does not begin with this; if repeated, with none of these
    #[arg(long, value_name = "PREFIX")]
    exclude_prefix: Vec<String>,
    /// Only events with this tag; if repeated, with all of these tags
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only from this version of each entity on
    #[arg(long, value_name = "N", value_parser = numbers::from_one, allow_negative_numbers = true)]
    from_version: Option<u64>,
    /// Only up to this version of each entity
    #[arg(long, value_name = "N", value_parser = numbers::from_zero, allow_negative_numbers = true)]
    to_version: Option<u64>,
    /// Only events with this timestamp or a later one
    #[arg(long, value_name = "TIME", value_parser = times::from)]
    since: Option<String>,
    /// Only events with this timestamp or an earlier one
    #[arg(long, value_name = "TIME", value_parser = times::until)]
    until: Option<String>,
    /// Same as --until: compares the timestamp of the event, not the time of its commit
    #[arg(long, value_name = "TIME", value_parser = times::until)]
    as_of: Option<String>,
    /// Begin with the first event recorded at this time or later
    #[arg(long, value_name = "TIME", value_parser = times::from)]
    from_time: Option<String>,
}

impl Filter {
    /// The conditions as query parameters.
    pub(super) fn parameters(&self) -> Vec<Parameter<'static>> {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let mut parameters = vec![
            Parameter("entity_id_prefix", self.entity_prefix.clone()),
            Parameter("from_version", number(self.from_version)),
            Parameter("to_version", number(self.to_version)),
            Parameter("since", self.since.clone()),
            Parameter("until", self.until.clone()),
            Parameter("as_of", self.as_of.clone()),
            Parameter("from_time", self.from_time.clone()),
        ];
        let repeated = [
            ("event_type", &self.event_type),
            ("event_type_prefix", &self.prefix),
            ("exclude_event_type_prefix", &self.exclude_prefix),
            ("tag", &self.tag),
        ];
        for (name, values) in repeated {
            parameters.extend(values.iter().map(|value| Parameter(name, Some(value.clone()))));
        }
        parameters
    }
}
