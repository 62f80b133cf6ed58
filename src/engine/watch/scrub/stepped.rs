//! The scrub without timers, for a station that somebody else steps.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::course::{Course, Tally, bounds};
use super::read;
use crate::discover::Ambient;
use crate::engine::cycle::EngineError;
use crate::engine::watch::station::Station;
use crate::model::{ScrubSettings, TimestampMs, Verdict};
use crate::verify::Verifier;

/// Verifies what is due whenever it is told what time it is.
#[derive(Debug)]
pub struct Scrubber {
    course: Course,
    verifier: Verifier,
}

impl Scrubber {
    /// With nothing known yet.
    pub fn new(settings: &ScrubSettings, now: TimestampMs) -> Result<Self, EngineError> {
        let verifier = Verifier::new(&bounds(settings)).map_err(|source| EngineError::Threads { source })?;
        Ok(Self { course: Course::new(CancellationToken::new(), now), verifier })
    }

    /// Reads all that is due, as of `now`, one block after the other, and hands it to the station, whose next step
    /// judges it. Gives what was read.
    pub async fn step(&mut self, station: &mut Station, now: TimestampMs) -> Vec<(Arc<str>, Ulid, Verdict)> {
        self.course.look(station.sight(), now);
        let ambient = Ambient::new(move || now, |_| 0);
        let mut found = Vec::new();
        while let Ok(reading) = self.course.next(now) {
            let id = reading.id.clone();
            let kept = station.baseline(&id.bucket, id.generation, id.ulid);
            let tally = Tally::default();
            let shown = read(&self.verifier, &reading, kept, (&tally, &self.course.tally()), &ambient).await;
            self.course.ended(&id, shown.as_ref().map(|(verification, ..)| verification), now);
            let Some((verification, hashes, tell)) = shown else { break };
            found.push((Arc::clone(&id.bucket), id.ulid, verification.verdict));
            if tell {
                station.take_verification(&id.bucket, id.generation, id.ulid, verification, hashes);
            }
        }
        station.take_scrub(self.course.status(now));
        found
    }
}
