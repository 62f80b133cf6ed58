//! Blocks that a real Prometheus wrote: `promtool tsdb create-blocks-from openmetrics`. The content is the same on
//! every run; only the ULIDs that promtool draws differ, and they are replaced as Thanos' would be.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::block::{Block, Stream};
use super::time::{At, HOUR, rfc3339};

/// One head block that promtool cuts is 2h long; a compacted one is written in one piece by allowing this much.
/// (promtool's ranges are 2h × 3ⁿ and lie on their own grid, so that not every 8h or 2d range fits into one of them.)
const WHOLE: &str = "162h";

/// What is scraped.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// Time between two samples in ms.
    pub every: i64,
    /// How many series.
    pub series: i64,
}

/// Real 2h blocks of a stream, aligned, one after the other.
pub fn real_blocks(folder: &Path, stream: &Stream, sampling: Sampling, from: impl At, to: impl At) -> Vec<Block> {
    let (from, to) = (from.ms(), to.ms());
    let written = write_blocks(folder, stream, sampling, from, to, None);
    let mut blocks = stream.blocks(from, to);
    assert_eq!(written.len(), blocks.len(), "promtool cut other blocks than 2h ones between {from} and {to}");
    for (block, content) in blocks.iter_mut().zip(written) {
        adopt(block, content);
    }
    blocks
}

/// Gives `block`, which is longer than 2h, the real content of its interval.
pub fn real_block(folder: &Path, stream: &Stream, sampling: Sampling, mut block: Block) -> Block {
    let mut written = write_blocks(folder, stream, sampling, block.min, block.max, Some(WHOLE));
    assert_eq!(written.len(), 1, "{} does not lie within one of promtool's ranges", rfc3339(block.min));
    adopt(&mut block, written.remove(0));
    block
}

/// Runs promtool; gives the folders of the blocks in the order of time.
fn write_blocks(
    folder: &Path,
    stream: &Stream,
    sampling: Sampling,
    from: i64,
    to: i64,
    longest: Option<&str>,
) -> Vec<PathBuf> {
    let name: Vec<&str> = stream.labels.values().map(String::as_str).collect();
    let folder = folder.join(format!("{}-{from}-{to}", name.join("-")));
    fs::create_dir_all(&folder).unwrap();
    let (input, output) = (folder.join("input.om"), folder.join("blocks"));
    fs::write(&input, open_metrics(sampling, from, to)).unwrap();

    let mut command = Command::new("promtool");
    command.args(["tsdb", "create-blocks-from", "openmetrics"]);
    command.args(longest.map(|longest| format!("--max-block-duration={longest}")));
    let outcome = match command.arg(&input).arg(&output).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!(
                "promtool is not installed; these tests need blocks of a real Prometheus: apt-get install prometheus"
            )
        }
        other => other.unwrap(),
    };
    assert!(outcome.status.success(), "promtool: {}", String::from_utf8_lossy(&outcome.stderr));
    fs::remove_file(&input).unwrap();

    let entries = fs::read_dir(&output).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<(i64, PathBuf)> = entries.map(|path| (min_time(&path), path)).collect();
    folders.sort();
    folders.into_iter().map(|(_, path)| path).collect()
}

/// Counters that grow with a little unrest, so that chunks look like chunks.
fn open_metrics(sampling: Sampling, from: i64, to: i64) -> String {
    let mut text = String::new();
    writeln!(text, "# TYPE http_requests counter").unwrap();
    for series in 0..sampling.series {
        let mut at = from;
        while at < to {
            let scrape = at / sampling.every;
            let value = scrape.rem_euclid(1_000_000) * (series + 1) * 7 + (scrape * (series + 3)).rem_euclid(5);
            writeln!(text, r#"http_requests_total{{job="api",instance="api-{series}:8080"}} {value} {}"#, at / 1_000)
                .unwrap();
            at += sampling.every;
        }
    }
    text.push_str("# EOF\n");
    text
}

fn meta(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap()
}

fn min_time(folder: &Path) -> i64 {
    meta(folder)["minTime"].as_i64().unwrap()
}

/// Takes over content, statistics and sizes. The interval stays the aligned one: promtool writes that of the samples,
/// a head that of its range.
fn adopt(block: &mut Block, content: PathBuf) {
    let meta = meta(&content);
    let stat = |name: &str| meta["stats"][name].as_u64().unwrap();
    let min = meta["minTime"].as_i64().unwrap();
    assert!(block.min <= min && min < block.min + HOUR, "content of another time than {}", rfc3339(block.min));
    block.samples = stat("numSamples");
    block.series = stat("numSeries");
    block.chunks = stat("numChunks");
    let size = |name: &str| fs::metadata(content.join(name)).unwrap().len();
    block.index = size("index");
    let segments = fs::read_dir(content.join("chunks")).unwrap().count();
    block.segments = (1..=segments).map(|number| size(&format!("chunks/{number:06}"))).collect();
    block.content = Some(content);
}
