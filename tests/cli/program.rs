//! The binary itself: what goes to standard output, what to standard error, and with which exit code.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const SAMPLE: &str = "tests/fixtures/sample-bucket.yaml";
const SAMPLE_AT: &str = "2026-03-06T15:30:00Z";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_clear().stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = program(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// `scan` or `coverage` of the sample bucket as of the moment at which it was left.
fn sample(command: &str, more: &[&str]) -> (i32, String, String) {
    run(&[&[command, "--objstore.config-file", SAMPLE, "--at", SAMPLE_AT], more].concat())
}

/// What a committed schema says against a document.
fn objections(schema: &str, document: &str) -> Vec<String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(schema);
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let document = serde_json::from_str(document).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path)).collect()
}

#[test]
fn usage_and_configuration_errors_exit_with_2_and_print_no_document() {
    for (arguments, expected) in [
        (&["scan", "--no-such-flag"][..], "unexpected argument"),
        (&["scan", "--at", "yesterday"], "--at"),
        (&["scan", "--objstore.config-file", SAMPLE, "--objstore.config", "{}"], "cannot be used with"),
        (&["scan"], "no bucket is given"),
        (&["scan", "--config", "/does/not/exist.yml"], "/does/not/exist.yml: cannot be read"),
        (&["scan", "--objstore.config-file", SAMPLE, "--level", "index"], "--verify"),
        (&["verify"], "no bucket is given"),
        (&["verify", "/does/not/exist"], "cannot read `/does/not/exist`"),
        (&["verify", "--output", "json", "tests/fixtures"], "neither a block nor a folder that holds blocks"),
        (&["verify", "--objstore.config-file", SAMPLE, "--min-time", "-1h", "--max-time", "-2h"], "is not before"),
        (&["scan", "--output", "json", "--objstore.config", "{type: S3, config: {buckte: x}}"], "--objstore.config:1:"),
        (&["scan", "--output", "json", "--objstore.config", "type: FTP\nconfig: {}"], "--objstore.config:1:"),
        (&["coverage", "--objstore.config-file", SAMPLE, "--stream", "eu1"], "--stream `eu1`"),
        (&["config", "check"], "no bucket is given"),
        (&["explain", "no_such_check"], "there is no check or alert `no_such_check`"),
        (&["completions", "tcsh"], "tcsh"),
        (&[], "Usage:"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &*out), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (arguments, expected) in
        [(&["--version"][..], concat!("blockwarden ", env!("CARGO_PKG_VERSION"))), (&["scan", "--help"], "Examples:")]
    {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &*err), (0, ""), "{arguments:?}");
        assert!(out.contains(expected), "{out}");
    }
}

#[test]
fn config_check_shows_what_was_understood_or_every_mistake() {
    let (code, out, err) = run(&["config", "check", "--objstore.config-file", SAMPLE]);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("sample-bucket") && out.ends_with("the configuration is valid\n"), "{out}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yml");
    std::fs::write(&file, "buckets:\n  - nmae: x\nretention:\n  raw: 5 days\n").unwrap();
    let (code, out, err) = run(&["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!((code, &*out), (2, ""));
    for place in ["config.yml:2:", "config.yml:4:"] {
        assert!(err.contains(place), "{err}");
    }
}

#[test]
fn secrets_stay_secret() {
    let secret = "SENTINEL-5ecret";
    let yaml = format!(
        "{{type: S3, config: {{bucket: b, endpoint: '127.0.0.1:1', insecure: true, access_key: {secret}, secret_key: {secret}}}}}"
    );
    for command in [&["config", "check"][..], &["scan", "--log.level", "trace"]] {
        let (_, out, err) = run(&[command, &["--objstore.config", &yaml]].concat());
        assert!(!out.contains(secret) && !err.contains(secret), "{command:?}\n{out}\n{err}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = program(&["completions", "zsh"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // closed before the program can have written more than a pipe holds
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), &*err), (Some(0), ""));
}

#[test]
fn a_scan_gives_a_document_and_an_exit_code() {
    let (code, out, err) = sample("scan", &["--output", "json"]);
    assert_eq!((code, &*err), (1, ""));
    assert_eq!(objections("scan.schema.json", &out), Vec::<String>::new());
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&document["at"], &document["blocks"]), (&SAMPLE_AT.into(), &Value::Null));
    assert_eq!((&document["summary"]["blocks"], &document["summary"]["streams"]), (&23.into(), &4.into()));
    assert_eq!(sample("scan", &["--output", "json"]).1, out, "the same input gives the same bytes");
}

#[test]
fn a_scan_tells_people_the_same_as_programs() {
    let document: Value = serde_json::from_str(&sample("scan", &["--output", "json"]).1).unwrap();
    let (code, out, err) = sample("scan", &[]);
    assert_eq!((code, &*err), (1, ""));
    for finding in document["findings"].as_array().unwrap() {
        assert!(out.contains(finding["check"].as_str().unwrap()), "{finding}\n{out}");
    }
    assert!(out.contains("23 blocks in 4 streams of 1 bucket"), "{out}");
    assert!(!out.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn coverage_is_drawn_and_documented() {
    let (code, out, err) = sample("coverage", &["--output", "json"]);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(objections("coverage.schema.json", &out), Vec::<String>::new());

    let (code, out, err) = sample("coverage", &["--stream", "{cluster=\"us1\", replica=\"a\"}"]);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("{cluster=\"us1\", replica=\"a\"}") && !out.contains("eu1"), "{out}");
    assert!(out.contains("hole in raw: 2026-03-06 10:00 to 12:00 UTC (2h)"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn a_plan_says_what_verifying_costs() {
    let (code, out, err) = sample("plan", &["--output", "json"]);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(objections("plan.schema.json", &out), Vec::<String>::new());
    let document: Value = serde_json::from_str(&out).unwrap();
    let (round, left_out) = (&document["total"]["round"], &document["total"]["left_out"]);
    assert_eq!((&round["blocks"], &left_out["blocks"]), (&20.into(), &3.into()));
    assert_eq!((&document["fit"]["in_time"], &document["currency"]), (&true.into(), &"USD".into()));
    assert_eq!(sample("plan", &["--output", "json"]).1, out, "the same input gives the same bytes");

    let (code, out, err) = sample("plan", &[]);
    assert_eq!((code, &*err), (0, ""));
    assert!(out.contains("20 blocks") && out.contains("It can be done in time"), "{out}");

    let nowhere = "{type: FILESYSTEM, config: {directory: /does/not/exist}}";
    let (code, out, err) = run(&["plan", "--objstore.config", nowhere, "--output", "json"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(objections("plan.schema.json", &out), Vec::<String>::new());
}

#[test]
fn a_bucket_that_cannot_be_read_exits_with_2_and_still_gives_a_document() {
    let nowhere = "{type: FILESYSTEM, config: {directory: /does/not/exist}}";
    let (code, out, err) = run(&["scan", "--objstore.config", nowhere, "--output", "json"]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(objections("scan.schema.json", &out), Vec::<String>::new());
    assert!(err.contains("bucket `exist` cannot be read") && err.contains("/does/not/exist"), "{err}");

    let (code, out, _) = run(&["coverage", "--objstore.config", nowhere]);
    assert_eq!(code, 2);
    assert!(out.contains("could not be read"), "{out}");
}

#[test]
fn the_log_is_json_where_that_was_asked_for() {
    let (_, _, err) = sample("scan", &["--log.level", "debug", "--log.format", "json"]);
    for line in err.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
}
