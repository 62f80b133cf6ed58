//! `verify`: blocks are read to the last byte. `scan --verify` does the same beside everything that a scan does.

mod bars;
mod lines;
mod paths;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::arguments::{
    BlockArguments, BoundArguments, JudgementArguments, OutputFormat, ScanArguments, VerifyArguments,
};
use super::outcome::{Exit, Outcome, document};
use super::progress::Bars;
use super::text::{Page, harmless};
use super::{judge, logging, report, text};
use crate::config::Config;
use crate::engine::watch::{Signal, Signals};
use crate::engine::{
    Demand, Engine, Job, Limits, Selection, State, Verifications, VerifiedBlock, VerifySettings, WITHOUT_PAST, clock,
};
use crate::model::{
    BlockVerdict, Document, Environment, Finding, Interval, Level, Severity, Snapshot, TimestampMs, Verdict,
};
use bars::Screen;

/// Checks that are about one block. All others are about streams and buckets, of which `verify` sees no more than it was
/// asked for.
const ABOUT_BLOCKS: [&str; 11] = [
    "index_corrupt",
    "chunk_corrupt",
    "tombstone_corrupt",
    "block_inconsistent",
    "hash_mismatch",
    "unsupported_format",
    "object_mutated",
    "meta_invalid",
    "missing_object",
    "size_mismatch",
    "partial_upload",
];

/// Checks that say why something is not known.
const ABOUT_SEEING: [&str; 4] = ["bucket_unreachable", "fact_unknown", "object_archived", "ledger_failing"];

/// Runs the command.
pub(super) fn run(arguments: &VerifyArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let bars = Bars::new(arguments.log.format);
    logging::install(arguments.log, text::wants_colour(environment), &bars)?;
    let now = arguments.judgement.at.unwrap_or_else(clock::now);
    let config = if arguments.paths.is_empty() {
        judge::load(&arguments.source, environment)?
    } else {
        Config { buckets: paths::buckets(&arguments.paths)?, ..Config::default() }
    };
    let demand = Demand {
        selection: selection(&arguments.blocks, now)?,
        level: arguments.reading.level,
        resume: arguments.reading.resume,
        at_once: usize::from(arguments.reading.bounds.concurrency),
        settings: settings(arguments.reading.bounds),
    };
    let named = !demand.selection.blocks.is_empty() || demand.selection.streams.is_some();
    let format = arguments.output.output;
    let job = Work { config, demand, judgement: &arguments.judgement, environment, now };
    let mut done = job.run(&bars, page, format)?;
    let selected: BTreeSet<(&str, Ulid)> = done.of.blocks.iter().map(|block| (&*block.bucket, block.block)).collect();
    done.of.snapshot.findings.retain(|finding| is_about(finding, &selected));
    // what it cannot notice is nothing that a block is asked for
    done.of.notes.retain(|note| note != WITHOUT_PAST);
    let mut problems = done.problems();
    if named && done.of.blocks.is_empty() && problems.is_empty() {
        problems.push("no block is among those that were asked for".to_owned());
    }
    if done.of.blocks.is_empty() {
        done.of.notes.push("there was no block to verify".to_owned());
    }
    // whatever is made of it: who asks of a block whether it is whole is told
    let corrupt = done.of.blocks.iter().any(|block| block.verification.verdict == Verdict::Corrupt);
    let outcome = done.finish(format, problems, |done| {
        let mut text = report::findings_of(&done.of.snapshot, page);
        text.push_str(&done.summary());
        report::conclude(&mut text, &done.of.snapshot, &done.of.notes, page);
        text
    })?;
    let least = if corrupt { Exit::Findings } else { Exit::Fine };
    Ok(Outcome { exit: outcome.exit.max(least), ..outcome })
}

/// Runs `scan --verify`.
pub(super) fn scan(arguments: &ScanArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let bars = Bars::new(arguments.log.format);
    logging::install(arguments.log, text::wants_colour(environment), &bars)?;
    let demand = Demand {
        selection: Selection::default(),
        level: arguments.level.unwrap_or(Level::Full),
        resume: false,
        at_once: usize::from(arguments.bounds.concurrency),
        settings: settings(arguments.bounds),
    };
    let now = arguments.judgement.at.unwrap_or_else(clock::now);
    let config = judge::load(&arguments.source, environment)?;
    let format = arguments.output.output;
    let work = Work { config, demand, judgement: &arguments.judgement, environment, now };
    let done = work.run(&bars, page, format)?;
    let problems = done.problems();
    done.finish(format, problems, |done| report::render_with(&done.of.snapshot, &done.summary(), &done.of.notes, page))
}

fn settings(bounds: BoundArguments) -> VerifySettings {
    VerifySettings { bytes_per_second: bounds.max_bytes_per_second, ..VerifySettings::default() }
}

fn selection(arguments: &BlockArguments, now: TimestampMs) -> anyhow::Result<Selection> {
    let parse = |text: &String| {
        crate::config::parse_selector(text).map_err(|expected| anyhow::anyhow!("--stream `{text}`: {expected}"))
    };
    let time = |moment: Option<super::arguments::Moment>, otherwise| {
        moment.map_or(TimestampMs(otherwise), |moment| moment.seen_from(now))
    };
    let (min_time, max_time) = (time(arguments.min_time, i64::MIN), time(arguments.max_time, i64::MAX));
    anyhow::ensure!(min_time < max_time, "--min-time {min_time} is not before --max-time {max_time}");
    let bounded = arguments.min_time.is_some() || arguments.max_time.is_some();
    Ok(Selection {
        blocks: arguments.id.iter().copied().collect(),
        streams: arguments.stream.as_ref().map(parse).transpose()?,
        times: bounded.then(|| Interval::new(min_time, max_time)),
    })
}

/// It is about one of the blocks that were asked for, or about why it cannot be told.
fn is_about(finding: &Finding, selected: &BTreeSet<(&str, Ulid)>) -> bool {
    let bucket = &*finding.subject.bucket;
    match finding.subject.block {
        Some(block) => {
            selected.contains(&(bucket, block))
                && (ABOUT_BLOCKS.contains(&finding.check) || ABOUT_SEEING.contains(&finding.check))
        }
        // many of one kind are one finding about the bucket
        None => {
            ABOUT_SEEING.contains(&finding.check)
                || (ABOUT_BLOCKS.contains(&finding.check) && selected.iter().any(|(of, _)| *of == bucket))
        }
    }
}

/// Everything that has to be known to begin.
struct Work<'a> {
    config: Config,
    demand: Demand,
    judgement: &'a JudgementArguments,
    environment: &'a Environment,
    now: TimestampMs,
}

/// What came of it.
struct Done {
    of: Verifications,
    level: Level,
    took: Duration,
}

impl Work<'_> {
    fn run(self, bars: &Bars, page: Page, format: OutputFormat) -> anyhow::Result<Done> {
        let several = self.config.buckets.len() > 1;
        let job = Job {
            buckets: self.config.buckets,
            policy: self.config.policy,
            state: self.judgement.state.clone().map_or(State::Memory, State::File),
            environment: self.environment.clone(),
            limits: Limits::default(),
        };
        let engine = Engine::open(job, &clock::ambient())?;
        let page = (format == OutputFormat::Text).then_some(page);
        let screen = Screen::new(bars, page, several);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
        let (at, level) = (self.judgement.at, self.demand.level);
        let clock = move || at.unwrap_or_else(clock::now);
        let done = runtime.block_on(async {
            let stop = CancellationToken::new();
            let mut signals = Signals::listen().context("cannot listen to signals")?;
            let begun = Instant::now();
            let verifying = engine.verify(self.now, self.demand, &screen, &stop, clock);
            tokio::pin!(verifying);
            let mut asked = false;
            let of = loop {
                tokio::select! {
                    ended = &mut verifying => break ended?,
                    signal = signals.next() => {
                        anyhow::ensure!(!asked || signal != Signal::Stop, "ended at once, as it was asked for twice");
                        asked |= signal == Signal::Stop;
                        stop.cancel();
                    }
                }
            };
            Ok(Done { of, level, took: begun.elapsed() })
        });
        // a thread that hangs in a file system must not keep the process from ending
        runtime.shutdown_background();
        bars.clear();
        done
    }
}

impl Done {
    /// Why the job could not be done wholly.
    fn problems(&self) -> Vec<String> {
        let absent = self.of.absent.iter().map(|block| format!("block {block} is in no bucket"));
        let unread = self.of.blocks.iter().filter_map(|block| {
            let why = block.verification.why.as_deref().unwrap_or_default();
            let failed = match block.verification.verdict {
                Verdict::Ok | Verdict::Corrupt => false,
                // wrong once, and not to be read a second time
                Verdict::Suspect => block.verification.why.is_some(),
                Verdict::Changed => !block.gone,
                Verdict::Unreachable => !(block.lacking && self.is_explained(block)),
            };
            failed.then(|| format!("block {} was not verified: {}", block.block, harmless(why)))
        });
        let stopped = self.of.stopped.then(|| "stopped before the end, as it was asked for".to_owned());
        absent.chain(unread).chain(stopped).collect()
    }

    /// A finding says already that something of the block is not there.
    fn is_explained(&self, block: &VerifiedBlock) -> bool {
        self.of.snapshot.findings.iter().any(|finding| {
            finding.severity <= Severity::Warning
                && finding.subject.bucket == block.bucket
                && finding.subject.block.is_none_or(|subject| subject == block.block)
                && ABOUT_BLOCKS.contains(&finding.check)
        })
    }

    fn summary(&self) -> String {
        lines::summary(&self.of.blocks, self.level, self.took)
    }

    fn finish(
        self,
        format: OutputFormat,
        problems: Vec<String>,
        text: impl FnOnce(&Self) -> String,
    ) -> anyhow::Result<Outcome> {
        let text = match format {
            OutputFormat::Json => self.document()?,
            OutputFormat::Text => text(&self),
        };
        let mut outcome = Outcome::judgement(text, &self.of.snapshot);
        if !problems.is_empty() {
            outcome.exit = outcome.exit.max(Exit::Failed);
        }
        outcome.problems.extend(problems);
        Ok(outcome)
    }

    fn document(&self) -> anyhow::Result<String> {
        let snapshot: &Snapshot = &self.of.snapshot;
        let blocks: Vec<BlockVerdict> = self
            .of
            .blocks
            .iter()
            .map(|block| BlockVerdict {
                block: block.block.to_string(),
                level: block.verification.level,
                verdict: block.verification.verdict,
                bytes: block.verification.bytes,
            })
            .collect();
        let read = self.of.blocks.iter().filter(|block| !block.recalled);
        let bytes = read.map(|block| block.verification.bytes).fold(0, u64::saturating_add);
        Ok(document(&Document::of_verification(snapshot, &blocks, bytes))?)
    }
}
