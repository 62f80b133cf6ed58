//! What many blocks share is one finding.

use std::collections::BTreeMap;

use crate::model::{Finding, Interval, Labels, Resolution, Severity, Subject};
use std::sync::Arc;

/// From how many findings of one check, severity and stream on they are one.
const PER_STREAM: usize = 10;
/// The same over the streams of a bucket.
const PER_BUCKET: usize = 50;
/// How many of the single subjects are named.
const NAMED: usize = 20;

/// Puts the findings of one check on one bucket together where there are many: first per stream and resolution, then
/// over the whole bucket.
pub fn condense(findings: Vec<Finding>) -> Vec<Finding> {
    type Key = (Severity, Option<Arc<Labels>>, Option<Resolution>);
    let mut by_stream: BTreeMap<Key, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        let key = (finding.severity, finding.subject.stream.clone(), finding.subject.resolution);
        by_stream.entry(key).or_default().push(finding);
    }
    let mut by_severity: BTreeMap<Severity, Vec<Finding>> = BTreeMap::new();
    for ((severity, stream, resolution), findings) in by_stream {
        let merged = if findings.len() > PER_STREAM { merge(findings, stream, resolution) } else { findings };
        by_severity.entry(severity).or_default().extend(merged);
    }
    let merged = by_severity
        .into_values()
        .map(|findings| if findings.len() > PER_BUCKET { merge(findings, None, None) } else { findings });
    merged.flatten().collect()
}

fn merge(findings: Vec<Finding>, stream: Option<Arc<Labels>>, resolution: Option<Resolution>) -> Vec<Finding> {
    let count: u64 = findings.iter().map(weight).sum();
    let hull = findings.iter().filter_map(|finding| finding.interval).reduce(Interval::hull);
    let deadline = findings.iter().filter_map(|finding| finding.deadline).min();
    let mut blocks: Vec<String> = findings.iter().flat_map(named_blocks).collect();
    blocks.sort();
    blocks.dedup();
    blocks.truncate(NAMED);
    let Some(first) = findings.into_iter().next() else {
        return Vec::new();
    };
    let place = match &stream {
        Some(labels) => format!("{count} times in {labels}"),
        None => format!("{count} times in the bucket"),
    };
    let subject = Subject { stream, resolution, ..Subject::bucket(Arc::clone(&first.subject.bucket)) };
    let mut merged = Finding {
        message: format!("{place}; the first: {}", first.message),
        subject,
        interval: hull,
        deadline,
        ..first
    };
    merged.evidence.insert("count", count.into());
    merged.evidence.insert("blocks", blocks.into());
    vec![merged]
}

/// For how many single findings this one stands.
fn weight(finding: &Finding) -> u64 {
    finding
        .evidence
        .get("count")
        .filter(|_| finding.subject.block.is_none())
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(1)
}

fn named_blocks(finding: &Finding) -> Vec<String> {
    let named = finding.evidence.get("blocks").and_then(|blocks| blocks.as_array());
    let named = named.into_iter().flatten().filter_map(|block| block.as_str()).map(str::to_owned);
    named.chain(finding.subject.block.map(|block| block.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::Kit;

    fn damaged(replicas: &[&str], per_replica: usize) -> Vec<Finding> {
        let mut kit = Kit::new(201);
        for replica in replicas {
            for ulid in kit.fill(replica, 0, 200).into_iter().take(per_replica) {
                kit.remove_object(ulid, "index");
            }
        }
        condense(kit.run("missing_object"))
    }

    #[test]
    fn few_findings_stay_single() {
        assert_eq!(damaged(&["a"], 10).len(), 10);
    }

    #[test]
    fn many_of_one_stream_are_one() {
        let found = damaged(&["a"], 11);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evidence["count"], 11);
        assert_eq!(found[0].subject.block, None);
        assert!(found[0].message.starts_with("11 times in {cluster"));
    }

    #[test]
    fn many_over_all_streams_are_one() {
        let replicas: Vec<String> = (0..60).map(|idx| format!("r{idx}")).collect();
        let replicas: Vec<&str> = replicas.iter().map(String::as_str).collect();
        let found = damaged(&replicas, 11);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evidence["count"], 660);
        assert_eq!(found[0].subject.stream, None);
    }
}
