//! The scrub: what is demanded of it, and how it fares.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{DAY_MS, Level, ScrubOutlook, TimestampMs, Window};

/// What is demanded. Sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrubSettings {
    /// `watch` verifies blocks.
    pub enabled: bool,
    /// Each block is verified again within this time, in ms.
    pub interval_ms: i64,
    /// How thoroughly.
    pub level: Level,
    /// For all buckets together; `None` = no bound.
    pub max_bytes_per_second: Option<u64>,
    /// For all buckets together; `None` = no bound.
    pub max_requests_per_second: Option<u64>,
    /// Bound of what is held of blocks at any time.
    pub memory: u64,
    /// Threads that verify; `None` = as many as there are cores.
    pub threads: Option<usize>,
    /// When the rest of a bucket is read, as opposed to what is new.
    pub window: Window,
    /// What reading costs.
    pub prices: Prices,
}

impl Default for ScrubSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 30 * DAY_MS,
            level: Level::Full,
            max_bytes_per_second: Some(25_000_000),
            max_requests_per_second: Some(50),
            memory: 192 << 20,
            threads: None,
            window: Window::default(),
            prices: Prices::default(),
        }
    }
}

/// What a storage charges for being read. 1 GB is 2^30 bytes, as the large providers count.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// What the numbers count, for output.
    pub currency: String,
    /// Of 1,000 LIST.
    pub list_per_1000: f64,
    /// Of 1,000 GET.
    pub get_per_1000: f64,
    /// Of each GB that leaves the storage.
    pub egress_per_gb: f64,
    /// Of each GB of objects of a storage class, upper case; a class that is not here costs nothing.
    pub retrieval_per_gb: BTreeMap<String, f64>,
}

impl Prices {
    /// Of each GB of objects of this storage class, as the storage names it.
    pub fn retrieval(&self, class: &str) -> f64 {
        self.retrieval_per_gb.get(&class.to_uppercase()).copied().unwrap_or_default()
    }
}

/// The list prices of Amazon S3 in us-east-1 and of Google's and Azure's colder classes, as of 2025, for a reader in the
/// same region: an example, which says in what order of magnitude the bill is.
impl Default for Prices {
    fn default() -> Self {
        let classes = [
            ("STANDARD_IA", 0.01),
            ("ONEZONE_IA", 0.01),
            ("GLACIER_IR", 0.03),
            ("NEARLINE", 0.01),
            ("COLDLINE", 0.02),
            ("ARCHIVE", 0.05),
            ("COOL", 0.01),
            ("COLD", 0.03),
        ];
        Self {
            currency: "USD".to_owned(),
            list_per_1000: 0.005,
            get_per_1000: 0.0004,
            egress_per_gb: 0.0,
            retrieval_per_gb: classes.map(|(class, price)| (class.to_owned(), price)).into(),
        }
    }
}

/// How the scrub fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubStatus {
    /// It is on.
    pub enabled: bool,
    /// Each block is to be verified again within this time, in ms.
    pub interval_ms: i64,
    /// Bytes per second that were read and proven in the last minutes.
    pub rate: u64,
    /// The configured buckets, by name.
    pub buckets: Vec<BucketScrub>,
}

/// How the scrub of one bucket fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketScrub {
    /// The name in output.
    pub bucket: Arc<str>,
    /// Bytes that were read and proven, in this process.
    pub bytes: u64,
    /// Blocks that were verified, by [`Verdict::ALL`](super::Verdict::ALL), in this process.
    pub blocks: [u64; 5],
    /// Blocks that are being read.
    pub under_way: u64,
    /// What there is to do; `None` before the first complete pass.
    pub outlook: Option<Outlook>,
}

/// What there is to do in one bucket, as of some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Blocks that have to be verified, again and again.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The oldest verification among them; of a block without one: when it was first seen.
    pub oldest: Option<TimestampMs>,
    /// Blocks that are not verified as demanded: not at all, not within the interval, not as they are now, or not as
    /// thoroughly.
    pub backlog_blocks: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// In how many ms the backlog will be verified, at the pace that is kept.
    pub remaining_ms: i64,
    /// Bytes per second that have to be read for everything to be verified in time.
    pub needed_rate: u64,
    /// Of the block that comes out worst: when its turn will be over, and until when it should be. `None` where nobody
    /// knows yet how fast it goes.
    pub worst: Option<ScrubOutlook>,
}
