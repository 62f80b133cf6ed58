//! What the estate had before it was started: a day of blocks of two hours, so that the compactor has something to
//! compact at once.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Hours of data before now.
const HOURS: i64 = 34;
/// Seconds between two samples.
const STEP: i64 = 15;
const SERIES: i64 = 12;

/// The time of this machine, in ms since the epoch.
#[expect(clippy::disallowed_methods, reason = "the servers go by this clock")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Writes the blocks into `folder/name` with promtool, as an operator backfills.
pub(crate) fn write(promtool: &Path, folder: &Path, name: &str) {
    let now = now_ms() / 1_000;
    let mut text = String::from("# TYPE history gauge\n");
    for series in 0..SERIES {
        for time in (now - HOURS * 3600..=now).step_by(usize::try_from(STEP).unwrap()) {
            writeln!(text, "history{{series=\"{series}\"}} {} {time}", (time / STEP * (series + 7)) % 1009).unwrap();
        }
    }
    text.push_str("# EOF\n");
    let file = folder.join("history.openmetrics");
    fs::write(&file, text).unwrap();
    let mut command = Command::new(promtool);
    command.args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"]).arg(&file).arg(folder.join(name));
    let output = command.env_clear().output().unwrap();
    assert!(output.status.success(), "promtool: {}", String::from_utf8_lossy(&output.stderr));
}
