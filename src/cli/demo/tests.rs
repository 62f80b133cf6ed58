//! The bucket, judged as a user's would be: at rest it raises nothing, and each fault raises what the story says.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::folder::Folder;
use super::plan::Estate;
use super::story::{Step, Story};
use crate::config::{self, ObjstoreSource};
use crate::engine::{Engine, Job, Limits, State, clock};
use crate::model::{DAY_MS, Environment, Finding, HOUR_MS, MINUTE_MS, SECOND_MS, Severity, Snapshot, TimestampMs};

/// Nothing in particular.
const SOME_DAY: &str = "2026-05-20T13:07:09.123Z";

fn some_day() -> TimestampMs {
    TimestampMs::parse_rfc3339(SOME_DAY).unwrap()
}

#[derive(Debug)]
struct Silent;

impl crate::engine::Progress for Silent {
    fn listed(&self, _: &str, _: u64) {}
    fn to_read(&self, _: &str, _: u64) {}
    fn read(&self, _: &str) {}
    fn ended(&self, _: &str) {}
}

/// A folder, and who scans it.
struct Desk {
    home: TempDir,
    folder: Folder,
    runtime: Runtime,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::create(home.path()).unwrap();
        Self { home, folder, runtime: Runtime::new().unwrap() }
    }

    fn scan(&self, now: TimestampMs, state: State) -> Snapshot {
        let directory = self.folder.bucket().display();
        let objstore = ObjstoreSource::Inline(format!("{{type: FILESYSTEM, config: {{directory: {directory}}}}}"));
        let environment = Environment::default();
        let config = config::load(None, Some(&objstore), &environment, &[]).unwrap();
        let limits = Limits::default();
        let job = Job { buckets: config.buckets, policy: config.policy, state, environment, limits };
        let engine = Engine::open(job, &clock::ambient()).unwrap();
        self.runtime.block_on(engine.cycle(now, &Silent)).unwrap().snapshot
    }

    /// Without a past.
    fn afresh(&self, now: TimestampMs) -> Snapshot {
        self.scan(now, State::Memory)
    }

    /// With what earlier scans saw.
    fn again(&self, now: TimestampMs) -> Snapshot {
        self.scan(now, State::File(self.home.path().join("ledger.db")))
    }
}

fn is_bad(finding: &Finding) -> bool {
    finding.severity <= Severity::Warning
}

/// What is said at warning or above.
fn complaints(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.findings.iter().filter(|finding| is_bad(finding)).map(|finding| finding.message.as_str()).collect()
}

/// The checks that say something at warning or above.
fn checks(snapshot: &Snapshot) -> Vec<(Severity, &'static str)> {
    snapshot
        .findings
        .iter()
        .filter(|finding| is_bad(finding))
        .map(|finding| (finding.severity, finding.check))
        .collect()
}

#[test]
fn a_healthy_bucket_raises_nothing_while_it_grows_for_a_day() {
    let mut desk = Desk::new();
    let estate = Estate::healthy(some_day());
    let mut seen = BTreeSet::new();
    for step in 0..=144 {
        let now = some_day().plus(step * 10 * MINUTE_MS);
        let planned = estate.blocks(now);
        desk.folder.follow(&planned).unwrap();
        let snapshot = desk.again(now);
        assert_eq!(complaints(&snapshot), Vec::<&str>::new(), "{now}");
        assert_eq!(snapshot.buckets[0].blocks, u64::try_from(planned.len()).unwrap(), "{now}");
        seen.extend(planned.iter().map(|block| (block.identity.interval.len_ms(), block.marked.is_some())));
    }
    // the day has seen everything that happens in a bucket
    for span in [2 * HOUR_MS, 8 * HOUR_MS] {
        assert!(seen.contains(&(span, false)) && seen.contains(&(span, true)), "{seen:?}");
    }
}

#[test]
fn a_healthy_bucket_raises_nothing_whenever_it_is_made() {
    // every kind of moment within two days: around the ends of blocks, their cut and their upload
    let start = TimestampMs::parse_rfc3339("2026-05-19T00:00:00Z").unwrap();
    let moments = (0..24).step_by(9).map(|block| block * 2 * HOUR_MS);
    for at in moments.flat_map(|at| [at - 1, at, at + 26 * SECOND_MS, at + HOUR_MS / 2, at + HOUR_MS + 20 * SECOND_MS])
    {
        let now = start.plus(at);
        let mut desk = Desk::new();
        desk.folder.follow(&Estate::healthy(now).blocks(now)).unwrap();
        let snapshot = desk.afresh(now);
        assert_eq!(complaints(&snapshot), Vec::<&str>::new(), "{now}");
        assert_eq!(snapshot.buckets[0].streams.len(), 4, "{now}");
    }
}

#[test]
fn each_block_is_listed_by_promtool() {
    let mut desk = Desk::new();
    let planned = Estate::healthy(some_day()).blocks(some_day());
    desk.folder.follow(&planned).unwrap();
    // it opens every block, and is silent about those that it cannot use
    let raw: Vec<_> = planned.iter().filter(|block| block.identity.resolution.name() == "raw").collect();
    std::fs::create_dir(desk.folder.bucket().join("wal")).unwrap();
    let listed = promtool(&["list", "."], desk.folder.bucket());
    for block in &raw {
        assert!(listed.contains(&block.identity.ulid.to_string()), "{:?}\n{listed}", block.identity);
    }
    let large = raw.iter().find(|block| block.identity.level == 3).unwrap();
    promtool(&["analyze", "--extended", ".", &large.identity.ulid.to_string()], desk.folder.bucket());
}

fn promtool(arguments: &[&str], folder: &Path) -> String {
    let output = std::process::Command::new("promtool").arg("tsdb").args(arguments).current_dir(folder).output();
    let output = output.expect("promtool is needed: apt-get install prometheus");
    assert!(output.status.success(), "promtool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const BEGINNING: [(Severity, &str); 5] = [
    (Severity::Critical, "coverage_gap"),
    (Severity::Warning, "coverage_gap"),
    (Severity::Warning, "missing_object"),
    (Severity::Warning, "partial_upload"),
    (Severity::Warning, "upload_lag"),
];

#[test]
fn the_story_begins_with_the_same_faults_at_any_time() {
    for step in 0..10 {
        // over four days, at moments all over the hour
        let now = some_day().plus(step * (9 * HOUR_MS + 7 * MINUTE_MS));
        let mut desk = Desk::new();
        Story::new(now).unwrap().begin(&mut desk.folder).unwrap();
        let snapshot = desk.afresh(now);
        assert_eq!(checks(&snapshot), BEGINNING, "{now}: {:#?}", complaints(&snapshot));
    }
}

#[test]
fn each_step_opens_and_ends_what_it_says() {
    for hours in [0, 31] {
        let mut now = some_day().plus(hours * HOUR_MS);
        let story = Story::new(now).unwrap();
        let mut desk = Desk::new();
        story.begin(&mut desk.folder).unwrap();
        let mut open: BTreeSet<&str> = checks(&desk.again(now)).into_iter().map(|(_, check)| check).collect();
        for step in Step::ALL {
            now = now.plus(20 * SECOND_MS);
            story.happen(step, &desk.folder, now).unwrap();
            let (opens, ends) = Story::effect(step);
            open.extend(opens);
            open.retain(|check| !ends.contains(check));
            let snapshot = desk.again(now);
            let found: BTreeSet<&str> = checks(&snapshot).into_iter().map(|(_, check)| check).collect();
            assert_eq!(found, open, "{step:?}: {:#?}", complaints(&snapshot));
            for check in opens.iter().chain(ends) {
                assert!(story.tell(step).contains(check), "{step:?} does not say {check}");
            }
        }
        // what is left goes on as it began, while blocks come and are compacted
        for _ in 0..12 {
            now = now.plus(2 * HOUR_MS);
            desk.folder.follow(&story.estate.blocks(now)).unwrap();
            let left = BEGINNING.into_iter().filter(|(_, check)| *check != "missing_object");
            let snapshot = desk.again(now);
            assert_eq!(checks(&snapshot), left.collect::<Vec<_>>(), "{now}: {:#?}", complaints(&snapshot));
        }
    }
}

#[test]
fn a_story_is_told_until_timestamps_take_another_byte() {
    let late = TimestampMs::parse_rfc3339("2039-09-01T00:00:00Z").unwrap();
    let estate = Estate::healthy(late);
    Desk::new().folder.follow(&estate.blocks(late)).unwrap();
    let later = late.plus(20 * DAY_MS);
    let refused = Desk::new().folder.follow(&Estate::healthy(later).blocks(later)).unwrap_err();
    assert!(format!("{refused:#}").contains("another number of bytes"), "{refused:#}");
}
