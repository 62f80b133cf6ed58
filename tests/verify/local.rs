//! Blocks and data directories of this machine.

use std::fs;

use crate::kit::{self, AT, PROMTOOL, verdicts, verify};
use crate::support::program::Desk;

#[test]
fn blocks_of_all_writers_are_whole() {
    let desk = Desk::new();
    for writer in kit::folders(&kit::fixtures().join("blocks")) {
        let blocks = kit::folders(&writer);
        for level in ["index", "checksum", "full"] {
            let ran = verify(&desk, &["--level", level, writer.to_str().unwrap()]);
            let bad: Vec<String> = ran.checks().into_iter().filter(|check| !check.ends_with(" info")).collect();
            assert_eq!((ran.code, bad), (Some(0), vec![]), "{} {}", writer.display(), ran.stderr);
            let mut expected: Vec<String> =
                blocks.iter().map(|block| format!("{} {level} ok", kit::name(block))).collect();
            expected.sort();
            assert_eq!(verdicts(&ran), expected);
            assert_eq!(ran.stderr, "");
        }
    }
}

#[test]
fn a_block_is_a_block_whatever_its_folder_is_called() {
    let desk = Desk::new();
    let block = kit::block_of(PROMTOOL);
    kit::copy(&block, &desk.path("backup of monday"));
    kit::copy(&block, &desk.path("other"));
    let ran = verify(&desk, &["backup of monday"]);
    assert_eq!(
        (ran.code, ran.checks(), verdicts(&ran)),
        (Some(0), vec![], vec![format!("{} full ok", kit::name(&block))])
    );
    let document = ran.document();
    assert_eq!(document["summary"]["blocks"], 1);
    let size = |name: &str| fs::metadata(block.join(name)).unwrap().len();
    let bytes = size("index") + size("chunks/000001") + size("tombstones");
    assert_eq!(document["summary"]["bytes_verified"], bytes);
    assert_eq!(document["blocks"][0]["bytes"], bytes);
    let ran = verify(&desk, &["backup of monday", "other"]);
    assert_eq!((ran.code, verdicts(&ran).len()), (Some(0), 2), "two copies are two blocks: {}", ran.stderr);
}

/// What is broken, in which file, how; at which level what is found.
type Case<'a> = (&'a str, &'a str, &'a dyn Fn(&mut Vec<u8>), &'a str, Vec<&'a str>);

#[test]
fn what_is_broken_is_said_and_nothing_else() {
    let whole = kit::block_of(PROMTOOL);
    let cut = |content: &mut Vec<u8>| content.truncate(content.len() - 100);
    let flip = |content: &mut Vec<u8>| {
        let middle = content.len() / 2;
        content[middle] ^= 4;
    };
    let symbol = |content: &mut Vec<u8>| content[20] ^= 4;
    let foreign = fs::read(kit::block_of("thanos-1h").join("chunks/000001")).unwrap();
    let numbers = |content: &mut Vec<u8>| {
        let text = String::from_utf8(content.clone()).unwrap();
        *content = text.replacen("\"numSamples\": 3563", "\"numSamples\": 3564", 1).into_bytes();
        assert_ne!(text.as_bytes(), content.as_slice());
    };
    let cases: [Case<'_>; 9] = [
        ("a bit of a segment", "chunks/000001", &flip, "full", vec!["chunk_corrupt critical"]),
        ("a bit of a segment", "chunks/000001", &flip, "checksum", vec!["chunk_corrupt critical"]),
        ("a bit of a segment", "chunks/000001", &flip, "index", vec![]),
        ("a bit of a symbol", "index", &symbol, "index", vec!["index_corrupt critical"]),
        ("a bit of a symbol", "index", &symbol, "quick", vec![]),
        ("the end of the index", "index", &cut, "full", vec!["index_corrupt critical"]),
        ("a bit of the tombstones", "tombstones", &flip, "full", vec!["tombstone_corrupt warning"]),
        ("a number of samples", "meta.json", &numbers, "full", vec!["block_inconsistent critical"]),
        (
            "another block's segment",
            "chunks/000001",
            &|content: &mut Vec<u8>| content.clone_from(&foreign),
            "checksum",
            vec!["block_inconsistent critical"],
        ),
    ];
    for (what, file, change, level, expected) in cases {
        let desk = Desk::new();
        let block = desk.path(&kit::name(&whole));
        kit::copy(&whole, &block);
        kit::edit(&block.join(file), change);
        let ran = verify(&desk, &["--level", level, "."]);
        let told = format!("{what} at {level}: {}", ran.stdout);
        let checks = ran.checks();
        assert!(expected.iter().all(|check| checks.contains(&(*check).to_owned())), "{told}");
        let code = i32::from(!expected.is_empty());
        assert_eq!(ran.code, Some(code), "{told}");
        let verdict = if expected.is_empty() { "ok" } else { "corrupt" };
        assert_eq!(verdicts(&ran), [format!("{} {level} {verdict}", kit::name(&whole))], "{told}");
        for finding in ran.findings() {
            assert_eq!(finding["block"], kit::name(&whole), "{told}");
        }
    }
}

#[test]
fn a_chunk_that_is_hurt_has_its_series_and_hours() {
    let desk = Desk::new();
    let block = kit::block_of(PROMTOOL);
    kit::copy(&block, &desk.path(&kit::name(&block)));
    kit::edit(&desk.path(&kit::name(&block)).join("chunks/000001"), |content| content[9_000] ^= 1);
    let ran = verify(&desk, &["."]);
    let findings = ran.findings();
    let finding = findings.iter().find(|finding| finding["check"] == "chunk_corrupt").unwrap();
    let place = &finding["evidence"]["problems"][0]["places"][0];
    let text = |key: &str| place[key].as_str().unwrap_or_else(|| panic!("{key}: {finding}")).to_owned();
    assert_eq!(text("file"), "chunks/000001");
    assert!(text("series").starts_with("{__name__="), "{place}");
    assert!(place["offset"].as_u64().unwrap() <= 9_000 && !text("found").is_empty());
    assert_eq!(text("found"), text("found_again"), "both readings are in the evidence");
}

#[test]
fn what_is_not_there_is_not_passed_over() {
    let whole = kit::block_of(PROMTOOL);
    for (gone, code) in [("chunks/000001", 1..=2), ("index", 1..=2), ("meta.json", 1..=2)] {
        let desk = Desk::new();
        let block = desk.path(&kit::name(&whole));
        kit::copy(&whole, &block);
        fs::remove_file(block.join(gone)).unwrap();
        let ran = verify(&desk, &[block.to_str().unwrap()]);
        assert!(code.contains(&ran.code.unwrap()), "{gone}: {} {}", ran.stdout, ran.stderr);
        assert!(verdicts(&ran)[0].ends_with("unreachable"), "{gone}: {}", ran.stdout);
    }
}

#[test]
fn a_folder_of_blocks_is_no_estate() {
    let desk = Desk::new();
    let sample = kit::fixtures().join("sample-bucket");
    let ran = verify(&desk, &[sample.to_str().unwrap()]);
    // it has a hole, an overdue deletion and much else that is nothing that a block can be asked for
    let checks: Vec<String> = ran.checks().iter().map(|check| check.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(checks, ["index_corrupt", "missing_object", "size_mismatch"], "{}", ran.stdout);
    assert_eq!(ran.code, Some(1));
    let verdicts = verdicts(&ran);
    assert_eq!(verdicts.len(), 22, "an upload that was never finished is none");
    let others: Vec<&String> = verdicts.iter().filter(|verdict| !verdict.ends_with(" ok")).collect();
    assert_eq!(others, ["01KK0HCWW0000A5T1W6BZYRZEW full unreachable", "01KK19DY80000823CQ9471YBMW full corrupt"]);
}

#[test]
fn people_get_a_line_for_each_block_and_a_summary() {
    let desk = Desk::new();
    let writer = kit::fixtures().join("blocks/prometheus-3-tombstones");
    let ran = desk.run(&["verify", "--at", AT, writer.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ran.stdout);
    assert!(lines[..2].iter().all(|line| line.starts_with("ok           01M7")), "{}", ran.stdout);
    assert!(lines[2].starts_with("2 blocks verified at level full: 2 ok; 3.1 KiB, 960 samples in "), "{}", ran.stdout);
    assert!(lines[3].ends_with("nothing wrong"), "{}", ran.stdout);
    assert!(lines.iter().all(|line| line.len() <= 100), "{}", ran.stdout);
}
