//! A delivery that is killed at any moment loses nothing: of every incident the last state arrives, those of one group
//! arrive in order, and what arrives twice says that it may be a repeat. Without a test harness, because this program
//! is also what is killed: it calls itself. A number as argument repeats the run with that seed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "whatever fails in here fails the test")]
#![expect(clippy::print_stdout, reason = "the seed is what a run that fails is repeated with")]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use blockwarden::engine::clock::now;
use blockwarden::ledger::{Access, Ledger};
use blockwarden::model::{
    Alert, AlertContent, AlertingChange, ClientSettings, DAY_MS, FailureClass, NOTIFICATION_VERSION, News,
    Notification, NotifiedAlert, OutboxRow, OutboxState, Phase, Reason, ReceiverKind, ReceiverSettings, Secret,
    SecretSource, Severity, SlackAccess, SlackSettings, TimestampMs, WebhookSettings,
};
use blockwarden::notify::{Delivery, Message, SendError, Sender, Sent};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const INCIDENTS: usize = 200;
const KILLS: u64 = 100;
/// Rows of one receiver that may wait: more would become a digest, after which it is quiet for minutes.
const WAITING: u64 = 8;
const RECEIVERS: [&str; 2] = ["chat", "hook"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, role, ledger, arrived, seed] if ["work", "finish"].contains(&role.as_str()) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(deliver(ledger.as_ref(), arrived.into(), seed.parse().unwrap(), role == "finish"));
        }
        _ => {
            let seed = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or_else(rand::random);
            kill_and_look(seed);
        }
    }
}

fn kill_and_look(seed: u64) {
    println!("outbox_killed: seed {seed}");
    let began = tokio::time::Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let (ledger, arrived) = (folder.path().join("ledger.db"), folder.path().join("arrived"));
    let mut chance = StdRng::seed_from_u64(seed);
    let child = |role: &str, round: u64| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(role).args([&ledger, &arrived]).arg(seed.wrapping_add(round).to_string());
        command.stdin(Stdio::null()).spawn().unwrap()
    };
    let mut running = 0;
    for round in 0..KILLS {
        let mut killed = child("work", round);
        let moment = Duration::from_micros(chance.random_range(10_000..300_000));
        #[expect(clippy::disallowed_methods, reason = "the moment of the kill is what is random")]
        std::thread::sleep(moment);
        running += usize::from(killed.try_wait().unwrap().is_none());
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    assert_eq!(running, usize::try_from(KILLS).unwrap(), "some ended before they were killed");
    assert!(child("finish", KILLS).wait().unwrap().success());
    let (messages, repeats) = look(&ledger, &arrived);
    println!(
        "outbox_killed: {messages} messages arrived over {KILLS} kills, {repeats} of them marked repeats, in {:.1} s; \
         {:.0} times claimed and sent per second",
        began.elapsed().as_secs_f64(),
        pace(&folder.path().join("other.db")),
    );
}

/// How often a row is claimed and sent in a second, each with two commits on disk.
fn pace(path: &Path) -> f64 {
    const TIMES: usize = 200;
    let ledger = Ledger::open(path, Access::Write).unwrap();
    let mut outbox = ledger.outbox().unwrap();
    let began = tokio::time::Instant::now();
    for number in 0..TIMES {
        let row = row("chat", number, 1);
        outbox.claim(&row, &[], TimestampMs(1)).unwrap();
        outbox.sent(&row, None, TimestampMs(1)).unwrap();
    }
    f64::from(u32::try_from(TIMES).unwrap()) / began.elapsed().as_secs_f64()
}

/// Checks what arrived; gives how many messages there were, and how many of them were repeats.
fn look(ledger: &Path, arrived: &Path) -> (usize, usize) {
    let ledger = Ledger::open(ledger, Access::Write).unwrap();
    ledger.check().unwrap();
    let outbox = ledger.outbox().unwrap();
    assert_eq!((outbox.waiting().unwrap(), outbox.dead_letters().unwrap()), (Vec::new(), Vec::new()));
    let mut newest: BTreeMap<(String, String), i64> = BTreeMap::new();
    let (mut messages, mut repeats) = (0, 0);
    for line in std::fs::read_to_string(arrived).unwrap().lines() {
        // what was cut off by a kill did not arrive
        let Ok((receiver, lane, version, uncertain)) = serde_json::from_str::<(String, String, i64, bool)>(line) else {
            continue;
        };
        messages += 1;
        let before = newest.insert((receiver.clone(), lane.clone()), version).unwrap_or(0);
        assert!(version >= before, "{receiver}, {lane}: {version} came after {before}");
        if version == before {
            assert!(uncertain, "{receiver}, {lane}: {version} came twice, and does not say so");
            repeats += 1;
        }
    }
    let alerts = ledger.load_alerting().unwrap().alerts;
    assert_eq!(alerts.len(), INCIDENTS);
    for (alert, receiver) in alerts.iter().flat_map(|alert| RECEIVERS.map(|receiver| (alert, receiver))) {
        assert_eq!(alert.phase, Phase::Ended);
        let last = newest[&(receiver.to_owned(), alert.fingerprint.clone())];
        assert_eq!(last, alert.since.0, "the last state of {} did not arrive at {receiver}", alert.fingerprint);
    }
    assert!(messages > 2 * INCIDENTS && repeats > 0, "{messages} messages, {repeats} repeats: was anybody killed?");
    (messages, repeats)
}

/// Lets incidents come and go, and delivers that, until it is killed; or until all are over and told.
async fn deliver(path: &Path, arrived: PathBuf, seed: u64, finishes: bool) {
    let mut ledger = Ledger::open(path, Access::Write).unwrap();
    let past = ledger.load_alerting().unwrap().alerts;
    let mut versions: BTreeMap<String, i64> =
        past.into_iter().map(|alert| (alert.fingerprint, alert.since.0)).collect();
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let receivers = RECEIVERS.map(|name| {
        let fails = !finishes;
        let sender: Arc<dyn Sender> =
            Arc::new(ToFile { path: arrived.clone(), chance: Mutex::new(StdRng::seed_from_u64(seed)), fails });
        (settings(name), sender)
    });
    let delivery = Delivery::start(
        ledger.outbox().unwrap(),
        receivers.into(),
        Arc::new(now),
        Arc::new(|most| rand::random_range(0..=most)),
        tracker.clone(),
        stop.clone(),
    );
    let mut status = delivery.status();
    let mut chance = StdRng::seed_from_u64(seed ^ 1);
    let mut number = 0;
    loop {
        let is_open = |number: &usize| versions.get(&lane(*number)).is_none_or(|version| version % 2 == 1);
        let next = match (finishes, chance.random_bool(0.5)) {
            // often the same again, so that there is something to be merged
            (false, true) => Some(number),
            (false, false) => Some(chance.random_range(0..INCIDENTS)),
            (true, _) => (0..INCIDENTS).find(is_open),
        };
        let most = if next.is_some() { WAITING } else { 0 };
        status.wait_for(|all| all.iter().all(|receiver| receiver.pending <= most)).await.unwrap();
        let Some(next) = next else { break };
        number = next;
        let version = versions.entry(lane(number)).or_default();
        *version += 1;
        let rows: Vec<OutboxRow> = RECEIVERS.iter().map(|receiver| row(receiver, number, *version)).collect();
        let alerts = vec![alert(number, *version)];
        let change = AlertingChange { alerts, outbox: rows.clone(), ..AlertingChange::default() };
        ledger.commit_alerting(&change, now()).unwrap();
        delivery.deliver(rows, true);
    }
    stop.cancel();
    tracker.close();
    tracker.wait().await;
}

/// What it takes is a line in a file, which stays whatever becomes of this process.
#[derive(Debug)]
struct ToFile {
    path: PathBuf,
    chance: Mutex<StdRng>,
    fails: bool,
}

#[async_trait]
impl Sender for ToFile {
    async fn send(&self, message: &Message<'_>) -> Result<Sent, SendError> {
        let (before, after, fate) = {
            let mut chance = self.chance.lock().unwrap();
            (chance.random_range(0..3_000), chance.random_range(0..3_000), chance.random_range(0..100))
        };
        tokio::time::sleep(Duration::from_micros(before)).await;
        if self.fails && fate == 0 {
            return Err(SendError::new(FailureClass::Transient, "not now"));
        }
        let row = message.row;
        let line = serde_json::json!([row.receiver, row.lane, row.notification.at.0, row.uncertain]);
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        // what a kill cuts off is a line of its own
        file.write_all(format!("\n{line}\n").as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_micros(after)).await;
        if self.fails && fate == 1 {
            let error = SendError::new(FailureClass::Timeout, "no answer");
            return Err(SendError { maybe_sent: true, ..error });
        }
        Ok(Sent::default())
    }

    async fn probe(&self) -> Result<Option<String>, SendError> {
        Ok(None)
    }
}

fn settings(name: &str) -> ReceiverSettings {
    let secret = SecretSource::Inline(Secret::new("x".to_owned()));
    let http = ClientSettings::default();
    let slack =
        SlackSettings { access: SlackAccess::Webhook(secret.clone()), api_url: String::new(), http: http.clone() };
    let kind = match name {
        "chat" => ReceiverKind::Slack(Box::new(slack)),
        _ => ReceiverKind::Webhook(Box::new(WebhookSettings { url: secret, max_alerts: 0, http })),
    };
    ReceiverSettings {
        name: name.to_owned(),
        fallback: None,
        daily_test_minute: None,
        timeout_ms: 10_000,
        per_minute: 60_000,
        burst: 1_000,
        kind,
    }
}

fn lane(number: usize) -> String {
    format!("incident {number:03}")
}

/// An alert in its n-th state: odd = it fires, even = it is over.
fn alert(number: usize, version: i64) -> Alert {
    let is_over = version % 2 == 0;
    let at = TimestampMs(version);
    Alert {
        fingerprint: lane(number),
        id: "coverage_gap".to_owned(),
        name: "BlockwardenCoverageGap".to_owned(),
        content: AlertContent {
            severity: Severity::Critical,
            bucket: "thanos".to_owned(),
            stream: None,
            resolution: None,
            block: None,
            object: None,
            interval_ms: None,
            message: "a hole".to_owned(),
            remedy: "fill it".to_owned(),
            deadline: None,
            evidence: BTreeMap::new(),
        },
        phase: if is_over { Phase::Ended } else { Phase::Firing },
        since: at,
        fired_at: Some(at),
        healed_at: is_over.then_some(at),
        end: None,
        ended_at: is_over.then_some(at),
        unknown_since: None,
        frozen_ms: 0,
        edges: Vec::new(),
        flapping_since: None,
    }
}

fn row(receiver: &str, number: usize, version: i64) -> OutboxRow {
    let alert = alert(number, version);
    let is_over = alert.phase == Phase::Ended;
    let created = now();
    let (reason, news) = if is_over { (Reason::Ended, News::Ended) } else { (Reason::First, News::Fired) };
    OutboxRow {
        id: OutboxRow::derived_id(&[receiver, &lane(number), &version.to_string()]),
        receiver: receiver.to_owned(),
        recipient: String::new(),
        lane: lane(number),
        created,
        not_before: created,
        deadline: created.plus(DAY_MS),
        attempts: 0,
        state: OutboxState::Pending,
        uncertain: false,
        plain: false,
        error: None,
        instead_of: None,
        notification: Notification {
            version: NOTIFICATION_VERSION,
            reason,
            at: TimestampMs(version),
            receiver: receiver.to_owned(),
            group_key: lane(number),
            group: BTreeMap::new(),
            incident: lane(number),
            began: alert.since,
            ended: alert.ended_at,
            alerts: vec![NotifiedAlert { alert, news: Some(news) }],
            more: 0,
            repeat_ms: None,
            parts: Vec::new(),
            text: None,
        },
    }
}
