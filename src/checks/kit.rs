//! Estates for the tests of checks: a healthy bucket in a few lines, then one thing broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::estate::Estate;
use super::{ALL, Policy, Scope};
use crate::model::{
    BlockChange, BlockMeta, BlockSource, BlockView, BucketPast, BucketView, Damage, DeletionMark, FileEntry, Finding,
    ForeignKeys, HOUR_MS, Interval, Labels, Level, Listing, MarkState, Marks, MetaState, ObjectView, Parent, PastBlock,
    Place, Problem, Provider, ReceiverStatus, RequestCounts, Resolution, Schedule, Severity, Stats, TimestampMs,
    Verdict, Verification, Verified,
};

/// 2026-01-01T00:00:00Z: hour 0 of all tests.
pub(crate) const EPOCH: TimestampMs = TimestampMs(1_767_225_600_000);

/// Hours after the epoch of the tests.
pub(crate) const fn at(hours: i64) -> TimestampMs {
    EPOCH.plus(hours * HOUR_MS)
}

/// One block.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) labels: Labels,
    pub(crate) hours: (i64, i64),
    pub(crate) level: u32,
    pub(crate) resolution: Resolution,
    pub(crate) source: BlockSource,
    pub(crate) samples: u64,
    pub(crate) hinted: bool,
    pub(crate) sources: Vec<Ulid>,
    pub(crate) parents: Vec<Parent>,
    /// Hours after its end at which it was cut and uploaded.
    pub(crate) cut_after: i64,
}

impl Spec {
    /// A sidecar's block of replica `replica` of cluster eu1.
    pub(crate) fn new(replica: &str, start: i64, end: i64) -> Self {
        Self {
            labels: Labels::from([("cluster", "eu1"), ("replica", replica)]),
            hours: (start, end),
            level: 1,
            resolution: Resolution::Raw,
            source: BlockSource::Sidecar,
            samples: 1_000 * (end - start).unsigned_abs(),
            hinted: false,
            sources: Vec::new(),
            parents: Vec::new(),
            cut_after: 1,
        }
    }

    /// What the compactor made of `sources`.
    pub(crate) fn compacted(replica: &str, start: i64, end: i64, sources: &[Ulid]) -> Self {
        Self { level: 2, source: BlockSource::Compactor, sources: sources.to_vec(), ..Self::new(replica, start, end) }
    }
}

/// A rule that is broken at three places, two of them named, and was so at both readings.
pub(crate) fn problem(damage: Damage, severity: Severity) -> Problem {
    let place = |offset| Place {
        file: "chunks/000001".into(),
        section: "record".to_owned(),
        offset: Some(offset),
        expected: "checksum 0000002a".to_owned(),
        found: "00000017".to_owned(),
        found_again: Some("00000017".to_owned()),
        series: Some("{__name__=\"up\"}".to_owned()),
        times_ms: Some((EPOCH.0, EPOCH.0 + HOUR_MS)),
    };
    Problem {
        damage,
        severity,
        rule: "record_checksum".to_owned(),
        words: "a checksum does not match".to_owned(),
        count: 3,
        places: vec![place(8), place(99)],
        confirmed: true,
    }
}

/// A bucket under construction.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    pub(crate) view: BucketView,
    pub(crate) past: BucketPast,
    pub(crate) policy: Policy,
    pub(crate) ledger_failure: Option<String>,
    /// Who is to be told, as in a service.
    pub(crate) receivers: Option<Vec<ReceiverStatus>>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) verified: Verified,
    serial: u128,
}

impl Kit {
    /// An empty bucket, judged at `now` hours.
    pub(crate) fn new(now: i64) -> Self {
        Self {
            view: BucketView {
                bucket: "thanos".into(),
                provider: Provider::S3,
                observed_at: at(now),
                listing: Listing::Complete { objects: 0, bytes: 0 },
                blocks: BTreeMap::new(),
                foreign: ForeignKeys::default(),
                confirmed_gone: Vec::new(),
                unconfirmed_gone: Vec::new(),
                unknown: Vec::new(),
                date_skew_ms: None,
                requests: RequestCounts::default(),
            },
            past: BucketPast::default(),
            policy: Policy::default(),
            ledger_failure: None,
            receivers: None,
            schedule: None,
            verified: Verified::new(),
            serial: 0,
        }
    }

    /// One replica with 2h blocks from hour 0 until an hour before `now`.
    pub(crate) fn healthy(now: i64) -> Self {
        let mut kit = Self::new(now);
        kit.fill("a", 0, now - 1);
        kit
    }

    /// 2h blocks of a replica.
    pub(crate) fn fill(&mut self, replica: &str, from: i64, until: i64) -> Vec<Ulid> {
        let starts = (from..until - 1).step_by(2);
        starts.map(|start| self.add(Spec::new(replica, start, start + 2))).collect()
    }

    /// A ULID cut at this time.
    pub(crate) fn ulid(&mut self, cut: TimestampMs) -> Ulid {
        self.serial += 1;
        Ulid::from_parts(cut.0.unsigned_abs(), self.serial)
    }

    /// Adds a block, whole, its sources itself unless given.
    pub(crate) fn add(&mut self, spec: Spec) -> Ulid {
        let cut = at(spec.hours.1 + spec.cut_after);
        let ulid = self.ulid(cut);
        let object = |name: &str, size| ObjectView {
            name: name.into(),
            size,
            last_modified: cut,
            etag: Some("e".into()),
            storage_class: None,
        };
        let files = [("chunks/000001", Some(800)), ("index", Some(600)), ("meta.json", None)];
        let meta = BlockMeta {
            ulid: Some(ulid),
            interval: Interval::new(at(spec.hours.0), at(spec.hours.1)),
            stats: Stats { samples: Some(spec.samples), series: Some(100), chunks: Some(200), tombstones: None },
            level: spec.level,
            sources: if spec.sources.is_empty() { [ulid].into() } else { spec.sources.into() },
            parents: spec.parents.into(),
            hinted: spec.hinted,
            failed: false,
            labels: Arc::new(spec.labels),
            resolution: spec.resolution,
            source: spec.source,
            files: Some(files.map(|(name, size)| FileEntry { name: name.into(), size, sha256: None }).into()),
            segments: Some(1),
            rewrite_sources: Box::new([]),
            upload_time: Some(cut),
        };
        let view = BlockView {
            ulid,
            objects: [object("chunks/000001", 800), object("index", 600), object("meta.json", 500)].into(),
            meta: MetaState::Read { meta: Some(Arc::new(meta)), problems: Box::new([]) },
            marks: Marks::default(),
            mutations: Box::new([]),
            change: BlockChange::New,
        };
        self.view.blocks.insert(ulid, view);
        ulid
    }

    /// Changes a block as it is seen.
    pub(crate) fn edit(&mut self, ulid: Ulid, change: impl FnOnce(&mut BlockView)) {
        change(self.view.blocks.get_mut(&ulid).unwrap());
    }

    /// Changes a block's `meta.json`.
    pub(crate) fn edit_meta(&mut self, ulid: Ulid, change: impl FnOnce(&mut BlockMeta)) {
        self.edit(ulid, |block| {
            let MetaState::Read { meta: Some(meta), .. } = &mut block.meta else { panic!("no meta") };
            change(Arc::make_mut(meta));
        });
    }

    /// Takes an object away.
    pub(crate) fn remove_object(&mut self, ulid: Ulid, name: &str) {
        self.edit(ulid, |block| {
            block.objects = block.objects.iter().filter(|object| &*object.name != name).cloned().collect();
            if name == "meta.json" {
                block.meta = MetaState::Absent;
            }
        });
    }

    /// Marks a block for deletion.
    pub(crate) fn mark(&mut self, ulid: Ulid, hours: i64, details: &str) {
        let mark = DeletionMark { time: at(hours), details: details.to_owned() };
        self.edit(ulid, |block| block.marks.deletion = Some(MarkState::Read(mark)));
    }

    /// The ledger knows everything that is there, since hour `first` and as of hour `last`.
    pub(crate) fn remember(&mut self, first: i64, last: i64) {
        self.past.first_scan = Some(at(first));
        self.past.last_scan = Some(at(last));
        for (ulid, block) in &self.view.blocks {
            let past = PastBlock {
                meta: block.meta.meta().cloned(),
                first_seen: at(first),
                complete: true,
                deletion: block.marks.deletion.as_ref().and_then(|mark| mark.read().cloned()),
                lineage: crate::model::Lineage::default(),
                end: None,
            };
            self.past.blocks.insert(*ulid, past);
        }
    }

    /// A block is no longer there; the ledger keeps what it knows.
    pub(crate) fn vanish(&mut self, ulid: Ulid) {
        self.view.blocks.remove(&ulid).unwrap();
        self.view.confirmed_gone.push(ulid);
    }

    /// The block was verified at level `full` as it is now, at the judged time.
    pub(crate) fn verify(&mut self, ulid: Ulid, problems: &[Problem]) {
        let verdict = match problems {
            [] => Verdict::Ok,
            some if some.iter().any(|problem| problem.confirmed) => Verdict::Corrupt,
            _ => Verdict::Suspect,
        };
        let verification = Verification {
            at: self.view.observed_at,
            level: Level::Full,
            version: 1,
            verdict,
            bytes: 1_900,
            samples: 2_000,
            identity: self.view.blocks[&ulid].identity(),
            problems: problems.to_vec(),
            why: None,
            compared: true,
        };
        self.verified.insert(ulid, verification);
    }

    /// Runs one check.
    pub(crate) fn run(&self, id: &str) -> Vec<Finding> {
        let check = ALL.iter().find(|check| check.id == id).unwrap();
        let estate = Estate::build(&self.view, &self.past, &self.policy, self.view.observed_at);
        let estates = [estate.with_verified(Some(&self.verified))];
        let ledger_failure = self.ledger_failure.as_deref();
        (check.run)(&Scope {
            check,
            estate: &estates[0],
            estates: &estates,
            ledger_failure,
            judged_at: self.view.observed_at,
            schedule: self.schedule.as_ref(),
            receivers: self.receivers.as_deref(),
        })
    }

    /// Runs one check that finds exactly one thing.
    #[track_caller]
    pub(crate) fn one(&self, id: &str) -> Finding {
        let mut found = self.run(id);
        assert_eq!(found.len(), 1, "{id}: {:#?}", found.iter().map(|f| &f.message).collect::<Vec<_>>());
        found.remove(0)
    }

    /// Runs one check that finds nothing.
    #[track_caller]
    pub(crate) fn none(&self, id: &str) {
        let found = self.run(id);
        assert!(found.is_empty(), "{id}: {:#?}", found.iter().map(|f| &f.message).collect::<Vec<_>>());
    }

    /// The checks that find something at warning or above.
    pub(crate) fn alarms(&self) -> Vec<&'static str> {
        let loud = |id: &str| self.run(id).iter().any(|finding| finding.severity <= Severity::Warning);
        ALL.iter().map(|check| check.id).filter(|id| loud(id)).collect()
    }
}
