//! What lies between views and snapshots: the buckets, the newest view of each, the past, the judgement, the commit.
//! Without timers and without a clock: `scan` uses it once, the service for ever, and a test steps it.

mod changes;
pub(super) mod readable;
mod telling;
mod verified;
#[cfg(test)]
mod verified_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::changes::{ancestors_to_look_up, bucket_of, log_ended, log_opened};
pub(super) use self::telling::Decided;
use self::telling::Telling;
pub(super) use self::verified::Open;
use self::verified::Readings;
use super::cycle::EngineError;
use super::judge::{judge, reopen, sort_findings};
use super::memory::Memory;
use crate::checks::{Policy, ledger_failing, scan_stalled};
use crate::discover::{self, Ambient, Bucket, Limits, Progress, ScanOptions};
use crate::model::{
    BucketPast, BucketSettings, BucketSummary, BucketView, Environment, FindingChange, KnownBucket, Listing,
    OpenFinding, Past, Provider, Schedule, Snapshot, TimestampMs, Transition, World,
};

/// What buckets are opened with.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub(super) environment: Environment,
    pub(super) limits: Limits,
    pub(super) ambient: Ambient,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    sources: BTreeMap<Arc<str>, Source>,
    policy: Arc<Policy>,
    means: Means,
    pub(super) memory: Memory,
    world: World,
    past: Past,
    /// Changes of findings that are in no ledger yet, each with its time.
    unsaved: Vec<(TimestampMs, FindingChange)>,
    /// Tells a bucket from one of the same name that was configured before it.
    generation: u64,
    /// Findings that open and end are logged.
    pub(super) says_changes: bool,
    /// What goes with the verifications of the world.
    readings: Readings,
    /// A view comes from the ledger: nothing that rests on it is new.
    rewound: bool,
    /// Alerts, where people are told of them.
    telling: Option<Telling>,
}

#[derive(Debug)]
struct Source {
    settings: BucketSettings,
    key: String,
    bucket: Arc<dyn Bucket>,
    generation: u64,
    /// The newest view is not in the ledger yet.
    fresh: bool,
    /// As of the newest complete view.
    summary: Option<BucketSummary>,
    complete: Option<Arc<BucketView>>,
}

/// A pass that is about to be made.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) name: Arc<str>,
    generation: u64,
    bucket: Arc<dyn Bucket>,
    known: KnownBucket,
    provider: Provider,
    past: BucketPast,
    /// The pass itself, where the ledger already holds it.
    remembered: Option<BucketView>,
    at: TimestampMs,
}

/// A pass that was made.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: Arc<str>,
    generation: u64,
    pub(super) view: BucketView,
    /// `None`: nothing was seen, and what is known of the past stays.
    past: Option<BucketPast>,
}

/// Which pass it is, for whoever gives it up.
#[derive(Clone, Debug)]
pub(super) struct PassId {
    name: Arc<str>,
    generation: u64,
    provider: Provider,
    at: TimestampMs,
}

impl PassId {
    /// What there is to be said where a pass was given up: nothing was seen.
    pub(super) fn given_up(self, why: String) -> Seen {
        let awaited = BucketView::awaited(Arc::clone(&self.name), self.provider, self.at);
        let view = BucketView { listing: Listing::Unknown { why }, ..awaited };
        Seen { name: self.name, generation: self.generation, view, past: None }
    }
}

impl Pass {
    /// Looks at the bucket.
    pub(super) async fn run(self, progress: &dyn Progress) -> Seen {
        let view = match self.remembered {
            Some(view) => view,
            None => discover::scan(&self.bucket, self.known, self.at, &ScanOptions::default(), progress).await,
        };
        Seen { name: self.name, generation: self.generation, view, past: Some(self.past) }
    }

    /// Which pass it is.
    pub(super) fn id(&self) -> PassId {
        PassId { name: Arc::clone(&self.name), generation: self.generation, provider: self.provider, at: self.at }
    }
}

/// What a new configuration changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replaced {
    /// New, or reached in another way than before: passes have to begin anew.
    pub(super) started: Vec<Arc<str>>,
    /// Among them those in the same place as before: what was seen of them stays seen.
    pub(super) in_place: Vec<Arc<str>>,
    /// As before.
    pub(super) kept: Vec<Arc<str>>,
}

impl Core {
    /// Sets everything up; asks nothing of any bucket yet.
    pub(super) fn open(
        buckets: Vec<BucketSettings>,
        policy: Policy,
        means: Means,
        memory: Memory,
    ) -> Result<Self, EngineError> {
        let mut core = Self {
            sources: BTreeMap::new(),
            policy: Arc::new(policy),
            means,
            memory,
            world: World::default(),
            past: Past::default(),
            unsaved: Vec::new(),
            generation: 0,
            says_changes: false,
            readings: Readings::default(),
            rewound: false,
            telling: None,
        };
        core.open_buckets(buckets)?;
        Ok(core)
    }

    /// Goes on with another configuration. On an error everything stays as it was.
    pub(super) fn replace(&mut self, buckets: Vec<BucketSettings>, policy: Policy) -> Result<Replaced, EngineError> {
        let replaced = self.open_buckets(buckets)?;
        self.policy = Arc::new(policy);
        Ok(replaced)
    }

    fn open_buckets(&mut self, buckets: Vec<BucketSettings>) -> Result<Replaced, EngineError> {
        let mut replaced = Replaced::default();
        let mut opened: Vec<Source> = Vec::new();
        for settings in buckets {
            if self.sources.get(&settings.name).is_some_and(|source| source.settings == settings) {
                replaced.kept.push(settings.name);
                continue;
            }
            let bucket = discover::open(&settings, &self.means.environment, &self.means.limits, &self.means.ambient)
                .map_err(|source| EngineError::Bucket { bucket: settings.name.to_string(), source })?;
            replaced.started.push(Arc::clone(&settings.name));
            self.generation = self.generation.saturating_add(1);
            let mut source = Source {
                key: settings.ledger_key(),
                bucket,
                generation: self.generation,
                fresh: false,
                summary: None,
                complete: None,
                settings,
            };
            if let Some(before) = self.sources.get(&source.settings.name).filter(|before| before.key == source.key) {
                // reached with other credentials, say: until a pass says otherwise, what is known is known
                replaced.in_place.push(Arc::clone(&source.settings.name));
                (source.fresh, source.summary, source.complete) =
                    (before.fresh, before.summary.clone(), before.complete.clone());
            }
            opened.push(source);
        }
        self.sources.retain(|name, _| replaced.kept.contains(name));
        for source in opened {
            if !replaced.in_place.contains(&source.settings.name) {
                self.forget(&source.settings.name);
            }
            self.sources.insert(Arc::clone(&source.settings.name), source);
        }
        let gone: Vec<Arc<str>> =
            self.world.verified.keys().filter(|name| !self.sources.contains_key(*name)).map(Arc::clone).collect();
        for name in &gone {
            self.forget(name);
        }
        self.world.buckets.retain(|name, _| self.sources.contains_key(name));
        self.world.schedules.retain(|name, _| self.sources.contains_key(name));
        self.past.buckets.retain(|name, _| self.sources.contains_key(name));
        self.unsaved.retain(|(_, change)| self.sources.contains_key(bucket_of(change)));
        Ok(replaced)
    }

    fn forget(&mut self, name: &str) {
        self.world.verified.remove(name);
        self.readings.forget(name);
        self.world.buckets.remove(name);
        self.world.schedules.remove(name);
        self.past.buckets.remove(name);
    }

    /// Ends the findings of buckets that are no longer configured as *unwatched*.
    pub(super) fn unwatch_others(&mut self, now: TimestampMs) {
        let keys: BTreeSet<String> = self.sources.values().map(|source| source.key.clone()).collect();
        match self.memory.unwatch_others(&keys, now) {
            Ok(unwatched) => {
                for (bucket, findings) in unwatched {
                    tracing::info!(bucket, findings, "no longer watched: its findings end");
                }
            }
            Err(error) => {
                self.memory.cannot_write(&error);
            }
        }
    }

    /// The configured buckets, by name: kind of storage, and time in ms between two passes.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (&Arc<str>, Provider, i64)> {
        let interval = |name: &Arc<str>| self.policy.bucket(name).interval_ms;
        self.sources.iter().map(move |(name, source)| (name, source.settings.kind(), interval(name)))
    }

    /// Notes how the passes over a bucket go.
    pub(super) fn set_schedule(&mut self, name: &Arc<str>, schedule: Schedule) {
        if self.sources.contains_key(name) {
            self.world.schedules.insert(Arc::clone(name), schedule);
        }
    }

    /// The newest complete view of each bucket.
    pub(super) fn complete_views(&self) -> BTreeMap<Arc<str>, Arc<BucketView>> {
        let complete = self.sources.iter().filter_map(|(name, source)| Some((name, source.complete.as_ref()?)));
        complete.map(|(name, view)| (Arc::clone(name), Arc::clone(view))).collect()
    }

    /// A judgement at `now` may differ from the last one although nothing new was seen.
    pub(super) fn depends_on_time(&self) -> bool {
        let incomplete = |view: &Arc<BucketView>| !view.listing.is_complete();
        self.readings.is_news
            || self.memory.failure().is_some()
            || !self.unsaved.is_empty()
            || self.past.buckets.values().any(|past| past.findings.values().any(|open| open.check == "ledger_failing"))
            || self.has_trouble_telling()
            || self.world.buckets.len() < self.sources.len()
            || self.world.buckets.values().any(incomplete)
    }

    /// A bucket has stalled and nobody has said so yet.
    pub(super) fn has_stalled(&self, now: TimestampMs) -> bool {
        let is_about_passes =
            |open: &OpenFinding| open.check == "scan_stalled" && open.evidence.contains_key(scan_stalled::LAST_PASS);
        let is_told = |name: &Arc<str>| {
            let past = self.past.buckets.get(name);
            past.is_some_and(|past| past.findings.values().any(is_about_passes))
        };
        self.world.schedules.iter().any(|(name, schedule)| {
            let silent_ms = now.since(schedule.finished.unwrap_or(schedule.since));
            silent_ms > scan_stalled::allowed_ms(&self.policy, name) && !is_told(name)
        })
    }

    /// Gets ready for a pass; `None` for a bucket that is not configured. With `may_rewind`, a time before the newest
    /// pass of the ledger is taken from there.
    pub(super) fn begin(&mut self, name: &Arc<str>, now: TimestampMs, may_rewind: bool) -> Option<Pass> {
        if self.memory.recover() {
            tracing::warn!("there is a sound ledger again: from here on that counts");
            self.unsaved.clear();
            self.recall_all_verified();
            self.alerts_are_unsaved();
            for past in self.past.buckets.values_mut() {
                // what is open stays open: it is what the new ledger begins with
                let findings = std::mem::take(&mut past.findings);
                let opened =
                    findings.values().filter_map(|open| Some((open.since, FindingChange::Opened(reopen(open)?))));
                self.unsaved.extend(opened);
                *past = BucketPast { findings, ..BucketPast::default() };
            }
        }
        let source = self.sources.get(name)?;
        let (generation, bucket, key) = (source.generation, Arc::clone(&source.bucket), source.key.clone());
        let mut pass = Pass {
            name: Arc::clone(name),
            generation,
            bucket,
            provider: source.settings.kind(),
            known: KnownBucket::default(),
            past: BucketPast::default(),
            remembered: None,
            at: now,
        };
        if let Err(error) = self.recall(&mut pass, &key, may_rewind) {
            self.memory.cannot_read(&error);
        }
        // what is open is known here better than in the ledger once the service runs: a commit may have failed
        let open = std::mem::take(&mut pass.past.findings);
        let past = self.past.buckets.entry(Arc::clone(name));
        past.or_insert_with(|| BucketPast { findings: open, ..BucketPast::default() });
        Some(pass)
    }

    fn recall(&mut self, pass: &mut Pass, key: &str, may_rewind: bool) -> Result<(), crate::ledger::LedgerError> {
        let newest = self.memory.newest_scan(key)?;
        if may_rewind && newest.is_some_and(|newest| newest > pass.at) {
            if let Some(as_of) = self.memory.as_of(key, &pass.name, pass.at)? {
                self.memory.notes.push(format!(
                    "`{}` was scanned after the time that is judged: read from the ledger as of {}",
                    pass.name, as_of.view.observed_at
                ));
                pass.past = as_of.past;
                pass.remembered = Some(as_of.view);
            }
            return self.recall_verified(&Arc::clone(&pass.name), key, Some(pass.at));
        }
        let view = self.sources.get(&pass.name).and_then(|source| source.complete.as_deref());
        let loaded = self.memory.load(key, &pass.name, pass.at, view)?;
        pass.known = loaded.known;
        pass.past = loaded.past;
        self.recall_verified(&Arc::clone(&pass.name), key, None)
    }

    /// Takes in what a pass saw. `false`: it is of a bucket that is no longer configured, or otherwise.
    pub(super) fn take_in(&mut self, seen: Seen) -> bool {
        let Some(source) = self.sources.get_mut(&seen.name).filter(|source| source.generation == seen.generation)
        else {
            return false;
        };
        source.fresh = true;
        self.rewound |= matches!(seen.view.listing, Listing::FromLedger { .. });
        let view = Arc::new(seen.view);
        if view.listing.is_complete() {
            source.complete = Some(Arc::clone(&view));
        }
        let past = self.past.buckets.entry(Arc::clone(&seen.name)).or_default();
        if let Some(loaded) = seen.past {
            let findings = std::mem::take(&mut past.findings);
            *past = BucketPast { findings, ..loaded };
        }
        let wanted = ancestors_to_look_up(&view, past);
        if !wanted.is_empty() {
            match self.memory.ancestors(&source.key, &wanted) {
                Ok(found) => past.blocks.extend::<BTreeMap<_, _>>(found),
                Err(error) => {
                    self.memory.cannot_read(&error);
                }
            }
        }
        if view.listing.is_complete() {
            self.drop_gone(&view);
        }
        self.world.buckets.insert(seen.name, view);
        true
    }

    /// Judges everything as of `now` and commits what changed.
    pub(super) fn judge(&mut self, now: TimestampMs) -> Snapshot {
        for (name, source) in &self.sources {
            self.world
                .buckets
                .entry(Arc::clone(name))
                .or_insert_with(|| Arc::new(BucketView::awaited(Arc::clone(name), source.settings.kind(), now)));
        }
        self.readings.is_news = false;
        self.past.ledger_failure = self.memory.failure().map(str::to_owned);
        self.past.unread = self.memory.is_unread();
        let (mut snapshot, mut transition) = judge(&self.world, &self.past, &self.policy, now);
        // what rests on a view that was committed before is in the ledger
        let fresh = |name: &Arc<str>| self.sources.get(name).is_some_and(|source| source.fresh);
        transition.buckets.retain(|name, _| fresh(name));
        if self.memory.writes && !self.rewound {
            self.remember(&transition);
            transition.alerting = self.alerts_after(&snapshot, &transition, now);
            transition.earlier = std::mem::take(&mut self.unsaved);
            let committed = self.commit(&transition);
            self.note_alerts(std::mem::take(&mut transition.alerting), committed.is_ok());
            if let Err(error) = committed {
                let why = self.memory.cannot_write(&error);
                self.unsaved = transition.earlier;
                self.unsaved.extend(transition.findings.into_iter().map(|change| (now, change)));
                if let Some(bucket) = self.world.buckets.keys().next()
                    && self.past.ledger_failure.is_none()
                {
                    snapshot.findings.push(ledger_failing::finding(bucket, &why));
                    sort_findings(&mut snapshot.findings);
                }
            } else if let Err(error) = self.save_verifications() {
                self.memory.cannot_write(&error);
            }
        }
        self.keep_summaries(&mut snapshot);
        snapshot
    }

    fn commit(&mut self, transition: &Transition) -> Result<(), crate::ledger::LedgerError> {
        // a bucket whose view is in the ledger already is there for its findings alone
        let earlier = transition.earlier.iter().map(|(_, change)| change);
        let changed: BTreeSet<&Arc<str>> = earlier.chain(&transition.findings).map(bucket_of).collect();
        let placeholders: Vec<(&str, BucketView)> = self
            .sources
            .iter()
            .filter(|(name, source)| !source.fresh && changed.contains(name))
            .map(|(name, source)| {
                let at = self.world.buckets.get(name).map_or(transition.at, |view| view.observed_at);
                (source.key.as_str(), BucketView::awaited(Arc::clone(name), source.settings.kind(), at))
            })
            .collect();
        let fresh = self.sources.iter().filter(|(_, source)| source.fresh);
        let mut views: Vec<(&str, &BucketView)> =
            fresh.filter_map(|(name, source)| Some((source.key.as_str(), &**self.world.buckets.get(name)?))).collect();
        views.extend(placeholders.iter().map(|(key, view)| (*key, view)));
        if views.is_empty() && transition.buckets.is_empty() && self.memory.failure().is_none() {
            return if transition.alerting.is_empty() {
                Ok(())
            } else {
                self.memory.commit_alerting(&transition.alerting, transition.at)
            };
        }
        self.memory.commit(&views, transition)?;
        for source in self.sources.values_mut() {
            source.fresh = false;
        }
        Ok(())
    }

    /// Makes the findings in memory what the transition says.
    fn remember(&mut self, transition: &Transition) {
        for change in &transition.findings {
            let Some(past) = self.past.buckets.get_mut(bucket_of(change)) else { continue };
            match change {
                FindingChange::Opened(finding) | FindingChange::Updated(finding) => {
                    let fingerprint = finding.fingerprint();
                    let since = past.findings.get(&fingerprint).map_or(transition.at, |open| open.since);
                    if self.says_changes && matches!(change, FindingChange::Opened(_)) {
                        log_opened(finding);
                    }
                    past.findings.insert(fingerprint, OpenFinding::of(finding, since, transition.at));
                }
                FindingChange::Ended { fingerprint, end, .. } => {
                    if let Some(open) = past.findings.remove(fingerprint)
                        && self.says_changes
                    {
                        log_ended(&open, *end);
                    }
                }
            }
        }
    }

    /// A bucket of which nothing is known now is shown as it was last known.
    fn keep_summaries(&mut self, snapshot: &mut Snapshot) {
        for summary in &mut snapshot.buckets {
            let Some(source) = self.sources.get_mut(&summary.bucket) else { continue };
            let complete = self.world.buckets.get(&summary.bucket).is_some_and(|view| view.listing.is_complete());
            match &source.summary {
                _ if complete => source.summary = Some(summary.clone()),
                Some(kept) => {
                    let (unreachable, requests) = (summary.unreachable.take(), summary.requests);
                    *summary = BucketSummary { unreachable, requests, ..kept.clone() };
                }
                None => {}
            }
        }
    }
}
