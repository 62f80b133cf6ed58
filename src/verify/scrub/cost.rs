//! What a schedule costs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::source::Pace;
use super::turn::{Block, Demand, Turn};
use crate::model::{
    Amount, ClassLoad, Cost, DAY_MS, Fit, Level, Load, ObjectView, Prices, Provider, RequestCounts, ScrubSettings,
    TimestampMs,
};

/// A month, in ms.
pub const MONTH_MS: i64 = 30 * DAY_MS;

/// New blocks are counted over this time before now.
const SAMPLE_MS: i64 = 7 * DAY_MS;

/// A GB, as storages bill it.
const GB: f64 = 1_073_741_824.0;

/// `meta.json` and a mark: what a pass reads of a new block.
const READS_OF_NEW: u64 = 2;

/// Bytes that one core verifies per second, as `docs/performance.md` has it.
const fn bytes_per_core_second(level: Level) -> u64 {
    match level {
        Level::Quick => u64::MAX,
        Level::Index => 200_000_000,
        Level::Checksum => 600_000_000,
        Level::Full => 120_000_000,
    }
}

/// What is read of a block at a level.
pub fn is_read(name: &str, level: Level) -> bool {
    match level {
        Level::Quick => false,
        Level::Index => matches!(name, "index" | "tombstones"),
        Level::Checksum | Level::Full => matches!(name, "index" | "tombstones") || name.starts_with("chunks/"),
    }
}

/// Bytes of a block that are read at a level.
pub fn bytes_at(objects: &[ObjectView], level: Level) -> u64 {
    objects.iter().filter(|object| is_read(&object.name, level)).map(|object| object.size).fold(0, u64::saturating_add)
}

/// A bucket as a plan sees it.
#[derive(Debug)]
pub struct Census<'a> {
    /// Its blocks and their objects.
    pub blocks: &'a [(Block, &'a [ObjectView])],
    /// What one pass asks for.
    pub pass: RequestCounts,
    /// From one pass to the next, in ms.
    pub scan_interval_ms: i64,
    /// Decides about the length of a request, and whether there is anything to pay.
    pub provider: Provider,
    /// The scrub does not leave it out.
    pub scrubbed: bool,
}

/// What a bucket takes.
pub fn load(census: &Census<'_>, settings: &ScrubSettings, now: TimestampMs) -> Load {
    let demand = Demand::of(settings, now);
    let mut load = Load::default();
    let piece = Pace::of(census.provider).piece.max(1);
    let mut classes: BTreeMap<Option<Arc<str>>, u64> = BTreeMap::new();
    let mut new = Amount::default();
    for (block, objects) in census.blocks {
        let amount = amount(objects, settings.level, piece);
        if now.since(block.written) < SAMPLE_MS && block.ready.is_some() {
            new = new.plus(amount);
        }
        if block.turn(demand, now) == Turn::Never || !census.scrubbed {
            load.left_out = load.left_out.plus(amount);
            continue;
        }
        load.round = load.round.plus(amount);
        if !block.is_verified(demand, now) {
            load.backlog = load.backlog.plus(amount);
        }
        for object in objects.iter().filter(|object| is_read(&object.name, settings.level)) {
            let bytes = classes.entry(object.storage_class.clone()).or_default();
            *bytes = bytes.saturating_add(object.size);
        }
    }
    let free = Prices {
        list_per_1000: 0.0,
        get_per_1000: 0.0,
        egress_per_gb: 0.0,
        retrieval_per_gb: BTreeMap::new(),
        currency: String::new(),
    };
    let prices = if census.provider == Provider::Filesystem { &free } else { &settings.prices };
    let retrieval = |class: &Option<Arc<str>>| class.as_deref().map_or(0.0, |class| prices.retrieval(class));
    let of_classes = classes.into_iter().map(|(class, bytes)| ClassLoad {
        price_per_gb: retrieval(&class),
        storage_class: class,
        bytes,
    });
    load.storage_classes = of_classes.collect();

    let new_per_month = times(new, MONTH_MS, SAMPLE_MS);
    let passes = |requests: u64| scaled(requests, MONTH_MS, census.scan_interval_ms);
    let scans = Cost {
        list: passes(census.pass.list),
        get: new_per_month.blocks.saturating_mul(READS_OF_NEW),
        ..Cost::default()
    };
    load.scans_per_month = priced(scans, prices, 0.0);
    if census.scrubbed {
        let read = |amount: Amount| Cost {
            get: amount.requests,
            bytes: amount.bytes,
            cpu_seconds: amount.bytes.div_ceil(bytes_per_core_second(settings.level)),
            ..Cost::default()
        };
        load.new_per_month = priced(read(new_per_month), prices, 0.0);
        let round = read(times(load.round, MONTH_MS, demand.interval_ms));
        let of_round =
            load.storage_classes.iter().map(|class| gigabytes(class.bytes) * class.price_per_gb).sum::<f64>();
        load.round_per_month = priced(round, prices, of_round * ratio(MONTH_MS, demand.interval_ms));
    }
    load
}

/// What is read of a block.
fn amount(objects: &[ObjectView], level: Level, piece: u64) -> Amount {
    let read = objects.iter().filter(|object| is_read(&object.name, level));
    read.fold(Amount { blocks: 1, ..Amount::default() }, |amount, object| {
        // the end of an index is looked at first
        let extra = u64::from(&*object.name == "index");
        let requests = object.size.div_ceil(piece).max(1).saturating_add(extra);
        amount.plus(Amount { blocks: 0, bytes: object.size, requests })
    })
}

fn priced(cost: Cost, prices: &Prices, retrieval_money: f64) -> Cost {
    Cost {
        requests_money: count(cost.list) / 1_000.0 * prices.list_per_1000
            + count(cost.get) / 1_000.0 * prices.get_per_1000,
        egress_money: gigabytes(cost.bytes) * prices.egress_per_gb,
        retrieval_money,
        ..cost
    }
}

/// All buckets together.
pub fn total<'a>(loads: impl Iterator<Item = &'a Load>) -> Load {
    let mut total = Load::default();
    let mut classes: BTreeMap<Option<Arc<str>>, ClassLoad> = BTreeMap::new();
    for load in loads {
        total.round = total.round.plus(load.round);
        total.left_out = total.left_out.plus(load.left_out);
        total.backlog = total.backlog.plus(load.backlog);
        total.scans_per_month = total.scans_per_month.plus(load.scans_per_month);
        total.new_per_month = total.new_per_month.plus(load.new_per_month);
        total.round_per_month = total.round_per_month.plus(load.round_per_month);
        for class in &load.storage_classes {
            let known =
                classes.entry(class.storage_class.clone()).or_insert_with(|| ClassLoad { bytes: 0, ..class.clone() });
            known.bytes = known.bytes.saturating_add(class.bytes);
            known.price_per_gb = known.price_per_gb.max(class.price_per_gb);
        }
    }
    total.storage_classes = classes.into_values().collect();
    total
}

/// Whether what all buckets take can be done in time.
pub fn fit(total: &Load, settings: &ScrubSettings, threads: usize, now: TimestampMs) -> Fit {
    let demand = Demand::of(settings, now);
    let open = settings.window.per_mille().max(1);
    // what is new is read at once, at any hour; in the window it is part of the load
    let share_ms = |ms: i64| ms.saturating_mul(open) / 1_000;
    let per_second = |round: u64, new: u64| {
        let round = scaled(round, 1_000, share_ms(demand.aim_ms()).max(1));
        round.saturating_add(scaled(new, 1_000, MONTH_MS))
    };
    let cpu = |bytes: u64| bytes.div_ceil(bytes_per_core_second(settings.level));
    let new = &total.new_per_month;
    let needed_bytes = per_second(total.round.bytes, new.bytes);
    let needed_requests = per_second(total.round.requests, new.get);
    // in thousandths, since most need a part of a core
    let cores = per_second(cpu(total.round.bytes).saturating_mul(1_000), cpu(new.bytes).saturating_mul(1_000));
    let bounds = [
        (needed_bytes, total.round.bytes, settings.max_bytes_per_second),
        (needed_requests, total.round.requests, settings.max_requests_per_second),
        (cores.div_ceil(1_000), cpu(total.round.bytes), Some(u64::try_from(threads.max(1)).unwrap_or(u64::MAX))),
    ];
    let takes_ms = |amount: u64, bound: u64| {
        let ms = i64::try_from(u128::from(amount).saturating_mul(1_000) / u128::from(bound.max(1))).unwrap_or(i64::MAX);
        ms.saturating_mul(1_000) / open
    };
    let round_ms = bounds.iter().filter_map(|(_, amount, bound)| Some(takes_ms(*amount, (*bound)?))).max();
    Fit {
        in_time: bounds.iter().all(|(needed, _, bound)| bound.is_none_or(|bound| *needed <= bound)),
        round_seconds: round_ms.map(|ms| ms / 1_000),
        needed_bytes_per_second: needed_bytes,
        needed_requests_per_second: needed_requests,
        needed_cores: cores.div_ceil(1_000),
    }
}

fn times(amount: Amount, by: i64, over: i64) -> Amount {
    let scaled = |number| scaled(number, by, over);
    Amount { blocks: scaled(amount.blocks), bytes: scaled(amount.bytes), requests: scaled(amount.requests) }
}

/// A number times a ratio, rounded up.
fn scaled(number: u64, by: i64, over: i64) -> u64 {
    let by = u128::from(by.max(0).unsigned_abs());
    let over = u128::from(over.max(1).unsigned_abs());
    u64::try_from(u128::from(number).saturating_mul(by).div_ceil(over)).unwrap_or(u64::MAX)
}

fn ratio(by: i64, over: i64) -> f64 {
    count(by.unsigned_abs()) / count(over.max(1).unsigned_abs())
}

fn gigabytes(bytes: u64) -> f64 {
    count(bytes) / GB
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "an estimate; exact up to 2^53")]
const fn count(number: u64) -> f64 {
    number as f64
}
