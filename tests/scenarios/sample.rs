//! The sample bucket `tests/fixtures/sample-bucket`: real blocks, laid out as Thanos does, with some faults. It is
//! generated here and compared byte for byte; `UPDATE=1 cargo test --test scenarios sample` writes it anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shapes::{Block, Estate, HOUR, Mark, Report, Sampling, Stream, compact, real_block, real_blocks, t};

/// The moment to scan it at: the README's `--at`.
pub const AT: &str = "2026-03-06T15:30:00Z";

const SAMPLING: Sampling = Sampling { every: 60_000, series: 4 };

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket")
}

/// What one stream has after some days of compaction.
struct Uploaded {
    /// The two-day blocks, the 8h block, and the 2h blocks that are still too new to be compacted.
    live: Vec<Block>,
    /// A source of the first compaction.
    source: Block,
}

fn uploaded(scratch: &Path, labels: &str) -> Uploaded {
    let stream = Stream::sidecar(labels);
    let eight = |from: i64| compact(&stream.blocks(from, from + 8 * HOUR));
    let days = |from: i64| {
        let parts: Vec<Block> = (0..6).map(|part| eight(from + part * 8 * HOUR)).collect();
        compact(&parts)
    };
    let real = |block: Block| real_block(scratch, &stream, SAMPLING, block);
    let mut live = vec![real(days(t("03-02"))), real(days(t("03-04"))), real(eight(t("03-06")))];
    live.extend(real_blocks(scratch, &stream, SAMPLING, "03-06T08:00", "03-06T14:00"));
    let source = real_blocks(scratch, &stream, SAMPLING, "03-02T02:00", "03-02T04:00").remove(0);
    Uploaded { live, source }
}

/// Writes the bucket.
fn generate(folder: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let mut estate = Estate::at(folder);
    let streams = ["cluster=eu1 replica=a", "cluster=eu1 replica=b", "cluster=us1 replica=a", "cluster=us1 replica=b"];
    let [eu1_a, eu1_b, us1_a, us1_b] = streams.map(|labels| uploaded(scratch.path(), labels));
    for stream in [&eu1_a, &eu1_b, &us1_a, &us1_b] {
        estate.put(&stream.live);
    }
    let at = |stream: &Uploaded, name: &str| {
        stream.live.iter().find(|block| block.name() == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };

    // a hole in one replica: the other still has the data
    estate.delete(&[at(&eu1_b, "2h@03-06T08:00")]);
    // a hole in both; in one of them the upload ended half way
    estate.delete_object(&at(&us1_a, "2h@03-06T10:00"), "meta.json");
    estate.delete(&[at(&us1_b, "2h@03-06T10:00")]);
    // an index that ends early
    let cut = at(&eu1_a, "8h@03-06T00:00");
    let index = fs::read(estate.path(&cut.key("index"))).unwrap();
    estate.file(&cut.key("index"), &index[..index.len() / 2], cut.uploaded);
    // a segment that is gone
    estate.delete_object(&at(&us1_b, "2d@03-04T00:00"), "chunks/000001");
    // a source that the compactor marked four days ago and never deleted
    estate.put(std::slice::from_ref(&eu1_b.source));
    estate.mark(&eu1_b.source, Mark::Deletion, "03-02T11:05");
}

/// Scans it as the README does, from the project's root.
pub fn scan() -> Report {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args([
        "scan",
        "--objstore.config-file",
        "tests/fixtures/sample-bucket.yaml",
        "--at",
        AT,
        "--output",
        "json",
    ]);
    Report::new(&command.output().unwrap(), &BTreeMap::new(), t(AT))
}

/// Every file below `folder`, by its path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own switch, not the program's configuration")]
fn the_sample_bucket_is_what_is_generated() {
    let generated = tempfile::tempdir().unwrap();
    generate(generated.path());
    if std::env::var_os("UPDATE").is_some() {
        fs::remove_dir_all(fixture()).unwrap_or_default();
        generate(&fixture());
    }
    let (generated, committed) = (files(generated.path()), files(&fixture()));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    let advice = "the sample bucket differs; UPDATE=1 cargo test --test scenarios sample writes it anew";
    assert_eq!(names(&committed), names(&generated), "{advice}");
    for (name, content) in &committed {
        assert!(content == &generated[name], "{}: {advice}", name.display());
    }
    let bytes: usize = committed.values().map(Vec::len).sum();
    assert!(bytes < 400_000, "{bytes} bytes are too many for a fixture");
}

#[test]
fn a_scan_of_the_sample_bucket_finds_its_faults() {
    let report = scan();
    assert_eq!(report.code, 1);
    let ulids = |name: &str| {
        let found = files(&fixture()).into_keys().filter(|path| path.ends_with("meta.json")).filter(|path| {
            let meta: serde_json::Value = serde_json::from_slice(&fs::read(fixture().join(path)).unwrap()).unwrap();
            let labels = &meta["thanos"]["labels"];
            let min = crate::shapes::short(meta["minTime"].as_i64().unwrap());
            format!("{}/{} {min}", labels["cluster"].as_str().unwrap(), labels["replica"].as_str().unwrap()) == name
        });
        let found: Vec<String> = found.map(|path| path.iter().next().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].clone()
    };
    let cut = ulids("eu1/a 03-06T00:00");
    let lost = ulids("us1/b 03-04T00:00");
    let kept = ulids("eu1/b 03-02T02:00");
    let us1_a = Stream::sidecar("cluster=us1 replica=a");
    let partial = us1_a.block("03-06T10:00", "03-06T12:00").ulid;
    let expected = [
        "critical coverage_gap cluster=us1 raw 03-06T10:00..03-06T12:00".to_owned(),
        "warning coverage_gap cluster=eu1,replica=b raw 03-06T08:00..03-06T10:00".to_owned(),
        format!("warning deletion_overdue cluster=eu1,replica=b raw {kept} 03-02T02:00..03-02T04:00"),
        format!(
            "warning missing_object cluster=us1,replica=b raw {lost} object=chunks/000001 03-04T00:00..03-06T00:00"
        ),
        format!("warning partial_upload {partial} 03-06T10:00..03-06T12:00"),
        format!("warning size_mismatch cluster=eu1,replica=a raw {cut} object=index 03-06T00:00..03-06T08:00"),
    ];
    report.says(&expected.each_ref().map(String::as_str)).notes(&[]);
}
