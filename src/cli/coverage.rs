//! `coverage`: what each stream holds over time.

use super::arguments::{CoverageArguments, OutputFormat, SelectionArguments};
use super::outcome::{Outcome, document};
use super::text::Page;
use super::{judge, timeline};
use crate::model::{CoverageDocument, Environment, Interval, Selector, Snapshot, TimestampMs};

/// Runs the command.
pub(super) fn run(arguments: &CoverageArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let selection = Selection::parse(&arguments.selection)?;
    let judged = judge::once(&arguments.source, &arguments.judgement, arguments.log, environment)?;
    let snapshot = selection.of(&judged.snapshot);
    let text = match arguments.output.output {
        OutputFormat::Json => document(&CoverageDocument::of(&snapshot))?,
        OutputFormat::Text => timeline::render(&snapshot, (selection.min_time, selection.max_time), page),
    };
    Ok(Outcome::report(text, &snapshot))
}

/// Which streams, over what time.
#[derive(Debug, Default)]
struct Selection {
    streams: Option<Selector>,
    min_time: Option<TimestampMs>,
    max_time: Option<TimestampMs>,
}

impl Selection {
    fn parse(arguments: &SelectionArguments) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            crate::config::parse_selector(text).map_err(|expected| anyhow::anyhow!("--stream `{text}`: {expected}"))
        };
        let (min_time, max_time) = (arguments.min_time, arguments.max_time);
        if let (Some(min_time), Some(max_time)) = (min_time, max_time)
            && min_time >= max_time
        {
            anyhow::bail!("--min-time {min_time} is not before --max-time {max_time}");
        }
        Ok(Self { streams: arguments.stream.as_ref().map(parse).transpose()?, min_time, max_time })
    }

    /// The part of a snapshot that was asked for; streams that hold nothing in that time are left out.
    fn of(&self, snapshot: &Snapshot) -> Snapshot {
        let mut part = snapshot.clone();
        let frame = Interval::new(
            self.min_time.unwrap_or(TimestampMs(i64::MIN)),
            self.max_time.unwrap_or(TimestampMs(i64::MAX)),
        );
        let whole = self.min_time.is_none() && self.max_time.is_none();
        for bucket in &mut part.buckets {
            bucket.streams.retain(|stream| self.streams.as_ref().is_none_or(|wanted| wanted.matches(&stream.labels)));
            if whole {
                continue;
            }
            for timeline in bucket.streams.iter_mut().flat_map(|stream| &mut stream.timelines) {
                let inside = |interval: Interval| interval.intersection(frame);
                timeline.blocks.retain(|block| inside(block.interval).is_some());
                timeline.holes = timeline.holes.iter().filter_map(|hole| inside(*hole)).collect();
                timeline.coverage = timeline.coverage.parts().iter().filter_map(|part| inside(*part)).collect();
            }
            for stream in &mut bucket.streams {
                stream.timelines.retain(|timeline| !timeline.blocks.is_empty() || !timeline.holes.is_empty());
            }
            bucket.streams.retain(|stream| !stream.timelines.is_empty());
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, hour, hours};
    use super::*;

    fn arguments(stream: &str, min_time: Option<i64>, max_time: Option<i64>) -> SelectionArguments {
        let stream = (!stream.is_empty()).then(|| stream.to_owned());
        SelectionArguments { stream, min_time: min_time.map(hour), max_time: max_time.map(hour) }
    }

    #[test]
    fn streams_and_times_are_selected() {
        let snapshot = sample::snapshot(sample::healthy_and_holey(), vec![]);
        for (stream, min_time, max_time, streams, blocks) in [
            ("", None, None, 2, 44),
            ("{replica=\"b\"}", None, None, 1, 19),
            ("{replica=\"c\"}", None, None, 0, 0),
            ("", Some(0), Some(4), 2, 4),
            ("{replica=~\"b\"}", Some(6), Some(10), 1, 0),
            ("", Some(100), None, 0, 0),
        ] {
            let part = Selection::parse(&arguments(stream, min_time, max_time)).unwrap().of(&snapshot);
            let found = &part.buckets[0].streams;
            let spans = found.iter().flat_map(|stream| &stream.timelines).flat_map(|timeline| &timeline.blocks);
            assert_eq!((found.len(), spans.count()), (streams, blocks), "{stream} {min_time:?} {max_time:?}");
        }
    }

    #[test]
    fn intervals_are_cut_at_the_selection() {
        let snapshot = sample::snapshot(sample::healthy_and_holey(), vec![]);
        let part = Selection::parse(&arguments("{replica=\"b\"}", Some(7), Some(11))).unwrap().of(&snapshot);
        let timeline = &part.buckets[0].streams[0].timelines[0];
        assert_eq!((&*timeline.holes, timeline.coverage.parts()), (&[hours(7, 10)][..], &[hours(10, 11)][..]));
    }

    #[test]
    fn only_the_selected_time_is_drawn() {
        let snapshot = sample::snapshot(sample::healthy_and_holey(), vec![]);
        let selection = Selection::parse(&arguments("{replica=\"b\"}", Some(0), Some(12))).unwrap();
        let frame = (selection.min_time, selection.max_time);
        let text = timeline::render(&selection.of(&snapshot), frame, Page { width: 100, colour: false });
        sample::compare("coverage_part", &text);
    }

    #[test]
    fn senseless_selections_are_refused() {
        for (stream, min_time, max_time, expected) in [
            ("cluster=eu1", None, None, "--stream `cluster=eu1`: expected"),
            ("", Some(4), Some(4), "is not before --max-time"),
        ] {
            let error = Selection::parse(&arguments(stream, min_time, max_time)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
