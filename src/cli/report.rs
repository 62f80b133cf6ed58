//! A scan for people: findings worst first, the streams, what is fine in one line, what it took.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::text::{Page, Paint, count, distance, grouped, harmless, lay_out, moment, push_line, size, span, wrap};
use crate::model::{
    BucketSummary, Document, DocumentSummary, Finding, FindingCounts, Resolution, Severity, Snapshot, StreamSummary,
    format_duration_ms,
};

/// So many findings of one check and severity are shown; the document holds them all.
const MAX_SHOWN: usize = 20;
/// More streams than this are not put into a table: `coverage` draws them.
const MAX_TABLE_ROWS: usize = 20;

/// The text of a scan. `notes`: what the reader should know of how it was judged.
pub(super) fn render(snapshot: &Snapshot, notes: &[String], page: Page) -> String {
    render_with(snapshot, "", notes, page)
}

/// The same with a line of its own before the conclusion.
pub(super) fn render_with(snapshot: &Snapshot, line: &str, notes: &[String], page: Page) -> String {
    let mut out = findings_of(snapshot, page);
    let streams: usize = snapshot.buckets.iter().map(|bucket| bucket.streams.len()).sum();
    if (1..=MAX_TABLE_ROWS).contains(&streams) {
        out.push_str(&table(&snapshot.buckets, page));
        out.push('\n');
    }
    out.push_str(line);
    conclude(&mut out, snapshot, notes, page);
    out
}

/// All findings, worst first.
pub(super) fn findings_of(snapshot: &Snapshot, page: Page) -> String {
    let mut out = String::new();
    for group in snapshot.findings.chunk_by(|a, b| (a.severity, a.check) == (b.severity, b.check)) {
        findings(&mut out, group, snapshot, page);
    }
    out
}

/// What there is, the result, what it took, and what the reader should know.
pub(super) fn conclude(out: &mut String, snapshot: &Snapshot, notes: &[String], page: Page) {
    let streams = snapshot.buckets.iter().map(|bucket| bucket.streams.len()).sum();
    summary(out, snapshot, streams, page);
    for note in notes {
        wrap(out, "note: ", &harmless(note), page.prose_width());
    }
}

/// All findings of one check at one severity.
fn findings(out: &mut String, group: &[Finding], snapshot: &Snapshot, page: Page) {
    let Some(first) = group.first() else { return };
    let severity = page.paint(first.severity.into(), first.severity.name());
    let check = page.paint(Paint::Strong, first.check);
    let several = match group.len() {
        1 => String::new(),
        many => format!("  ({} findings)", grouped(number(many))),
    };
    push_line(out, &format!("{severity}  {check}{several}"));
    for finding in group.iter().take(MAX_SHOWN) {
        one(out, finding, snapshot, page);
        out.push('\n');
    }
    let hidden = group.len().saturating_sub(MAX_SHOWN);
    if hidden > 0 {
        push_line(out, &format!("  and {} more: `--output json` gives all\n", grouped(number(hidden))));
    }
}

fn one(out: &mut String, finding: &Finding, snapshot: &Snapshot, page: Page) {
    let width = page.prose_width();
    subject(out, finding, page);
    wrap(out, "    ", &harmless(&finding.message), width);
    wrap(out, "    do:    ", &harmless(&finding.remedy), width);
    if let Some(deadline) = finding.deadline {
        let text = format!("{}, {}", moment(deadline), distance(deadline, snapshot.at));
        out.push_str("    until: ");
        out.push_str(&page.paint(finding.severity.into(), &text));
        out.push('\n');
    }
}

/// What a finding is about, in parts that are never torn apart: bucket, stream, resolution, block or object, interval.
fn subject(out: &mut String, finding: &Finding, page: Page) {
    let subject = &finding.subject;
    let block = subject.block.map(|block| block.to_string());
    // an object of a block is named by its key, which begins with the block
    let object = subject.object.as_deref();
    let block = block.filter(|block| !object.is_some_and(|object| object.starts_with(block)));
    let parts = [
        Some(harmless(&subject.bucket)),
        subject.stream.as_ref().map(|labels| harmless(&labels.to_string())),
        subject.resolution.map(|resolution| resolution.name().to_owned()),
        block,
        object.map(harmless),
        finding.interval.map(span),
    ];
    let parts = parts.into_iter().flatten();
    lay_out(out, 2, parts, page.prose_width(), |part| page.paint(Paint::Strong, part));
}

/// One row per stream: what it holds at each resolution, how late it is. The stream's labels come last and whole: what
/// tells two streams apart may be their last character.
fn table(buckets: &[BucketSummary], page: Page) -> String {
    let several = buckets.len() > 1;
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let bucket_head = several.then_some("bucket");
    table.set_header(
        ["oldest data", "lag", "raw", "5m", "1h", "holes", "size"].into_iter().chain(bucket_head).chain(["stream"]),
    );
    for bucket in buckets {
        let name = several.then(|| harmless(&bucket.bucket));
        for stream in &bucket.streams {
            let labels = harmless(&stream.labels.to_string());
            table.add_row(quantities(stream).into_iter().chain(name.clone()).chain([labels]));
        }
    }
    for column in table.column_iter_mut().skip(1).take(6) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut out = String::new();
    for (idx, line) in table.lines().enumerate() {
        let line = line.trim_end();
        out.push_str(&if idx == 0 { page.paint(Paint::Faint, line) } else { line.to_owned() });
        out.push('\n');
    }
    out
}

fn quantities(stream: &StreamSummary) -> [String; 7] {
    let blocks = |resolution| {
        let timeline = stream.timelines.iter().find(|timeline| timeline.resolution == resolution);
        timeline.map_or_else(|| "-".to_owned(), |timeline| grouped(number(timeline.blocks.len())))
    };
    let spans = || stream.timelines.iter().flat_map(|timeline| &timeline.blocks);
    [
        spans().map(|span| span.interval.start).min().map_or_else(|| "-".to_owned(), moment),
        stream.lag_ms.map_or_else(|| "-".to_owned(), format_duration_ms),
        blocks(Resolution::Raw),
        blocks(Resolution::FiveMinutes),
        blocks(Resolution::OneHour),
        grouped(stream.timelines.iter().map(|timeline| number(timeline.holes.len())).sum()),
        size(spans().map(|span| span.bytes).sum()),
    ]
}

/// What there is, the result, and what it took.
fn summary(out: &mut String, snapshot: &Snapshot, streams: usize, page: Page) {
    let document = Document::of_scan(snapshot).summary;
    let unreadable = snapshot.buckets.iter().any(|bucket| bucket.unreachable.is_some());
    let verdict = verdict(document.findings, unreadable);
    let paint = match snapshot.findings.first().map(|finding| finding.severity) {
        Some(severity @ (Severity::Critical | Severity::Warning)) => severity.into(),
        Some(Severity::Info) | None if unreadable => Paint::Critical,
        Some(Severity::Info) | None => Paint::Fine,
    };
    let verdict = page.paint(paint, &verdict);
    push_line(out, &format!("{}: {verdict}", inventory(&document, streams)));
    let requests = document.requests;
    push_line(
        out,
        &format!(
            "{} LIST, {} GET, {} HEAD; judged as of {}",
            grouped(requests.list),
            grouped(requests.get),
            grouped(requests.head),
            moment(snapshot.at)
        ),
    );
}

fn inventory(summary: &DocumentSummary, streams: usize) -> String {
    format!(
        "{} in {} of {}, {}, {}",
        count(summary.blocks, "block", "blocks"),
        count(number(streams), "stream", "streams"),
        count(summary.buckets, "bucket", "buckets"),
        count(summary.objects, "object", "objects"),
        size(summary.bytes)
    )
}

fn verdict(counts: FindingCounts, unreadable: bool) -> String {
    let parts: Vec<String> = [(counts.critical, "critical"), (counts.warning, "warning"), (counts.info, "info")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", grouped(number)))
        .collect();
    match (parts.is_empty(), unreadable, counts.critical + counts.warning) {
        (true, true, _) => "not everything could be read".to_owned(),
        (true, false, _) => "nothing wrong".to_owned(),
        (false, false, 0) => format!("{}, nothing worse", parts.join(", ")),
        (false, _, _) => parts.join(", "),
    }
}

/// A length as the model counts.
fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::model::Labels;

    const PAGE: Page = Page { width: 100, colour: false };

    #[test]
    fn findings_are_shown_worst_first() {
        let snapshot = sample::snapshot(sample::healthy_and_holey(), sample::findings());
        let notes = ["judged without memory: give --state FILE so that vanished blocks can be noticed".to_owned()];
        sample::compare("scan_findings", &render(&snapshot, &notes, PAGE));
        sample::compare("scan_findings_narrow", &render(&snapshot, &notes, Page { width: 60, colour: false }));
    }

    #[test]
    fn what_is_fine_is_one_line() {
        let mut snapshot = sample::snapshot(sample::healthy_and_holey(), vec![]);
        sample::compare("scan_fine", &render(&snapshot, &[], PAGE));
        snapshot.findings = sample::findings().split_off(3);
        let text = render(&snapshot, &[], PAGE);
        assert!(text.contains("1 info, nothing worse"), "{text}");
    }

    #[test]
    fn a_bucket_that_cannot_be_read_is_not_fine() {
        let mut snapshot = sample::snapshot(vec![], vec![]);
        snapshot.buckets[0].unreachable = Some("access denied".to_owned());
        let text = render(&snapshot, &[], PAGE);
        assert!(text.contains("not everything could be read") && !text.contains("nothing wrong"), "{text}");
    }

    #[test]
    fn nothing_foreign_reaches_the_terminal() {
        let mut snapshot = sample::snapshot(sample::healthy_and_holey(), sample::findings());
        snapshot.buckets[0].bucket = "evil\u{1b}[2J".into();
        snapshot.buckets[0].streams[0].labels = Labels::from([("a", "\u{9b}31m\u{202e}")]).into();
        let text = render(&snapshot, &["note \u{1b}[31m".to_owned()], PAGE);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let snapshot = sample::snapshot(sample::healthy_and_holey(), sample::findings());
        let coloured = render(&snapshot, &[], Page { width: 100, colour: true });
        let escapes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
        assert!(coloured.contains("\u{1b}[1;31mcritical\u{1b}[0m"));
        assert_eq!(escapes.replace_all(&coloured, ""), render(&snapshot, &[], PAGE));
    }

    #[test]
    fn a_flood_of_findings_is_cut_and_says_so() {
        let finding = sample::findings().remove(1);
        let snapshot = sample::snapshot(sample::healthy_and_holey(), vec![finding; 1_500]);
        let text = render(&snapshot, &[], PAGE);
        assert_eq!(text.matches("has been marked").count(), MAX_SHOWN);
        assert!(text.contains("and 1,480 more: `--output json` gives all"), "{text}");
        assert!(text.contains("1,500 warning"), "{text}");
    }

    #[test]
    fn many_streams_make_no_table() {
        let stream = sample::healthy_and_holey().remove(0);
        let text = render(&sample::snapshot(vec![stream; 21], vec![]), &[], PAGE);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.starts_with("525 blocks in 21 streams of 1 bucket, 1,575 objects, 12.8 GiB: nothing wrong"),
            "{text}"
        );
    }
}
