//! Which events are meant: the conditions that commands on many events share.

use clap::Args;

use super::client::Parameter;
use super::times;

/// Conditions; they are joined by "and".
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only entities whose id begins like this
    #[arg(long, value_name = "PREFIX")]
    entity_prefix: Option<String>,
    /// Only events of this type; repeated: of any of them
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Vec<String>,
    /// Only events whose type begins like this; repeated: like any of them
    #[arg(long, value_name = "PREFIX")]
    prefix: Vec<String>,
    /// Only events whose type begins otherwise; repeated: in none of these ways
    #[arg(long, value_name = "PREFIX")]
    exclude_prefix: Vec<String>,
    /// Only events with this tag; repeated: with all of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only from this version of each entity on
    #[arg(long, value_name = "N")]
    from_version: Option<u64>,
    /// Only up to this version of each entity
    #[arg(long, value_name = "N")]
    to_version: Option<u64>,
    /// Only events that happened at this time or later
    #[arg(long, value_name = "TIME", value_parser = times::from)]
    since: Option<String>,
    /// Only events that happened at this time or earlier
    #[arg(long, value_name = "TIME", value_parser = times::until)]
    until: Option<String>,
    /// The same as --until: events say themselves when they happened, whenever they were recorded
    #[arg(long, value_name = "TIME", value_parser = times::until)]
    as_of: Option<String>,
    /// Begin with the first event recorded at this time or later
    #[arg(long, value_name = "TIME", value_parser = times::from)]
    from_time: Option<String>,
}

impl Filter {
    /// The query parameters that say the same.
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
