//! Links out of a message, and the command that silences it.

use std::collections::BTreeMap;

use url::form_urlencoded::byte_serialize;

use crate::model::{HOUR_MS, Links, TimestampMs};

/// Where this service is seen.
pub(crate) fn page(links: &Links) -> Option<String> {
    usable(&links.page)
}

/// The runbook of an alert.
pub(crate) fn runbook(links: &Links, id: &str) -> Option<String> {
    usable(&links.runbook.replace("{id}", &encoded(id)))
}

/// The dashboard, from an hour before `from` until an hour after `to`, so that what came before can be seen.
pub(crate) fn dashboard(links: &Links, id: &str, bucket: &str, from: TimestampMs, to: TimestampMs) -> Option<String> {
    let link = links
        .dashboard
        .replace("{uid}", dashboard_of(id))
        .replace("{bucket}", &encoded(bucket))
        .replace("{from}", &from.minus(HOUR_MS).0.to_string())
        .replace("{to}", &to.plus(HOUR_MS).0.to_string());
    usable(&link)
}

/// What is read out of blocks has a dashboard of its own.
fn dashboard_of(id: &str) -> &'static str {
    match id {
        "index_corrupt" | "chunk_corrupt" | "tombstone_corrupt" | "block_inconsistent" | "hash_mismatch"
        | "unsupported_format" => "blockwarden-integrity",
        _ => "blockwarden-overview",
    }
}

/// The command that silences these alerts for two hours. `None` where a value cannot be written in it.
pub(super) fn silence_command(labels: &BTreeMap<String, String>) -> Option<String> {
    let matchers: Vec<String> = labels
        .iter()
        // whatever changes while an incident lasts must not be in it
        .filter(|(name, _)| !matches!(name.as_str(), "severity" | "check"))
        .map(|(name, value)| (!value.chars().any(char::is_control)).then(|| format!("{name}={}", quoted(value))))
        .collect::<Option<_>>()?;
    if matchers.is_empty() {
        return None;
    }
    let matchers = format!("{{{}}}", matchers.join(", ")).replace('\'', r"'\''");
    Some(format!("blockwarden silence add '{matchers}' --duration 2h --author NAME --comment TEXT"))
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}

fn encoded(text: &str) -> String {
    // a space as `+` is only for forms
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// What is configured may be empty, and only these two schemes are links.
fn usable(link: &str) -> Option<String> {
    let parsed = url::Url::parse(link).ok()?;
    matches!(parsed.scheme(), "http" | "https").then(|| parsed.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_silence_can_be_pasted_into_a_shell() {
        for (pairs, expected) in [
            (
                vec![("alertname", "A"), ("bucket", "b"), ("severity", "critical")],
                Some(r#"'{alertname="A", bucket="b"}'"#),
            ),
            (vec![("cluster", r#"it's "x" \ `$(id)`"#)], Some(r#"'{cluster="it'\''s \"x\" \\ `$(id)`"}'"#)),
            (vec![("cluster", "a\nb")], None),
            (vec![], None),
        ] {
            let expected = expected
                .map(|text| format!("blockwarden silence add {text} --duration 2h --author NAME --comment TEXT"));
            assert_eq!(silence_command(&labels(&pairs)), expected);
        }
    }

    #[test]
    fn links_are_filled_in_or_left_out() {
        let links = Links {
            page: "https://bw.example".to_owned(),
            runbook: "https://docs.example/{id}.md".to_owned(),
            dashboard: "https://g.example/d/{uid}?var-bucket={bucket}&from={from}&to={to}".to_owned(),
        };
        assert_eq!(runbook(&links, "upload_lag").unwrap(), "https://docs.example/upload_lag.md");
        let at = TimestampMs(HOUR_MS);
        assert_eq!(
            dashboard(&links, "chunk_corrupt", "a&b c", at, at).unwrap(),
            "https://g.example/d/blockwarden-integrity?var-bucket=a%26b%20c&from=0&to=7200000"
        );
        assert_eq!(page(&Links::default()), None);
        assert_eq!(page(&Links { page: "javascript:alert(1)".to_owned(), ..Links::default() }), None);
    }
}
