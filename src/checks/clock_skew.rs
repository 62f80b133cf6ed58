//! A producer's clock, or the storage's, differs from the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::estate::Placed;
use super::{Check, Param, ParamValue, Scope};
use crate::model::{Finding, Labels, MINUTE_MS, Need, Resolution, SECOND_MS, Severity, format_duration_ms, ulid_time};

const TOLERANCE: Param = Param {
    name: "tolerance",
    default: ParamValue::DurationMs(5 * MINUTE_MS),
    help: "by how much a level-1 block may be older than its newest sample",
};
const STORAGE_TOLERANCE: Param = Param {
    name: "storage_tolerance",
    default: ParamValue::DurationMs(60 * SECOND_MS),
    help: "by how much the storage's clock may differ from that of this machine",
};

pub(super) static CHECK: Check = Check {
    id: "clock_skew",
    needs: &[Need::Listing, Need::Metas],
    severity: Severity::Warning,
    params: &[TOLERANCE, STORAGE_TOLERANCE],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let mut by_stream: BTreeMap<&Arc<Labels>, Vec<(i64, &Placed<'_>)>> = BTreeMap::new();
    for block in &scope.estate.blocks {
        let skew = block.meta.interval.end.since(ulid_time(block.ulid()));
        // an out-of-order block ends on the grid, and data from the future is `meta_invalid`
        let plain = block.meta.is_plain_level_one() && block.meta.source.is_producer();
        let tolerance = scope.duration_ms(&TOLERANCE, Some(&block.meta.labels));
        if plain && skew > tolerance && !scope.estate.is_ahead(block) {
            by_stream.entry(&block.meta.labels).or_default().push((skew, block));
        }
    }
    let streams = by_stream.into_iter().filter_map(|(labels, blocks)| of_stream(scope, labels, &blocks));
    streams.chain(of_storage(scope)).collect()
}

fn of_stream(scope: &Scope<'_>, labels: &Arc<Labels>, blocks: &[(i64, &Placed<'_>)]) -> Option<Finding> {
    let (worst, _) = blocks.iter().max_by_key(|(skew, _)| *skew)?;
    let (_, newest) = blocks.iter().max_by_key(|(_, block)| block.ulid())?;
    let ulids: Vec<String> = blocks.iter().take(20).map(|(_, block)| block.ulid().to_string()).collect();
    let message = format!(
        "{} of {labels} were cut before their newest sample, by up to {}: the clocks of the producer and of what it \
         scrapes differ, so lag and retention are judged wrongly",
        super::scope::count_of(blocks.len(), "block"),
        format_duration_ms(*worst),
    );
    let mut finding = scope.stream_finding(labels, Resolution::Raw, message, "set the producer's clock by NTP");
    finding.interval = Some(newest.meta.interval);
    if let [(_, one)] = blocks {
        finding.subject.block = Some(one.ulid());
    }
    Some(finding.with("skew_seconds", worst / 1_000).with("blocks", ulids))
}

fn of_storage(scope: &Scope<'_>) -> Option<Finding> {
    let skew = scope.estate.view.date_skew_ms?;
    let tolerance = scope.duration_ms(&STORAGE_TOLERANCE, None);
    (skew.saturating_abs() > tolerance).then(|| {
        let direction = if skew > 0 { "ahead of" } else { "behind" };
        let message = format!(
            "the storage's clock is {} {direction} that of this machine: ages of uploads are judged wrongly, and signed \
             requests fail from 15 min on",
            format_duration_ms(skew.saturating_abs()),
        );
        let remedy = "set both clocks by NTP";
        scope.bucket_finding(message, remedy).with("skew_seconds", skew / 1_000)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec, at};
    use crate::model::BlockMeta;

    #[test]
    fn blocks_that_are_older_than_their_samples_tell_of_a_clock() {
        for (minutes, fires) in [(65, 0), (66, 1)] {
            let mut kit = Kit::healthy(60);
            let ulid = *kit.view.blocks.keys().nth(4).unwrap();
            // cut an hour after its end
            kit.edit_meta(ulid, |meta| meta.interval.end = meta.interval.end.plus(minutes * MINUTE_MS));
            assert_eq!(kit.run(CHECK.id).len(), fires, "{minutes} min");
        }
    }

    #[test]
    fn out_of_order_compacted_backfilled_and_future_blocks_tell_of_none() {
        let edits: [fn(&mut BlockMeta); 3] = [
            |meta| meta.hinted = true,
            |meta| meta.level = 2,
            |meta| {
                meta.interval.end = at(100);
            },
        ];
        for edit in edits {
            let mut kit = Kit::healthy(60);
            let ulid = *kit.view.blocks.keys().nth(4).unwrap();
            kit.edit_meta(ulid, |meta| meta.interval.end = meta.interval.end.plus(120 * MINUTE_MS));
            kit.one(CHECK.id);
            kit.edit_meta(ulid, edit);
            kit.none(CHECK.id);
        }
        let mut kit = Kit::healthy(60);
        kit.add(Spec { cut_after: 24 * 30, ..Spec::new("a", -100, -98) });
        kit.none(CHECK.id);
    }

    #[test]
    fn the_storages_clock_may_differ_by_a_minute() {
        for (seconds, fires) in [(60, 0), (-60, 0), (61, 1), (-61, 1)] {
            let mut kit = Kit::healthy(49);
            kit.view.date_skew_ms = Some(seconds * SECOND_MS);
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), fires, "{seconds} s");
            assert!(found.iter().all(|finding| finding.severity == Severity::Warning));
        }
    }
}
