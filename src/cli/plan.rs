//! `plan`: what the scrub of `watch` costs, and whether it can be done in time.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::arguments::{OutputFormat, PlanArguments};
use super::judge;
use super::outcome::{Outcome, document};
use super::text::{Page, Paint, count, grouped, harmless, push_line, size, wrap};
use crate::model::{BucketPlan, Environment, Load, PlanDocument, SECOND_MS, format_duration_ms};

/// Runs the command.
pub(super) fn run(arguments: &PlanArguments, environment: &Environment, page: Page) -> anyhow::Result<Outcome> {
    let (judged, plan) = judge::plan(&arguments.source, &arguments.judgement, arguments.log, environment)?;
    let text = match arguments.output.output {
        OutputFormat::Json => document(&plan)?,
        OutputFormat::Text => render(&plan, page),
    };
    Ok(Outcome::report(text, &judged.snapshot))
}

/// For people.
fn render(plan: &PlanDocument, page: Page) -> String {
    let mut out = String::new();
    for bucket in &plan.buckets {
        of_bucket(&mut out, bucket, plan, page);
    }
    if plan.buckets.len() > 1 {
        push_line(&mut out, &page.paint(Paint::Strong, "all buckets"));
        table(&mut out, "passes", &plan.total, plan, page);
        out.push('\n');
    }
    verdict(&mut out, plan, page);
    out.push('\n');
    wrap(
        &mut out,
        "",
        "A month has 30 days. New blocks are those of the last 7 days, taken as usual; the prices are those of \
         `scrub.prices`, the time of a core is what was measured (docs/performance.md).",
        page.prose_width(),
    );
    out
}

fn of_bucket(out: &mut String, bucket: &BucketPlan, plan: &PlanDocument, page: Page) {
    let name = page.paint(Paint::Strong, &harmless(&bucket.bucket));
    if bucket.unreachable.is_some() {
        // why is told on standard error
        push_line(out, &format!("{name}: could not be read\n"));
        return;
    }
    let load = &bucket.load;
    let mut facts = format!("{}, {}", count(load.round.blocks, "block", "blocks"), size(load.round.bytes));
    if !bucket.scrubbed {
        "not scrubbed".clone_into(&mut facts);
    } else if load.backlog.blocks > 0 {
        let backlog = load.backlog;
        facts = format!(
            "{facts}, of which {} ({}) have not been verified yet",
            grouped(backlog.blocks),
            size(backlog.bytes)
        );
    }
    wrap(out, "", &format!("{name}: {facts}"), page.prose_width());
    if bucket.scrubbed && load.left_out.blocks > 0 {
        let why = "left out, because they will be deleted, are incomplete or archived";
        let left_out = count(load.left_out.blocks, "block", "blocks");
        wrap(out, "  ", &format!("{left_out} ({}) {why}", size(load.left_out.bytes)), page.prose_width());
    }
    let passes = format!("passes, every {}", duration(bucket.scan_interval_seconds));
    table(out, &passes, load, plan, page);
    out.push('\n');
}

/// What it takes in a month, a row for each kind of work.
fn table(out: &mut String, passes: &str, load: &Load, plan: &PlanDocument, page: Page) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([" per month", "LIST", "GET", "read", "CPU", &plan.currency]);
    let round = format!("round, every {}", duration(plan.scrub.interval_seconds));
    let (scans, new, again) = (load.scans_per_month, load.new_per_month, load.round_per_month);
    let rows = [(passes, scans), ("new blocks", new), (&round, again), ("together", scans.plus(new).plus(again))];
    for (what, cost) in rows {
        let or_dash = |number: u64, text: String| if number == 0 { "-".to_owned() } else { text };
        table.add_row([
            format!(" {what}"),
            or_dash(cost.list, grouped(cost.list)),
            or_dash(cost.get, grouped(cost.get)),
            or_dash(cost.bytes, size(cost.bytes)),
            or_dash(cost.cpu_seconds, duration(i64::try_from(cost.cpu_seconds).unwrap_or(i64::MAX))),
            money(cost.money()),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (idx, line) in table.lines().enumerate() {
        let line = line.trim_end();
        push_line(out, &if idx == 0 { page.paint(Paint::Faint, line) } else { line.to_owned() });
    }
    let retrieval = load.round_per_month.retrieval_money;
    if retrieval > 0.0 {
        let dear = load.storage_classes.iter().filter(|class| class.price_per_gb > 0.0);
        let classes: Vec<String> = dear
            .filter_map(|class| Some(format!("{} ({})", harmless(class.storage_class.as_deref()?), size(class.bytes))))
            .collect();
        let text = format!("of it {} {} for reading from {}", money(retrieval), plan.currency, classes.join(", "));
        wrap(out, "  ", &text, page.prose_width());
    }
}

/// Whether it can be done, and what would have to change.
fn verdict(out: &mut String, plan: &PlanDocument, page: Page) {
    let (fit, scrub) = (&plan.fit, &plan.scrub);
    let width = page.prose_width();
    if !scrub.enabled {
        wrap(out, "", "The scrub is off (`scrub.enabled`): no block is verified by `watch`.", width);
        return;
    }
    let interval = duration(scrub.interval_seconds);
    let hours = scrub.window.as_ref().map_or_else(String::new, |window| format!(", in the hours {window}"));
    let takes = fit.round_seconds.map_or_else(String::new, |seconds| {
        format!(" At full speed a round takes {}, and it has {interval}{hours}.", duration(seconds))
    });
    let needed = fit.needed_bytes_per_second;
    let budget = scrub.max_bytes_per_second.map_or_else(|| "no bound".to_owned(), rate);
    if fit.in_time {
        let text = format!("It can be done in time: {} are needed, {budget} is set.{takes}", rate(needed));
        wrap(out, "", &page.paint(Paint::Fine, &text), width);
        return;
    }
    let text = format!("It cannot be done in time: {} are needed, {budget} is set.{takes}", rate(needed));
    wrap(out, "", &page.paint(Paint::Warning, &text), width);
    let mut ways = Vec::new();
    if scrub.max_bytes_per_second.is_some_and(|bytes| bytes < needed) {
        ways.push(format!("set `scrub.max_bytes_per_second` to {}", budget_for(needed)));
    }
    if scrub.max_requests_per_second.is_some_and(|requests| requests < fit.needed_requests_per_second) {
        ways.push(format!("set `scrub.max_requests_per_second` to {}", fit.needed_requests_per_second));
    }
    if ways.is_empty() {
        ways.push(format!("give it {}", count(fit.needed_cores, "core", "cores")));
    }
    let longer =
        scrub.window.as_ref().map_or("lengthen `scrub.interval`", |_| "lengthen `scrub.window` or `scrub.interval`");
    ways.push(longer.to_owned());
    wrap(out, "  ", &format!("{}.", ways.join(", or ")), width);
}

/// Bytes per second, in the units in which bounds are mostly written.
fn rate(bytes: u64) -> String {
    let unit = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")].into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B/s"),
        |(unit, name)| format!("{}.{} {name}/s", bytes / unit, bytes % unit / (unit / 10)),
    )
}

/// A bound that is enough, as it is written in the configuration.
fn budget_for(bytes: u64) -> String {
    let unit = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")].into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes.div_ceil(unit)))
}

fn duration(seconds: i64) -> String {
    format_duration_ms(seconds.saturating_mul(SECOND_MS))
}

/// Two digits, or as many as show that it is not nothing.
fn money(amount: f64) -> String {
    if amount == 0.0 {
        "-".to_owned()
    } else if amount < 0.005 {
        "<0.01".to_owned()
    } else {
        format!("{amount:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::objections;
    use super::super::sample;
    use super::*;
    use crate::model::{Amount, ClassLoad, Cost, Fit, Level, PlannedScrub};

    const SCHEMA: &str = include_str!("../../docs/plan.schema.json");

    fn load(cold: u64) -> Load {
        let cost = |list, get, bytes: u64, retrieval_money| Cost {
            list,
            get,
            bytes,
            cpu_seconds: bytes / 120_000_000,
            requests_money: 0.05,
            egress_money: 0.0,
            retrieval_money,
        };
        let class = |name: Option<&str>, bytes, price_per_gb| ClassLoad {
            storage_class: name.map(Into::into),
            bytes,
            price_per_gb,
        };
        let classes = [class(None, 3 << 40, 0.0), class(Some("STANDARD_IA"), cold, 0.01)];
        Load {
            round: Amount { blocks: 12_345, bytes: (3 << 40) + cold, requests: 450_000 },
            left_out: Amount { blocks: 12, bytes: 5 << 30, requests: 700 },
            backlog: Amount { blocks: 345, bytes: 70 << 30, requests: 9_000 },
            storage_classes: classes.into_iter().filter(|class| class.bytes > 0).collect(),
            scans_per_month: cost(216_000, 3_720, 0, 0.0),
            new_per_month: cost(0, 9_000, 120 << 30, 0.0),
            round_per_month: cost(0, 450_000, (3 << 40) + cold, if cold > 0 { 10.24 } else { 0.0 }),
        }
    }

    fn plan(in_time: bool) -> PlanDocument {
        let bucket = |name: &str, scrubbed, load| BucketPlan {
            bucket: name.into(),
            unreachable: None,
            scrubbed,
            scan_interval_seconds: 300,
            load,
        };
        PlanDocument {
            version: 1,
            at: sample::AT,
            scrub: PlannedScrub {
                enabled: true,
                interval_seconds: 30 * 86_400,
                level: Level::Full,
                window: (!in_time).then(|| "22:00-06:00 Europe/Berlin".to_owned()),
                max_bytes_per_second: Some(if in_time { 25_000_000 } else { 2_500_000 }),
                max_requests_per_second: Some(50),
            },
            currency: "USD".to_owned(),
            buckets: vec![bucket("thanos-eu1", true, load(1 << 40)), bucket("archive", in_time, load(0))],
            total: load(1 << 40),
            fit: Fit {
                in_time,
                round_seconds: Some(if in_time { 3 * 86_400 } else { 55 * 86_400 }),
                needed_bytes_per_second: 4_567_890,
                needed_requests_per_second: 3,
                needed_cores: 1,
            },
        }
    }

    #[test]
    fn it_is_told_on_eighty_columns() {
        for (name, in_time) in [("plan_in_time", true), ("plan_late", false)] {
            let text = render(&plan(in_time), Page { width: 80, colour: false });
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            sample::compare(name, &text);
        }
        let mut off = plan(true);
        off.scrub.enabled = false;
        off.buckets[0].unreachable = Some("503".to_owned());
        let text = render(&off, Page { width: 80, colour: false });
        assert!(text.contains("The scrub is off") && text.contains("thanos-eu1: could not be read"), "{text}");
    }

    #[test]
    fn the_document_follows_its_schema() {
        let mut unbound = plan(true);
        (unbound.scrub.max_bytes_per_second, unbound.fit.round_seconds) = (None, None);
        unbound.buckets[0].unreachable = Some("503".to_owned());
        for plan in [plan(true), plan(false), unbound] {
            let text = document(&plan).unwrap();
            assert_eq!(objections(SCHEMA, &text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn bounds_are_rounded_up_and_rates_down() {
        for (bytes, bound, spoken) in [
            (5, "5B", "5 B/s"),
            (1_234, "2kB", "1.2 kB/s"),
            (4_567_890, "5MB", "4.5 MB/s"),
            (25_000_001, "26MB", "25.0 MB/s"),
            (12_000_000_000, "12GB", "12.0 GB/s"),
        ] {
            assert_eq!((budget_for(bytes).as_str(), rate(bytes).as_str()), (bound, spoken));
        }
        for (amount, text) in [(0.0, "-"), (0.0001, "<0.01"), (0.005, "0.01"), (12.345, "12.35")] {
            assert_eq!(money(amount), text);
        }
    }
}
