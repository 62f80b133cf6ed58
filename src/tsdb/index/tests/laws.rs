//! One index for each way to break a rule, with checksums that fit.

use super::writer::{Content, Draft, be, chunk, entry, finish, framed, label, uvarint};
use super::*;

/// Rules that an index breaks, read as a whole and in single bytes.
fn broken(index: &[u8], demands: IndexDemands) -> Vec<&'static str> {
    let seen = read(index, demands);
    assert_eq!(seen, read_parts(index, demands, || 1).0);
    seen.rules(Severity::Info)
}

#[track_caller]
fn check(draft: &Draft, expected: &[&str]) {
    let index = draft.write();
    assert_eq!(broken(&index, size(&index)), expected);
}

#[test]
fn drafts_are_sound() {
    let mut draft = Draft::sound();
    check(&draft, &[]);
    draft.label_indices = false;
    check(&draft, &[]);
    draft.version = 1;
    check(&draft, &["index_version_1"]);
    draft.label_indices = true;
    check(&draft, &["index_version_1"]);
    // a version that nobody writes is read as the one that everybody writes
    for (version, expected) in [(3, "index_version_3"), (0, "index_version"), (130, "index_version")] {
        check(&Draft { version, ..Draft::sound() }, &[expected]);
    }
    check(&Draft { label_indices: false, ..Draft::of(Vec::new()) }, &[]);
    check(&Draft::of(Vec::new()), &[]);
}

#[test]
fn the_wrong_version_is_noticed() {
    for (written, claimed) in [(2, 1), (1, 2)] {
        let mut index = Draft { version: written, ..Draft::sound() }.write();
        index[4] = claimed;
        let seen = read(&index, size(&index));
        assert!(seen.rules(Severity::Critical).len() > 1, "{claimed}: {seen:?}");
    }
}

#[test]
fn symbols_are_sorted_and_told_apart() {
    let mut draft = Draft::sound();
    draft.symbols.swap(0, 1);
    check(&draft, &["postings_unproven", "symbols_order"]);
    let mut draft = Draft::sound();
    draft.symbols.push(b"zz".to_vec());
    check(&draft, &[]);
    draft.symbols.push(b"zz".to_vec());
    check(&draft, &["postings_unproven", "symbols_order"]);
    let mut draft = Draft::sound();
    draft.symbols.push(vec![0xff, 0xfe]);
    check(&draft, &["symbol_not_utf8"]);
    let mut draft = Draft::sound();
    draft.symbols.extend((0..1000).map(|_| b"a".to_vec()));
    let index = draft.write();
    let seen = read(&index, size(&index));
    assert!(seen.numbers.2 < 100, "what is not sorted takes no memory: {}", seen.numbers.2);
}

/// The sound index with other labels of its last series.
fn with_labels(labels: &[(&str, &str)]) -> Draft {
    let Draft { mut series, .. } = Draft::sound();
    let Some(Content::Series(last, _)) = series.last_mut() else { panic!("no series") };
    *last = labels.iter().map(|(name, value)| label(name, value)).collect();
    Draft::of(series)
}

#[test]
fn labels_follow_the_rules() {
    for (labels, expected) in [
        (&[("__name__", "up"), ("job", "b")][..], &[][..]),
        (&[("job", "b"), ("zone", "b")], &["series_without_name"]),
        (&[("__name__", "up"), ("job", "a")], &["series_order"]),
        (&[("__name__", "up")], &["series_order"]),
        (&[("__name__", "up"), ("job", "a"), ("zone", "")], &["series_label_value_empty"]),
        (&[("job", "b"), ("__name__", "up")], &["series_labels_order"]),
        (&[("__name__", "up"), ("job", "b"), ("job", "c")], &["series_labels_order"]),
        (&[("", "up"), ("__name__", "up")], &["series_label_name_empty", "series_order"]),
        (&[], &["series_order", "series_without_labels"]),
    ] {
        check(&with_labels(labels), expected);
    }
}

#[test]
fn an_unknown_symbol_is_noticed() {
    let mut draft = Draft::sound();
    draft.series.push(Content::Raw(entry(&[(90, 91)], &[chunk(0, 1, 5000)])));
    check(&draft, &["postings_unproven", "series_symbol", "series_without_name"]);
}

#[test]
fn an_entry_is_labels_and_chunks_and_nothing_else() {
    let sound = entry(&[(6, 6)], &[chunk(0, 1, 5000)]);
    for (name, payload) in [
        ("more than that", [sound.clone(), vec![0]].concat()),
        ("less", sound[..sound.len() - 1].to_vec()),
        ("too many labels", uvarint(1 << 20)),
        ("2^63 chunks", [&[1, 6, 6][..], &uvarint(1 << 63)].concat()),
        ("a symbol of more than 32 bits", [&[1][..], &uvarint(1 << 32), &[6, 0]].concat()),
    ] {
        let mut draft = Draft::sound();
        draft.series.push(Content::Raw(payload));
        let index = draft.write();
        let rules = broken(&index, size(&index));
        assert!(rules.contains(&"series_payload") && rules.contains(&"postings_unproven"), "{name}: {rules:?}");
        assert!(!rules.contains(&"postings_all"), "{name}: {rules:?}");
    }
    // the number of labels in two bytes
    let mut draft = Draft::sound();
    draft.series = vec![Content::Raw([&[0x80 | 1, 0][..], &sound[1..]].concat())];
    draft.edit_lists = |lists| lists.clear();
    draft.label_indices = false;
    let index = draft.write();
    assert!(broken(&index, size(&index)).contains(&"index_number_loose"));
}

/// The sound index whose only series has these chunks, in a block from 0 to 900 ms.
#[track_caller]
fn check_chunks(chunks: &[ChunkMeta], expected: &[&str]) {
    let draft = Draft::of(vec![Content::Series(vec![label("__name__", "up")], chunks.to_vec())]);
    let index = draft.write();
    let demands = IndexDemands {
        time: Some(Interval::new(TimestampMs(0), TimestampMs(900))),
        series: Some(1),
        chunks: Some(len_u64(chunks.len())),
        ..size(&index)
    };
    assert_eq!(broken(&index, demands), expected, "{chunks:?}");
}

#[test]
fn chunks_are_in_order_and_inside_of_their_block() {
    let first = chunk(0, 99, 8);
    check_chunks(&[first, chunk(100, 899, 108)], &[]);
    check_chunks(&[], &["series_without_chunks"]);
    check_chunks(&[first, chunk(0, 99, 108)], &["chunk_duplicate"]);
    check_chunks(&[first, chunk(99, 199, 108)], &["chunk_shared_sample"]);
    check_chunks(&[first, chunk(98, 199, 108)], &["chunk_overlap"]);
    check_chunks(&[chunk(100, 199, 8), chunk(0, 99, 108)], &["chunk_overlap"]);
    check_chunks(&[chunk(100, 99, 8)], &["chunk_times_reversed"]);
    check_chunks(&[chunk(100, 900, 8)], &["chunk_at_max_time"]);
    check_chunks(&[chunk(900, 900, 8)], &["chunk_issue_347"]);
    check_chunks(&[chunk(900, 1200, 8)], &["chunk_issue_347"]);
    check_chunks(&[chunk(901, 1200, 8)], &["chunk_outside"]);
    check_chunks(&[chunk(-9, -1, 8)], &["chunk_outside"]);
    check_chunks(&[chunk(-1, 100, 8)], &["chunk_reaches_out"]);
    check_chunks(&[chunk(-1, 900, 8)], &["chunk_reaches_out"]);
    check_chunks(&[chunk(800, 901, 8)], &["chunk_reaches_out"]);
    check_chunks(&[chunk(i64::MIN, i64::MAX, 8)], &["chunk_reaches_out"]);
    check_chunks(&[chunk(0, 99, 7)], &["chunk_reference"]);
    check_chunks(&[first, chunk(100, 199, 8)], &["chunk_reference_twice"]);
    check_chunks(&[chunk(0, 99, 108), chunk(100, 199, 8)], &["chunk_references_fall"]);
    check_chunks(&[first, chunk(100, 199, 1 << 32 | 8)], &[]);
}

#[test]
fn counts_are_those_of_the_meta() {
    let index = Draft::sound().write();
    let demands = IndexDemands { series: Some(4), chunks: Some(12), ..size(&index) };
    for (series, chunks, expected) in [
        (4, 12, &[][..]),
        (5, 12, &["index_series_count"]),
        (4, 11, &["index_chunks_count"]),
        (0, 0, &["index_chunks_count", "index_series_count"]),
    ] {
        let demands = IndexDemands { series: Some(series), chunks: Some(chunks), ..demands };
        assert_eq!(broken(&index, demands), expected);
    }
    let seen = read(&index, demands);
    assert_eq!((seen.numbers, seen.times), ((4, 12, 7), (Some(0), Some(899))));
    assert_eq!(seen.series[0].2, [chunk(0, 299, 108), chunk(300, 599, 208), chunk(600, 899, 308)]);
    assert!(seen.series.iter().all(|(at, id, _)| at / 16 == *id));
}

#[test]
fn postings_are_the_inversion_of_the_series() {
    type Edit = fn(&mut Vec<(writer::Label, Vec<u32>)>);
    let edits: [(&str, Edit, &[&str]); 9] = [
        ("nothing", |_| {}, &[]),
        ("a lost posting", |lists| lists[1].1.truncate(1), &["postings_differ"]),
        ("one too much", |lists| lists[1].1.push(4000), &["postings_differ"]),
        ("another series", |lists| *lists[1].1.last_mut().unwrap() += 1, &["postings_differ"]),
        (
            "two lists exchanged",
            |lists| {
                let [.., (_, a), (_, b)] = lists.as_mut_slice() else { panic!("two lists") };
                std::mem::swap(a, b);
            },
            &["postings_differ"],
        ),
        ("a lost series", |lists| lists[0].1.truncate(3), &["postings_all"]),
        ("an unsorted list", |lists| lists[1].1.reverse(), &["postings_order"]),
        (
            "a series twice",
            |lists| {
                let first = lists[1].1[0];
                lists[1].1.insert(0, first);
            },
            &["postings_differ", "postings_order"],
        ),
        ("an empty list", |lists| lists[1].1.clear(), &["postings_differ", "postings_empty"]),
    ];
    for (name, edit_lists, expected) in edits {
        let index = Draft { edit_lists, ..Draft::sound() }.write();
        assert_eq!(broken(&index, size(&index)), expected, "{name}");
    }
    let label_indices = false;
    let edits: [(Edit, &[&str]); 3] = [
        (|lists| drop(lists.pop()), &["postings_differ"]),
        (|lists| drop(lists.remove(0)), &["postings_all"]),
        (|lists| lists.push((label("zone", "x"), vec![8])), &["postings_differ"]),
    ];
    for (edit_lists, expected) in edits {
        check(&Draft { label_indices, edit_lists, ..Draft::sound() }, expected);
    }
}

#[test]
fn the_table_leads_to_every_list() {
    type Edit = fn(&mut Vec<(writer::Label, u64)>);
    let edits: [(&str, Edit, &[&str]); 7] = [
        ("nothing", |_| {}, &[]),
        ("a wrong offset", |table| table[2].1 += 4, &["postings_table_offset", "postings_unproven"]),
        ("an entry too few", |table| drop(table.remove(2)), &["postings_table_misses", "postings_unproven"]),
        (
            "an entry too much",
            |table| table.push((label("zz", "z"), 1 << 40)),
            &["postings_table_offset", "postings_unproven"],
        ),
        (
            "another order",
            |table| {
                let (a, b) = (table[1].0.clone(), table[2].0.clone());
                (table[1].0, table[2].0) = (b, a);
            },
            &["postings_differ", "postings_table_order"],
        ),
        ("no entry", Vec::clear, &["postings_table_misses", "postings_unproven"]),
        (
            "offsets that fall",
            |table| {
                let last = table.len() - 1;
                (table[1].1, table[last].1) = (table[last].1, table[1].1);
            },
            &["postings_table_offset", "postings_unproven"],
        ),
    ];
    for (name, edit_table, expected) in edits {
        let index = Draft { edit_table, label_indices: false, ..Draft::sound() }.write();
        assert_eq!(broken(&index, size(&index)), expected, "{name}");
    }
}

#[test]
fn label_indices_are_only_worth_a_warning() {
    type Edit = fn(&mut Vec<(String, Vec<u32>)>);
    let edits: [(&str, Edit, &[&str]); 4] = [
        ("nothing", |_| {}, &[]),
        ("a lost value", |indices| indices[0].1.truncate(1), &["label_index_content"]),
        ("unsorted values", |indices| indices[0].1.reverse(), &["label_index_order"]),
        ("another name", |indices| "other".clone_into(&mut indices[1].0), &["label_index_content"]),
    ];
    for (name, edit_indices, expected) in edits {
        let index = Draft { edit_indices, ..Draft::sound() }.write();
        assert_eq!(broken(&index, size(&index)), expected, "{name}");
        assert!(read(&index, size(&index)).rules(Severity::Critical).is_empty());
    }
}

#[test]
fn sections_lie_in_their_order() {
    let index = Draft::sound().write();
    let contents: Vec<u64> = (0..6)
        .map(|idx| {
            let at = index.len() - 52 + 8 * idx;
            u64::from_be_bytes(index[at..at + 8].try_into().unwrap())
        })
        .collect();
    for idx in 0..6 {
        for value in [0, 1, 6, contents[idx] + 1, len_u64(index.len()), u64::MAX] {
            let mut contents = contents.clone();
            contents[idx] = value;
            let wrong = finish(index[..index.len() - 52].to_vec(), &contents);
            let rules = broken(&wrong, size(&wrong));
            assert!(!rules.is_empty(), "{idx} {value}");
        }
    }
}

#[test]
fn zeros_behind_the_last_series_are_noticed() {
    let mut file = vec![0xba, 0xaa, 0xd7, 0, 2];
    framed(&mut file, &[be(1), vec![0]].concat());
    let series = file.len();
    file.extend([0; 5]);
    let postings = file.len();
    file.resize(postings.next_multiple_of(4), 0);
    let list = file.len();
    framed(&mut file, &be(0));
    let table = file.len();
    framed(&mut file, &[be(1), vec![2, 0, 0], uvarint(len_u64(list))].concat());
    let contents = [5, series, postings, table, postings, table].map(len_u64);
    let index = finish(file, &contents);
    assert_eq!(broken(&index, size(&index)), ["index_padding_extra"]);
}

#[test]
fn rules_are_named_once() {
    let mut names: Vec<&str> = rules::RULES.iter().map(|rule| rule.id).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rules::RULES.len());
    let source = include_str!("../rules.rs");
    assert_eq!(source.matches("pub static ").count(), rules::RULES.len() + 1);
}
