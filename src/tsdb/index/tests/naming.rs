//! Labels out of places.

use super::writer::{Content, Draft, chunk, label};
use super::*;

/// The labels of all series, read in parts of `part` bytes.
fn names(draft: &Draft, part: usize) -> Vec<String> {
    let index = draft.write();
    let (seen, naming) = read_parts(&index, size(&index), || usize::MAX);
    let places: Vec<u64> = seen.series.iter().map(|(at, _, _)| *at).collect();
    let named = run(&naming, &index, &places, part);
    assert_eq!(named.keys().copied().collect::<Vec<_>>(), places);
    named.into_values().collect()
}

fn run(naming: &Naming, index: &[u8], places: &[u64], part: usize) -> std::collections::BTreeMap<u64, String> {
    let mut run = naming.clone().begin(places);
    while let NamingStep::Need(range) = run.step() {
        assert!(range.end - range.start <= 64 << 10, "{range:?}");
        let start = usize::try_from(range.start).unwrap();
        let end = usize::try_from(range.end).unwrap();
        run.feed(&index[start..end.min(start.saturating_add(part))]);
    }
    run.finish()
}

fn one(labels: &[(&str, &str)]) -> Content {
    Content::Series(labels.iter().map(|(name, value)| label(name, value)).collect(), vec![chunk(0, 1, 8)])
}

#[test]
fn series_are_printed_as_prometheus_does() {
    for version in [1, 2] {
        let draft = Draft { version, ..Draft::sound() };
        let expected = [("down", "a"), ("down", "b"), ("up", "a"), ("up", "b")]
            .map(|(name, job)| format!("{{__name__=\"{name}\", job=\"{job}\"}}"));
        assert_eq!(names(&draft, usize::MAX), expected);
        assert_eq!(names(&draft, 1), expected);
    }
    let long = "x".repeat(5000);
    let odd = Draft::of(vec![
        one(&[("__name__", "a\"b\\c\nd\u{7}"), ("dotted.name", "ü")]),
        one(&[("a", &long), ("b", "c")]),
    ]);
    let [odd, long] = names(&odd, 7).try_into().unwrap();
    assert_eq!(odd, "{__name__=\"a\\\"b\\\\c\\nd\\u{7}\", \"dotted.name\"=\"ü\"}");
    assert!(long.starts_with("{a=\"xxx") && long.ends_with("…}") && long.len() < 1100, "{long}");
}

#[test]
fn symbols_are_found_in_large_tables() {
    // more than two marks, symbols longer than a stretch among them
    let big = "m".repeat(70_000);
    let mut series: Vec<Content> = (0..700).map(|idx| one(&[("__name__", &format!("metric_{idx:04}"))])).collect();
    series.insert(0, one(&[("__name__", &big), ("z", "z")]));
    let all = names(&Draft::of(series), usize::MAX);
    assert!(all[0].starts_with("{__name__=\"mmm"));
    for (idx, name) in all[1..].iter().enumerate() {
        assert_eq!(*name, format!("{{__name__=\"metric_{idx:04}\"}}"));
    }
}

#[test]
fn what_cannot_be_read_says_so() {
    let index = Draft::sound().write();
    let (_, naming) = read_parts(&index, size(&index), || usize::MAX);
    let named = run(&naming, &index, &[0, 7, u64::MAX], usize::MAX);
    assert!(named.len() == 3 && named.values().all(|name| name == "{unreadable}"), "{named:?}");
    // other bytes than at the first reading
    let mut numbers = 0;
    for fill in [0x00, 0x01, 0x7f, 0x80, 0xff] {
        let (seen, _) = read_parts(&index, size(&index), || usize::MAX);
        let places: Vec<u64> = seen.series.iter().map(|(at, _, _)| *at).collect();
        let other = vec![fill; index.len()];
        numbers += run(&naming, &other, &places, 3).len();
    }
    assert_eq!(numbers, 20);
    assert!(run(&Naming::default(), &index, &[1, 2], 1).values().all(|name| name == "{unreadable}"));
}
