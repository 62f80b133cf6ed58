//! Damage: every flipped bit, every cut, every stretch of zeros.

use super::writer::Draft;
use super::*;

/// Small indexes of each kind.
fn small() -> Vec<(String, Vec<u8>, IndexDemands)> {
    let mut all = Vec::new();
    for folder in ["promtool-2.42", "prometheus-3-start-timestamps", "thanos-5m"] {
        let block = entries(&fixtures().join("blocks").join(folder)).into_iter().find(|path| path.is_dir()).unwrap();
        let (index, demands) = real(&block);
        all.push((folder.to_owned(), index, demands));
    }
    for (version, label_indices) in [(1, true), (1, false), (2, true), (2, false)] {
        let index = Draft { version, label_indices, ..Draft::sound() }.write();
        let demands = IndexDemands { series: Some(4), chunks: Some(12), ..size(&index) };
        all.push((format!("version {version}, {label_indices}"), index, demands));
    }
    all
}

/// Something is wrong, and it is said with few words.
#[track_caller]
fn assert_noticed(index: &[u8], demands: IndexDemands, what: &str) {
    let seen = read(index, demands);
    let rules = seen.rules(Severity::Warning);
    assert!(!rules.is_empty(), "{what}: unnoticed");
    let count: u64 =
        seen.faults.rules().filter(|broken| rules.contains(&broken.rule.id)).map(|broken| broken.count).sum();
    // with another version all of it is something else
    let version = [&rules::VERSION, &rules::VERSION_3];
    let other = what.starts_with("version 1") && version.iter().any(|rule| seen.faults.breaks(rule));
    assert!(other || (rules.len() <= 4 && count <= 8), "{what}: {seen:?}");
}

#[test]
fn every_flipped_bit_is_noticed() {
    for (name, mut index, demands) in small() {
        for at in 0..index.len() {
            for bit in 0..8 {
                index[at] ^= 1 << bit;
                assert_noticed(&index, demands, &format!("{name}: bit {bit} of byte {at}"));
                if at % 8 == bit {
                    assert_eq!(read(&index, demands), read_parts(&index, demands, || 1).0, "{name}: {at}");
                }
                index[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    for (name, index, demands) in small() {
        for len in 0..index.len() {
            let cut = &index[..len];
            for demands in [IndexDemands { size: len_u64(len), ..demands }, demands] {
                let seen = read(cut, demands);
                assert!(!seen.rules(Severity::Critical).is_empty(), "{name}: {len} bytes");
                assert_eq!(seen, read_parts(cut, demands, || 1).0, "{name}: {len} bytes");
            }
        }
    }
}

#[test]
fn every_stretch_of_zeros_is_noticed() {
    for (name, index, demands) in small() {
        for start in 0..index.len() - 16 {
            let mut zeroed = index.clone();
            zeroed[start..start + 16].fill(0);
            let seen = read(&zeroed, demands);
            assert!(!seen.rules(Severity::Warning).is_empty(), "{name}: {start}");
            assert_eq!(seen, read_parts(&zeroed, demands, || 1).0, "{name}: {start}");
        }
    }
}

#[test]
fn what_follows_a_damaged_series_is_read() {
    let index = Draft::sound().write();
    let sound = read(&index, size(&index));
    for (lost, (at, _, _)) in sound.series.iter().enumerate() {
        // its length, and its first labels
        for offset in 0..3 {
            for bit in 0..8 {
                let mut damaged = index.clone();
                damaged[usize::try_from(*at).unwrap() + offset] ^= 1 << bit;
                let seen = read(&damaged, size(&index));
                let mut others = sound.series.clone();
                others.remove(lost);
                assert_eq!(seen.series, others, "series {lost}, byte {offset}, bit {bit}");
                assert!(!seen.whole);
            }
        }
    }
}

#[test]
fn two_readings_of_the_end_have_to_agree() {
    let index = Draft::sound().write();
    let demands = size(&index);
    let end = usize::try_from(demands.size).unwrap();
    for at in end - 60..end {
        let mut verifier = IndexVerifier::new(demands);
        while let IndexStep::Need { lane, range } = verifier.step() {
            let mut other = index.clone();
            if lane == Lane::Main {
                other[at] ^= 1;
            }
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            verifier.feed(lane, &other[range], &mut |_| {});
        }
        assert!(verifier.finish().faults.breaks(&rules::READINGS_DIFFER), "{at}");
    }
}
