//! What real programs wrote has no fault.

use super::*;

#[test]
fn indexes_of_real_programs_are_sound() {
    for block in blocks() {
        let (index, demands) = real(&block);
        let seen = read(&index, demands);
        assert_eq!(seen.rules(Severity::Info), Vec::<&str>::new(), "{}: {:#?}", block.display(), seen.faults);
        assert!(seen.whole && seen.ascend && seen.version == Some(2), "{}", block.display());
        assert_eq!((Some(seen.numbers.0), Some(seen.numbers.1)), (demands.series, demands.chunks));
        assert_eq!(len_u64(seen.series.len()), seen.numbers.0);
    }
}
