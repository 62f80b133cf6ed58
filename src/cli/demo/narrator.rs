//! What is told of the demonstration: where to look, what happens, and which findings come and go.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::text::{Page, Paint, harmless, push_line, shorten, wrap};
use crate::model::{Finding, Published, Severity, TimestampMs};

/// Where to look, and how it goes.
pub(super) struct Places<'a> {
    pub(super) home: &'a Path,
    /// The folder stays.
    pub(super) kept: bool,
    pub(super) address: SocketAddr,
    /// Another address than the usual one, which was taken.
    pub(super) elsewhere: bool,
    /// As it was called.
    pub(super) program: PathBuf,
    pub(super) interval: &'static str,
    pub(super) pace: Duration,
}

impl Places<'_> {
    /// The first page.
    pub(super) fn introduce(&self, blocks: usize, page: Page) -> String {
        let width = page.prose_width();
        let mut out = String::new();
        let first = format!(
            "A week of two clusters (eu1, us1) with two replicas each: {blocks} blocks that a real Prometheus and a real \
             Thanos wrote, moved to the present, and some faults. Scanned every {}.",
            self.interval
        );
        wrap(&mut out, "", &first, width);
        let address = self.address;
        let rows = [
            ("folder", self.home.display().to_string()),
            ("findings", format!("http://{address}/api/v1/findings")),
            ("metrics", format!("http://{address}/metrics")),
            ("ready", format!("http://{address}/-/ready")),
        ];
        out.push('\n');
        for (name, place) in rows {
            push_line(&mut out, &format!("  {name:<9} {place}"));
        }
        if self.elsewhere {
            let note = format!("The usual port is taken; {address} is free.");
            wrap(&mut out, "", &note, width);
        }
        out.push_str("\nIn another terminal:\n");
        let program = quoted(&self.program.to_string_lossy());
        let file = quoted(&self.home.join("bucket.yaml").to_string_lossy());
        for line in [
            format!("curl -s http://{address}/api/v1/findings"),
            format!("{program} scan --objstore.config-file {file}"),
            format!("{program} coverage --objstore.config-file {file}"),
        ] {
            push_line(&mut out, &format!("  {line}"));
        }
        let fate = if self.kept { "the folder is kept" } else { "the folder is removed then" };
        let last = format!(
            "Something happens every {}. Ctrl-C ends it; {fate}. Times are UTC.",
            humantime::format_duration(self.pace)
        );
        out.push('\n');
        wrap(&mut out, "", &last, width);
        out.push('\n');
        out
    }

    /// The last line.
    pub(super) fn farewell(&self) -> String {
        let folder = self.home.display();
        if self.kept { format!("ended; everything is in {folder}\n") } else { format!("ended; {folder} is removed\n") }
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Tells what is new, and keeps in mind what was told.
#[derive(Debug)]
pub(super) struct Narrator {
    page: Page,
    open: BTreeMap<String, Told>,
}

#[derive(Clone, Debug)]
struct Told {
    severity: Severity,
    check: &'static str,
    message: String,
}

/// Columns of the time, and of what happened.
const INDENT: &str = "          ";

impl Narrator {
    pub(super) const fn new(page: Page) -> Self {
        Self { page, open: BTreeMap::new() }
    }

    /// The findings that opened, changed or ended since the last report; empty if none did.
    pub(super) fn report(&mut self, state: &Published) -> String {
        let at = state.snapshot.at;
        let mut out = String::new();
        let found: BTreeMap<String, &Finding> =
            state.snapshot.findings.iter().map(|finding| (finding.fingerprint(), finding)).collect();
        let gone: Vec<String> = self.open.keys().filter(|known| !found.contains_key(*known)).cloned().collect();
        for fingerprint in gone {
            if let Some(told) = self.open.remove(&fingerprint) {
                self.line(&mut out, at, "resolved", Paint::Fine, &told);
            }
        }
        // as they are sorted, worst first
        for finding in &state.snapshot.findings {
            let told = Told { severity: finding.severity, check: finding.check, message: finding.message.clone() };
            let what = match self.open.insert(finding.fingerprint(), told.clone()) {
                None => "opened",
                Some(known) if known.severity != told.severity => "changed",
                Some(_) => continue,
            };
            self.line(&mut out, at, what, told.severity.into(), &told);
        }
        out
    }

    fn line(&self, out: &mut String, at: TimestampMs, what: &str, paint: Paint, told: &Told) {
        let Told { severity, check, message } = told;
        let head = self.page.paint(paint, &format!("{what:<9} {severity:<9} {check}"));
        push_line(out, &format!("{}  {head}", clock(at)));
        // of what has ended its beginning is enough to know it again
        let width = self.page.prose_width();
        let message = harmless(message);
        if what == "resolved" {
            push_line(out, &shorten(&format!("{INDENT}{message}"), width));
        } else {
            wrap(out, INDENT, &message, width);
        }
    }

    /// Something that happens in the story.
    pub(super) fn tell(&self, at: TimestampMs, text: &str) -> String {
        let mut out = String::new();
        wrap(&mut out, INDENT, text, self.page.prose_width());
        let body = out.trim_start();
        format!("{}  {}", clock(at), self.page.paint(Paint::Strong, body.trim_end())) + "\n"
    }
}

/// The time of the day.
fn clock(at: TimestampMs) -> String {
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(time) => time.strftime("%H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::sample;
    use crate::cli::text::Target;
    use crate::model::{Environment, Snapshot};

    fn page(columns: &str) -> Page {
        Page::new(Target::Other, &[("COLUMNS", columns)].into_iter().collect::<Environment>())
    }

    fn published(findings: Vec<Finding>) -> Published {
        let at = TimestampMs::parse_rfc3339("2026-03-06T08:01:12Z").unwrap();
        let snapshot = Arc::new(Snapshot { at, ..sample::snapshot(vec![], findings) });
        Published { snapshot, ..Published::default() }
    }

    #[test]
    fn findings_are_told_when_they_come_change_and_go() {
        let mut narrator = Narrator::new(page("80"));
        let [first, ..] = sample::findings().try_into().unwrap_or_else(|all: Vec<Finding>| [all[0].clone()]);
        let told = narrator.report(&published(vec![first.clone()]));
        assert!(told.starts_with("08:01:12  opened    critical "), "{told}");
        assert!(told.contains(first.check) && told.lines().all(|line| line.len() <= 80), "{told}");
        assert_eq!(narrator.report(&published(vec![first.clone()])), "", "nothing new");
        let milder = Finding { severity: Severity::Warning, ..first };
        assert!(narrator.report(&published(vec![milder])).starts_with("08:01:12  changed   warning "));
        assert!(narrator.report(&published(vec![])).starts_with("08:01:12  resolved  warning "));
        assert_eq!(narrator.report(&published(vec![])), "");
    }

    #[test]
    fn the_first_page_says_where_to_look() {
        let places = Places {
            home: Path::new("/tmp/a b"),
            kept: false,
            address: SocketAddr::from(([127, 0, 0, 1], 4711)),
            elsewhere: true,
            program: PathBuf::from("target/debug/blockwarden"),
            interval: "2s",
            pace: Duration::from_secs(20),
        };
        let text = places.introduce(172, page("80"));
        for expected in [
            "172 blocks",
            "  metrics   http://127.0.0.1:4711/metrics\n",
            "  curl -s http://127.0.0.1:4711/api/v1/findings\n",
            "  target/debug/blockwarden scan --objstore.config-file '/tmp/a b/bucket.yaml'\n",
            "port is taken",
            "every 20s",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
        assert_eq!(places.farewell(), "ended; /tmp/a b is removed\n");
    }

    #[test]
    fn the_story_is_indented() {
        let at = TimestampMs(0);
        let told = Narrator::new(page("40")).tell(at, "one two three four five six seven eight");
        assert_eq!(told, "00:00:00  one two three four five six\n          seven eight\n");
    }
}
