//! What tells people while the service runs: the delivery of notifications, Alertmanagers, the dead-man's switch. Each
//! has a task of its own, so that none waits for another, and the judge for none of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::judge::Judge;
use super::station::{Alerts, Beat, Station};
use crate::catalogue::Catalogue;
use crate::discover::Ambient;
use crate::ledger::Outbox;
use crate::model::{
    Alert, DeliveryOutcome, Environment, FailureClass, OutboxRow, ReceiverSettings, ReceiverStatus, TimestampMs,
};
use crate::notify::{
    self, AlertmanagerClient, Context, Delivery, Heartbeat, HeartbeatPhase, LabelledAlert, OpenError, Sender, Told,
};

/// Alerts by the name of the receiver that is to be told of them.
pub(super) type ForAlertmanagers = Arc<BTreeMap<String, Vec<Alert>>>;

/// Alerts that ended stay in what Alertmanagers are told for this long, in ms, as Prometheus does it
/// (`resolvedRetention` in rules/alerting.go).
pub(super) const RESOLVED_MS: i64 = 15 * 60 * 1_000;

/// Between two messages to an Alertmanager at least, however fast alerts change.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// Beats that wait: a switch that does not answer is told the newest of them.
const BEATS: usize = 2;

/// What the judge hands on, beside what it publishes.
#[derive(Debug)]
pub(super) struct Outlet {
    delivery: Delivery,
    beats: mpsc::Sender<Beat>,
    alerts: watch::Sender<ForAlertmanagers>,
    ledgers: mpsc::UnboundedSender<Outbox>,
    /// Of the alerts that were handed on last.
    number: Option<u64>,
}

impl Outlet {
    /// Hands notifications to the delivery. Never waits.
    pub(super) fn deliver(&self, rows: Vec<OutboxRow>, committed: bool) {
        self.delivery.deliver(rows, committed);
    }

    /// Tells the dead-man's switch. Never waits.
    pub(super) fn beat(&self, beat: Beat) {
        // one that does not answer has missed this
        self.beats.try_send(beat).unwrap_or_default();
    }

    /// The ledger has become another one. Never waits; happens at most once per pass.
    pub(super) fn attach(&self, outbox: Outbox) {
        // without anybody who delivers the service is about to end
        self.ledgers.send(outbox).unwrap_or_default();
    }

    /// What Alertmanagers are to be told; worked out only if something has changed.
    pub(super) fn alerts(&mut self, number: u64, alerts: impl FnOnce() -> BTreeMap<String, Vec<Alert>>) {
        if self.number != Some(number) {
            self.number = Some(number);
            self.alerts.send_replace(Arc::new(alerts()));
        }
    }
}

/// What telling is set up with, beside who is told.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub(super) words: Arc<Catalogue>,
    pub(super) environment: Environment,
    pub(super) ambient: Ambient,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Means {
    fn context(&self, alerts: &Alerts) -> Context {
        Context {
            links: alerts.notify.links.clone(),
            words: Arc::clone(&self.words),
            environment: self.environment.clone(),
        }
    }
}

/// All that tells people. A reload changes it.
#[derive(Debug)]
pub(super) struct Tellers {
    pub(super) means: Means,
    judge: Judge,
    delivery: Delivery,
    alerts: watch::Receiver<ForAlertmanagers>,
    beat: watch::Sender<Option<Arc<Heartbeat>>>,
    /// Tasks that tell Alertmanagers, by receiver.
    running: BTreeMap<String, (ReceiverSettings, CancellationToken)>,
}

/// What can be sent to, of a configuration.
#[derive(Debug)]
pub(super) struct Opened {
    senders: Vec<(ReceiverSettings, Arc<dyn Sender>)>,
    alertmanagers: Vec<(ReceiverSettings, AlertmanagerClient)>,
    heartbeat: Option<Arc<Heartbeat>>,
    /// The labels that make an alert the same as that of the generated rules.
    extra: Extra,
}

/// Labels that alerts of generated rules have beside their own.
#[derive(Clone, Debug, Default)]
struct Extra {
    job: String,
    stream_labels: Vec<String>,
}

impl Extra {
    fn label(&self, alert: &Alert) -> LabelledAlert {
        let stream = alert.content.stream.as_ref();
        let chosen = self
            .stream_labels
            .iter()
            .filter_map(|name| Some((name.clone(), stream.and_then(|stream| stream.get(name))?.to_owned())));
        let job = ("job".to_owned(), self.job.clone());
        LabelledAlert { alert: alert.clone(), extra: chosen.chain([job]).collect() }
    }
}

/// Sets up everything that a configuration names; asks nothing of anybody yet. Otherwise says whose settings are wrong.
pub(super) fn open(alerts: &Alerts, means: &Means) -> Result<Opened, String> {
    let context = means.context(alerts);
    let of = |name: &str, error: &OpenError| format!("receiver `{name}`: {error}");
    let (mut senders, mut alertmanagers) = (Vec::new(), Vec::new());
    for receiver in &alerts.notify.receivers {
        let client = notify::open_alertmanager(receiver, &context).map_err(|error| of(&receiver.name, &error))?;
        if let Some(client) = client {
            alertmanagers.push((receiver.clone(), client));
        } else {
            let sender = notify::open(receiver, &context).map_err(|error| of(&receiver.name, &error))?;
            senders.push((receiver.clone(), sender));
        }
    }
    let heartbeat = alerts.notify.heartbeat.as_ref().map(|settings| Heartbeat::open(settings, &context)).transpose();
    let heartbeat = heartbeat.map_err(|error| format!("heartbeat: {error}"))?.map(Arc::new);
    let extra = Extra { job: alerts.rules.job.clone(), stream_labels: alerts.rules.stream_labels.clone() };
    Ok(Opened { senders, alertmanagers, heartbeat, extra })
}

impl Opened {
    /// What takes one message at a time.
    pub(super) fn senders(&mut self) -> Vec<(ReceiverSettings, Arc<dyn Sender>)> {
        std::mem::take(&mut self.senders)
    }
}

/// Where rows, beats and alerts come from, before there is a judge.
#[derive(Debug)]
pub(super) struct Inlet {
    beats: mpsc::Receiver<Beat>,
    alerts: watch::Receiver<ForAlertmanagers>,
    ledgers: mpsc::UnboundedReceiver<Outbox>,
}

/// The two ends of what the judge hands on.
pub(super) fn channel(delivery: Delivery) -> (Outlet, Inlet) {
    let (beats, beating) = mpsc::channel(BEATS);
    let (alerts, told) = watch::channel(ForAlertmanagers::default());
    let (ledgers, opened) = mpsc::unbounded_channel();
    (Outlet { delivery, beats, alerts, ledgers, number: None }, Inlet { beats: beating, alerts: told, ledgers: opened })
}

impl Tellers {
    /// Begins to tell.
    pub(super) fn start(means: Means, judge: Judge, delivery: Delivery, inlet: Inlet, opened: Opened) -> Self {
        let (beat, heartbeat) = watch::channel(None);
        let Inlet { beats, alerts, ledgers } = inlet;
        means.tasks.spawn(follow_ledger(ledgers, delivery.clone(), means.stop.clone()));
        means.tasks.spawn(tell_switch(beats, heartbeat, judge.clone(), means.ambient.clone(), means.stop.clone()));
        means.tasks.spawn(report_delivery(delivery.status(), judge.clone(), means.stop.clone()));
        let mut tellers = Self { means, judge, delivery, alerts, beat, running: BTreeMap::new() };
        tellers.apply_others(opened);
        tellers
    }

    /// Goes on with another configuration. Who is told as before goes on.
    pub(super) fn apply(&mut self, mut opened: Opened) {
        self.delivery.replace(opened.senders());
        self.apply_others(opened);
    }

    fn apply_others(&mut self, opened: Opened) {
        let Opened { senders: _, alertmanagers, heartbeat, extra } = opened;
        self.beat.send_replace(heartbeat);
        for (_, stop) in std::mem::take(&mut self.running).into_values() {
            stop.cancel();
        }
        for (settings, client) in alertmanagers {
            let stop = self.means.stop.child_token();
            let telling = Alertmanagers {
                status: ReceiverStatus {
                    receiver: settings.name.clone(),
                    kind: settings.kind.name(),
                    ..ReceiverStatus::default()
                },
                client,
                extra: extra.clone(),
                alerts: self.alerts.clone(),
                judge: self.judge.clone(),
                ambient: self.means.ambient.clone(),
                stop: stop.clone(),
            };
            self.means.tasks.spawn(telling.run());
            self.running.insert(settings.name.clone(), (settings, stop));
        }
    }
}

/// Keeps notifications in the ledger that there is now.
async fn follow_ledger(mut ledgers: mpsc::UnboundedReceiver<Outbox>, delivery: Delivery, stop: CancellationToken) {
    loop {
        let outbox = tokio::select! {
            () = stop.cancelled() => return,
            outbox = ledgers.recv() => outbox,
        };
        let Some(outbox) = outbox else { return };
        delivery.attach(outbox).await;
    }
}

/// Tells the judge how the delivery goes.
async fn report_delivery(mut status: watch::Receiver<Arc<Vec<ReceiverStatus>>>, judge: Judge, stop: CancellationToken) {
    status.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = status.changed() => if changed.is_err() { return },
        }
        let statuses = Arc::clone(&status.borrow_and_update());
        judge.receivers("delivery".into(), statuses.to_vec()).await;
        // a storm is not reported row by row
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LEAST_PAUSE) => {}
        }
    }
}

/// Tells the dead-man's switch after each cycle.
async fn tell_switch(
    mut beats: mpsc::Receiver<Beat>,
    heartbeat: watch::Receiver<Option<Arc<Heartbeat>>>,
    judge: Judge,
    ambient: Ambient,
    stop: CancellationToken,
) {
    loop {
        let beat = tokio::select! {
            () = stop.cancelled() => return,
            beat = beats.recv() => beat,
        };
        let Some(beat) = beat else { return };
        let switch = heartbeat.borrow().clone();
        let Some(switch) = switch else { continue };
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = switch.ping(beat.phase, &beat.summary, ambient.now()) => result,
        };
        if beat.phase != HeartbeatPhase::Start {
            let result = result.map_err(|error| error.message).map(|()| beat.phase == HeartbeatPhase::Success);
            judge.heartbeat(result).await;
        }
    }
}

/// Tells the Alertmanagers of one receiver.
#[derive(Debug)]
struct Alertmanagers {
    client: AlertmanagerClient,
    extra: Extra,
    alerts: watch::Receiver<ForAlertmanagers>,
    judge: Judge,
    ambient: Ambient,
    stop: CancellationToken,
    status: ReceiverStatus,
}

impl Alertmanagers {
    async fn run(mut self) {
        let resend = Duration::from_millis(u64::try_from(self.client.resend_ms()).unwrap_or(60_000));
        self.report().await;
        self.alerts.mark_changed();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = self.alerts.changed() => if changed.is_err() { return },
                () = sleep(resend) => {}
            }
            let now = self.ambient.now();
            let all = Arc::clone(&self.alerts.borrow_and_update());
            let is_news = |alert: &&Alert| alert.ended_at.is_none_or(|ended| now.since(ended) <= RESOLVED_MS);
            let alerts: Vec<LabelledAlert> = all.get(&self.status.receiver).map_or_else(Vec::new, |alerts| {
                alerts.iter().filter(is_news).map(|alert| self.extra.label(alert)).collect()
            });
            if !alerts.is_empty() {
                let told = tokio::select! {
                    () = self.stop.cancelled() => return,
                    told = self.client.tell(&alerts, now) => told,
                };
                self.note(&told, self.ambient.now());
                self.report().await;
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(LEAST_PAUSE) => {}
            }
        }
    }

    async fn report(&self) {
        let who = format!("alertmanager {}", self.status.receiver);
        self.judge.receivers(who.into(), vec![self.status.clone()]).await;
    }

    fn note(&mut self, told: &[Told], now: TimestampMs) {
        let mut failures = Vec::new();
        for Told { instance, result } in told {
            let (outcome, class) = match result {
                Ok(()) => (DeliveryOutcome::Sent, None),
                Err(error) => {
                    failures.push((error.class, format!("{instance}: {}", error.message)));
                    (DeliveryOutcome::Failed, Some(error.class))
                }
            };
            let count = self.status.outcomes.entry((outcome, class)).or_default();
            *count = count.saturating_add(1);
        }
        if failures.len() < told.len() {
            // instances of a cluster tell each other what was sent, so one that is told is enough
            self.status.last_success = Some(now);
        }
        let first = failures.first().map(|(class, _)| *class);
        let texts: Vec<String> = failures.into_iter().map(|(_, text)| text).collect();
        self.status.failure = first.map(|class: FailureClass| (class, texts.join("; ")));
        let was_failing = self.status.failing_since.is_some();
        self.status.failing_since = first.and(self.status.failing_since.or(Some(now)));
        match (was_failing, &self.status.failure) {
            (false, Some((_, why))) => {
                tracing::warn!(receiver = self.status.receiver, "an Alertmanager cannot be told: {why}");
            }
            (true, None) => tracing::info!(receiver = self.status.receiver, "all Alertmanagers can be told again"),
            (true, Some(_)) | (false, None) => {}
        }
    }
}

type Deed = Box<dyn FnOnce(&mut Station, TimestampMs) + Send>;

/// Something that somebody wants of the station.
pub(super) struct Act(Deed);

impl Act {
    pub(super) fn new(act: impl FnOnce(&mut Station, TimestampMs) + Send + 'static) -> Self {
        Self(Box::new(act))
    }

    /// Does it.
    pub(super) fn on(self, station: &mut Station, now: TimestampMs) {
        (self.0)(station, now);
    }
}
