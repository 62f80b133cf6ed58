//! `docs/configuration.md`, written from the tables that decode the files, so that it cannot lag behind them.

use std::fmt::Write;

use super::yaml::{Effect, Key, Kind, Table};
use super::{buckets, checks, main_file, notify, objstore, policy, scrub, service, web};
use crate::checks::{ALL, Check};
use crate::model::KnownAlert;

const HEAD: &str = "\
<!-- Generated from src/config by `UPDATE=1 cargo test --lib config::docs`. Do not edit. -->
# Configuration

One YAML file, given by `--config`. Everything has a default: a file with one bucket is enough.

```yaml
buckets:
  - objstore_config_file: /etc/thanos/objstore.yaml
retention: {raw: 30d, 5m: 90d, 1h: 0s}
streams:
  - match: '{cluster=\"eu1\"}'
    expected: true
    local_retention: 15d
```

`--objstore.config-file FILE` and `--objstore.config YAML` stand instead of `buckets`; the rest of the file applies to that bucket too.
`blockwarden config check` says what was understood, or all mistakes of all files at once, each with its file, line and column.

- Unknown keys are errors, and so are keys that are given twice. Only the first document of a file counts.
- `$(NAME)` is replaced by the environment variable `NAME` before anything is parsed, in comments too. A variable that is not set is an error; an empty one is not. There is no escape.
- *text* is taken as it is written: `access_key: 0123` stays `0123`, with or without quotes.
- *true or false*: as YAML 1.1 has it, also `yes`, `no`, `on`, `off`, without quotes.
- *whole number*: also hexadecimal (`0x10`), octal (`0o17`, `017`), binary (`0b1`) and with underscores (`67_108_864`).
- *duration*: what is compared with Prometheus or Thanos is written in their grammar: `1h30m`, `15d`, `1y` = 365 days. `0s` is zero.
- *interval*: our own rhythms, such as `5m` or `1h 30m`; years and months are refused, because their length is not fixed.
- *size*: a whole number and its unit, `50MB`, `64MiB`; k, M, G, T are powers of 1000, Ki, Mi, Gi, Ti of 1024.
- *matchers*: external labels as in PromQL, in quotes: `'{cluster=\"eu1\", replica=~\"a|b\"}'`. `'{}'` selects every stream.
- Anchors, aliases and merge keys (`<<`) may be used. Null counts as absent.
";

const NOTIFY_HEAD: &str = r#"
# Who is told

```yaml
notify:
  links: {page: "https://blockwarden.example.com", dashboard: "https://grafana.example.com/d/{uid}?var-bucket={bucket}&from={from}&to={to}"}
  receivers:
    - {name: oncall, type: slack, token_file: slack-token, channel: C0123456789, fallback: ops}
    - {name: ops, type: mail, to: [ops@example.com], from: "Blockwarden <blockwarden@example.com>", smarthost: "mail.example.com:587", username: blockwarden, password_file: mail-password}
  routes:
    - {name: at once, match: '{severity="critical"}', receivers: [oncall, ops]}
    - {name: in office hours, receivers: [ops], mute: [nights, weekends]}
  mute_times:
    - {name: nights, hours: "18:00-08:00", time_zone: Europe/Berlin}
    - {name: weekends, days: ["saturday:sunday"], time_zone: Europe/Berlin}
```

`blockwarden config check --online` asks each receiver whether it would take a message, `blockwarden notify-test` sends one, and `blockwarden alerts route '{severity="critical"}'` says who would be told of an alert, and why. Without `notify` nobody is told anything; Prometheus and Alertmanager can be, by the rules that `blockwarden rules` writes.
"#;

const WEB_HEAD: &str = "
# The exporter toolkit's web configuration

Given by `--web.config.file` or `web.config_file`, in the format that Prometheus and its exporters share; relative paths count from the folder of the file, and environment variables are not replaced.
It is looked at every second, with the files that it names: a rotated certificate or a changed password holds without a restart or reload. If the new one cannot be used, the old one stays in force and the log says why.
When TLS settings change, open connections end after the request that they are at.
";

/// The whole document.
pub fn configuration(alerts: &[KnownAlert]) -> String {
    render(ALL, alerts)
}

fn render(all: &[&Check], alerts: &[KnownAlert]) -> String {
    let mut text = HEAD.to_owned();
    let sections: [(&str, &str, &Table); 11] = [
        ("Top level", "", &main_file::TABLE),
        ("`buckets`", "A list.", &buckets::TABLE),
        (
            "`retention`",
            "Per resolution. `0s` = for ever; what is absent is unknown, and the checks that need it are silent.",
            &policy::RETENTION,
        ),
        ("`retention_by_stream`", "A list.", &policy::STREAM_RETENTION),
        ("`streams`", "A list.", &policy::STREAM),
        (
            "`scrub`",
            "A new block is verified as soon as it is complete, and one that is not any more what it was; all others in a steady round. Its state is in the ledger: a restart goes on where it was. A bucket with `scrub: false` is left out.",
            &scrub::TABLE,
        ),
        (
            "`scrub.prices`",
            "The defaults are an example: the list prices of Amazon S3 in us-east-1 and of the colder classes of Google and Azure, as of 2025, for a reader in the same region. Put in your own. A GB is 2^30 bytes.",
            &scrub::PRICES,
        ),
        ("`metrics`", "", &service::METRICS),
        ("`metrics.rules`", "[rules.md](rules.md) says how rules are made and loaded.", &service::RULES),
        ("`endpoints`", "A list.", &service::ENDPOINT),
        (
            "`web`",
            "`POST` or `PUT` to `/-/reload` needs `--web.enable-lifecycle`, and is refused to pages in a browser: an `Origin` has to \
             be that of the `Host`; and without TLS or a password, the `Host` has to be an IP address, `localhost`, a name without a dot or \
             the host of the listen address.",
            &service::WEB,
        ),
    ];
    for (title, lead, table) in sections {
        section(&mut text, title, lead, table);
    }
    check_sections(&mut text, all);
    alert_sections(&mut text, alerts);
    text.push_str(NOTIFY_HEAD);
    section(&mut text, "`notify`", "", &notify::TABLE);
    for (title, lead, table) in notify::TABLES {
        section(&mut text, title, lead, table);
    }
    text.push_str("\n# Thanos' `objstore.config`\n\n");
    text.push_str(
        "Read as Thanos reads it, so that an existing secret can be mounted as it is. \
         The types SWIFT, COS, ALIYUNOSS, BOS, OCI and OBS are not supported yet.\n",
    );
    section(&mut text, "The document", "", &objstore::ENVELOPE);
    for (provider, table) in objstore::PROVIDERS {
        section(&mut text, &format!("`type: {}`", provider.name()), "The keys of `config`.", table);
    }
    for (name, table) in objstore::SHARED {
        section(&mut text, &format!("`{name}`"), "", table);
    }
    text.push_str(WEB_HEAD);
    section(&mut text, "The web configuration", "", &web::TABLE);
    for (name, table) in
        [("tls_server_config", &web::TLS), ("http_server_config", &web::HTTP), ("rate_limit", &web::RATE_LIMIT)]
    {
        section(&mut text, &format!("`{name}`"), "", table);
    }
    text
}

/// The keys that are used; then, in a list, those that are not.
fn section(text: &mut String, title: &str, lead: &str, table: &Table) {
    let lenient = if table.lenient { "Keys that are not listed are passed over, as Thanos does." } else { "" };
    let lead = [lead, lenient].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    put(text, format_args!("\n## {title}\n\n"));
    if !lead.is_empty() {
        put(text, format_args!("{lead}\n\n"));
    }
    rows(text, table.keys.iter().filter(|key| key.effect == Effect::Used).map(row));
    let idle = table.keys.iter().filter_map(|key| match key.effect {
        Effect::Idle(reason) => Some(format!("- `{}`: {reason}\n", key.name)),
        Effect::Used | Effect::Refused(_) => None,
    });
    list(text, "Accepted, and without effect on reading:", idle.collect());
    let refused = table.keys.iter().filter_map(|key| match key.effect {
        Effect::Refused(reason) => Some(format!("- `{}`: {reason}\n", key.name)),
        Effect::Used | Effect::Idle(_) => None,
    });
    list(text, "Refused unless empty:", refused.collect());
}

fn check_sections(text: &mut String, all: &[&Check]) {
    text.push_str("\n## `checks`\n\nA mapping from the id of a check to its settings. Every check has these:\n\n");
    rows(text, checks::COMMON.iter().chain([&checks::OVERRIDES]).chain(&checks::OF_ALERTS).map(row));
    text.push_str(
        "\nand, where it has any, its own:\n\n| check | key | type | default | meaning |\n|---|---|---|---|---|\n",
    );
    for check in all {
        for param in check.params {
            let kind = checks::kind(param).describe();
            let default = checks::default_text(param);
            put(
                text,
                format_args!("| `{}` | `{}` | {kind} | `{default}` | {} |\n", check.id, param.name, cell(param.help)),
            );
        }
    }
}

/// Alerts that are PromQL alone.
fn alert_sections(text: &mut String, alerts: &[KnownAlert]) {
    text.push_str(
        "\nAn alert that is PromQL alone stands here as well, with `enabled`, `for` and `keep_firing_for`, and, where it \
         has any, its thresholds:\n\n| alert | key | type | default | meaning |\n|---|---|---|---|---|\n",
    );
    let number = Kind::Ratio.describe();
    for alert in alerts {
        for own in &alert.thresholds {
            let (id, name, help) = (alert.id, own.name, cell(own.help));
            put(text, format_args!("| `{id}` | `{name}` | {number} | `{}` | {help} |\n", own.default));
        }
    }
    let plain: Vec<String> =
        alerts.iter().filter(|alert| alert.thresholds.is_empty()).map(|alert| format!("`{}`", alert.id)).collect();
    put(text, format_args!("\nWithout a threshold: {}.\n", plain.join(", ")));
}

fn rows(text: &mut String, rows: impl Iterator<Item = String>) {
    text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    text.extend(rows);
}

fn row(key: &Key) -> String {
    let default = match (key.default, key.kind) {
        ("", _) => "–".to_owned(),
        // a default in words, not one that could be written
        (words, Kind::Text | Kind::Choice(_) | Kind::Duration) if words.starts_with("that of") => words.to_owned(),
        (default, _) => format!("`{default}`"),
    };
    format!("| `{}` | {} | {default} | {} |\n", key.name, cell(&kind(key)), cell(key.help))
}

/// An empty word among the choices means that the key may be empty, which goes without saying.
fn kind(key: &Key) -> String {
    key.kind.describe().replace("``, ", "")
}

fn list(text: &mut String, lead: &str, items: Vec<String>) {
    if !items.is_empty() {
        put(text, format_args!("\n{lead}\n\n"));
        text.extend(items);
    }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // writing into a String cannot fail
    text.write_fmt(arguments).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::environment;

    #[test]
    fn the_committed_document_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        let wanted = configuration(&crate::catalogue::embedded().unwrap().known());
        if environment::read().non_empty("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == wanted,
            "docs/configuration.md is not up to date: run `UPDATE=1 cargo test --lib config::docs`"
        );
    }
}
