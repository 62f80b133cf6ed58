//! The judgement: `(world, past, policy, now)` to what is shown and what changes. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checks::estate::{Estate, Gone};
use crate::checks::{ALL, Check, Policy, Scope, condense, missing_objects};
use crate::model::{
    BlockSpan, BucketPast, BucketSummary, BucketTransition, BucketView, EndReason, Evidence, Finding, FindingChange,
    FindingEnd, Listing, Need, OpenFinding, Past, Resolution, RetentionSeen, Snapshot, StreamPast, StreamSummary,
    Timeline, TimestampMs, Transition, World,
};

/// Judges everything that was observed. A bucket without a complete listing keeps its open findings; so does a check
/// whose facts are not all known.
pub fn judge(world: &World, past: &Past, policy: &Policy, now: TimestampMs) -> (Snapshot, Transition) {
    let nothing = BucketPast::default();
    let estates: Vec<Estate<'_>> = world
        .buckets
        .values()
        .map(|view| {
            let past = past.buckets.get(&view.bucket).unwrap_or(&nothing);
            let verified = world.verified.get(&view.bucket).map(|verified| &**verified);
            Estate::build(view, past, policy, as_of(view, now)).with_verified(verified)
        })
        .collect();

    let mut snapshot = Snapshot { at: now, ..Snapshot::default() };
    let mut transition = Transition { at: now, ..Transition::default() };
    for estate in &estates {
        let found = run_checks(estate, &estates, world, past, now);
        merge_findings(estate, (world, past), found, &mut snapshot, &mut transition);
        snapshot.buckets.push(summarize(estate));
        if matches!(estate.view.listing, Listing::Complete { .. }) {
            transition.buckets.insert(Arc::clone(&estate.view.bucket), changes(estate));
        }
    }
    sort_findings(&mut snapshot.findings);
    (snapshot, transition)
}

/// Worst first, then by check, bucket, stream, start, block, object.
pub(super) fn sort_findings(findings: &mut [Finding]) {
    findings.sort_by_cached_key(Finding::key);
}

/// What was seen in full is judged as of when it was seen, however often and late that is done: a view that grows old
/// must not look like a stream that lags. Everything else is judged as of now.
const fn as_of(view: &BucketView, now: TimestampMs) -> TimestampMs {
    match view.listing {
        Listing::Complete { .. } => view.observed_at,
        Listing::Unknown { .. } | Listing::FromLedger { .. } | Listing::Awaited => now,
    }
}

/// Whether the facts that the finding rests on are all known now, so that not finding it again means something.
fn has_facts(check: &Check, estate: &Estate<'_>, (world, past): (&World, &Past), open: &OpenFinding) -> bool {
    check.needs.iter().all(|need| match need {
        Need::Pass => !matches!(estate.view.listing, Listing::Awaited),
        Need::Listing => estate.view.listing.is_complete(),
        Need::Metas => estate.knows_all_metas(),
        Need::Marks => estate.knows_all_marks(),
        Need::Ledger => (!past.unread && reaches_back(estate, open)) || is_back(estate, open),
        Need::Bytes => estate.knows_bytes(check, open),
        Need::Receivers => world.receivers.is_some(),
    })
}

/// The ledger reaches back to when the finding was opened. One that was begun anew does not know what was there before;
/// but what has expired since then no longer matters.
fn reaches_back(estate: &Estate<'_>, open: &OpenFinding) -> bool {
    estate.past.first_scan.is_some_and(|first| first <= open.since) || is_expired(estate, open)
}

/// A block that vanished is there again, which can be seen without a past.
fn is_back(estate: &Estate<'_>, open: &OpenFinding) -> bool {
    open.check == "block_vanished" && open.subject.block.is_some_and(|block| estate.view.blocks.contains_key(&block))
}

fn run_checks(
    estate: &Estate<'_>,
    estates: &[Estate<'_>],
    world: &World,
    past: &Past,
    judged_at: TimestampMs,
) -> Vec<Finding> {
    let ledger_failure = past.ledger_failure.as_deref();
    let (schedule, receivers) = (world.schedules.get(&estate.view.bucket), world.receivers.as_deref());
    let listed = estate.view.listing.is_complete();
    let runnable = ALL.iter().filter(|check| listed || !check.needs.contains(&Need::Listing));
    let found = runnable.flat_map(|check| {
        let mut findings =
            (check.run)(&Scope { check, estate, estates, ledger_failure, judged_at, schedule, receivers });
        findings.retain(|finding| estate.policy.is_enabled(check.id, finding.subject.stream.as_deref()));
        for finding in &mut findings {
            let demanded = estate.policy.severity(check.id, finding.subject.stream.as_deref());
            finding.severity = demanded.unwrap_or(finding.severity);
        }
        condense(findings)
    });
    found.collect()
}

/// Compares what was found with what is open.
fn merge_findings(
    estate: &Estate<'_>,
    (world, past): (&World, &Past),
    found: Vec<Finding>,
    snapshot: &mut Snapshot,
    transition: &mut Transition,
) {
    let mut found: BTreeMap<String, Finding> =
        found.into_iter().map(|finding| (finding.fingerprint(), finding)).collect();
    for (fingerprint, open) in &estate.past.findings {
        if let Some(finding) = found.remove(fingerprint) {
            if !open.says_the_same(&finding) {
                transition.findings.push(FindingChange::Updated(finding.clone()));
            }
            snapshot.findings.push(finding);
            continue;
        }
        let check = ALL.iter().find(|check| check.id == open.check);
        let enabled = check.filter(|check| estate.policy.is_enabled(check.id, open.subject.stream.as_deref()));
        match enabled {
            Some(check) if !has_facts(check, estate, (world, past), open) => {
                snapshot.kept.insert(fingerprint.clone());
                snapshot.findings.push(keep(check, open));
            }
            still => {
                let end = if still.is_none() { FindingEnd::Unwatched } else { how_it_ended(estate, open) };
                transition.findings.push(FindingChange::Ended {
                    bucket: Arc::clone(&estate.view.bucket),
                    fingerprint: fingerprint.clone(),
                    end,
                });
            }
        }
    }
    for finding in found.into_values() {
        transition.findings.push(FindingChange::Opened(finding.clone()));
        snapshot.findings.push(finding);
    }
}

/// An open finding as it was last judged; `None` for a check that this version no longer has.
pub(super) fn reopen(open: &OpenFinding) -> Option<Finding> {
    ALL.iter().find(|check| check.id == open.check).map(|check| keep(check, open))
}

/// An open finding whose facts are unknown now, as it was last judged.
fn keep(check: &'static Check, open: &OpenFinding) -> Finding {
    let last = serde_json::Value::Object(open.evidence.clone().into_iter().collect());
    Finding {
        check: check.id,
        subject: open.subject.clone(),
        severity: open.severity,
        interval: open.interval,
        message: open.message.clone(),
        remedy: open.remedy.clone(),
        deadline: open.deadline,
        evidence: Evidence::from([
            ("as_last_judged", last),
            ("last_judged", open.last_judged.to_string().into()),
            ("open_since", open.since.to_string().into()),
        ]),
    }
}

/// By what a finding that is no longer found has ended.
fn how_it_ended(estate: &Estate<'_>, open: &OpenFinding) -> FindingEnd {
    // the same moment at which `upload_lag` gives the stream up
    let retired = open.subject.stream.as_ref().filter(|_| open.check == "upload_lag").is_some_and(|labels| {
        let silent = estate.stream(labels).and_then(|stream| stream.newest_raw);
        silent.is_some_and(|newest| estate.now.since(newest) > estate.policy.retire_after_ms(labels))
    });
    if is_expired(estate, open) {
        FindingEnd::Expired
    } else if retired {
        FindingEnd::Retired
    } else if is_lost(estate, open) {
        FindingEnd::Lost
    } else {
        FindingEnd::Resolved
    }
}

/// Retention has let go of what the finding is about.
fn is_expired(estate: &Estate<'_>, open: &OpenFinding) -> bool {
    open.subject.stream.as_ref().is_some_and(|labels| {
        let horizon = estate.horizon(labels, open.subject.resolution.unwrap_or_default());
        open.interval.is_some_and(|interval| horizon.is_some_and(|horizon| interval.end <= horizon))
    })
}

/// The finding was about a block that is gone now, and neither retention nor another block accounts for that.
fn is_lost(estate: &Estate<'_>, open: &OpenFinding) -> bool {
    let gone = open.subject.block.and_then(|block| estate.gone.iter().find(|gone| gone.ulid == block));
    // what never was a block is cleared away by the compactor, as it should be
    let is_block = |gone: &&Gone<'_>| gone.past.meta.is_some();
    open.check != "block_vanished"
        && gone
            .filter(is_block)
            .is_some_and(|gone| !matches!(estate.end_reason(gone), EndReason::Superseded | EndReason::Expired))
}

/// What the ledger has to learn of this pass, beside the blocks themselves.
fn changes(estate: &Estate<'_>) -> BucketTransition {
    let mut changes = BucketTransition::default();
    for gone in &estate.gone {
        let reason = estate.end_reason(gone);
        match gone.past.end {
            None => changes.ended.push((gone.ulid, reason)),
            Some(end) if end.reason != reason => changes.reasons.push((gone.ulid, reason)),
            Some(_) => {}
        }
    }
    for block in &estate.blocks {
        let was_complete = block.past.is_some_and(|past| past.complete);
        if !was_complete && missing_objects(block.view, block.meta).is_empty() {
            changes.completed.push(block.ulid());
        }
        if let Some(lineage) = block.new_lineage.as_ref().filter(|lineage| lineage.settled) {
            changes.lineage.push((block.ulid(), lineage.clone()));
        }
    }
    for stream in estate.streams.iter().filter(|stream| !stream.derived) {
        let Some(newest_max_time) = stream.newest_raw else { continue };
        let known = estate.past.streams.get(&stream.labels);
        if known.is_none_or(|known| known.newest_max_time != newest_max_time) {
            let first_seen = known.map_or(estate.now, |known| known.first_seen);
            changes.streams.push((Arc::clone(&stream.labels), StreamPast { first_seen, newest_max_time }));
        }
    }
    for resolution in Resolution::ALL {
        let retention_ms = estate.bucket_policy.retention.of(resolution);
        let last = estate.past.retention.iter().rfind(|seen| seen.resolution == resolution);
        // that nothing was declared is remembered as well, so that a first declaration counts as a change
        if last.is_none_or(|last| last.retention_ms != retention_ms) {
            changes.retention.push(RetentionSeen { since: estate.now, resolution, retention_ms });
        }
    }
    changes
}

fn summarize(estate: &Estate<'_>) -> BucketSummary {
    let view = estate.view;
    let (objects, bytes) = match &view.listing {
        Listing::Complete { objects, bytes } | Listing::FromLedger { objects, bytes } => (*objects, *bytes),
        Listing::Unknown { .. } | Listing::Awaited => (0, 0),
    };
    let streams = estate.groups.iter().flat_map(|group| {
        estate.members(group).filter(|stream| !stream.blocks.is_empty()).map(move |stream| StreamSummary {
            labels: Arc::clone(&stream.labels),
            derived: stream.derived,
            newest: stream.newest_raw,
            lag_ms: stream.newest_raw.filter(|_| !stream.derived).map(|newest| estate.now.since(newest)),
            timelines: stream
                .blocks
                .keys()
                .map(|resolution| Timeline {
                    resolution: *resolution,
                    coverage: estate.coverage(group, stream, *resolution),
                    holes: estate.holes_of(group, stream, *resolution),
                    blocks: estate.blocks_of(stream, *resolution).iter().map(span_of).collect(),
                })
                .collect(),
        })
    });
    let mut streams: Vec<StreamSummary> = streams.collect();
    streams.sort_by(|a, b| a.labels.cmp(&b.labels));
    BucketSummary {
        bucket: Arc::clone(&view.bucket),
        observed_at: view.observed_at,
        unreachable: estate.unreachable(),
        listed: view.listing.is_complete(),
        blocks: u64::try_from(view.blocks.len()).unwrap_or(u64::MAX),
        objects,
        bytes,
        requests: view.requests,
        streams,
    }
}

fn span_of(block: &crate::checks::estate::Placed<'_>) -> BlockSpan {
    BlockSpan {
        ulid: block.ulid(),
        interval: block.meta.interval,
        level: block.meta.level,
        deletion_marked: block.is_being_deleted(),
        no_compact: block.view.marks.no_compact.is_some(),
        superseded: block.superseded,
        samples: block.meta.stats.samples,
        bytes: block.view.bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CheckPolicy;
    use crate::checks::kit::{Kit, Spec, at, problem};
    use crate::model::{Damage, EndReason, HOUR_MS, Level, Problem, Severity, UnknownObject, Verdict};

    fn judged(kit: &Kit) -> (Snapshot, Transition) {
        let world = World {
            buckets: BTreeMap::from([(Arc::clone(&kit.view.bucket), Arc::new(kit.view.clone()))]),
            schedules: BTreeMap::new(),
            verified: BTreeMap::from([(Arc::clone(&kit.view.bucket), Arc::new(kit.verified.clone()))]),
            receivers: kit.receivers.clone().map(Into::into),
        };
        let past = Past {
            buckets: BTreeMap::from([(Arc::clone(&kit.view.bucket), kit.past.clone())]),
            ledger_failure: kit.ledger_failure.clone(),
            unread: kit.ledger_failure.is_some(),
        };
        judge(&world, &past, &kit.policy, kit.view.observed_at)
    }

    /// The ledger takes over what was judged.
    fn commit(kit: &mut Kit, transition: &Transition) {
        for change in &transition.findings {
            match change {
                FindingChange::Opened(finding) | FindingChange::Updated(finding) => {
                    let open = OpenFinding {
                        since: transition.at,
                        last_judged: transition.at,
                        check: finding.check.to_owned(),
                        subject: finding.subject.clone(),
                        severity: finding.severity,
                        interval: finding.interval,
                        message: finding.message.clone(),
                        remedy: finding.remedy.clone(),
                        deadline: finding.deadline,
                        evidence: finding.evidence.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
                    };
                    kit.past.findings.insert(finding.fingerprint(), open);
                }
                FindingChange::Ended { fingerprint, .. } => {
                    kit.past.findings.remove(fingerprint).unwrap();
                }
            }
        }
    }

    /// What happens to a damaged block.
    type Change = fn(&mut Kit, ulid::Ulid);

    fn checks(snapshot: &Snapshot) -> Vec<&'static str> {
        snapshot.findings.iter().map(|finding| finding.check).collect()
    }

    fn with_hole() -> Kit {
        let mut kit = Kit::new(61);
        kit.fill("a", 0, 40);
        kit.fill("a", 42, 60);
        kit
    }

    #[test]
    fn a_finding_opens_stays_and_is_resolved_when_it_is_seen_healed() {
        let mut kit = with_hole();
        let (snapshot, transition) = judged(&kit);
        assert_eq!(checks(&snapshot), ["coverage_gap"]);
        assert!(matches!(transition.findings.as_slice(), [FindingChange::Opened(_)]));
        commit(&mut kit, &transition);
        let (snapshot, transition) = judged(&kit);
        assert_eq!((checks(&snapshot), transition.findings.len()), (vec!["coverage_gap"], 0));
        kit.add(Spec::new("a", 40, 42));
        let (snapshot, transition) = judged(&kit);
        assert_eq!(checks(&snapshot), Vec::<&str>::new());
        let [FindingChange::Ended { end, .. }] = transition.findings.as_slice() else { panic!() };
        assert_eq!(*end, FindingEnd::Resolved);
    }

    #[test]
    fn what_is_unknown_neither_resolves_nor_raises() {
        let mut kit = with_hole();
        let (_, transition) = judged(&kit);
        commit(&mut kit, &transition);

        let mut unlisted = kit.clone();
        unlisted.view.listing = Listing::Unknown { why: "page 3 of 7 failed: 503".to_owned() };
        unlisted.view.blocks.clear();
        let (snapshot, transition) = judged(&unlisted);
        assert_eq!(checks(&snapshot), ["coverage_gap", "bucket_unreachable"]);
        assert_eq!(snapshot.findings[0].severity, Severity::Critical);
        assert!(snapshot.findings[0].evidence.contains_key("as_last_judged"));
        assert!(
            matches!(transition.findings.as_slice(), [FindingChange::Opened(f)] if f.check == "bucket_unreachable")
        );
        assert!(transition.buckets.is_empty());

        // one block that cannot be read may be the one that fills the hole
        let mut unread = kit.clone();
        let ulid = unread.add(Spec::new("a", 40, 42));
        let unknown = UnknownObject { block: ulid, object: format!("{ulid}/meta.json"), why: "503".to_owned() };
        unread.view.unknown.push(unknown);
        unread.edit(ulid, |block| block.meta = crate::model::MetaState::Unknown("503".to_owned()));
        let (snapshot, transition) = judged(&unread);
        assert_eq!(checks(&snapshot), ["coverage_gap", "fact_unknown"]);
        assert!(!transition.findings.iter().any(|change| matches!(change, FindingChange::Ended { .. })));
    }

    #[test]
    fn the_configuration_can_silence_and_reweigh_a_check() {
        let mut kit = with_hole();
        let mut demanded = CheckPolicy::default();
        demanded.settings.severity = Some(Severity::Warning);
        kit.policy.checks.insert("coverage_gap".to_owned(), demanded.clone());
        let (snapshot, transition) = judged(&kit);
        assert_eq!(snapshot.findings[0].severity, Severity::Warning);
        commit(&mut kit, &transition);
        demanded.settings.enabled = Some(false);
        kit.policy.checks.insert("coverage_gap".to_owned(), demanded);
        let (snapshot, transition) = judged(&kit);
        assert_eq!(checks(&snapshot), Vec::<&str>::new());
        let [FindingChange::Ended { end, .. }] = transition.findings.as_slice() else { panic!() };
        assert_eq!(*end, FindingEnd::Unwatched);
    }

    #[test]
    fn what_leaves_by_retention_or_is_given_up_does_not_resolve() {
        let mut kit = with_hole();
        let (_, transition) = judged(&kit);
        commit(&mut kit, &transition);
        kit.policy.buckets.entry("thanos".into()).or_default().retention.raw = Some(10 * HOUR_MS);
        let (_, transition) = judged(&kit);
        let ends: Vec<FindingEnd> = transition
            .findings
            .iter()
            .filter_map(|change| if let FindingChange::Ended { end, .. } = change { Some(*end) } else { None })
            .collect();
        assert_eq!(ends, [FindingEnd::Expired]);

        let mut late = Kit::healthy(49);
        late.view.observed_at = at(60);
        let (_, transition) = judged(&late);
        commit(&mut late, &transition);
        late.view.observed_at = at(48 + 14 * 24 + 1);
        let (snapshot, transition) = judged(&late);
        assert_eq!(checks(&snapshot), Vec::<&str>::new());
        let [FindingChange::Ended { end, .. }] = transition.findings.as_slice() else { panic!() };
        assert_eq!(*end, FindingEnd::Retired);
    }

    #[test]
    fn the_ledger_learns_ends_lineage_streams_and_retention() {
        let mut kit = Kit::healthy(61);
        let blocks: Vec<_> = kit.view.blocks.keys().copied().collect();
        kit.remember(50, 60);
        let result = kit.add(Spec::compacted("a", 0, 8, &blocks[..4]));
        for ulid in &blocks[..4] {
            kit.view.blocks.remove(ulid);
        }
        kit.vanish(blocks[10]);
        let (_, transition) = judged(&kit);
        let changes = &transition.buckets["thanos"];
        let reasons: Vec<EndReason> = changes.ended.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons.iter().filter(|reason| **reason == EndReason::Superseded).count(), 4);
        assert!(changes.ended.contains(&(blocks[10], EndReason::Vanished)));
        let (_, lineage) = changes.lineage.iter().find(|(ulid, _)| *ulid == result).unwrap();
        assert_eq!((lineage.source_samples, lineage.settled), (Some(8_000), true));
        assert_eq!(changes.completed, [result]);
        assert_eq!(changes.streams.len(), 1);
        assert_eq!(changes.retention.len(), 3);
    }

    #[test]
    fn damage_is_healed_only_by_reading_the_block_as_it_is_now_as_thoroughly() {
        let mut damaged = Kit::healthy(61);
        let ulid = *damaged.view.blocks.keys().nth(3).unwrap();
        damaged.verify(ulid, &[problem(Damage::Chunk, Severity::Critical)]);
        let (snapshot, transition) = judged(&damaged);
        assert_eq!(checks(&snapshot), ["chunk_corrupt"]);
        commit(&mut damaged, &transition);
        let cases: [(&str, Change, Option<FindingEnd>); 9] = [
            ("read again, and sound", |kit, ulid| kit.verify(ulid, &[]), Some(FindingEnd::Resolved)),
            (
                "less was read",
                |kit, ulid| {
                    kit.verify(ulid, &[]);
                    kit.verified.get_mut(&ulid).unwrap().level = Level::Checksum;
                },
                None,
            ),
            ("written again, and not read since", |kit, ulid| kit.edit(ulid, |block| block.objects[0].size += 1), None),
            ("never read, as far as anybody knows", |kit, _| kit.verified.clear(), None),
            (
                "it could not be read",
                |kit, ulid| kit.verified.get_mut(&ulid).unwrap().verdict = Verdict::Unreachable,
                None,
            ),
            (
                "wrong once, right once",
                |kit, ulid| {
                    let once = Problem { confirmed: false, ..problem(Damage::Chunk, Severity::Critical) };
                    kit.verify(ulid, &[once]);
                },
                None,
            ),
            (
                "the index is broken now, so that the chunks could not be compared",
                |kit, ulid| kit.verify(ulid, &[problem(Damage::Index, Severity::Critical)]),
                None,
            ),
            ("about to be deleted", |kit, ulid| kit.mark(ulid, 60, "x"), Some(FindingEnd::Resolved)),
            ("gone", |kit, ulid| drop(kit.view.blocks.remove(&ulid)), Some(FindingEnd::Resolved)),
        ];
        for (case, change, expected) in cases {
            let mut kit = damaged.clone();
            change(&mut kit, ulid);
            let (snapshot, transition) = judged(&kit);
            let mut ends = transition.findings.iter().filter_map(|change| match change {
                FindingChange::Ended { end, .. } => Some(*end),
                FindingChange::Opened(_) | FindingChange::Updated(_) => None,
            });
            assert_eq!(ends.next(), expected, "{case}");
            assert_eq!(checks(&snapshot).contains(&"chunk_corrupt"), expected.is_none(), "{case}");
        }
    }

    #[test]
    fn damage_of_many_blocks_is_healed_once_all_of_them_are_read_again() {
        let mut kit = Kit::healthy(61);
        kit.remember(10, 60);
        let blocks: Vec<_> = kit.view.blocks.keys().copied().take(25).collect();
        for ulid in &blocks {
            kit.verify(*ulid, &[problem(Damage::Chunk, Severity::Critical)]);
        }
        let (snapshot, transition) = judged(&kit);
        assert_eq!((checks(&snapshot), &snapshot.findings[0].evidence["count"]), (vec!["chunk_corrupt"], &25.into()));
        commit(&mut kit, &transition);
        let (last, others) = blocks.split_last().unwrap();
        for ulid in others {
            kit.verify(*ulid, &[]);
        }
        // the one that is left has been written again; the finding does not name it
        kit.edit(*last, |block| block.objects[0].size += 1);
        assert_eq!(checks(&judged(&kit).0).iter().filter(|check| **check == "chunk_corrupt").count(), 1);
        for ulid in kit.view.blocks.keys().copied().collect::<Vec<_>>() {
            kit.verify(ulid, &[]);
        }
        let (_, transition) = judged(&kit);
        assert!(transition.findings.iter().any(|change| matches!(change, FindingChange::Ended { .. })));
    }

    #[test]
    fn findings_are_sorted_worst_first() {
        let mut kit = with_hole();
        let ulid = *kit.view.blocks.keys().next().unwrap();
        kit.mark(ulid, 40, "x");
        let other = kit.add(Spec::new("a", 20, 22));
        kit.edit(other, |block| block.objects[0].storage_class = Some("GLACIER".into()));
        let (snapshot, _) = judged(&kit);
        assert_eq!(checks(&snapshot), ["coverage_gap", "deletion_unreplaced", "object_archived", "overlap"]);
        assert_eq!(snapshot.buckets[0].streams[0].timelines[0].holes.len(), 1);
    }
}
