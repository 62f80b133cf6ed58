//! The program as its supervisor treats it: reloaded in storms, killed, robbed of its disk, told to end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use blockwarden::engine::clock;
use blockwarden::model::HOUR_MS;
use rusqlite::Connection;
use serde_json::Value;

use crate::running::{Running, command, configure, wait_for};
use crate::shapes::{Block, Estate, Stream};

/// Two days of a sidecar's blocks, up to the newest that can be there now.
fn estate() -> (Estate, Vec<Block>) {
    let range = 2 * HOUR_MS;
    let newest = (clock::now().0 - HOUR_MS).div_euclid(range) * range;
    let blocks = Stream::sidecar("cluster=eu1").blocks(newest - 48 * HOUR_MS, newest);
    let estate = Estate::with(&blocks);
    configure(estate.folder(), "1s");
    (estate, blocks)
}

/// Metrics are rendered a moment after what they show.
fn becomes(running: &Running, series: &str, value: u64) {
    wait_for(series, || (running.metric_if_there(series) == Some(value)).then_some(()));
}

#[test]
fn faults_come_and_go_while_it_runs() {
    let (estate, blocks) = estate();
    let running = Running::start(command(estate.folder()).args(["--state", "ledger.db"]));
    wait_for("the first pass", || (running.ask("GET", "/-/ready").0 == 200).then_some(()));
    assert_eq!(running.loud(), [""; 0]);
    assert_eq!(running.ask("GET", "/-/healthy").0, 200);

    let index = estate.path(&blocks[6].key("index"));
    fs::rename(&index, estate.folder().join("index")).unwrap();
    running.shows(&["critical missing_object"]);
    let series = "blockwarden_findings{bucket=\"bucket\",check=\"missing_object\",severity=\"critical\",stream=\"{";
    becomes(&running, series, 1);
    fs::rename(estate.folder().join("index"), &index).unwrap();
    running.shows(&[]);
    let log = running.stop();
    assert!(log.contains("finding opened") && log.contains("finding resolved"), "{log}");
}

#[test]
fn a_storm_of_reloads_good_and_bad_leaves_it_as_the_last_one_says() {
    let (estate, blocks) = estate();
    estate.delete_object(&blocks[6], "index");
    let running = Running::start(command(estate.folder()).args(["--state", "ledger.db"]));
    running.shows(&["critical missing_object"]);
    let path = estate.folder().join("blockwarden.yaml");
    let good = fs::read_to_string(&path).unwrap();
    for round in 0..100 {
        let bad = format!("{good}buckets_: {round}\n");
        fs::write(&path, if round % 2 == 0 { &bad } else { &good }).unwrap();
        running.signal("HUP");
        if round % 10 == 0 {
            let (status, body) = running.ask("POST", "/-/reload");
            assert_eq!(status, 500, "{body}");
            assert!(body.contains("blockwarden.yaml:5:1"), "{body}");
            becomes(&running, "blockwarden_config_last_reload_successful", 0);
        }
    }
    assert_eq!(running.ask("POST", "/-/reload"), (200, "The configuration was read again.\n".to_owned()));
    becomes(&running, "blockwarden_config_last_reload_successful", 1);
    assert!(running.metric("blockwarden_config_reloads_total{result=\"refused\"}") >= 10);
    running.next_pass();
    assert_eq!(running.loud(), ["critical missing_object"]);
    running.stop();
    // through all of this it was one and the same finding
    let ledger = Connection::open(estate.folder().join("ledger.db")).unwrap();
    let count: u32 = ledger.query_row("SELECT count(*) FROM findings", (), |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn killed_again_and_again_it_neither_forgets_nor_invents() {
    let (estate, blocks) = estate();
    let start = || Running::start(command(estate.folder()).args(["--state", "ledger.db"]));
    let first = start();
    first.passes(1);
    estate.delete(&blocks[6..7]);
    first.shows(&["critical block_vanished", "critical coverage_gap"]);
    drop(first);
    for _ in 0..10 {
        let running = start();
        running.shows(&["critical block_vanished", "critical coverage_gap"]);
        drop(running);
    }
    let ledger = Connection::open(estate.folder().join("ledger.db")).unwrap();
    let count: u32 = ledger.query_row("SELECT count(*) FROM findings", (), |row| row.get(0)).unwrap();
    assert_eq!(count, 2, "each was opened once and never ended");
    let integrity: String = ledger.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost_once_there_is_room() {
    let (estate, blocks) = estate();
    // a file that may not grow any more behaves as a full disk does
    let shell = "trap '' XFSZ; ulimit -S -f 1200; exec \"$@\"";
    let mut limited = Command::new("sh");
    let inner = command(estate.folder());
    limited.env_clear().env("HOME", estate.folder()).current_dir(estate.folder());
    limited.args(["-c", shell, "sh"]).arg(inner.get_program()).args(inner.get_args()).args(["--state", "ledger.db"]);
    let running = Running::start(&mut limited);
    running.passes(1);
    // an estate that outgrows the limit
    let mut estate = estate;
    let newer = Stream::sidecar("cluster=us1").blocks(blocks[0].min, blocks[blocks.len() - 1].max);
    let many: Vec<Block> =
        (0..30_u64).flat_map(|salt| newer.iter().cloned().map(move |block| block.twin(salt))).collect();
    estate.put(&many);
    wait_for("the failure", || running.loud().contains(&"warning ledger_failing".to_owned()).then_some(()));
    becomes(&running, "blockwarden_ledger_up", 0);
    // it goes on watching
    estate.delete_object(&blocks[6], "index");
    wait_for("the fault", || running.loud().contains(&"critical missing_object".to_owned()).then_some(()));
    assert_eq!(running.ask("GET", "/-/healthy").0, 200);
    running.stop();

    let running = Running::start(command(estate.folder()).args(["--state", "ledger.db"]));
    wait_for("the fault", || running.loud().contains(&"critical missing_object".to_owned()).then_some(()));
    assert!(!running.loud().iter().any(|found| found.contains("ledger_failing") || found.contains("vanished")));
    running.stop();
}

#[test]
fn without_a_place_for_the_ledger_it_remembers_in_memory_and_says_so() {
    let (estate, blocks) = estate();
    let folder = estate.folder().to_owned();
    let mut command = command(&folder);
    // `root` may write everywhere, but nobody makes a folder below a file
    command.env("HOME", folder.join("blockwarden.yaml"));
    let running = Running::start(&mut command);
    running.passes(1);
    becomes(&running, "blockwarden_ledger_persistent", 0);
    estate.delete(&blocks[6..7]);
    running.shows(&["critical block_vanished", "critical coverage_gap"]);
    let log = running.stop();
    assert!(log.contains("kept in memory only"), "{log}");
}

#[test]
fn a_working_directory_that_cannot_be_written_is_no_obstacle() {
    let (estate, _) = estate();
    let read_only = tempfile::tempdir().unwrap();
    fs::set_permissions(read_only.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = command(estate.folder());
    command.current_dir(read_only.path()).args(["--state"]).arg(estate.folder().join("ledger.db"));
    let config = estate.folder().join("blockwarden.yaml");
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let mut absolute = Command::new(command.get_program());
    absolute.env_clear().current_dir(read_only.path());
    absolute.args(
        arguments.iter().map(|argument| if argument == "blockwarden.yaml" { config.as_os_str() } else { argument }),
    );
    let running = Running::start(&mut absolute);
    running.passes(2);
    assert_eq!(running.loud(), [""; 0]);
    running.stop();
    assert_eq!(fs::read_dir(read_only.path()).unwrap().count(), 0);
}

#[test]
fn what_keeps_it_from_starting_is_said_and_ends_it_with_2() {
    let (estate, _) = estate();
    let first = Running::start(command(estate.folder()).args(["--state", "ledger.db"]));
    let taken = first.address.to_string();
    std::os::unix::fs::symlink("ledger.db", estate.folder().join("link.db")).unwrap();
    for (arguments, expected) in [
        (vec!["--state", "ledger.db"], "another process writes to the ledger"),
        (vec!["--state", "link.db"], "another process writes to the ledger"),
        (vec!["--state", "nowhere/ledger.db"], "cannot open the ledger"),
        (vec!["--state", "other.db", "--web.listen-address", &taken], "cannot listen on"),
        (vec!["--state", "other.db", "--web.config.file", "none.yaml"], "none.yaml"),
        (vec!["--config", "none.yaml"], "none.yaml"),
    ] {
        let mut command = command(estate.folder());
        // a flag that is given twice is refused by itself
        let given: Vec<String> = command.get_args().map(|argument| argument.to_str().unwrap().to_owned()).collect();
        let mut kept: Vec<String> = Vec::new();
        let mut words = given.into_iter();
        while let Some(word) = words.next() {
            if arguments.contains(&word.as_str()) {
                words.next();
            } else {
                kept.push(word);
            }
        }
        let program = command.get_program().to_owned();
        command = Command::new(program);
        command.env_clear().env("HOME", estate.folder()).current_dir(estate.folder()).args(kept).args(&arguments);
        let ended = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    first.passes(1);
    first.stop();
}

#[test]
fn scan_beside_it_reads_its_ledger_and_leaves_it_alone() {
    let (estate, blocks) = estate();
    let running = Running::start(command(estate.folder()).args(["--state", "ledger.db"]));
    running.passes(1);
    estate.delete(&blocks[6..7]);
    running.shows(&["critical block_vanished", "critical coverage_gap"]);
    let mut scan = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    scan.env_clear().env("HOME", estate.folder()).current_dir(estate.folder());
    scan.args(["scan", "--config", "blockwarden.yaml", "--state", "ledger.db", "--output", "json"]);
    let output = scan.output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = document["findings"].as_array().unwrap();
    let checks: Vec<&str> = found.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["block_vanished", "coverage_gap"]);
    // one serializer: the API says it in the same words
    let same = |finding: &Value| {
        ["fingerprint", "message", "remedy", "severity", "stream", "interval"].map(|key| finding[key].clone())
    };
    let of_api: Vec<_> = running.findings().iter().map(same).collect();
    assert_eq!(found.iter().map(same).collect::<Vec<_>>(), of_api);
    running.stop();
}

#[test]
fn it_ends_although_a_pass_hangs() {
    let folder = tempfile::tempdir().unwrap();
    // accepts connections and never answers
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = silent.local_addr().unwrap();
    let objstore = format!(
        "type: S3\nconfig:\n  bucket: b\n  endpoint: {endpoint}\n  insecure: true\n  access_key: key\n  secret_key: secret\n"
    );
    fs::write(folder.path().join("objstore.yaml"), objstore).unwrap();
    configure(folder.path(), "1s");
    for signals in [1, 2] {
        let mut running = Running::start(&mut command(folder.path()));
        wait_for("a pass", || {
            let (_, status) = running.ask("GET", "/api/v1/status");
            (!serde_json::from_str::<Value>(&status).unwrap()["buckets"][0]["scanning_since"].is_null()).then_some(())
        });
        assert_eq!(running.ask("GET", "/-/ready").0, 503);
        wait_for("the finding", || running.loud().contains(&"warning scan_stalled".to_owned()).then_some(()));
        for _ in 0..signals {
            running.signal("INT");
        }
        let status = running.ended();
        assert!(
            status.signal().is_none() && status.code().is_some_and(|code| code != 1),
            "{status}: {}",
            running.log()
        );
    }
}
