//! Precedence of the sources of a setting, and what is refused.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use allsource_engine::{Durability, Options, ReadMode};

use super::{Config, ConfigError, LogFormat, Settings, environment, file};

fn resolve(flags: Settings, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Config::resolve(flags, &|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn refusal(flags: Settings, variables: &[(&str, &str)]) -> String {
    resolve(flags, variables).unwrap_err().to_string()
}

fn addresses(config: &Config) -> String {
    config.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn listening_on(address: &str) -> Settings {
    Settings { listen: Some(address.to_owned()), ..Settings::default() }
}

#[expect(clippy::disallowed_methods, reason = "a configuration file is not part of a store")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn with_nothing_said_the_server_is_local_and_durable() {
    let config = resolve(Settings::default(), &[]).unwrap();
    assert_eq!(addresses(&config), "127.0.0.1:8080");
    assert_eq!(config.data, Path::new("data"));
    assert_eq!(config.options.durability, Durability::Sync);
    assert_eq!((config.log_format, config.log_level.as_str()), (LogFormat::Text, "info"));
    assert!(!config.state_history);
    assert!(resolve(Settings::default(), &[("ALLSOURCE_STATE_HISTORY", "true")]).unwrap().state_history);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allsource.toml");
    write(
        &path,
        "listen = \"127.0.0.1:1\"\ndata = \"from-file\"\npartitions = 8\ndurability = \"interval\"\nsync_interval_ms = 25\n",
    );
    let flags = Settings { config: Some(path.clone()), ..listening_on("127.0.0.1:3") };
    let environment = [("ALLSOURCE_LISTEN", "127.0.0.1:2"), ("ALLSOURCE_DATA", "from-environment")];
    let config = resolve(flags, &environment).unwrap();
    assert_eq!(addresses(&config), "127.0.0.1:3");
    assert_eq!(config.data, Path::new("from-environment"));
    assert_eq!(config.options.partitions, 8);
    assert_eq!(config.options.durability, Durability::Interval(Duration::from_millis(25)));

    let config = resolve(Settings::default(), &[("ALLSOURCE_CONFIG", path.to_str().unwrap())]).unwrap();
    assert_eq!((addresses(&config).as_str(), config.data.as_path()), ("127.0.0.1:1", Path::new("from-file")));
}

#[test]
fn what_is_sealed_kept_and_checked_again_is_set_like_everything_else() {
    let upkeep = |options: &Options| {
        let Options { seal_bytes, read_mode, snapshot_events, scrub_bytes_per_second, .. } = *options;
        (seal_bytes, read_mode, snapshot_events, scrub_bytes_per_second)
    };
    let config = resolve(Settings::default(), &[]).unwrap();
    assert_eq!(upkeep(&config.options), (128 << 20, ReadMode::Map, 100, 4 << 20));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("allsource.toml");
    write(&path, "seal_bytes = 1\nread_mode = \"mmap\"\nsnapshot_events = 2\nscrub_bytes_per_second = 3\n");
    let flags = Settings { config: Some(path), snapshot_events: Some(0), ..Settings::default() };
    let environment = [
        ("ALLSOURCE_READ_MODE", "pread"),
        ("ALLSOURCE_SNAPSHOT_EVENTS", "9"),
        ("ALLSOURCE_SCRUB_BYTES_PER_SECOND", "0"),
    ];
    let config = resolve(flags, &environment).unwrap();
    assert_eq!(upkeep(&config.options), (1, ReadMode::Read, 0, 0));
    let sealing = resolve(Settings::default(), &[("ALLSOURCE_SEAL_BYTES", "65536")]).unwrap();
    assert_eq!(sealing.options.seal_bytes, 65_536);
}

#[test]
fn the_older_variables_still_work_and_lose_to_the_newer() {
    let older = [("ALLSOURCE_PORT", "9000"), ("ALLSOURCE_DATA_DIR", "older")];
    let config = resolve(Settings::default(), &older).unwrap();
    assert_eq!((addresses(&config).as_str(), config.data.as_path()), ("127.0.0.1:9000", Path::new("older")));
    let both = [older[0], older[1], ("ALLSOURCE_LISTEN", "[::1]:7"), ("ALLSOURCE_DATA", "newer")];
    let config = resolve(Settings::default(), &both).unwrap();
    assert_eq!((addresses(&config).as_str(), config.data.as_path()), ("[::1]:7", Path::new("newer")));
    let v6 = resolve(Settings::default(), &[("ALLSOURCE_HOST", "::1"), ("ALLSOURCE_PORT", "5")]).unwrap();
    assert_eq!(addresses(&v6), "[::1]:5");
}

#[test]
fn a_key_that_means_nothing_is_refused_with_the_nearest_that_does() {
    let check = |text: &str, expected: &str| {
        let problem = file::parse(text).unwrap_err();
        assert!(problem.contains(expected), "{text}: {problem}");
    };
    check("lisen = \"127.0.0.1:1\"", "unknown key \"lisen\"; did you mean \"listen\"?");
    check("journal-file-bytes = 1", "did you mean \"journal_file_bytes\"?");
    check("zzz = 1", "the keys are listen, data, ");
    check("[server]\nport = 1", "unknown key \"server\"");
    check("durability = \"often\"", "unknown variant `often`");
    check("partitions = \"many\"", "expected u32");
    check("read_mode = \"mapped\"", "unknown variant `mapped`");
    check("seal_byte = 1", "did you mean \"seal_bytes\"?");
    check("partitions = ", "line 1");
}

/// A valid value of the setting with this name.
fn value_of(name: &str) -> &'static str {
    match name {
        "listen" => "127.0.0.1:7",
        "data" => "folder",
        "durability" => "interval",
        "read_mode" => "pread",
        "log_format" => "json",
        "log_level" => "debug",
        "state_history" | "insecure" | "behind_proxy" => "true",
        _ => "64",
    }
}

#[test]
fn every_setting_is_a_flag_a_variable_and_a_key_of_the_file() {
    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }
    let help = <Flags as clap::CommandFactory>::command().render_long_help().to_string();
    for name in Settings::NAMES.iter().copied().filter(|name| *name != "config") {
        let value = value_of(name);
        let (flag, variable) = (name.replace('_', "-"), name.to_uppercase());
        assert!(
            help.contains(&format!("--{flag}")) && help.contains(&format!("[env: ALLSOURCE_{variable}]")),
            "{help}"
        );
        let arguments = ["x".to_owned(), format!("--{flag}={value}")];
        let by_flag =
            <Flags as clap::Parser>::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}"));
        let look_up = |asked: &str| (asked == format!("ALLSOURCE_{variable}")).then(|| value.to_owned());
        let by_variable = environment::read(&look_up).unwrap();
        let is_bare = value.parse::<u64>().is_ok() || value == "true";
        let text = if is_bare { format!("{name} = {value}") } else { format!("{name} = {value:?}") };
        let by_file = file::parse(&text).unwrap();
        assert_ne!(by_flag.settings, Settings::default(), "{name}");
        assert_eq!((&by_flag.settings, &by_variable), (&by_variable, &by_file), "{name}");
        assert_eq!(Settings::default().or(by_file.clone()), by_file, "{name}");
    }
}

#[test]
fn other_machines_are_served_only_when_that_is_said() {
    let open = || listening_on("0.0.0.0:8080");
    assert!(refusal(open(), &[]).contains("0.0.0.0:8080 can be reached from other machines"));
    assert!(refusal(open(), &[("ALLSOURCE_INSECURE", "false")]).contains("--behind-proxy"));
    assert!(resolve(Settings { insecure: Some(true), ..open() }, &[]).is_ok());
    assert!(resolve(open(), &[("ALLSOURCE_BEHIND_PROXY", "true")]).is_ok());
    assert!(resolve(listening_on("[::1]:0"), &[]).is_ok());
    let both = resolve(listening_on("127.0.0.1:8080, [::1]:8080"), &[]).unwrap();
    assert_eq!(addresses(&both), "127.0.0.1:8080 [::1]:8080");
    assert!(refusal(listening_on("127.0.0.1:8080,0.0.0.0:80"), &[]).starts_with("0.0.0.0:80 can be reached"));
}

#[test]
fn impossible_values_name_their_setting() {
    let none = Settings::default;
    let check = |variable: (&str, &str), expected: &str| {
        let problem = refusal(none(), &[variable]);
        assert!(problem.contains(expected), "{variable:?}: {problem}");
    };
    check(
        ("ALLSOURCE_PARTITIONS", "many"),
        "ALLSOURCE_PARTITIONS=many: write a whole number from 0 to 4294967295",
    );
    check(("ALLSOURCE_DURABILITY", "often"), "must be one of sync, interval, none");
    check(("ALLSOURCE_LISTEN", "nowhere"), "write it like 127.0.0.1:8080");
    check(("ALLSOURCE_SYNC_INTERVAL_MS", "5"), "only with durability interval");
    check(("ALLSOURCE_READ_MODE", "mapped"), "must be one of mmap, pread");
    check(("ALLSOURCE_SEAL_BYTES", "0"), "seal_bytes: must be at least 1");
    check(("ALLSOURCE_SNAPSHOT_EVENTS", "-1"), "ALLSOURCE_SNAPSHOT_EVENTS=-1: write a whole number from 0");
    check(("ALLSOURCE_SCRUB_BYTES_PER_SECOND", "4M"), "=4M: write a whole number from 0");
    check(("ALLSOURCE_INSECURE", "yes"), "ALLSOURCE_INSECURE=yes: must be true or false");
    check(("ALLSOURCE_CONFIG", "no-such-file.toml"), "cannot read the configuration file no-such-file.toml");
}
