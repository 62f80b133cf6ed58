//! The JSON document of `plan`: what the configured schedule costs. Its schema is `docs/plan.schema.json`.

use std::sync::Arc;

use serde::Serialize;

use super::{Level, TimestampMs};

/// The document. Every key is always present. A month has 30 days.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanDocument {
    /// Of this format: 1.
    pub version: u32,
    /// The time as of which it is reckoned.
    pub at: TimestampMs,
    /// What is demanded.
    pub scrub: PlannedScrub,
    /// What the prices are in.
    pub currency: String,
    /// In the order of the configuration.
    pub buckets: Vec<BucketPlan>,
    /// All buckets together.
    pub total: Load,
    /// Whether the round can be done in time.
    pub fit: Fit,
}

/// What is demanded of the scrub.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedScrub {
    /// `watch` verifies blocks.
    pub enabled: bool,
    /// Within this time each block is verified again.
    pub interval_seconds: i64,
    /// How thoroughly.
    pub level: Level,
    /// In words, with the time zone; `null` = all hours.
    pub window: Option<String>,
    /// `null` = no bound.
    pub max_bytes_per_second: Option<u64>,
    /// `null` = no bound.
    pub max_requests_per_second: Option<u64>,
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BucketPlan {
    /// The name in output.
    pub bucket: Arc<str>,
    /// Why it could not be read, if so: all else is zero then.
    pub unreachable: Option<String>,
    /// The scrub is on and does not leave it out.
    pub scrubbed: bool,
    /// From one pass to the next.
    pub scan_interval_seconds: i64,
    /// What it takes.
    #[serde(flatten)]
    pub load: Load,
}

/// What one or all buckets take.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Load {
    /// Blocks that the round reads.
    pub round: Amount,
    /// Blocks that it leaves out: about to be deleted, incomplete or archived.
    pub left_out: Amount,
    /// Blocks of the round that are not verified as demanded yet.
    pub backlog: Amount,
    /// Bytes of the round by storage class, `null` for the default.
    pub storage_classes: Vec<ClassLoad>,
    /// Passes: listing, and reading what is new.
    pub scans_per_month: Cost,
    /// Blocks that are new, each once.
    pub new_per_month: Cost,
    /// The round.
    pub round_per_month: Cost,
}

/// A number of blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub blocks: u64,
    /// What is read of them.
    pub bytes: u64,
    /// In so many GET.
    pub requests: u64,
}

impl Amount {
    /// With another.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            blocks: self.blocks.saturating_add(other.blocks),
            bytes: self.bytes.saturating_add(other.bytes),
            requests: self.requests.saturating_add(other.requests),
        }
    }
}

/// What is read from a storage class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassLoad {
    /// As the storage names it; `null` = the default.
    pub storage_class: Option<Arc<str>>,
    /// In one round.
    pub bytes: u64,
    /// Of each GB.
    pub price_per_gb: f64,
}

/// What something takes in a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// LIST.
    pub list: u64,
    /// GET.
    pub get: u64,
    /// Bytes that are read.
    pub bytes: u64,
    /// Time of one core.
    pub cpu_seconds: u64,
    /// For requests.
    pub requests_money: f64,
    /// For bytes that leave the storage.
    pub egress_money: f64,
    /// For bytes that are read from colder classes.
    pub retrieval_money: f64,
}

impl Cost {
    /// Everything.
    pub fn money(&self) -> f64 {
        self.requests_money + self.egress_money + self.retrieval_money
    }

    /// With another.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            list: self.list.saturating_add(other.list),
            get: self.get.saturating_add(other.get),
            bytes: self.bytes.saturating_add(other.bytes),
            cpu_seconds: self.cpu_seconds.saturating_add(other.cpu_seconds),
            requests_money: self.requests_money + other.requests_money,
            egress_money: self.egress_money + other.egress_money,
            retrieval_money: self.retrieval_money + other.retrieval_money,
        }
    }
}

/// Whether the round can be done in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// It can.
    pub in_time: bool,
    /// What it takes at the bounds that are set, the hours outside of the window included; `null` where nothing bounds it.
    pub round_seconds: Option<i64>,
    /// Of the round and of what is new, while the window is open.
    pub needed_bytes_per_second: u64,
    /// The same in requests.
    pub needed_requests_per_second: u64,
    /// The same in cores.
    pub needed_cores: u64,
}
