//! What the benchmarks share: a store on the disk under test, and the floor of its device, printed first.

pub mod load;

use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

use allsource_engine::platform::{Clock, LocalDisk, SystemClock};
use allsource_engine::{Engine, Options};
use allsource_server::measure::Floor;
use tempfile::TempDir;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Monotonic time since an arbitrary fixed moment.
pub fn now() -> Duration {
    static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::default);
    CLOCK.monotonic()
}

/// The memory use of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Anonymous memory, in bytes: mapped files are not counted.
    pub anonymous: u64,
    /// All resident memory, in bytes.
    pub resident: u64,
}

/// This process's current memory use; zeros where the system does not report it.
pub fn memory() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) << 10
    };
    Memory { anonymous: of("RssAnon:"), resident: of("VmRSS:") }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} MiB anonymous, {} MiB resident", self.anonymous >> 20, self.resident >> 20)
    }
}

/// A store beside a floor file, in a folder that is removed on drop.
pub struct Bench {
    /// The store.
    pub engine: Engine,
    /// The floor of its device.
    pub floor: Floor,
    /// The folder that holds both.
    pub folder: TempDir,
}

impl Bench {
    /// Opens an empty store below the current folder and prints its device's floor: 4 KiB `pwrite` and `fdatasync` into
    /// a preallocated file.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        Self::with(Options::default())
    }

    /// Like [`Bench::new`], with options.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn with(options: Options) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir_in(".")?;
        let disk = LocalDisk::new(folder.path());
        let mut floor = Floor::new(&disk)?;
        let blocks = floor.blocks(1_000)?;
        println!("floor: median {:?}, p99 {:?}", blocks.median(), blocks.quantile(990));
        Ok(Self { engine: Engine::open_with(folder.path().join("store"), options)?, floor, folder })
    }
}
