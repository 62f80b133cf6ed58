//! Verifications for people: a line for each block, and all of it in two.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::text::{Page, Paint, columns, count, grouped, harmless, push_line, shorten, size, wrap};
use crate::engine::VerifiedBlock;
use crate::model::{Interval, Level, Severity, Verdict, format_duration_ms};

/// Fewer columns are not worth a stream's labels.
const LEAST_FOR_LABELS: usize = 16;

/// One line on a block, and more where there is something to be said.
pub(super) fn of_block(block: &VerifiedBlock, several_buckets: bool, page: Page) -> String {
    let verification = &block.verification;
    let verdict = verification.verdict;
    let mut line = format!("{:<11}", verdict.name());
    line = page.paint(paint(verdict), &line);
    let mut rest = format!("  {}  {:>9}", block.block, size(verification.bytes));
    if let Some(interval) = block.interval {
        write!(rest, "  {}", begin_and_length(interval)).unwrap_or_default();
    }
    if several_buckets {
        write!(rest, "  {}", harmless(&block.bucket)).unwrap_or_default();
    }
    let left = page.width.saturating_sub(11 + columns(&rest) + 2);
    if let Some((labels, _)) = &block.stream
        && left >= LEAST_FOR_LABELS
        && !labels.0.is_empty()
    {
        write!(rest, "  {}", shorten(&harmless(&labels.to_string()), left)).unwrap_or_default();
    }
    line.push_str(&rest);
    let mut out = String::new();
    push_line(&mut out, &line);
    for note in notes(block) {
        wrap(&mut out, "  ", &harmless(&note), page.prose_width());
    }
    out
}

/// `2026-01-02 00:00  2h`
fn begin_and_length(interval: Interval) -> String {
    let begin = jiff::Timestamp::from_millisecond(interval.start.0)
        .map_or_else(|_| interval.start.to_string(), |begin| begin.strftime("%Y-%m-%d %H:%M").to_string());
    format!("{begin} {:>4}", format_duration_ms(interval.len_ms()))
}

/// What else there is to be said of a block.
fn notes(block: &VerifiedBlock) -> Vec<String> {
    let verification = &block.verification;
    let mut notes = Vec::new();
    if block.recalled {
        notes.push(format!("verified {} at level {}, and unchanged since", verification.at, verification.level));
    }
    if let Some(why) = &verification.why {
        notes.push(if block.gone { format!("it was deleted while it was read: {why}") } else { why.clone() });
    }
    // what writers are known for is told at the end
    for problem in verification.problems.iter().filter(|problem| problem.severity <= Severity::Warning) {
        let first = problem.places.first();
        let what = first.map_or_else(|| problem.words.clone(), |place| problem.about(&format!("`{}`", place.file)));
        let at = first.and_then(|place| place.offset);
        let at = at.map_or_else(String::new, |offset| format!(", first at byte {offset}"));
        let times = if problem.count == 1 { String::new() } else { format!(" {} times", grouped(problem.count)) };
        let once = if problem.confirmed { "" } else { " (at one reading of two)" };
        notes.push(format!("{}: {}{times}{at}{once}", problem.severity.name(), what));
    }
    notes
}

const fn paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Ok => Paint::Fine,
        Verdict::Changed | Verdict::Unreachable | Verdict::Suspect => Paint::Warning,
        Verdict::Corrupt => Paint::Critical,
    }
}

/// What was done, in a line: blocks by verdict, bytes, samples, and how long it took.
pub(super) fn summary(blocks: &[VerifiedBlock], level: Level, took: Duration) -> String {
    let read = || blocks.iter().filter(|block| !block.recalled);
    let by_verdict = Verdict::ALL.into_iter().filter_map(|verdict| {
        let number = number(blocks.iter().filter(|block| block.verification.verdict == verdict).count());
        (number > 0).then(|| format!("{} {verdict}", grouped(number)))
    });
    let by_verdict: Vec<String> = by_verdict.collect();
    let recalled = number(blocks.len()).saturating_sub(number(read().count()));
    let recalled = if recalled == 0 { String::new() } else { format!(" ({} from the ledger)", grouped(recalled)) };
    let verdicts = if by_verdict.is_empty() { String::new() } else { format!(": {}", by_verdict.join(", ")) };
    let bytes = read().map(|block| block.verification.bytes).fold(0, u64::saturating_add);
    let samples = read().map(|block| block.verification.samples).fold(0, u64::saturating_add);
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = u64::try_from(u128::from(bytes) * 1_000 / u128::from(ms)).unwrap_or(u64::MAX);
    let rate = if ms < 1_000 { String::new() } else { format!(" ({} per second)", size(rate)) };
    format!(
        "{} verified at level {level}{recalled}{verdicts}; {}, {} in {}{rate}\n",
        count(number(blocks.len()), "block", "blocks"),
        size(bytes),
        count(samples, "sample", "samples"),
        seconds(ms),
    )
}

/// `3 ms`, `1.3 s`, `12 s`, `1h2m`.
fn seconds(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..120_000 => format!("{} s", ms / 1_000),
        _ => format_duration_ms(i64::try_from(ms / 1_000 * 1_000).unwrap_or(i64::MAX)),
    }
}

/// A length as the model counts.
fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::sample;
    use crate::model::{
        Damage, Labels, Place, Problem, Resolution, TimestampMs, VERIFIER_VERSION, Verification, parse_ulid,
    };

    pub(crate) fn block() -> VerifiedBlock {
        VerifiedBlock {
            bucket: "thanos".into(),
            block: parse_ulid("01KK0HCWW0000FANWA5KTS24VZ").unwrap(),
            stream: Some((Labels::from([("cluster", "eu1"), ("replica", "a")]).into(), Resolution::Raw)),
            interval: Some(sample::hours(2, 4)),
            verification: Verification {
                at: sample::AT,
                level: Level::Full,
                version: VERIFIER_VERSION,
                verdict: Verdict::Ok,
                bytes: 123 << 20,
                samples: 1_234_567,
                identity: 1,
                problems: Vec::new(),
                why: None,
                compared: false,
            },
            recalled: false,
            lacking: false,
            gone: false,
        }
    }

    fn all() -> Vec<VerifiedBlock> {
        let with = |verdict, change: &dyn Fn(&mut VerifiedBlock)| {
            let mut block = block();
            block.verification.verdict = verdict;
            change(&mut block);
            block
        };
        let problem = |count, confirmed, offset| Problem {
            damage: Damage::Chunk,
            severity: Severity::Critical,
            rule: "record_checksum".to_owned(),
            words: "the checksum of a chunk does not match".to_owned(),
            count,
            places: vec![Place {
                file: "chunks/000001".into(),
                section: "record".to_owned(),
                offset,
                expected: "1".to_owned(),
                found: "2".to_owned(),
                found_again: None,
                series: None,
                times_ms: None,
            }],
            confirmed,
        };
        vec![
            block(),
            with(Verdict::Ok, &|block| block.recalled = true),
            with(Verdict::Corrupt, &|block| block.verification.problems = vec![problem(1_234, true, Some(8))]),
            with(Verdict::Suspect, &|block| block.verification.problems = vec![problem(1, false, None)]),
            with(Verdict::Unreachable, &|block| {
                block.verification.bytes = 0;
                block.verification.why = Some("cannot read `x` \u{1b}[2J: 503".to_owned());
                block.stream = None;
                block.interval = None;
            }),
            with(Verdict::Changed, &|block| {
                block.gone = true;
                block.verification.why = Some("`x` is not there".to_owned());
                block.interval = Some(Interval::new(TimestampMs(i64::MIN), TimestampMs(i64::MAX)));
            }),
        ]
    }

    #[test]
    fn blocks_are_lines() {
        let shown = |several, page: Page| -> String {
            let lines = all().iter().map(|block| of_block(block, several, page)).collect::<String>();
            lines + &summary(&all(), Level::Full, Duration::from_millis(2_345))
        };
        sample::compare("verify_lines", &shown(false, Page { width: 80, colour: false }));
        sample::compare("verify_lines_wide", &shown(true, Page { width: 110, colour: false }));
        let coloured = shown(false, Page { width: 80, colour: true });
        assert!(coloured.contains("\u{1b}[1;31mcorrupt    \u{1b}[0m  01KK"), "{coloured:?}");
    }

    #[test]
    fn times_are_short() {
        for (ms, expected) in [(3, "3 ms"), (2_345, "2.3 s"), (12_345, "12 s"), (3_720_000, "1h2m")] {
            assert_eq!(seconds(ms), expected);
        }
        let nothing = summary(&[], Level::Index, Duration::ZERO);
        assert_eq!(nothing, "0 blocks verified at level index; 0 B, 0 samples in 1 ms\n");
    }
}
