//! What is wrong with the bucket from the start, and what happens while one watches.

use super::folder::Folder;
use super::plan::{Estate, Planned, floor};
use crate::model::{HOUR_MS, Labels, MINUTE_MS, TimestampMs};

const RANGE: i64 = 2 * HOUR_MS;
/// The second 2h block of an 8h range, in ms from its start.
const HOLE: i64 = RANGE;
/// The third 8h range of two days, in ms from their start.
const NIGHT: i64 = 16 * HOUR_MS;
/// How many blocks it has.
const NIGHT_BLOCKS: i64 = 4;

const SEGMENT: &str = "chunks/000001";

/// An estate with faults, and the blocks that the story is about.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) estate: Estate,
    /// Its upload ended before `meta.json`.
    partial: Planned,
    /// Its index is gone, and comes back.
    headless: Planned,
    /// Somebody deletes it.
    deleted: Planned,
    /// Its segment is cut off.
    truncated: Planned,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    DeleteBlock,
    PutIndexBack,
    TruncateSegment,
    PutBlockBack,
    PutSegmentBack,
}

impl Step {
    /// In the order in which they happen.
    pub(super) const ALL: [Self; 5] =
        [Self::DeleteBlock, Self::PutIndexBack, Self::TruncateSegment, Self::PutBlockBack, Self::PutSegmentBack];
}

impl Story {
    /// Faults whose place follows from the time, so that there is room for them at every moment. Nothing, where the
    /// calendar has no room.
    pub(super) fn new(began: TimestampMs) -> Option<Self> {
        let mut estate = Estate::healthy(began);
        let [_, eu1_b, us1_a, us1_b] = &mut estate.streams;
        // the sidecar of one replica has stopped
        eu1_b.stopped = Some(floor(began.minus(4 * HOUR_MS + MINUTE_MS), RANGE));
        let (us1_a, us1_b) = (us1_a.clone(), us1_b.clone());
        let lost = estate.newest_eight_hours(&[&us1_a, &us1_b])?.plus(HOLE);
        let partial = us1_a.cut(lost);

        let [eu1_a, eu1_b, us1_a, us1_b] = &estate.streams;
        let damaged = |labels: &Labels, at: usize| {
            let stream = estate.streams.iter().find(|stream| stream.labels == *labels)?;
            estate.large(stream).into_iter().nth(at)
        };
        let lone = estate.large(eu1_b).last()?.identity.interval.start.plus(NIGHT);
        let headless = damaged(&eu1_a.labels, 0)?;
        let deleted = damaged(&us1_b.labels, 0)?;
        let truncated = damaged(&us1_a.labels, 1)?;

        let [_, eu1_b, us1_a, us1_b] = &mut estate.streams;
        // one replica was down for a night, and of the other cluster no replica uploaded a block
        eu1_b.missing.extend((0..NIGHT_BLOCKS).map(|block| lone.plus(block * RANGE)));
        us1_a.missing.insert(lost);
        us1_b.missing.insert(lost);
        Some(Self { estate, partial, headless, deleted, truncated })
    }

    /// Fills the bucket and puts the first faults in.
    pub(super) fn begin(&self, folder: &mut Folder) -> anyhow::Result<()> {
        folder.follow(&self.estate.blocks(self.estate.began))?;
        folder.put_partial(&self.partial)?;
        folder.delete_object(self.headless.identity.ulid, "index")
    }

    /// Lets one thing happen.
    pub(super) fn happen(&self, step: Step, folder: &Folder, now: TimestampMs) -> anyhow::Result<()> {
        match step {
            Step::DeleteBlock => folder.delete(self.deleted.identity.ulid),
            Step::PutIndexBack => folder.put_object(&self.headless, "index", now),
            Step::TruncateSegment => folder.truncate(self.truncated.identity.ulid, SEGMENT, now),
            Step::PutBlockBack => folder.put(&self.deleted),
            // with its old time, as a tool that keeps times brings it back
            Step::PutSegmentBack => folder.put_object(&self.truncated, SEGMENT, self.truncated.identity.uploaded),
        }
    }

    /// What happens, and what the next scan is to make of it.
    pub(super) fn tell(&self, step: Step) -> String {
        let what = match step {
            Step::DeleteBlock => {
                format!("somebody deletes block {}, and only who remembers it can notice", of(&self.deleted))
            }
            Step::PutIndexBack => {
                format!("the index of block {} is copied back from its Prometheus", of(&self.headless))
            }
            Step::TruncateSegment => format!("a segment of block {} is cut in half", of(&self.truncated)),
            Step::PutBlockBack => format!("block {} is brought back from a backup", of(&self.deleted)),
            Step::PutSegmentBack => format!("the segment of block {} is whole again", of(&self.truncated)),
        };
        let (opens, ends) = Self::effect(step);
        let and_then = |checks: &[&str], verb: &str| {
            if checks.is_empty() { String::new() } else { format!("; {} should {verb}", checks.join(" and ")) }
        };
        format!("{what}{}{}", and_then(opens, "open"), and_then(ends, "go"))
    }

    /// The checks that a step is to open, and those whose findings it is to end.
    pub(super) const fn effect(step: Step) -> (&'static [&'static str], &'static [&'static str]) {
        match step {
            Step::DeleteBlock => (&["block_vanished"], &[]),
            Step::PutIndexBack => (&[], &["missing_object"]),
            Step::TruncateSegment => (&["object_mutated", "size_mismatch"], &[]),
            Step::PutBlockBack => (&[], &["block_vanished"]),
            Step::PutSegmentBack => (&[], &["object_mutated", "size_mismatch"]),
        }
    }
}

/// Name, cluster and replica.
fn of(block: &Planned) -> String {
    let label = |name| block.identity.labels.get(name).unwrap_or_default();
    format!("{} ({}/{})", block.identity.ulid, label("cluster"), label("replica"))
}
