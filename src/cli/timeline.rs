//! Timelines drawn with characters: what each stream holds, one row per resolution and compaction level.

use std::collections::BTreeMap;

use super::text::{
    Page, Paint, columns, count, grouped, harmless, lay_out, moment, push_line, shorten, size, span, wrap,
};
use crate::model::{
    BlockSpan, Interval, MINUTE_MS, Resolution, Snapshot, StreamSummary, Timeline, TimestampMs, format_duration_ms,
};

/// Columns left of the drawing: `  raw  level 12  `.
const GUTTER: usize = 17;
/// So many holes and marked blocks are named below a drawing; the document holds them all.
const MAX_NAMED: usize = 10;

/// A block narrower than this is drawn without a mark at its start, which would hide it.
const MIN_MARKED_WIDTH: usize = 3;

const LEGEND: [&str; 7] = [
    "█ blocks, as high as the share of the time that they hold",
    "▐ start of a block",
    "░ superseded",
    "x marked for deletion",
    "n not to be compacted",
    "! hole",
    "· not uploaded yet",
];

/// All streams of a snapshot. `frame`: from when to when; what is `None` is taken from the blocks and the snapshot's
/// time.
pub(super) fn render(snapshot: &Snapshot, frame: (Option<TimestampMs>, Option<TimestampMs>), page: Page) -> String {
    let mut out = String::new();
    let mut drawn = false;
    for bucket in &snapshot.buckets {
        // why is told on standard error
        if bucket.unreachable.is_some() {
            push_line(&mut out, &format!("bucket `{}`: could not be read", harmless(&bucket.bucket)));
            continue;
        }
        if bucket.streams.is_empty() {
            push_line(&mut out, &format!("bucket `{}`: no stream", harmless(&bucket.bucket)));
            continue;
        }
        let axis = Axis::around(bucket.streams.iter(), frame, snapshot.at, page);
        for stream in &bucket.streams {
            heading(&mut out, &bucket.bucket, stream, page);
            if let Some(axis) = &axis {
                draw(&mut out, stream, axis, snapshot.at, page);
                drawn = true;
            }
            named(&mut out, stream, page);
            out.push('\n');
        }
    }
    if drawn {
        lay_out(&mut out, 0, LEGEND.map(str::to_owned), page.width, |part| page.paint(Paint::Faint, part));
    }
    out
}

fn heading(out: &mut String, bucket: &str, stream: &StreamSummary, page: Page) {
    let spans = || stream.timelines.iter().flat_map(|timeline| &timeline.blocks);
    let blocks = u64::try_from(spans().count()).unwrap_or(u64::MAX);
    let lag = match stream.lag_ms {
        Some(lag) => format!("newest data {} old", format_duration_ms(lag)),
        None if stream.derived => "no producer of its own".to_owned(),
        None => "no raw blocks".to_owned(),
    };
    let name = harmless(&format!("{bucket} {}", stream.labels));
    out.push_str(&page.paint(Paint::Strong, &name));
    let facts = format!("{}, {}, {lag}", count(blocks, "block", "blocks"), size(spans().map(|span| span.bytes).sum()));
    if columns(&name) + 2 + columns(&facts) > page.width {
        out.push_str("\n ");
    }
    push_line(out, &format!("  {}", page.paint(Paint::Faint, &facts)));
}

/// The time that a drawing shows, and on how many columns.
#[derive(Clone, Copy, Debug)]
struct Axis {
    frame: Interval,
    cells: usize,
}

impl Axis {
    /// Around everything that the streams hold up to `now`, so that the streams of a bucket can be compared; `None`
    /// if there is nothing to show.
    fn around<'a>(
        streams: impl Iterator<Item = &'a StreamSummary>,
        frame: (Option<TimestampMs>, Option<TimestampMs>),
        now: TimestampMs,
        page: Page,
    ) -> Option<Self> {
        let spans = streams.flat_map(|stream| &stream.timelines).flat_map(|timeline| &timeline.blocks);
        let oldest = spans.map(|span| span.interval.start).min();
        let (start, end) = (frame.0.or(oldest)?, frame.1.unwrap_or(now));
        let frame = Interval::new(start, end);
        (!frame.is_empty()).then_some(Self { frame, cells: page.width.saturating_sub(GUTTER).max(10) })
    }

    /// The time of one column.
    fn cell(&self, idx: usize) -> Interval {
        Interval::new(self.edge(idx), self.edge(idx + 1))
    }

    /// Where column `idx` begins.
    fn edge(&self, idx: usize) -> TimestampMs {
        let whole = i128::from(self.frame.len_ms());
        let share = i128::try_from(idx).unwrap_or(0) * whole / i128::try_from(self.cells).unwrap_or(1).max(1);
        self.frame.start.plus(i64::try_from(share).unwrap_or(i64::MAX))
    }

    /// The columns that an interval touches; empty if it lies outside.
    fn columns_of(&self, interval: Interval) -> std::ops::Range<usize> {
        let Some(seen) = interval.intersection(self.frame) else { return 0..0 };
        let place = |time: TimestampMs| {
            let share = i128::from(time.since(self.frame.start)) * i128::try_from(self.cells).unwrap_or(0);
            usize::try_from(share / i128::from(self.frame.len_ms().max(1))).unwrap_or(0).min(self.cells - 1)
        };
        place(seen.start)..place(seen.end.minus(1)) + 1
    }

    /// The dates at both ends and, where there is room, in the middle.
    fn dates(&self) -> String {
        let (start, end) = (moment(self.frame.start), moment(self.frame.end));
        // a column is seldom a whole minute; seconds would say nothing
        let middle = self.edge(self.cells / 2);
        let middle = moment(middle.minus(middle.0.rem_euclid(MINUTE_MS)));
        let taken = columns(&start) + columns(&end);
        if taken + columns(&middle) + 8 <= self.cells {
            let left = (self.cells / 2).saturating_sub(columns(&start) + columns(&middle) / 2);
            let right = self.cells.saturating_sub(taken + left + columns(&middle));
            format!("{start}{:left$}{middle}{:right$}{end}", "", "")
        } else if taken + 2 <= self.cells {
            format!("{start}{:gap$}{end}", "", gap = self.cells - taken)
        } else {
            format!("{start} to {end}")
        }
    }
}

/// One column of one row.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// Blocks that touch it.
    blocks: u32,
    /// Of these, how many carry a deletion mark.
    marked: u32,
    /// Of these, how many are superseded and not marked.
    superseded: u32,
    /// Of these, how many are excluded from compaction.
    no_compact: u32,
    /// Begins with the start of a block that is wider than this column.
    starts: bool,
    /// ms of the column that its blocks hold.
    held: i64,
}

impl Cell {
    fn glyph(self, length: i64) -> (char, Option<Paint>) {
        if self.blocks == 0 {
            (' ', None)
        } else if self.no_compact > 0 {
            ('n', Some(Paint::Warning))
        } else if self.marked == self.blocks {
            ('x', Some(Paint::Info))
        } else if self.marked + self.superseded == self.blocks {
            ('░', Some(Paint::Faint))
        } else if self.starts {
            ('▐', None)
        } else {
            (bar(self.held, length), None)
        }
    }
}

/// A bar whose height is the share `held` / `length`, rounded up so that nothing is drawn as nothing.
fn bar(held: i64, length: i64) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let eighths = (i128::from(held.max(0)) * 8).div_euclid(i128::from(length.max(1))).clamp(0, 7);
    usize::try_from(eighths).ok().and_then(|idx| BARS.get(idx).copied()).unwrap_or('█')
}

/// The rows of a stream.
fn draw(out: &mut String, stream: &StreamSummary, axis: &Axis, now: TimestampMs, page: Page) {
    push_line(out, &format!("{:GUTTER$}{}", "", page.paint(Paint::Faint, &axis.dates())));
    for timeline in &stream.timelines {
        let mut levels: BTreeMap<u32, Vec<&BlockSpan>> = BTreeMap::new();
        for span in &timeline.blocks {
            levels.entry(span.level).or_default().push(span);
        }
        let mut resolution = timeline.resolution.name();
        for (level, spans) in &levels {
            let cells = level_cells(spans, axis);
            let row = cells.iter().enumerate().map(|(idx, cell)| cell.glyph(axis.cell(idx).len_ms()));
            push_row(out, resolution, &format!("level {level}"), row, page);
            resolution = "";
        }
        push_row(out, resolution, "held", held_cells(timeline, stream, axis, now), page);
    }
}

fn level_cells(spans: &[&BlockSpan], axis: &Axis) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); axis.cells];
    for block in spans {
        let columns = axis.columns_of(block.interval);
        let begins_here = block.interval.start >= axis.frame.start;
        let wide = columns.len() >= MIN_MARKED_WIDTH;
        for (idx, cell) in cells.iter_mut().enumerate().skip(columns.start).take(columns.len()) {
            cell.blocks += 1;
            cell.marked += u32::from(block.deletion_marked);
            cell.superseded += u32::from(block.superseded && !block.deletion_marked);
            cell.no_compact += u32::from(block.no_compact);
            cell.starts |= wide && begins_here && idx == columns.start;
            let held = axis.cell(idx).intersection(block.interval).map_or(0, Interval::len_ms);
            cell.held = cell.held.saturating_add(held);
        }
    }
    cells
}

/// What the blocks hold together, the holes, and at the open end of raw data what is not uploaded yet.
fn held_cells(
    timeline: &Timeline,
    stream: &StreamSummary,
    axis: &Axis,
    now: TimestampMs,
) -> Vec<(char, Option<Paint>)> {
    let mut held = vec![0_i64; axis.cells];
    for part in timeline.coverage.parts() {
        let columns = axis.columns_of(*part);
        for (idx, ms) in held.iter_mut().enumerate().skip(columns.start).take(columns.len()) {
            *ms = ms.saturating_add(axis.cell(idx).intersection(*part).map_or(0, Interval::len_ms));
        }
    }
    let glyphs = held.iter().enumerate().map(|(idx, ms)| match *ms {
        0 => (' ', None),
        ms => (bar(ms, axis.cell(idx).len_ms()), Some(Paint::Fine)),
    });
    let mut row: Vec<_> = glyphs.collect();
    for hole in &timeline.holes {
        let columns = axis.columns_of(*hole);
        row.iter_mut().skip(columns.start).take(columns.len()).for_each(|cell| *cell = ('!', Some(Paint::Critical)));
    }
    if let (Resolution::Raw, Some(lag)) = (timeline.resolution, stream.lag_ms) {
        let columns = axis.columns_of(Interval::new(now.minus(lag), now));
        let open = row.iter_mut().skip(columns.start).take(columns.len());
        open.filter(|(glyph, _)| *glyph == ' ').for_each(|cell| *cell = ('·', Some(Paint::Faint)));
    }
    row
}

fn push_row(
    out: &mut String,
    resolution: &str,
    name: &str,
    row: impl IntoIterator<Item = (char, Option<Paint>)>,
    page: Page,
) {
    let mut line = format!("  {resolution:<5}{:<10}", shorten(name, 9));
    let row: Vec<_> = row.into_iter().collect();
    for run in row.chunk_by(|a, b| a.1 == b.1) {
        let text: String = run.iter().map(|(glyph, _)| glyph).collect();
        match run.first().and_then(|(_, paint)| *paint) {
            Some(paint) => line.push_str(&page.paint(paint, &text)),
            None => line.push_str(&text),
        }
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Holes and marks in words, because a column of a drawing may stand for days. Blocks that are marked because others
/// hold their data are the daily work of a compactor: they are counted, not named.
fn named(out: &mut String, stream: &StreamSummary, page: Page) {
    let holes = stream.timelines.iter().flat_map(|timeline| {
        timeline.holes.iter().map(|hole| format!("hole in {}: {}", timeline.resolution, span(*hole)))
    });
    list(out, Paint::Critical, "holes", holes, page);
    let picked = |what: &'static str, pick: fn(&BlockSpan) -> bool| {
        stream.timelines.iter().flat_map(move |timeline| {
            timeline.blocks.iter().filter(move |span| pick(span)).map(move |block| {
                let place = format!("{}, level {}", timeline.resolution, block.level);
                format!("{what}: {} ({place}), {}", block.ulid, span(block.interval))
            })
        })
    };
    let lost = picked("marked for deletion", |block| block.deletion_marked && !block.superseded);
    list(out, Paint::Warning, "blocks marked for deletion", lost, page);
    let excluded = picked("not to be compacted", |block| block.no_compact);
    list(out, Paint::Warning, "blocks not to be compacted", excluded, page);
    let replaced = picked("", |block| block.deletion_marked && block.superseded).count();
    if replaced > 0 {
        let replaced = count(u64::try_from(replaced).unwrap_or(u64::MAX), "block", "blocks");
        let text = format!("{replaced} marked for deletion, whose data other blocks hold");
        push_line(out, &format!("  {}", page.paint(Paint::Faint, &text)));
    }
}

fn list(out: &mut String, paint: Paint, many: &str, mut lines: impl Iterator<Item = String>, page: Page) {
    for line in lines.by_ref().take(MAX_NAMED) {
        let mut wrapped = String::new();
        wrap(&mut wrapped, "  ", &line, page.width);
        out.push_str(&page.paint(paint, wrapped.trim_end()));
        out.push('\n');
    }
    let hidden = u64::try_from(lines.count()).unwrap_or(u64::MAX);
    if hidden > 0 {
        push_line(out, &format!("  and {} more {many}: `--output json` gives all", grouped(hidden)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, block, hour, hours};
    use super::*;

    const PAGE: Page = Page { width: 100, colour: false };

    #[test]
    fn streams_are_drawn_to_any_width() {
        let snapshot = sample::snapshot(sample::healthy_and_holey(), vec![]);
        for width in [60, 100, 160] {
            let text = render(&snapshot, (None, None), Page { width, colour: false });
            assert!(text.lines().all(|line| columns(line) <= width), "{width}\n{text}");
            sample::compare(&format!("coverage_width_{width}"), &text);
        }
    }

    #[test]
    fn columns_belong_to_the_intervals_that_touch_them() {
        let axis = Axis { frame: hours(0, 10), cells: 10 };
        for (start, end, expected) in
            [(0, 10, 0..10), (0, 1, 0..1), (3, 5, 3..5), (-5, 2, 0..2), (9, 50, 9..10), (10, 12, 0..0), (-2, 0, 0..0)]
        {
            assert_eq!(axis.columns_of(hours(start, end)), expected, "{start} {end}");
        }
        let thin = Interval::new(hour(3).plus(1), hour(3).plus(2));
        assert_eq!(axis.columns_of(thin), 3..4);
        assert_eq!((axis.cell(0), axis.cell(9)), (hours(0, 1), hours(9, 10)));
    }

    #[test]
    fn absurd_times_do_not_break_the_drawing() {
        let mut absurd = block(1, 0, 2);
        absurd.interval = Interval::new(TimestampMs(i64::MIN), TimestampMs(i64::MAX));
        let mut streams = sample::healthy_and_holey();
        streams[0].timelines[0].blocks.push(absurd);
        streams[0].lag_ms = Some(i64::MIN);
        let text = render(&sample::snapshot(streams, vec![]), (None, None), PAGE);
        assert!(text.contains("held"), "{text}");
    }

    #[test]
    fn bars_are_as_high_as_what_is_held() {
        for (held, expected) in [(1, '▁'), (50, '▅'), (99, '█'), (100, '█'), (1_000, '█'), (i64::MAX, '█')]
        {
            assert_eq!(bar(held, 100), expected);
        }
    }

    #[test]
    fn empty_and_unreadable_buckets_say_so() {
        let mut snapshot = sample::snapshot(vec![], vec![]);
        assert_eq!(render(&snapshot, (None, None), PAGE), "bucket `thanos`: no stream\n");
        snapshot.buckets[0].unreachable = Some("no such host".to_owned());
        let text = render(&snapshot, (None, None), PAGE);
        assert_eq!(text, "bucket `thanos`: could not be read\n");
    }

    #[test]
    fn long_lists_are_cut() {
        let holes = (0..30).map(|idx| hours(idx * 2, idx * 2 + 1)).collect();
        let mut streams = sample::healthy_and_holey();
        streams[0].timelines[0].holes = holes;
        let text = render(&sample::snapshot(streams, vec![]), (None, None), PAGE);
        assert!(text.contains("and 20 more holes: `--output json` gives all"), "{text}");
    }
}
