//! What the ledger remembers of verifications.

use blockwarden::model::{MINUTE_MS, TimestampMs};
use serde_json::Value;

use crate::kit::{self, AT, PROMTOOL, follows_schema, verdicts};
use crate::storage::{Bench, uploaded};
use crate::support::program::Ran;
use crate::support::s3_server::Reply;

/// Verifies with a ledger, so many minutes after [`AT`].
fn run(bench: &Bench, minutes: i64, arguments: &[&str]) -> Ran {
    let at = TimestampMs::parse_rfc3339(AT).unwrap().plus(minutes * MINUTE_MS).to_string();
    let ledger = bench.desk.ledger();
    let first = ["verify", "--output", "json", "--at", &at, "--objstore.config-file", bench.config()];
    let all: Vec<&str> =
        first.into_iter().chain(["--state", ledger.to_str().unwrap()]).chain(arguments.iter().copied()).collect();
    drop(bench.server.take_calls());
    let ran = bench.desk.run(&all);
    follows_schema(&ran);
    ran
}

/// Data that was read: the blocks' indices and segments.
fn read(bench: &Bench) -> Vec<String> {
    let keys = bench.server.take_calls().into_iter().filter_map(|call| call.key);
    let mut keys: Vec<String> = keys.filter(|key| key.ends_with("/index") || key.contains("/chunks/")).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn what_was_verified_is_not_read_again() {
    let bench = Bench::new(&["thanos-compacted", PROMTOOL]);
    let block = kit::name(&kit::block_of(PROMTOOL));
    let (index, segment) = (format!("{block}/index"), format!("{block}/chunks/000001"));
    let first = run(&bench, 0, &["--level", "checksum", "--resume"]);
    assert_eq!((first.code, read(&bench).len()), (Some(0), 6), "{} {}", first.stdout, first.stderr);
    for (minute, level) in [(1, "index"), (2, "checksum")] {
        let again = run(&bench, minute, &["--level", level, "--resume"]);
        assert_eq!((again.code, read(&bench)), (Some(0), vec![]), "{}", again.stdout);
        assert_eq!(verdicts(&again), verdicts(&first), "they are listed as the ledger has them");
        assert_eq!(again.document()["summary"]["bytes_verified"], 0);
    }
    let deeper = run(&bench, 3, &["--resume"]);
    assert_eq!((deeper.code, read(&bench).len()), (Some(0), 6));
    assert!(verdicts(&deeper).iter().all(|verdict| verdict.ends_with("full ok")));
    run(&bench, 4, &["--level", "checksum"]);
    assert_eq!(read(&bench).len(), 6, "without --resume everything is read");

    // written again, with the same content: the listing cannot tell
    let content = kit::files(&kit::block_of(PROMTOOL)).into_iter().find(|(name, _)| name == "index").unwrap().1;
    bench.bucket.put(&index, content, uploaded().plus(5));
    let touched = run(&bench, 5, &["--resume"]);
    assert_eq!(read(&bench), [segment, index]);
    let findings = touched.findings();
    let mutated: Vec<&Value> = findings.iter().filter(|finding| finding["check"] == "object_mutated").collect();
    assert!(mutated.iter().all(|finding| finding["severity"] == "info"), "its hash is what it was: {}", touched.stdout);
    assert_eq!(touched.code, Some(0));
}

#[test]
fn damage_is_remembered_until_it_is_seen_healed() {
    let bench = Bench::new(&[PROMTOOL]);
    let block = kit::name(&kit::block_of(PROMTOOL));
    bench.server.script(|call| {
        let hit = call.key.as_ref().is_some_and(|key| key.ends_with("chunks/000001"));
        if hit { Reply::Flip(9_000) } else { Reply::Serve }
    });
    let hurt = run(&bench, 0, &["--resume"]);
    assert_eq!((hurt.code, hurt.checks()), (Some(1), vec!["chunk_corrupt critical".to_owned()]), "{}", hurt.stdout);
    bench.server.script(|_| Reply::Serve);
    let resumed = run(&bench, 1, &["--resume"]);
    assert_eq!(read(&bench), Vec::<String>::new());
    assert_eq!((resumed.code, resumed.checks()), (hurt.code, hurt.checks()));
    assert_eq!(verdicts(&resumed), [format!("{block} full corrupt")]);
    let healed = run(&bench, 2, &[]);
    assert_eq!((healed.code, healed.checks(), verdicts(&healed)), (Some(0), vec![], vec![format!("{block} full ok")]));
}

#[test]
fn what_no_checksum_covers_is_held_against_the_first_reading() {
    let bench = Bench::new(&[PROMTOOL]);
    let block = kit::name(&kit::block_of(PROMTOOL));
    assert_eq!(run(&bench, 0, &[]).code, Some(0));
    // another block of the same shape would not show in any checksum; here it is a rewritten segment and index
    for name in ["index", "chunks/000001"] {
        let other =
            kit::files(&kit::block_of("prometheus-2.42-head")).into_iter().find(|(own, _)| own == name).unwrap().1;
        bench.bucket.put(&format!("{block}/{name}"), other, uploaded());
    }
    let ran = run(&bench, 1, &[]);
    let checks = ran.checks();
    assert!(checks.contains(&"object_mutated critical".to_owned()), "{checks:?} {}", ran.stdout);
    assert_eq!(ran.code, Some(1));
}
