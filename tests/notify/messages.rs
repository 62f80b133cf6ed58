//! What is said: one message of each kind, as it arrives; and what hostile labels cannot do to it.

use std::path::Path;

use blockwarden::model::{
    ClientSettings, Labels, News, OutboxRow, Reason, ReceiverKind, Secret, SecretSource, SlackAccess, SlackSettings,
};
use blockwarden::notify::open;
use serde_json::Value;

use crate::mail::delivered;
use crate::support::mail_text::body;
use crate::support::notifications::{context, corrupt, digest, lag, row, samples};
use crate::support::slack_server::SlackServer;
use crate::{message, receiver};

/// Of all texts together, in characters.
const LONGEST: usize = 8_000;

async fn in_slack(row: &OutboxRow) -> Value {
    let server = SlackServer::start();
    let url = SecretSource::Inline(Secret::new(server.webhook_url()));
    let settings =
        SlackSettings { access: SlackAccess::Webhook(url), api_url: server.api_url(), http: ClientSettings::default() };
    let sender = open(&receiver(ReceiverKind::Slack(Box::new(settings))), &context()).unwrap();
    sender.send(&message(row, None)).await.unwrap();
    server.messages()[0].content.clone()
}

/// For `tests/pictures/draw`.
fn keep(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("messages");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}

fn held(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../fixtures/notify");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[tokio::test]
async fn each_kind_of_message_is_as_it_was_looked_at() {
    for (name, row) in samples() {
        let content = serde_json::to_string_pretty(&in_slack(&row).await).unwrap();
        keep(&format!("{name}.slack.json"), &content);
        held(&format!("{name}.slack"), &content);
        let mail = delivered(&row).await;
        keep(&format!("{name}.mail.html"), &body(&mail, "text/html"));
        let subject = mail.lines().find(|line| line.starts_with("Subject:")).unwrap();
        held(&format!("{name}.mail"), &format!("{subject}\n\n{}", body(&mail, "text/plain")));
    }
}

/// All texts of a message, and that each is within its limit.
fn texts(content: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    walk(content, &mut texts);
    for blocks in [&content["blocks"], &content["attachments"][0]["blocks"]] {
        let blocks: &[Value] = blocks.as_array().map_or(&[], Vec::as_slice);
        assert!(blocks.len() <= 50);
        for block in blocks {
            let length = block["text"]["text"].as_str().unwrap_or_default().chars().count();
            let most = if block["type"] == "header" { 150 } else { 3_000 };
            assert!(length <= most, "{length}: {block}");
            assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
            assert!(block["text"]["text"].as_str().is_none_or(|text| !text.is_empty()), "{block}");
        }
    }
    texts
}

fn walk(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if matches!(name.as_str(), "text" | "fallback") {
                    texts.extend(value.as_str().map(str::to_owned));
                }
                walk(value, texts);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Labels as somebody would choose them who wants to be noticed.
const HOSTILE: [&str; 8] = [
    "<!channel> <@U123> <https://evil.example|click here>",
    "```\n*bold* _italic_ `code` ~struck~\n```",
    "&lt;!everyone&gt; & < > &amp;",
    "a\r\nBcc: victim@example.com\r\n\r\nbody",
    "\u{202e}gnp.exe\u{0}\u{7}\u{1b}[31m\u{200b}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>\" onmouseover=\"x",
    "'; rm -rf / #",
    "\u{1f4a5}ÄÖÜ漢字",
];

fn hostile(times: usize) -> OutboxRow {
    let mut alerts = Vec::new();
    for number in 0..times.max(1) {
        let text = HOSTILE.map(|text| text.repeat(times)).join(" ");
        let mut alert = if times == 1 { corrupt() } else { lag(number) };
        alert.content.message.clone_from(&text);
        alert.content.remedy.clone_from(&text);
        alert.content.bucket = HOSTILE.concat();
        alert.content.object = Some(text.clone());
        alert.content.stream =
            Some(Labels(HOSTILE.iter().map(|text| ((*text).to_owned(), text.repeat(times))).collect()));
        alert.content.evidence =
            HOSTILE.iter().map(|text| ((*text).to_owned(), Value::from(text.repeat(times)))).collect();
        alerts.push((alert, Some(News::Fired)));
    }
    let mut row = row(Reason::NewAlerts, alerts);
    for text in HOSTILE {
        row.notification.group.insert(text.to_owned(), text.repeat(times));
    }
    row.notification.receiver = HOSTILE.concat();
    row.instead_of = Some(HOSTILE.concat());
    row.uncertain = true;
    row
}

#[tokio::test]
async fn everything_stays_within_the_sizes_of_slack() {
    let mut rows = vec![hostile(1), hostile(3), hostile(60), digest(40), digest(2_000)];
    rows.push(row(Reason::First, (0..500).map(|number| (lag(number), Some(News::Fired))).collect()));
    rows.extend(samples().into_iter().map(|(_, row)| row));
    for mut row in rows {
        for plain in [false, true] {
            row.plain = plain;
            let content = in_slack(&row).await;
            let texts = texts(&content);
            let total: usize = texts.iter().map(|text| text.chars().count()).sum();
            assert!(total <= LONGEST, "{total} of {:?}", row.notification.reason);
            assert!(total > 100, "{texts:?}");
            assert_eq!(content.get("attachments").is_none(), plain);
        }
    }
}

#[tokio::test]
async fn nobody_is_mentioned_and_nothing_is_a_link_that_is_not_ours() {
    for times in [1, 3, 60] {
        for plain in [false, true] {
            let mut row = hostile(times);
            row.plain = plain;
            let content = in_slack(&row).await;
            for text in texts(&content) {
                for (at, _) in text.match_indices('<') {
                    let tail: String = text[at..].chars().take(60).collect();
                    assert!(tail.starts_with("<https://blockwarden.example.com/|and "), "{tail:?} in {text}");
                }
                let strange = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}');
                assert!(!text.contains(strange), "{text:?}");
                assert_eq!(text.matches("```").count() % 2, 0, "{text}");
                // an escape is whole, or is not there
                for (at, _) in text.match_indices('&') {
                    let tail = &text[at..];
                    assert!(["&amp;", "&lt;", "&gt;"].iter().any(|escape| tail.starts_with(escape)), "{tail}");
                }
            }
            let verbatim = content.to_string();
            assert_eq!(verbatim.matches("\"mrkdwn\"").count(), verbatim.matches("\"verbatim\":true").count());
        }
    }
}

#[tokio::test]
async fn hostile_labels_break_out_of_no_mail() {
    for times in [1, 3, 60] {
        let mail = delivered(&hostile(times)).await;
        let (headers, _) = mail.split_once("\n\n").unwrap();
        assert!(!headers.to_lowercase().contains("\nbcc:"), "{headers}");
        assert_eq!(headers.lines().filter(|line| line.starts_with("Subject:")).count(), 1);
        let html = body(&mail, "text/html");
        for text in ["<script", "<img", "<!channel", "onerror=alert(1)>"] {
            assert!(!html.contains(text), "{text} in {html}");
        }
        assert!(!html.contains("\" onmouseover=\"x"));
        let strange = |c: char| (c.is_control() && c != '\n' && c != '\r') || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!html.contains(strange) && !body(&mail, "text/plain").contains(strange));
    }
}

#[tokio::test]
async fn a_mail_loads_nothing_and_needs_no_styles() {
    for (name, row) in samples() {
        let html = body(&delivered(&row).await, "text/html");
        for text in ["<img", "<link", "<script", "@import", "url(", "src=", "<style"] {
            assert!(!html.contains(text), "{name}: {text}");
        }
        // a colour of the text alone is unreadable on half of the grounds; grey is readable on both
        let colours = html.matches(";color:#").count() + html.matches("\"color:#").count();
        let readable = html.matches("color:#7a7a7a").count() + html.matches(";color:#ffffff").count();
        assert_eq!(colours, readable, "{name}");
    }
}
