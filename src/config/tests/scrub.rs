//! `scrub`: what it means, and every mistake at its place.

use jiff::tz::TimeZone;

use super::*;
use crate::config::scrub::{PRICES, TABLE};
use crate::config::yaml::Table;
use crate::model::{DAY_MS, Level, Prices, ScrubSettings, Window};

const BUCKET: &str = "buckets: [{objstore_config_file: objstore.yaml}]\n";

fn load(text: &str) -> Result<Config, Vec<String>> {
    Folder::new(&format!("{BUCKET}{text}")).load()
}

#[test]
fn everything_has_its_meaning() {
    let config = load(
        "scrub:\n  enabled: no\n  interval: 7d\n  level: checksum\n  max_bytes_per_second: 1500kB\n  \
         max_requests_per_second: 0\n  memory: 64MiB\n  threads: 3\n  window: 22:00-06:00, 12:00-12:30\n  \
         time_zone: Europe/Berlin\n  prices:\n    currency: EUR\n    list_per_1000: 0.01\n    get_per_1000: 1\n    \
         egress_per_gb: 0.02\n    retrieval_per_gb: {standard_ia: 0.5, MINE: 2}\n",
    );
    let scrub = config.unwrap().policy.scrub;
    let mut prices = Prices { currency: "EUR".to_owned(), list_per_1000: 0.01, get_per_1000: 1.0, ..Prices::default() };
    prices.egress_per_gb = 0.02;
    prices.retrieval_per_gb.extend([("STANDARD_IA".to_owned(), 0.5), ("MINE".to_owned(), 2.0)]);
    assert_eq!(
        (prices.retrieval("Standard_Ia"), prices.retrieval("GLACIER_IR"), prices.retrieval("?")),
        (0.5, 0.03, 0.0)
    );
    let expected = ScrubSettings {
        enabled: false,
        interval_ms: 7 * DAY_MS,
        level: Level::Checksum,
        max_bytes_per_second: Some(1_500_000),
        max_requests_per_second: None,
        memory: 64 << 20,
        threads: Some(3),
        window: Window::parse("12:00-12:30,22:00-06:00", TimeZone::get("Europe/Berlin").unwrap()).unwrap(),
        prices,
    };
    assert_eq!(scrub, expected);
    assert_eq!(scrub.window.text(), "12:00-12:30, 22:00-06:00 Europe/Berlin");
    for text in ["", "scrub:\n", "scrub: {}\n", "scrub: {prices: {}, level: full}\n"] {
        assert_eq!(load(text).unwrap().policy.scrub, ScrubSettings::default(), "{text}");
    }
}

#[test]
fn a_bucket_can_be_left_out() {
    let config = Folder::new("buckets: [{objstore_config_file: objstore.yaml, scrub: off}]\n").load().unwrap();
    assert!(!config.policy.bucket("thanos").scrub && config.policy.bucket("other").scrub);
}

#[test]
fn every_mistake_is_said_at_its_place() {
    for (text, expected) in [
        ("scrub: on\n", "2:1: scrub: expected a mapping, found a single value"),
        ("scrub: {enable: true}\n", "2:9: scrub: unknown key `enable`; did you mean `enabled`?"),
        ("scrub: {interval: 10s}\n", "2:9: scrub.interval: expected at least 1m"),
        ("scrub: {level: quick}\n", "2:9: scrub.level: expected one of index, checksum, full"),
        (
            "scrub: {max_bytes_per_second: 50}\n",
            "2:9: scrub.max_bytes_per_second: expected a size such as 50MB or 64MiB (units B kB MB GB TB, KiB MiB GiB TiB)",
        ),
        (
            "scrub: {max_requests_per_second: -1}\n",
            "2:9: scrub.max_requests_per_second: expected a whole number from 0",
        ),
        ("scrub: {memory: 1MB}\n", "2:9: scrub.memory: expected at least 16MiB"),
        ("scrub: {threads: 0}\n", "2:9: scrub.threads: expected a whole number from 1"),
        (
            "scrub: {window: at night}\n",
            "2:9: scrub.window: expected hours such as 22:00-06:00, or several with commas between them",
        ),
        (
            "scrub: {window: 1:00-1:00}\n",
            "2:9: scrub.window: expected hours that begin and end at different times; without any, all hours are meant",
        ),
        (
            "scrub:\n  window: 1:00-2:00\n  time_zone: Europe/Nowhere\n",
            "4:3: scrub.time_zone: expected a name of the time zone database, such as Europe/Berlin, which this machine has to \
             have; UTC is known everywhere",
        ),
        ("scrub: {time_zone: UTC}\n", "2:9: scrub.time_zone: says nothing without `window`"),
        ("scrub: {prices: {get_per_1000: -1}}\n", "2:18: scrub.prices.get_per_1000: expected a number from 0"),
        ("scrub: {prices: {currency: Zorkmids!}}\n", "2:18: scrub.prices.currency: expected a short name such as USD"),
        (
            "scrub: {prices: {retrieval_per_gb: [1]}}\n",
            "2:18: scrub.prices.retrieval_per_gb: expected a mapping, found a list",
        ),
        (
            "scrub: {prices: {retrieval_per_gb: {A: 1, B: x}}}\n",
            "2:43: scrub.prices.retrieval_per_gb: expected a number from 0 for each class",
        ),
    ] {
        let found = load(text).unwrap_err().join("\n");
        assert_eq!(found, format!("main.yaml:{expected}"), "{text}");
    }
}

#[test]
fn defaults_in_the_documentation_are_those_that_hold() {
    let written = |table: &Table| {
        let given = table.keys.iter().filter(|key| !key.default.is_empty() && key.name != "time_zone");
        given.map(|key| format!("{}: {}", key.name, key.default)).collect::<Vec<_>>().join(", ")
    };
    let text = format!("scrub: {{{}, prices: {{{}}}}}\n", written(&TABLE), written(&PRICES));
    assert_eq!(load(&text).unwrap().policy.scrub, ScrubSettings::default(), "{text}");
    // and there are no prices beside those
    assert_eq!(Prices::default().retrieval_per_gb.len(), PRICES.keys[4].default.matches(':').count());
}
