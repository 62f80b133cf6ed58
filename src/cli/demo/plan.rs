//! What lies in the demonstration's bucket at any moment, worked out from the rhythm of a sidecar and a compactor: a
//! head cuts 2h an hour after their end, the compactor makes 8h and two days of them and downsamples, and deletes what
//! it replaced two days later. Pure, so that the bucket grows as a real one does for as long as one watches.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::model::{DAY_MS, HOUR_MS, Interval, Labels, MINUTE_MS, Parent, Resolution, SECOND_MS, TimestampMs};
use crate::tsdb::shift::Identity;

const RANGE: i64 = 2 * HOUR_MS;
const EIGHT: i64 = 8 * HOUR_MS;
const TWO_DAYS: i64 = 2 * DAY_MS;
/// From the end of a block's time until its head cuts it.
const CUT_AFTER: i64 = HOUR_MS;
const UPLOAD: i64 = 25 * SECOND_MS;
/// The compactor waits for blocks to settle, and for its next pass.
const COMPACT_AFTER: i64 = 35 * MINUTE_MS;
const COMPACTION: i64 = 4 * MINUTE_MS;
const DOWNSAMPLING: i64 = 6 * MINUTE_MS;
const MARKED_AFTER: i64 = 40 * SECOND_MS;
/// Thanos' `--delete-delay`, and the pass after it.
const DELETED_AFTER: i64 = 48 * HOUR_MS + 5 * MINUTE_MS;
/// How far back the bucket reaches, rounded to whole two-day ranges.
const DEPTH: i64 = 7 * DAY_MS;

/// A real block that stands for others of its kind; each is a folder of `tests/fixtures/demo`. That of 8h with a hole
/// lacks its second 2h, that of two days its third 8h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Template {
    TwoHours,
    EightHours,
    EightHoursHole,
    TwoDays,
    TwoDaysHole,
    TwoDaysFine,
    TwoDaysHoleFine,
}

impl Template {
    pub(super) const ALL: [Self; 7] = [
        Self::TwoHours,
        Self::EightHours,
        Self::EightHoursHole,
        Self::TwoDays,
        Self::TwoDaysHole,
        Self::TwoDaysFine,
        Self::TwoDaysHoleFine,
    ];

    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::TwoHours => "2h",
            Self::EightHours => "8h",
            Self::EightHoursHole => "8h-hole",
            Self::TwoDays => "2d",
            Self::TwoDaysHole => "2d-hole",
            Self::TwoDaysFine => "2d-5m",
            Self::TwoDaysHoleFine => "2d-hole-5m",
        }
    }
}

/// A block of the bucket.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) template: Template,
    pub(super) identity: Identity,
    /// From its start to where the template's own start is put: replicas do not scrape at the same moment.
    pub(super) phase_ms: i64,
    /// When the compactor marked it for deletion.
    pub(super) marked: Option<TimestampMs>,
}

/// One replica of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) labels: Labels,
    /// When within the minute it scrapes, and how late after the hour it cuts.
    phase_ms: i64,
    /// Starts of 2h blocks that were never uploaded.
    pub(super) missing: BTreeSet<TimestampMs>,
    /// The sidecar uploaded nothing that ends later.
    pub(super) stopped: Option<TimestampMs>,
}

/// Two clusters with two replicas each.
#[derive(Clone, Debug)]
pub(super) struct Estate {
    /// When the demonstration began: two-day blocks are made until then, so that its story has solid ground.
    pub(super) began: TimestampMs,
    /// The oldest data.
    origin: TimestampMs,
    /// `eu1/a`, `eu1/b`, `us1/a`, `us1/b`
    pub(super) streams: [Stream; 4],
}

impl Estate {
    /// All is well.
    pub(super) fn healthy(began: TimestampMs) -> Self {
        let stream = |cluster: &str, replica: &str, phase_ms| Stream {
            labels: Labels::from([("cluster", cluster), ("replica", replica)]),
            phase_ms,
            missing: BTreeSet::new(),
            stopped: None,
        };
        Self {
            began,
            origin: floor(began.minus(DEPTH), TWO_DAYS),
            streams: [
                stream("eu1", "a", 3_141),
                stream("eu1", "b", 17_320),
                stream("us1", "a", 31_415),
                stream("us1", "b", 44_721),
            ],
        }
    }

    /// Everything that is in the bucket at `now`, marks included.
    pub(super) fn blocks(&self, now: TimestampMs) -> Vec<Planned> {
        let mut found = Vec::new();
        for stream in &self.streams {
            for days in steps(self.origin, TWO_DAYS, now) {
                let large = self.two_days(stream, days).filter(|block| block.is_there(now));
                for hours in steps(days, EIGHT, days.plus(TWO_DAYS)) {
                    let middle = Self::eight_hours(stream, hours).filter(|block| block.is_there(now));
                    let small = steps(hours, RANGE, hours.plus(EIGHT)).filter_map(|start| stream.uploaded(start));
                    found.extend(small.map(|block| block.replaced_by(middle.as_ref())));
                    found.extend(middle.map(|block| block.replaced_by(large.as_ref())));
                }
                found.extend(large.as_ref().map(|block| Self::downsampled(stream, block)));
                found.extend(large);
            }
        }
        found.retain(|block| block.is_there(now));
        for block in &mut found {
            block.marked = block.marked.filter(|marked| *marked <= now);
        }
        found
    }

    /// The two-day blocks of a stream that exist when the demonstration begins, oldest first.
    pub(super) fn large(&self, stream: &Stream) -> Vec<Planned> {
        steps(self.origin, TWO_DAYS, self.began).filter_map(|days| self.two_days(stream, days)).collect()
    }

    /// Start of the newest 8h range that the compactor is done with in all of these streams.
    pub(super) fn newest_eight_hours(&self, streams: &[&Stream]) -> Option<TimestampMs> {
        let done = |start: &TimestampMs| {
            streams
                .iter()
                .all(|stream| Self::eight_hours(stream, *start).is_some_and(|block| block.is_there(self.began)))
        };
        steps(self.origin, EIGHT, self.began).filter(done).last()
    }

    /// What the compactor makes of an 8h range, as soon as a block after it has settled.
    fn eight_hours(stream: &Stream, start: TimestampMs) -> Option<Planned> {
        let end = start.plus(EIGHT);
        let newer = steps(end, RANGE, end.plus(TWO_DAYS)).find_map(|start| stream.uploaded(start))?;
        let parts: Vec<Planned> = steps(start, RANGE, end).filter_map(|start| stream.uploaded(start)).collect();
        let lacks: Vec<TimestampMs> =
            steps(start, RANGE, end).filter(|start| stream.uploaded(*start).is_none()).collect();
        let template = match lacks.as_slice() {
            [] => Template::EightHours,
            [one] if *one == start.plus(RANGE) => Template::EightHoursHole,
            _ => return None,
        };
        let done = newer.identity.uploaded.plus(COMPACT_AFTER);
        Some(compacted(stream, template, Interval::new(start, end), &parts, done))
    }

    /// What it makes of six of them, or of five where the third was never uploaded.
    fn two_days(&self, stream: &Stream, start: TimestampMs) -> Option<Planned> {
        let end = start.plus(TWO_DAYS);
        let parts: Vec<Option<Planned>> =
            steps(start, EIGHT, end).map(|start| Self::eight_hours(stream, start)).collect();
        let lacks: Vec<usize> = (0..).zip(&parts).filter(|(_, part)| part.is_none()).map(|(idx, _)| idx).collect();
        let template = match lacks.as_slice() {
            [] => Template::TwoDays,
            [2] => Template::TwoDaysHole,
            _ => return None,
        };
        let parts: Vec<Planned> = parts.into_iter().flatten().collect();
        // there is no such template: the compactor comes to these later than the story lasts
        if parts.iter().any(|part| part.template != Template::EightHours) {
            return None;
        }
        let last = parts.last()?;
        let done = last.identity.uploaded.plus(COMPACTION);
        let block = compacted(stream, template, Interval::new(start, end), &parts, done);
        block.is_there(self.began).then_some(block)
    }

    /// The same at 5m, with the same ancestors.
    fn downsampled(stream: &Stream, block: &Planned) -> Planned {
        let fine = block.template == Template::TwoDays;
        let resolution = Resolution::FiveMinutes;
        let done = block.identity.uploaded.plus(DOWNSAMPLING);
        let ulid = name(stream, block.identity.interval, resolution, done);
        Planned {
            template: if fine { Template::TwoDaysFine } else { Template::TwoDaysHoleFine },
            identity: Identity { ulid, resolution, uploaded: done.plus(UPLOAD), ..block.identity.clone() },
            // its times are the ends of windows of five minutes
            phase_ms: 0,
            marked: None,
        }
    }
}

impl Stream {
    /// The block that begins there, if it was ever uploaded.
    fn uploaded(&self, start: TimestampMs) -> Option<Planned> {
        let stopped = self.stopped.is_some_and(|stopped| start.plus(RANGE) > stopped);
        (!stopped && !self.missing.contains(&start)).then(|| self.cut(start))
    }

    /// The block that the head cut there, uploaded or not.
    pub(super) fn cut(&self, start: TimestampMs) -> Planned {
        let interval = Interval::new(start, start.plus(RANGE));
        let cut = interval.end.plus(CUT_AFTER).plus(self.phase_ms);
        let ulid = name(self, interval, Resolution::Raw, cut);
        let identity = Identity {
            ulid,
            interval,
            level: 1,
            sources: vec![ulid],
            parents: Vec::new(),
            labels: self.labels.clone(),
            resolution: Resolution::Raw,
            source: "sidecar",
            uploaded: cut.plus(UPLOAD),
        };
        Planned { template: Template::TwoHours, identity, phase_ms: self.phase_ms, marked: None }
    }
}

impl Planned {
    fn is_there(&self, now: TimestampMs) -> bool {
        let deleted = self.marked.is_some_and(|marked| marked.plus(DELETED_AFTER) <= now);
        self.identity.uploaded <= now && !deleted
    }

    fn replaced_by(mut self, larger: Option<&Self>) -> Self {
        self.marked = larger.map(|larger| larger.identity.uploaded.plus(MARKED_AFTER));
        self
    }
}

fn compacted(stream: &Stream, template: Template, interval: Interval, parts: &[Planned], done: TimestampMs) -> Planned {
    let identities = || parts.iter().map(|part| &part.identity);
    let sources: BTreeSet<Ulid> = identities().flat_map(|part| part.sources.iter().copied()).collect();
    let identity = Identity {
        ulid: name(stream, interval, Resolution::Raw, done),
        interval,
        level: identities().map(|part| part.level).max().unwrap_or(1).saturating_add(1),
        sources: sources.into_iter().collect(),
        parents: identities().map(|part| Parent { ulid: part.ulid, interval: part.interval }).collect(),
        labels: stream.labels.clone(),
        resolution: Resolution::Raw,
        source: "compactor",
        uploaded: done.plus(UPLOAD),
    };
    Planned { template, identity, phase_ms: stream.phase_ms, marked: None }
}

/// The same name for the same block whenever it is asked for.
fn name(stream: &Stream, interval: Interval, resolution: Resolution, made: TimestampMs) -> Ulid {
    let text = format!("{} {} {} {}", stream.labels, interval.start, interval.len_ms(), resolution.name());
    let random = Sha256::digest(text).iter().take(10).fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    Ulid::from_parts(u64::try_from(made.0).unwrap_or_default(), random)
}

/// From `from` on, each `by` later, before `until`.
fn steps(from: TimestampMs, by: i64, until: TimestampMs) -> impl Iterator<Item = TimestampMs> {
    std::iter::successors(Some(from), move |start| Some(start.plus(by))).take_while(move |start| *start < until)
}

/// The latest multiple of `by` that is not after `time`.
pub(super) const fn floor(time: TimestampMs, by: i64) -> TimestampMs {
    TimestampMs(time.0.saturating_sub(time.0.rem_euclid(by)))
}
