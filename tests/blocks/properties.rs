//! Any block that the writer writes is sound, and any one thing that is broken is noticed.

use std::collections::BTreeSet;

use blockwarden::model::{Damage, Level, Severity};
use proptest::prelude::*;

use crate::blocks::data::Random;
use crate::blocks::{BlockSpec, mend_crc, segment_path};
use crate::mutations::{self, Broken};
use crate::recipe::recipe;
use crate::verifier::verify;

const READ: [Level; 3] = [Level::Index, Level::Checksum, Level::Full];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_sound(recipe in recipe()) {
        let written = recipe.spec().write();
        for level in READ {
            let report = verify(&written.files, level).unwrap();
            prop_assert!(report.worst().is_none_or(|worst| worst == Severity::Info), "{level}: {:#?}", report.faults);
        }
    }

    #[test]
    fn whatever_is_broken_is_noticed(recipe in recipe(), seed in any::<u64>(), first in 0..mutations::all().count()) {
        let spec = recipe.spec();
        // the first mutation that this block can have
        let mut all = mutations::all().cycle().skip(first).take(mutations::all().count());
        let found = all.find_map(|(name, mutation)| mutation(&spec, &mut Random(seed)).map(|broken| (name, broken)));
        let (name, broken) = found.unwrap();
        if let Err(missed) = notice(&broken) {
            prop_assert!(false, "{name}: {missed}");
        }
    }

    #[test]
    fn nonsense_under_checksums_that_fit_is_survived(recipe in recipe(), seed in any::<u64>(), flips in 1..40_usize) {
        let mut written = recipe.spec().write();
        let sound = verify(&written.files, Level::Full).unwrap();
        let mut random = Random(seed);
        for (segment, records) in written.records.clone().iter().enumerate() {
            let bytes = written.file(&segment_path(segment));
            for record in records {
                for _ in 0..flips {
                    // any place may be hit twice
                    let at = record.data.start + random.below(record.data.len() as u64) as usize;
                    bytes[at] ^= 1 << random.below(8);
                }
                mend_crc(bytes, &record.framed);
            }
        }
        let report = verify(&written.files, Level::Full).unwrap();
        let seen: BTreeSet<Damage> = report.broken().map(|(_, broken)| broken.rule.damage).collect();
        prop_assert!(!seen.contains(&Damage::Index) && !seen.contains(&Damage::Tombstone), "{:#?}", report.faults);
        prop_assert_eq!((report.series, report.bytes), (sound.series, sound.bytes));
        prop_assert!(report.chunks <= sound.chunks);
    }
}

/// What is missed, if anything is.
fn notice(broken: &Broken) -> Result<(), String> {
    for level in READ.into_iter().filter(|level| *level >= broken.from) {
        // a part that is not there ends the verification, and is a finding of the listing
        let Ok(report) = verify(&broken.files, level) else { continue };
        let seen: BTreeSet<Damage> = report
            .broken()
            .filter(|(_, broken)| broken.rule.severity < Severity::Info)
            .map(|(_, broken)| broken.rule.damage)
            .collect();
        if !broken.as_one_of.iter().any(|damage| seen.contains(damage)) {
            return Err(format!("at {level}: expected one of {:?}, got {:#?}", broken.as_one_of, report.faults));
        }
    }
    Ok(())
}

/// Each mutation, often enough that none is only ever tried on blocks that cannot have it.
#[test]
fn every_mutation_is_noticed() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut missed = Vec::new();
    for (name, mutation) in mutations::all() {
        let mut done = 0;
        for seed in 0..400 {
            let spec = recipe().new_tree(&mut runner).unwrap().current().spec();
            let Some(broken) = mutation(&spec, &mut Random(seed)) else { continue };
            done += 1;
            if let Err(words) = notice(&broken) {
                missed.push(format!("{name}, seed {seed} ({}): {words}", difference(&spec, &broken)));
            }
            if done == 12 {
                break;
            }
        }
        assert_eq!(done, 12, "{name} is hardly ever tried");
    }
    assert!(missed.is_empty(), "{}\n{} missed", missed.join("\n"), missed.len());
}

/// Where the files first differ, and what stands there in the index.
fn difference(spec: &BlockSpec, broken: &Broken) -> String {
    let written = spec.write();
    let mut places = Vec::new();
    for (path, was) in &written.files {
        let Some(now) = broken.files.get(path) else { continue };
        if let Some(at) = was.iter().zip(now).position(|(was, now)| was != now) {
            let part =
                written.index.framed().into_iter().filter(|framed| path == "index" && framed.whole.contains(&at));
            let changed = format!("{:02x} → {:02x}", was[at], now[at]);
            places.push(format!("{path} at {at}: {changed} in {:?}", part.collect::<Vec<_>>()));
        }
    }
    places.join(", ")
}
