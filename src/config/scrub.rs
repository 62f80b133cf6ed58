//! `scrub`: how the content of blocks is verified, again and again.

use jiff::tz::TimeZone;

use super::mistake::Mistakes;
use super::yaml::{Content, Key, Kind, Node, Reading, Section, Table, number};
use super::{duration, size};
use crate::model::{Level, MINUTE_MS, Prices, ScrubSettings, Window};

/// `scrub`
pub(super) const TABLE: Table = Table {
    keys: &[
        Key::new("enabled", Kind::Flag, "true", "Whether `watch` verifies blocks."),
        Key::new(
            "interval",
            Kind::Interval,
            "30d",
            "Within this time each block is verified again, the one that was verified longest ago first, at a steady pace. From `1m`.",
        ),
        Key::new(
            "level",
            Kind::Choice(&["index", "checksum", "full"]),
            "full",
            "How thoroughly: the index; also every chunk's checksum; also every sample.",
        ),
        Key::new(
            "max_bytes_per_second",
            Kind::Size,
            "25MB",
            "What is read per second at most, over all buckets. The default is a fifth of a link of 1 Gbit/s, so that a scrub leaves room for those who need the data, and enough to read 60 TB in 30 days; `blockwarden plan` says what a bucket needs. `0` = no bound.",
        ),
        Key::new(
            "max_requests_per_second",
            Kind::Integer(0, 1_000_000),
            "50",
            "Requests per second at most, over all buckets. `0` = no bound.",
        ),
        Key::new("memory", Kind::Size, "192MiB", "What is held of blocks at any time. From `16MiB`."),
        Key::new(
            "threads",
            Kind::Integer(1, 1_024),
            "",
            "Threads that verify, at the lowest priority. Without it, as many as there are cores.",
        ),
        Key::new(
            "window",
            Kind::Text,
            "",
            "Hours of the day, such as `22:00-06:00`, or several with commas between them. Outside of them no block is begun, but for those that are new or have changed, which are verified at once; what was begun is finished. Without it, all hours.",
        ),
        Key::new(
            "time_zone",
            Kind::Text,
            "UTC",
            "Of `window`: a name of the time zone database, such as `Europe/Berlin`.",
        ),
        Key::new("prices", Kind::Section(&PRICES), "", "What `blockwarden plan` reckons with."),
    ],
    lenient: false,
};

/// `scrub.prices`
pub(super) const PRICES: Table = Table {
    keys: &[
        Key::new("currency", Kind::Text, "USD", "What the prices are in."),
        Key::new("list_per_1000", Kind::Ratio, "0.005", "Of 1,000 LIST requests."),
        Key::new("get_per_1000", Kind::Ratio, "0.0004", "Of 1,000 GET requests."),
        Key::new(
            "egress_per_gb",
            Kind::Ratio,
            "0",
            "Of each GB that leaves the storage: nothing for a reader in the same region, 0.02 between regions of Amazon, 0.09 to the internet.",
        ),
        Key::new(
            "retrieval_per_gb",
            Kind::Other("mapping of numbers"),
            "{STANDARD_IA: 0.01, ONEZONE_IA: 0.01, GLACIER_IR: 0.03, NEARLINE: 0.01, COLDLINE: 0.02, ARCHIVE: 0.05, COOL: 0.01, COLD: 0.03}",
            "Of each GB that is read from a storage class, by its name in listings in any case; a class that is not named costs nothing. Adds to the default, or replaces parts of it.",
        ),
    ],
    lenient: false,
};

/// With less, a block cannot be read in pieces that are worth a request.
const LEAST_MEMORY: u64 = 16 << 20;

/// Lowers `scrub`; the defaults where there is none.
pub(super) fn lower(section: Option<&Section>, mistakes: &mut Mistakes) -> ScrubSettings {
    let defaults = ScrubSettings::default();
    let Some(section) = section else { return defaults };
    if section.ms("interval").is_some_and(|ms| ms < MINUTE_MS) {
        section.mistake(mistakes, "interval", "expected at least 1m");
    }
    if section.bytes("memory").is_some_and(|bytes| bytes < LEAST_MEMORY) {
        section.mistake(mistakes, "memory", "expected at least 16MiB");
    }
    let bound = |given: Option<u64>, default: Option<u64>| match given {
        Some(0) => None,
        Some(bound) => Some(bound),
        None => default,
    };
    let requests = section.integer("max_requests_per_second").and_then(|requests| u64::try_from(requests).ok());
    ScrubSettings {
        enabled: section.flag("enabled").unwrap_or(defaults.enabled),
        interval_ms: section.ms("interval").unwrap_or(defaults.interval_ms),
        level: Level::from_name(&section.text("level")).unwrap_or(defaults.level),
        max_bytes_per_second: bound(section.bytes("max_bytes_per_second"), defaults.max_bytes_per_second),
        max_requests_per_second: bound(requests, defaults.max_requests_per_second),
        memory: section.bytes("memory").unwrap_or(defaults.memory),
        threads: section.integer("threads").and_then(|threads| usize::try_from(threads).ok()),
        window: window(section, mistakes),
        prices: prices(section.section("prices"), mistakes),
    }
}

fn window(section: &Section, mistakes: &mut Mistakes) -> Window {
    let name = section.text("time_zone");
    let zone = if name.is_empty() || name == "UTC" { Some(TimeZone::UTC) } else { TimeZone::get(&name).ok() };
    if zone.is_none() {
        let message = "expected a name of the time zone database, such as Europe/Berlin, which this machine has to have; \
                       UTC is known everywhere";
        section.mistake(mistakes, "time_zone", message);
    }
    let hours = section.text("window");
    if hours.is_empty() {
        if section.is_given("time_zone") {
            section.mistake(mistakes, "time_zone", "says nothing without `window`");
        }
        return Window::default();
    }
    Window::parse(&hours, zone.unwrap_or(TimeZone::UTC)).unwrap_or_else(|expected| {
        section.mistake(mistakes, "window", expected);
        Window::default()
    })
}

fn prices(section: Option<&Section>, mistakes: &mut Mistakes) -> Prices {
    const CLASSES: &str = "retrieval_per_gb";
    let mut prices = Prices::default();
    let Some(section) = section else { return prices };
    for (name, price) in [
        ("list_per_1000", &mut prices.list_per_1000),
        ("get_per_1000", &mut prices.get_per_1000),
        ("egress_per_gb", &mut prices.egress_per_gb),
    ] {
        *price = section.ratio(name).unwrap_or(*price);
    }
    if section.is_given("currency") {
        prices.currency = section.text("currency");
        if prices.currency.len() > 8 || prices.currency.contains(char::is_control) {
            section.mistake(mistakes, "currency", "expected a short name such as USD");
        }
    }
    if let Some(node) = section.node(CLASSES) {
        classes(node, section, &section.reading().key(CLASSES), &mut prices, mistakes);
    }
    prices
}

fn classes(node: &Node, section: &Section, reading: &Reading, prices: &mut Prices, mistakes: &mut Mistakes) {
    let Content::Mapping(entries) = &node.content else {
        let place = section.place("retrieval_per_gb");
        mistakes.add(&reading.file, place, &reading.path, format!("expected a mapping, found {}", node.kind()));
        return;
    };
    for entry in entries {
        let price = match &entry.value.content {
            Content::Scalar { text, plain: true } => number(text).filter(|price| *price >= 0.0),
            Content::Scalar { .. } | Content::Sequence(_) | Content::Mapping(_) => None,
        };
        match price {
            Some(price) => {
                prices.retrieval_per_gb.insert(entry.key.to_uppercase(), price);
            }
            None if entry.value.unresolved => {}
            None => mistakes.add(&reading.file, entry.place, &reading.path, "expected a number from 0 for each class"),
        }
    }
}

/// In words, for a person who checks the configuration.
pub(super) fn summary(settings: &ScrubSettings) -> String {
    if !settings.enabled {
        return "scrub: off".to_owned();
    }
    let bytes = settings.max_bytes_per_second.map_or_else(|| "any".to_owned(), size::format);
    let requests = settings.max_requests_per_second.map_or_else(|| "any".to_owned(), |requests| requests.to_string());
    format!(
        "scrub: every {} at level {}, {bytes} and {requests} requests per second, {} of memory, {}",
        duration::format(settings.interval_ms),
        settings.level,
        size::format(settings.memory),
        settings.window.text(),
    )
}
