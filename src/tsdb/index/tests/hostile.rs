//! Bytes that are no index, and lengths that nothing has.

use super::writer::{Draft, be, finish, framed, uvarint};
use super::*;
use crate::tsdb::checksum::crc32c;

/// A generator of numbers, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        hash::number(self.0)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % len_u64(limit)).unwrap()
    }
}

#[test]
fn any_bytes_are_read_to_their_end() {
    let mut numbers = Numbers(1);
    for _ in 0..300 {
        let len = numbers.below(3000);
        let mut bytes: Vec<u8> = (0..len).map(|_| u8::try_from(numbers.next() & 0xff).unwrap()).collect();
        // small numbers go further than large ones
        if numbers.below(2) == 0 {
            for byte in &mut bytes {
                *byte &= 0x1f;
            }
        }
        let mut head = vec![0xba, 0xaa, 0xd7, 0, u8::try_from(numbers.below(4)).unwrap()];
        head.extend(&bytes);
        let mut offsets: Vec<u64> = (0..5).map(|_| len_u64(numbers.below(head.len()))).collect();
        offsets.sort_unstable();
        let contents = [5, offsets[0].max(17), offsets[1], offsets[3], offsets[2], offsets[4]];
        let index = finish(head, &contents);
        let seen = read(&index, size(&index));
        assert!(!seen.rules(Severity::Critical).is_empty());
        assert_eq!(seen, read_parts(&index, size(&index), || 1).0);
        let mut parts = Numbers(numbers.next());
        assert_eq!(seen, read_parts(&index, size(&index), || parts.below(100) + 1).0);
    }
}

#[test]
fn damaged_indexes_give_the_same_in_any_parts() {
    let mut numbers = Numbers(2);
    let (index, demands) = real(&fixtures().join("demo/2d"));
    for _ in 0..300 {
        let mut damaged = index.clone();
        for _ in 0..numbers.below(6) {
            let at = numbers.below(damaged.len());
            damaged[at] = u8::try_from(numbers.next() & 0xff).unwrap();
        }
        let seen = read(&damaged, demands);
        let mut parts = Numbers(numbers.next());
        assert_eq!(seen, read_parts(&damaged, demands, || parts.below(300) + 1).0);
    }
}

#[test]
fn lengths_that_nothing_has_cost_nothing() {
    let huge = [u64::from(u32::MAX), 1 << 32, 1 << 63, u64::MAX];
    for value in huge {
        // a symbol, and a count of them
        let mut file = vec![0xba, 0xaa, 0xd7, 0, 2];
        framed(&mut file, &[vec![0xff; 4], uvarint(value), vec![b'x'; 50]].concat());
        let series = len_u64(file.len());
        // a series at its place
        file.resize(file.len().next_multiple_of(16), 0);
        file.extend(uvarint(value));
        file.extend([7; 100]);
        let postings = len_u64(file.len());
        file.resize(file.len().next_multiple_of(4), 0);
        file.extend([0xff; 64]);
        let table = len_u64(file.len());
        let entry = [vec![2], uvarint(value), vec![0; 30]].concat();
        framed(&mut file, &[vec![0xff; 4], entry].concat());
        let index = finish(file, &[5, series, postings, table, postings, table]);
        let seen = read(&index, size(&index));
        for rule in ["symbols_broken", "series_broken", "postings_broken", "postings_table_broken"] {
            assert!(
                seen.rules(Severity::Critical).contains(&rule),
                "{value}: {rule}: {:?}",
                seen.rules(Severity::Info)
            );
        }
        assert_eq!(seen, read_parts(&index, size(&index), || 1).0);
    }
}

#[test]
fn a_long_series_waits_for_no_more_than_is_there() {
    // an entry that says to be as long as all that follows
    let mut index = Draft::sound().write();
    let sound = read(&index, size(&index));
    let at = usize::try_from(sound.series[1].0).unwrap();
    let end = usize::try_from(sound.series[3].0).unwrap() + 20;
    index[at] = u8::try_from(end - at - 5).unwrap();
    let seen = read(&index, size(&index));
    assert_eq!(seen.rules(Severity::Critical), ["series_crc"]);
    assert_eq!(seen.series.len(), 3);
}

#[test]
fn sizes_that_no_index_has_are_refused() {
    for len in [0, 1, 5, 51, 52, 56] {
        let bytes = vec![0; len];
        let seen = read(&bytes, size(&bytes));
        assert!(seen.rules(Severity::Critical).contains(&"index_too_short"), "{len}");
        assert_eq!(seen.version, None);
    }
    // the bucket says more than there is
    let index = Draft::sound().write();
    for size in [len_u64(index.len()) + 1, 1 << 40, u64::MAX] {
        let seen = read(&index, IndexDemands { size, ..IndexDemands::default() });
        assert!(!seen.rules(Severity::Critical).is_empty());
    }
}

#[test]
fn a_search_for_series_comes_to_its_end() {
    // a section of nothing but beginnings of entries that are none
    let mut file = vec![0xba, 0xaa, 0xd7, 0, 2];
    framed(&mut file, &be(0));
    let series = len_u64(file.len());
    file.resize(file.len().next_multiple_of(16), 0);
    for _ in 0..(2 << 20) / 16 {
        file.extend([0xf0, 0xff, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let end = len_u64(file.len());
    let table = [be(1), vec![2, 0, 0, 0]].concat();
    file.extend(be(table.len()));
    file.extend(&table);
    file.extend(crc32c(&table).to_be_bytes());
    let index = finish(file, &[5, series, end, end, end, end]);
    let seen = read(&index, size(&index));
    assert!(seen.rules(Severity::Critical).contains(&"series_crc"), "{seen:?}");
    assert!(seen.rules(Severity::Critical).contains(&"series_unread"), "{seen:?}");
}
