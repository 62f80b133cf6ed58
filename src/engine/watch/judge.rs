//! The one that judges: a thread of its own, fed by a bounded channel, that owns the [`Station`]. What takes the processor
//! or the disk happens here and so delays nobody who serves the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use ulid::Ulid;

use super::Configured;
use super::scrub::Sight;
use super::station::{Reloaded, Station};
use super::telling::{Act, Outlet, RESOLVED_MS};
use super::vigil::Pulse;
use crate::discover::Ambient;
use crate::engine::core::{Pass, Seen};
use crate::model::{Hashes, Published, ReceiverStatus, ScrubStatus, Verification};

/// Messages that wait at most.
const WAITING: usize = 64;

/// A judgement of a million blocks, and its commit to a slow disk, take less.
const LONGEST: Duration = Duration::from_mins(10);

/// What happens.
pub(super) enum Event {
    /// A pass is due.
    Due { bucket: Arc<str>, reply: oneshot::Sender<Option<Pass>> },
    /// A pass has ended; the next one is due in so many ms.
    Ended { seen: Box<Seen>, took_ms: u64, next_ms: i64 },
    /// Time goes by.
    Tick,
    /// A block is about to be read: the hashes that it had at first are asked for.
    Baseline { bucket: Arc<str>, generation: u64, ulid: Ulid, reply: oneshot::Sender<Hashes> },
    /// A block was read.
    Verified { bucket: Arc<str>, generation: u64, ulid: Ulid, verification: Box<Verification>, hashes: Hashes },
    /// How the scrub goes.
    Scrub(Box<ScrubStatus>),
    /// How telling people goes, as one of those who do it says.
    Receivers { who: Arc<str>, statuses: Vec<ReceiverStatus> },
    /// The dead-man's switch was told, or that failed; `true`: that all is well.
    Heartbeat(Result<bool, String>),
    /// Somebody asks for something over HTTP.
    Act(Act),
    /// The configuration was read again.
    Reload { configured: Box<Result<Configured, String>>, reply: oneshot::Sender<Result<Reloaded, String>> },
}

/// To tell the judge. It ends when the last of these is gone.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    inbox: mpsc::Sender<Event>,
    /// A reminder waits: another one would say nothing new.
    reminded: Arc<AtomicBool>,
    /// The process stood still and the judge does not know yet.
    stood_still: Arc<AtomicBool>,
}

impl Judge {
    /// Starts the thread; every new state goes to `publish`.
    pub(super) fn start(
        station: Station,
        publish: watch::Sender<Arc<Published>>,
        show: watch::Sender<Arc<Sight>>,
        pulse: Pulse,
        ambient: Ambient,
        outlet: Outlet,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (inbox, events) = mpsc::channel(WAITING);
        let reminded = Arc::new(AtomicBool::new(false));
        let judge = Self { inbox, reminded, stood_still: Arc::new(AtomicBool::new(false)) };
        let reminders = (Arc::clone(&judge.reminded), Arc::clone(&judge.stood_still));
        let work = move || run(station, events, (&publish, &show, outlet), &reminders, &pulse, &ambient);
        let thread = std::thread::Builder::new().name("judge".to_owned()).spawn(work)?;
        Ok((judge, thread))
    }

    /// Says that a pass is due; `None` where the bucket is not configured any more, or the judge is gone.
    pub(super) async fn due(&self, bucket: &Arc<str>) -> Option<Pass> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Event::Due { bucket: Arc::clone(bucket), reply }).await.ok()?;
        answer.await.ok().flatten()
    }

    /// Says what a pass saw.
    pub(super) async fn ended(&self, seen: Seen, took_ms: u64, next_ms: i64) {
        // without a judge the service is about to end
        self.inbox.send(Event::Ended { seen: Box::new(seen), took_ms, next_ms }).await.unwrap_or_default();
    }

    /// Says that time goes by, and whether the whole process stood still since it was last said. A judge that is busy needs no more than one reminder.
    pub(super) fn tick(&self, stood_still: bool) {
        self.stood_still.fetch_or(stood_still, Ordering::Relaxed);
        if self.reminded.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.inbox.try_send(Event::Tick).is_err() {
            self.reminded.store(false, Ordering::Relaxed);
        }
    }

    /// The hashes that a block had when it was first verified.
    pub(super) async fn baseline(&self, bucket: &Arc<str>, generation: u64, ulid: Ulid) -> Hashes {
        let (reply, answer) = oneshot::channel();
        let event = Event::Baseline { bucket: Arc::clone(bucket), generation, ulid, reply };
        // without a judge the service is about to end
        self.inbox.send(event).await.unwrap_or_default();
        answer.await.unwrap_or_default()
    }

    /// Says what reading a block has shown.
    pub(super) async fn verified(
        &self,
        bucket: Arc<str>,
        generation: u64,
        ulid: Ulid,
        verification: Verification,
        hashes: Hashes,
    ) {
        let verification = Box::new(verification);
        let event = Event::Verified { bucket, generation, ulid, verification, hashes };
        self.inbox.send(event).await.unwrap_or_default();
    }

    /// Says how the scrub goes; `false`: the judge is too busy to listen.
    pub(super) fn scrub(&self, status: ScrubStatus) -> bool {
        self.inbox.try_send(Event::Scrub(Box::new(status))).is_ok()
    }

    /// Says how telling people goes. Waits while the judge is busy.
    pub(super) async fn receivers(&self, who: Arc<str>, statuses: Vec<ReceiverStatus>) {
        // without a judge the service is about to end
        self.inbox.send(Event::Receivers { who, statuses }).await.unwrap_or_default();
    }

    /// Says how the dead-man's switch was reached.
    pub(super) async fn heartbeat(&self, result: Result<bool, String>) {
        self.inbox.send(Event::Heartbeat(result)).await.unwrap_or_default();
    }

    /// Asks for something that somebody wants.
    pub(super) async fn act(&self, act: Act) {
        self.inbox.send(Event::Act(act)).await.unwrap_or_default();
    }

    /// Goes on with another configuration.
    pub(super) async fn reload(&self, configured: Result<Configured, String>) -> Result<Reloaded, String> {
        let (reply, answer) = oneshot::channel();
        // both fail only once the judge has gone
        self.inbox.send(Event::Reload { configured: Box::new(configured), reply }).await.unwrap_or_default();
        answer.await.unwrap_or_else(|_gone| Err("the service is about to end".to_owned()))
    }
}

fn run(
    mut station: Station,
    mut events: mpsc::Receiver<Event>,
    (publish, show, mut outlet): (&watch::Sender<Arc<Published>>, &watch::Sender<Arc<Sight>>, Outlet),
    (reminded, stood_still): &(Arc<AtomicBool>, Arc<AtomicBool>),
    pulse: &Pulse,
    ambient: &Ambient,
) {
    loop {
        pulse.rests();
        let Some(event) = events.blocking_recv() else { return };
        pulse.expects(LONGEST);
        let mut shown = false;
        let mut seen = false;
        let mut reloaded = Vec::new();
        let mut next = Some(event);
        // what has come together is judged together
        while let Some(event) = next {
            match event {
                // who has gone has been told to stop
                Event::Due { reply, .. } if reply.is_closed() => {}
                Event::Due { bucket, reply } => {
                    let pass = station.begin(&bucket, ambient.now());
                    shown = true;
                    // whoever has gone does not need it
                    reply.send(pass).unwrap_or_default();
                }
                Event::Ended { seen: pass, took_ms, next_ms } => {
                    station.take_in(*pass, ambient.now(), took_ms, next_ms);
                    seen = true;
                }
                Event::Tick => {
                    reminded.store(false, Ordering::Relaxed);
                    if stood_still.swap(false, Ordering::Relaxed) {
                        station.stood_still(ambient.now());
                    }
                    shown |= station.tick(ambient.now());
                }
                Event::Baseline { reply, .. } if reply.is_closed() => {}
                Event::Baseline { bucket, generation, ulid, reply } => {
                    // whoever has gone does not need it
                    reply.send(station.baseline(&bucket, generation, ulid)).unwrap_or_default();
                }
                Event::Verified { bucket, generation, ulid, verification, hashes } => {
                    station.take_verification(&bucket, generation, ulid, *verification, hashes);
                }
                Event::Scrub(status) => {
                    station.take_scrub(*status);
                    shown = true;
                }
                Event::Receivers { who, statuses } => {
                    seen |= station.take_receivers(who, statuses);
                    shown = true;
                }
                Event::Heartbeat(result) => {
                    station.take_heartbeat(result, ambient.now());
                    shown = true;
                }
                Event::Act(act) => {
                    act.on(&mut station, ambient.now());
                    shown = true;
                }
                Event::Reload { configured, reply } => {
                    reloaded.push((station.reload(*configured, ambient.now()), reply));
                    shown = true;
                }
            }
            pulse.expects(LONGEST);
            next = events.try_recv().ok();
        }
        if seen {
            station.judge(ambient.now());
        }
        for (rows, committed) in station.take_decided() {
            outlet.deliver(rows, committed);
        }
        if let Some(outbox) = station.take_new_outbox() {
            outlet.attach(outbox);
        }
        for beat in station.take_beats() {
            outlet.beat(beat);
        }
        if let Some(number) = station.alerts_number() {
            outlet.alerts(number, || station.for_alertmanagers(RESOLVED_MS, ambient.now()));
        }
        let sight = station.sight();
        if !Arc::ptr_eq(&sight, &show.borrow()) {
            show.send_replace(sight);
        }
        if seen || shown {
            publish.send_replace(station.published());
        }
        // whoever has waited for a reload sees what it made
        for (result, reply) in reloaded {
            reply.send(result).unwrap_or_default();
        }
    }
}
