//! What real programs wrote has no fault.

use super::*;

#[test]
fn indexes_of_real_programs_are_sound() {
    for block in blocks() {
        let (index, demands) = real(&block);
        let seen = read(&index, demands);
        assert_eq!(seen.rules(Severity::Warning), Vec::<&str>::new(), "{}: {seen:?}", block.display());
        let notes: &[&str] = match seen.version {
            Some(1) => &["index_version_1", "series_without_name"],
            _ => &[],
        };
        assert_eq!(seen.rules(Severity::Info), notes, "{}", block.display());
        assert!(seen.whole && seen.ascend, "{}", block.display());
        assert_eq!((Some(seen.numbers.0), Some(seen.numbers.1)), (demands.series, demands.chunks));
        assert_eq!(len_u64(seen.series.len()), seen.numbers.0);
    }
}

#[test]
fn splits_do_not_matter() {
    for block in blocks() {
        let (index, demands) = real(&block);
        let seen = read(&index, demands);
        for len in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(seen, read_parts(&index, demands, || len).0, "{}: {len}", block.display());
        }
    }
}
