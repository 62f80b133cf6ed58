//! A compacted block has fewer samples than the blocks that it replaced.

use super::estate::Placed;
use super::scope::span;
use super::{Check, Scope};
use crate::model::{Finding, Lineage, Need, Resolution, Severity};

pub(super) static CHECK: Check = Check {
    id: "compaction_loss",
    needs: &[Need::Listing, Need::Metas, Need::Ledger],
    severity: Severity::Critical,
    params: &[],
    run,
};

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    scope.estate.blocks.iter().filter_map(|block| judge(scope, block)).collect()
}

fn judge(scope: &Scope<'_>, block: &Placed<'_>) -> Option<Finding> {
    let meta = block.meta;
    // a rewrite drops series on purpose, and downsampling drops samples
    if meta.resolution != Resolution::Raw || meta.hinted || !meta.rewrite_sources.is_empty() {
        return None;
    }
    let remembered: Option<&Lineage> = block.past.map(|past| &past.lineage).filter(|lineage| lineage.settled);
    let before = remembered.or(block.new_lineage.as_ref())?.source_samples?;
    let after = meta.stats.samples?;
    let lost = before.checked_sub(after).filter(|lost| *lost > 0)?;
    let copied = scope
        .estate
        .stream_of(block)
        .is_some_and(|stream| scope.estate.has_copy(stream, meta.resolution, meta.interval));
    let message = format!(
        "compacted block {} of {}, {}, has {lost} samples fewer than its {} sources ({after} instead of {before})",
        block.ulid(),
        meta.labels,
        span(meta.interval),
        meta.sources.len(),
    );
    let finding = scope.block_finding(
        block,
        message,
        "keep the sources: remove their deletion marks while they are still there (`thanos tools bucket mark --remove`), \
         stop the compactor, and compare its version with the known defects before it runs again",
    );
    let severity = if copied { Severity::Warning } else { scope.check.severity };
    let sources: Vec<String> = meta.sources.iter().take(20).map(ToString::to_string).collect();
    Some(
        finding
            .with_severity(severity)
            .with("samples_before", before)
            .with("samples_after", after)
            .with("sources", sources),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};
    use crate::model::Labels;

    /// Four blocks of 2,000 samples, and what was made of them.
    fn compacted(samples: u64) -> (Kit, Vec<ulid::Ulid>, ulid::Ulid) {
        let mut kit = Kit::healthy(49);
        let sources: Vec<_> = kit.view.blocks.keys().take(4).copied().collect();
        let result = kit.add(Spec { samples, ..Spec::compacted("a", 0, 8, &sources) });
        (kit, sources, result)
    }

    #[test]
    fn every_sample_has_to_survive() {
        for (samples, fires) in [(8_000, 0), (8_001, 0), (7_999, 1)] {
            let (kit, _, result) = compacted(samples);
            let found = kit.run(CHECK.id);
            assert_eq!(found.len(), fires, "{samples}");
            assert!(found.iter().all(|f| f.subject.block == Some(result) && f.severity == Severity::Critical));
        }
    }

    #[test]
    fn the_ledger_keeps_the_statistics_of_sources_that_are_gone() {
        let (mut kit, sources, result) = compacted(7_000);
        kit.past.blocks.clear();
        kit.remember(10, 20);
        for source in &sources {
            kit.view.blocks.remove(source);
        }
        kit.past.blocks.remove(&result);
        kit.one(CHECK.id);
        // later, when the sources are forgotten, by what was settled at first sight
        let lineage = Lineage { leaves: None, source_samples: Some(8_000), settled: true };
        kit.remember(10, 30);
        kit.past.blocks.get_mut(&result).unwrap().lineage = lineage;
        kit.past.blocks.retain(|ulid, _| !sources.contains(ulid));
        kit.one(CHECK.id);
        kit.past.blocks.clear();
        kit.none(CHECK.id);
    }

    #[test]
    fn sources_that_may_rightly_lose_samples_are_not_counted() {
        type Change = fn(&mut Kit, ulid::Ulid);
        let changes: [(&str, Change); 4] = [
            ("hinted", |kit, source| kit.edit_meta(source, |meta| meta.hinted = true)),
            ("tombstones", |kit, source| kit.edit_meta(source, |meta| meta.stats.tombstones = Some(1))),
            ("unknown", |kit, source| kit.edit_meta(source, |meta| meta.stats.samples = None)),
            ("overlapping", |kit, source| {
                kit.edit_meta(source, |meta| meta.interval.start = meta.interval.start.minus(1));
            }),
        ];
        for (name, change) in changes {
            let (mut kit, sources, _) = compacted(7_000);
            change(&mut kit, sources[1]);
            assert_eq!(kit.run(CHECK.id).len(), 0, "{name}");
        }
        let (mut kit, sources, result) = compacted(7_000);
        kit.edit_meta(sources[1], |meta| {
            meta.labels = std::sync::Arc::new(Labels::from([("cluster", "eu1"), ("replica", "b")]));
        });
        kit.none(CHECK.id);
        let (mut kit, _, _) = compacted(7_000);
        kit.edit_meta(result, |meta| meta.resolution = Resolution::FiveMinutes);
        kit.none(CHECK.id);
    }
}
