//! A declared retention that loses data by its own arithmetic.

use super::policy::Retention;
use super::{Check, Scope};
use crate::model::{BlockSource, DAY_MS, Finding, HOUR_MS, Need, Resolution, Severity, format_duration_ms};

pub(super) static CHECK: Check = Check {
    id: "retention_unsafe",
    needs: &[Need::Listing, Need::Metas],
    severity: Severity::Warning,
    params: &[],
    run,
};

/// Thanos downsamples raw blocks from this span on, so shorter retention deletes them before.
const RAW_LEAST_MS: i64 = 40 * HOUR_MS;
/// The same for 5m blocks on their way to 1h.
const FIVE_MINUTES_LEAST_MS: i64 = 10 * DAY_MS;
/// A backlog of uploads has to fit into local retention.
const LOCAL_LEAST_RANGES: i64 = 3;

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    let policy = &scope.estate.bucket_policy;
    let of_streams = policy.stream_retention.iter().map(|(selector, retention)| (Some(selector), retention));
    let mut found = Vec::new();
    for (selector, retention) in [(None, &policy.retention)].into_iter().chain(of_streams) {
        let place = selector.map_or("declared".to_owned(), |selector| format!("declared for {}", selector.text));
        for (resolution, text) in too_short(scope, retention) {
            let message = format!("retention {place} is too short at resolution {resolution}: {text}");
            let remedy = "raise the retention here and at the compactor (raw at least 40h, 5m at least 10d), or give \
                          the longer retention of the coarser resolution up";
            let mut finding = scope.bucket_finding(message, remedy);
            finding.subject.resolution = Some(resolution);
            finding.subject.stream = selector.map(|selector| selector.fixed_labels().into());
            found.push(finding);
        }
    }
    found.extend(local(scope));
    found
}

fn too_short(scope: &Scope<'_>, retention: &Retention) -> Vec<(Resolution, String)> {
    let steps = [
        (Resolution::Raw, Resolution::FiveMinutes, RAW_LEAST_MS),
        (Resolution::FiveMinutes, Resolution::OneHour, FIVE_MINUTES_LEAST_MS),
    ];
    let mut found = Vec::new();
    for (fine, coarse, least) in steps {
        let Some(own) = retention.of(fine).filter(|own| *own > 0 && *own < least) else {
            continue;
        };
        let seen = scope.estate.coarsest() >= coarse;
        let coarser = Resolution::ALL.into_iter().filter(|resolution| *resolution > fine);
        let longer = coarser.filter_map(|resolution| retention.of(resolution)).any(|ms| ms == 0 || ms > own);
        if seen || longer {
            let (own, least) = (format_duration_ms(own), format_duration_ms(least));
            let text = format!("{own} is under the {least} that a block needs before it is downsampled to {coarse}");
            found.push((fine, text));
        }
    }
    found
}

fn local(scope: &Scope<'_>) -> Vec<Finding> {
    let estate = scope.estate;
    let findings = estate.streams.iter().filter_map(|stream| {
        let local = estate.policy.local_retention_ms(&stream.labels).filter(|local| *local > 0)?;
        let blocks = estate.blocks_of(stream, Resolution::Raw);
        let sidecar = blocks.iter().any(|block| block.meta.source == BlockSource::Sidecar);
        let least = stream.range_ms.saturating_mul(LOCAL_LEAST_RANGES);
        (sidecar && local < least).then(|| {
            let (local, least) = (format_duration_ms(local), format_duration_ms(least));
            let message = format!(
                "local retention of {} is {local}, under three block ranges ({least}): a short outage of the storage \
                 loses data",
                stream.labels,
            );
            let remedy = "raise `--storage.tsdb.retention.time` of the Prometheus beside the sidecar";
            scope.stream_finding(&stream.labels, Resolution::Raw, message, remedy)
        })
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, Spec};
    use crate::checks::policy::StreamPolicy;

    #[test]
    fn raw_and_5m_have_to_live_until_they_are_downsampled() {
        let h = |hours: i64| Some(hours * HOUR_MS);
        for (raw, five_minutes, one_hour, fires) in [
            (h(39), None, None, 0),
            (h(39), h(24 * 30), None, 1),
            (h(39), None, Some(0), 1),
            (h(40), h(24 * 30), Some(0), 0),
            (h(24 * 30), h(24 * 9), h(24 * 365), 1),
            (h(24 * 30), h(24 * 10), h(24 * 365), 0),
            (h(39), h(20), None, 0),
            (h(39), h(24 * 9), h(24 * 365), 2),
            (Some(0), Some(0), Some(0), 0),
        ] {
            let mut kit = Kit::healthy(49);
            kit.policy.buckets.entry("thanos".into()).or_default().retention =
                Retention { raw, five_minutes, one_hour };
            assert_eq!(kit.run(CHECK.id).len(), fires, "{raw:?} {five_minutes:?} {one_hour:?}");
        }
    }

    #[test]
    fn downsampling_that_is_seen_counts_as_on() {
        let mut kit = Kit::healthy(49);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(39 * HOUR_MS);
        kit.none(CHECK.id);
        kit.add(Spec { resolution: Resolution::FiveMinutes, ..Spec::compacted("a", 0, 48, &[]) });
        kit.one(CHECK.id);
    }

    #[test]
    fn local_retention_beside_a_sidecar_covers_three_ranges() {
        for (hours, source, fires) in
            [(6, BlockSource::Sidecar, 0), (5, BlockSource::Sidecar, 1), (5, BlockSource::Receive, 0)]
        {
            let mut kit = Kit::healthy(49);
            for ulid in kit.view.blocks.keys().copied().collect::<Vec<_>>() {
                kit.edit_meta(ulid, |meta| meta.source = source.clone());
            }
            let local = StreamPolicy { local_retention_ms: Some(hours * HOUR_MS), ..StreamPolicy::default() };
            kit.policy.streams = vec![local];
            assert_eq!(kit.run(CHECK.id).len(), fires, "{hours} h, {source:?}");
        }
    }
}
