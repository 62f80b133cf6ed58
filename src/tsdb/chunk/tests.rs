use super::*;
use crate::tsdb::chunk::rules as r;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What is read, and the ids of the broken rules.
fn read(encoding: u8, data: &[u8]) -> (Option<ChunkFacts>, Vec<&'static str>) {
    let mut ids = Vec::new();
    let facts = read_chunk(encoding, data, Depth::Samples, &mut |rule, at, _, _| {
        assert!(at <= data.len(), "{}: {at}", rule.id);
        ids.push(rule.id);
    });
    (facts, ids)
}

fn facts(kind: Kind, samples: u32, first_ms: i64, last_ms: i64) -> ChunkFacts {
    ChunkFacts { kind, samples, first_ms, last_ms: Some(last_ms) }
}

#[test]
fn a_sample_is_enough() {
    assert_eq!(
        read(1, &bytes("000180a0d5edee663ff0000000000000")),
        (Some(facts(Kind::Float, 1, 1_767_225_600_000, 1_767_225_600_000)), vec![])
    );
}

#[test]
fn rules_have_names_of_their_own() {
    let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for rule in RULES {
        assert_eq!(
            rule.severity == crate::model::Severity::Critical,
            rule.damage != crate::model::Damage::Inconsistent && rule.id != r::SCHEMA_RESERVED.id,
            "{}",
            rule.id
        );
    }
}
