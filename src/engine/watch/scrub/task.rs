//! The scrub as a task of the service: it begins what is due, hands on what was shown, says how it goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::course::{Course, Reading, Sight, Tally, bounds};
use super::{given_up, read};
use crate::discover::Ambient;
use crate::engine::watch::STUCK;
use crate::engine::watch::judge::Judge;
use crate::engine::watch::vigil::Pulse;
use crate::model::{ScrubSettings, ScrubStatus, Verification};
use crate::verify::{self, Verifier};

/// A loop that is awake is heard of at least this often.
const BEAT: Duration = Duration::from_secs(1);

/// Between two reports, unless something has changed.
const REPORT: Duration = Duration::from_secs(15);

/// Between two reports at least.
const LEAST_REPORT: Duration = Duration::from_secs(2);

/// A block of which nothing was read for this long is given up: a local folder may hang for ever.
const SILENCE: Duration = Duration::from_mins(30);

/// The scrub.
#[derive(Debug)]
pub(in crate::engine::watch) struct Scrub {
    pub(in crate::engine::watch) judge: Judge,
    pub(in crate::engine::watch) sight: watch::Receiver<Arc<Sight>>,
    pub(in crate::engine::watch) pulse: Pulse,
    pub(in crate::engine::watch) ambient: Ambient,
    pub(in crate::engine::watch) stop: CancellationToken,
}

/// What came of a reading.
type Ended = Option<Verification>;

impl Scrub {
    /// Goes on until `stop`.
    pub(in crate::engine::watch) async fn run(mut self) {
        let mut course = Course::new(self.stop.clone(), self.ambient.now());
        let mut verifier: Option<(verify::Settings, Verifier)> = None;
        let mut readings: JoinSet<Ended> = JoinSet::new();
        let mut begun: HashMap<Id, Reading> = HashMap::new();
        let mut report = Report::default();
        self.sight.mark_changed();
        loop {
            self.pulse.expects(STUCK);
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = self.sight.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let sight = Arc::clone(&self.sight.borrow_and_update());
                    course.look(sight, self.ambient.now());
                    verifier = verifier_for(course.settings(), verifier);
                    report.is_due = true;
                }
                Some(ended) = readings.join_next_with_id(), if !readings.is_empty() => {
                    let now = self.ambient.now();
                    match ended {
                        Ok((task, shown)) => {
                            if let Some(reading) = begun.remove(&task) {
                                course.ended(&reading.id, shown.as_ref(), now);
                            }
                        }
                        Err(error) => {
                            tracing::error!(%error, "a verification has failed: this is a defect");
                            if let Some(reading) = begun.remove(&error.id()) {
                                let failed = given_up(&reading, error.to_string(), now);
                                course.ended(&reading.id, failed.as_ref().map(|(failed, ..)| failed), now);
                            }
                        }
                    }
                    report.is_due = true;
                }
                () = sleep(BEAT) => {}
            }
            if let Some((_, verifier)) = &verifier {
                while let Ok(reading) = course.next(self.ambient.now()) {
                    let task = readings.spawn(self.read(verifier.clone(), reading.clone(), &course));
                    begun.insert(task.id(), reading);
                }
            }
            report.make(&mut course, &self.judge, &self.ambient);
        }
        // each ends once the buffers that are computed on are done
        while readings.join_next().await.is_some() {}
        self.pulse.rests();
    }

    /// Reads one block and hands on what that has shown.
    fn read(&self, verifier: Verifier, reading: Reading, course: &Course) -> impl Future<Output = Ended> + use<> {
        let (judge, ambient, all) = (self.judge.clone(), self.ambient.clone(), course.tally());
        let slow = course.settings().max_bytes_per_second.map_or(0, |rate| (64 << 20) / rate.max(1));
        let silence = SILENCE.saturating_add(Duration::from_secs(slow));
        async move {
            let id = reading.id.clone();
            let kept = judge.baseline(&id.bucket, id.generation, id.ulid).await;
            let tally = Tally::default();
            let reader = read(&verifier, &reading, kept, (&tally, &all), &ambient);
            let shown = tokio::select! {
                shown = reader => shown,
                () = is_silent(&tally, silence) => {
                    let why = format!("reading it made no progress for {} s and was given up", silence.as_secs());
                    given_up(&reading, why, ambient.now())
                }
            };
            let (verification, hashes, tell) = shown?;
            if tell {
                judge.verified(id.bucket, id.generation, id.ulid, verification.clone(), hashes).await;
            }
            Some(verification)
        }
    }
}

/// The verifier for what is demanded now, which is the one before if nothing else is.
fn verifier_for(
    settings: &ScrubSettings,
    before: Option<(verify::Settings, Verifier)>,
) -> Option<(verify::Settings, Verifier)> {
    let wanted = bounds(settings);
    if !settings.enabled {
        return None;
    }
    if before.as_ref().is_some_and(|(bounds, _)| *bounds == wanted) {
        return before;
    }
    match Verifier::new(&wanted) {
        Ok(verifier) => Some((wanted, verifier)),
        Err(error) => {
            tracing::error!(%error, "blocks are not verified: there are no threads for it");
            None
        }
    }
}

/// Ends once nothing was read for this long.
async fn is_silent(tally: &Tally, silence: Duration) {
    let (mut count, mut moved) = (0, Instant::now());
    loop {
        sleep(BEAT).await;
        let current = tally.bytes();
        if current != count {
            (count, moved) = (current, Instant::now());
        } else if moved.elapsed() > silence {
            return;
        }
    }
}

/// What was said of how it goes, and when.
#[derive(Debug, Default)]
struct Report {
    last: Option<(Instant, ScrubStatus)>,
    /// Something has changed since.
    is_due: bool,
}

impl Report {
    fn make(&mut self, course: &mut Course, judge: &Judge, ambient: &Ambient) {
        let since = self.last.as_ref().map_or(Duration::MAX, |(last, _)| last.elapsed());
        if since < if self.is_due { LEAST_REPORT } else { REPORT } {
            return;
        }
        let status = course.status(ambient.now());
        let is_news = self.last.as_ref().is_none_or(|(_, last)| *last != status);
        if !is_news || judge.scrub(status.clone()) {
            self.last = Some((Instant::now(), status));
            self.is_due = false;
        }
    }
}
