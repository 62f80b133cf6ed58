//! Watches the watcher: every loop says until when it will be heard of again; one that is not is stuck, and then the
//! process ends, so that whoever supervises it starts it anew. The watchdog of systemd is fed from here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// A gap between two looks that is longer means that the whole process stood still (a suspended machine, SIGSTOP): then
/// nobody is late before he had the time to come.
pub(super) const STOOD_STILL: Duration = Duration::from_secs(5);

/// One loop.
#[derive(Clone, Debug)]
pub struct Pulse {
    name: Arc<str>,
    began: Instant,
    /// Time since `began`, in ms, until which the loop has to be heard of; `u64::MAX` = it waits for others.
    until: Arc<AtomicU64>,
}

impl Pulse {
    /// The loop will be heard of again within `bound`.
    pub fn expects(&self, bound: Duration) {
        self.until.store(millis(self.began.elapsed().saturating_add(bound)), Ordering::Relaxed);
    }

    /// The loop has nothing to do, or has ended.
    pub fn rests(&self) {
        self.until.store(u64::MAX, Ordering::Relaxed);
    }

    fn is_late(&self, now: u64) -> bool {
        now > self.until.load(Ordering::Relaxed)
    }
}

/// All loops, and the thread that listens to them.
#[derive(Debug)]
pub struct Vigil {
    began: Instant,
    pulses: Mutex<Vec<Pulse>>,
    stuck: Mutex<Option<String>>,
    over: (Mutex<bool>, Condvar),
}

impl Vigil {
    /// Nobody to listen to yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            pulses: Mutex::new(Vec::new()),
            stuck: Mutex::new(None),
            over: (Mutex::new(false), Condvar::new()),
        })
    }

    /// A new loop, which rests.
    pub fn pulse(&self, name: &str) -> Pulse {
        let pulse = Pulse { name: name.into(), began: self.began, until: Arc::new(AtomicU64::new(u64::MAX)) };
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        // a loop that has ended holds its pulse no longer
        pulses.retain(|pulse| Arc::strong_count(&pulse.until) > 1);
        pulses.push(pulse.clone());
        pulse
    }

    /// Whether every loop is where it should be.
    pub fn health(&self) -> Result<(), String> {
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.as_ref().map_or(Ok(()), |name| Err(format!("the loop `{name}` is stuck")))
    }

    /// The first loop that is late at `now` (ms since the begin).
    fn late(&self, now: u64) -> Option<Arc<str>> {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.iter().find(|pulse| pulse.is_late(now)).map(|pulse| Arc::clone(&pulse.name))
    }

    /// Listens on a thread of its own until [`Self::end`]. `stuck` is called once, with the name of the loop.
    pub fn listen(
        self: &Arc<Self>,
        stuck: impl FnOnce(&str) + Send + 'static,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let vigil = Arc::clone(self);
        let mut usec = 0;
        // twice per period, as systemd advises
        let feed = sd_notify::watchdog_enabled(false, &mut usec).then(|| Duration::from_micros(usec / 2));
        std::thread::Builder::new().name("vigil".to_owned()).spawn(move || vigil.run(feed, stuck))
    }

    /// Stops listening.
    pub fn end(&self) {
        *self.over.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.1.notify_all();
    }

    fn run(&self, feed: Option<Duration>, stuck: impl FnOnce(&str)) {
        let look = feed.map_or(LOOK, |feed| feed.min(LOOK));
        let mut looked = Instant::now();
        let mut trusting_until = looked;
        let mut fed: Option<Instant> = None;
        loop {
            let over = self.over.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (over, _) =
                self.over.1.wait_timeout_while(over, look, |over| !*over).unwrap_or_else(PoisonError::into_inner);
            if *over {
                return;
            }
            drop(over);
            let now = Instant::now();
            if now.duration_since(looked) > STOOD_STILL {
                trusting_until = now + Duration::from_mins(1);
            }
            looked = now;
            if now >= trusting_until
                && let Some(name) = self.late(millis(now.duration_since(self.began)))
            {
                *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_string());
                return stuck(&name);
            }
            if let Some(feed) = feed
                && fed.is_none_or(|fed| now.duration_since(fed) >= feed)
            {
                fed = Some(now);
                tell(&[NotifyState::Watchdog]);
            }
        }
    }
}

/// Tells systemd, where it supervises the process.
pub(super) fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_loop_that_is_not_heard_of_is_stuck() {
        let vigil = Vigil::new();
        let (resting, working, stuck) = (vigil.pulse("rests"), vigil.pulse("works"), vigil.pulse("stands"));
        resting.rests();
        working.expects(Duration::from_mins(10));
        stuck.expects(Duration::ZERO);
        let (sender, receiver) = mpsc::channel();
        assert_eq!(vigil.health(), Ok(()));
        let thread = vigil.listen(move |name| sender.send(name.to_owned()).unwrap()).unwrap();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(30)).unwrap(), "stands");
        thread.join().unwrap();
        assert_eq!(vigil.health(), Err("the loop `stands` is stuck".to_owned()));
    }

    #[test]
    fn loops_that_come_in_time_or_have_ended_are_not() {
        let vigil = Vigil::new();
        let pulse = vigil.pulse("works");
        pulse.expects(Duration::from_secs(1));
        let now = millis(vigil.began.elapsed());
        assert!(vigil.late(now).is_none());
        assert_eq!(vigil.late(now + 2_000).as_deref(), Some("works"));
        pulse.expects(Duration::from_secs(3));
        assert!(vigil.late(now + 2_000).is_none());
        pulse.rests();
        assert!(vigil.late(u64::MAX - 1).is_none());

        drop(pulse);
        vigil.pulse("another");
        assert_eq!(vigil.pulses.lock().unwrap().len(), 1);
        let thread = vigil.listen(|name| panic!("{name}")).unwrap();
        vigil.end();
        thread.join().unwrap();
    }
}
