//! The ways on which an alert reaches people: Prometheus and Alertmanager with its webhook, and beside them our own
//! messages to Slack and by mail. All of them have to say the same.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;
use tokio::time::Instant;

use crate::http_server::{HttpServer, Reply};
use crate::mail_text::body;
use crate::slack_server::SlackServer;
use crate::wait::until;

/// For all ways to say the same, in seconds.
const SOON: u64 = 60;

/// `alertname severity bucket stream`, the stream only where there is one.
pub(crate) type Alert = String;

/// Who is told, and what has to be told.
pub(crate) struct Chain {
    pub(crate) slack: SlackServer,
    /// Of Alertmanager.
    pub(crate) hook: HttpServer,
    /// The mail server says here what it is told.
    mail: PathBuf,
    /// All that ever was to be told.
    expected: RefCell<BTreeSet<Alert>>,
}

/// What one way says: what fires now, and what ever did.
#[derive(Debug, Default)]
struct Told {
    fires: BTreeSet<Alert>,
    ever: BTreeSet<Alert>,
}

/// Names what one alert is about as the ways do; `what` is the end of the alert's name, and its severity.
pub(crate) fn alert(what: &str, bucket: &str, stream: &str) -> Alert {
    format!("Blockwarden{what} {bucket} {stream}").trim_end().to_owned()
}

impl Chain {
    pub(crate) fn start(mail: &Path) -> Self {
        let hook = HttpServer::start(|_| Reply::text(200, ""));
        Self { slack: SlackServer::start(), hook, mail: mail.to_owned(), expected: RefCell::default() }
    }

    fn ways(&self) -> [(&'static str, Told); 3] {
        [("alertmanager", self.by_alertmanager()), ("slack", self.by_slack()), ("mail", self.by_mail())]
    }

    /// Waits until just these alerts fire on each way.
    #[expect(clippy::print_stderr, reason = "how long each way takes is a result")]
    pub(crate) async fn tells(&self, what: &str, expected: &[Alert]) {
        self.expected.borrow_mut().extend(expected.iter().cloned());
        let expected: BTreeSet<&Alert> = expected.iter().collect();
        let began = Instant::now();
        let mut first: BTreeMap<(&str, Alert), f32> = BTreeMap::new();
        let mut before: BTreeMap<&str, BTreeSet<Alert>> = BTreeMap::new();
        until(what, SOON, async || {
            let mut differ = Vec::new();
            for (way, told) in self.ways() {
                let mut fires = worst(&told.fires);
                if way == "alertmanager" {
                    // a warning that resolves while its critical one inhibits it is never said to be over
                    fires.retain(|alert| expected.contains(alert) || !told.ever.contains(&worse(alert)));
                }
                let last = before.insert(way, fires.clone()).unwrap_or_else(|| fires.clone());
                for changed in last.symmetric_difference(&fires) {
                    first.insert((way, changed.clone()), began.elapsed().as_secs_f32());
                }
                if !fires.iter().collect::<BTreeSet<_>>().eq(&expected) {
                    let lacks: Vec<_> = expected.iter().filter(|alert| !fires.contains(**alert)).collect();
                    let more: Vec<_> = fires.iter().filter(|alert| !expected.contains(alert)).collect();
                    differ.push(format!("{way} lacks {lacks:#?} and has also {more:#?}"));
                }
            }
            if differ.is_empty() { Ok(()) } else { Err(differ.join("\n")) }
        })
        .await;
        self.keep();
        eprintln!("{what}: all ways agree after {:.1} s", began.elapsed().as_secs_f32());
        for ((way, alert), seconds) in first {
            eprintln!("    {way:12} {seconds:5.1} s  {alert}");
        }
    }

    /// This may be told as well, for as long as nobody knows better.
    pub(crate) fn may_tell(&self, alert: Alert) {
        self.expected.borrow_mut().insert(alert);
    }

    /// Nothing was ever told but what had to be; a warning only on its way to critical.
    pub(crate) fn assert_nothing_else_was_told(&self) {
        let mut expected = self.expected.borrow().clone();
        let milder: Vec<Alert> = expected.iter().map(|alert| alert.replacen(" critical ", " warning ", 1)).collect();
        expected.extend(milder);
        for (way, told) in self.ways() {
            let more: Vec<_> = told.ever.difference(&expected).collect();
            assert!(more.is_empty(), "{way} also told {more:#?}");
        }
    }

    /// Leaves the first message of each incident for `tests/pictures/draw`, in `target/tmp/incidents`.
    fn keep(&self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("incidents");
        fs::create_dir_all(&folder).unwrap();
        let write = |about: &str, end: &str, text: &str| {
            let name = about.split(' ').next().unwrap();
            fs::write(folder.join(format!("{name}.{end}")), text).unwrap();
        };
        for seen in self.slack.http.seen().iter().rev().filter(|seen| seen.path.ends_with("/chat.postMessage")) {
            let message = seen.json();
            if let Some(about) = firing(&title(&message)) {
                write(&about, "slack.json", &serde_json::to_string_pretty(&message).unwrap());
            }
        }
        for mail in self.mails().iter().rev() {
            let is_alone = mail.contains("</html>") && !mail.split("</html>").next().unwrap().contains("MAIL FROM:");
            if let Some(about) = firing(&header(mail, "Subject").unwrap()).filter(|_| is_alone) {
                write(&about, "mail.html", &body(mail, "text/html"));
            }
        }
    }

    fn by_alertmanager(&self) -> Told {
        let mut ever = BTreeSet::new();
        let mut last: BTreeMap<String, (Alert, bool)> = BTreeMap::new();
        for seen in self.hook.seen() {
            for told in seen.json()["alerts"].as_array().unwrap() {
                let label = |name: &str| told["labels"][name].as_str().unwrap_or_default().to_owned();
                let about = format!("{} {} {}", label("severity"), label("bucket"), label("stream"));
                let alert = format!("{} {}", label("alertname"), about.trim_end());
                let fires = told["status"] == "firing";
                if fires {
                    ever.insert(alert.clone());
                }
                last.insert(told["fingerprint"].as_str().unwrap().to_owned(), (alert, fires));
            }
        }
        let fires = last.into_values().filter(|(_, fires)| *fires).map(|(alert, _)| alert);
        Told { fires: fires.collect(), ever }
    }

    /// What stands in the channel; replies in threads say the same.
    fn by_slack(&self) -> Told {
        let messages = self.slack.messages();
        let incidents = messages.iter().filter(|message| message.thread_ts.is_none());
        let fires = incidents.filter_map(|message| firing(&title(&message.content))).collect();
        let requests = self.slack.http.seen();
        let sent = requests.iter().filter(|seen| seen.method == "POST" && seen.body.starts_with('{'));
        Told { fires, ever: sent.filter_map(|seen| firing(&title(&seen.json()))).collect() }
    }

    /// The last mail of each subject.
    fn by_mail(&self) -> Told {
        let mut ever = BTreeSet::new();
        let mut last: BTreeMap<String, Option<Alert>> = BTreeMap::new();
        for mail in self.mails() {
            let subject = header(&mail, "Subject").unwrap();
            let fires = firing(&subject);
            ever.extend(fires.clone());
            let about = subject.split_once("] ").map_or(&*subject, |(_, about)| about);
            last.insert(about.to_owned(), fires);
        }
        Told { fires: last.into_values().flatten().collect(), ever }
    }

    /// All mails, from their first header on. The server writes down all connections together, so the body of one may have
    /// parts of another in it.
    fn mails(&self) -> Vec<String> {
        let said = fs::read(&self.mail).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).replace("\r\n", "\n");
        // in a command it is written otherwise
        let mails = said.split("\nFrom: ").skip(1).map(|mail| format!("From: {mail}"));
        mails.filter(|mail| header(mail, "Subject").is_some()).collect()
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("mail", &self.mail).finish_non_exhaustive()
    }
}

/// Of one alert about one stream the worst counts: a critical one inhibits its warning, and who was told of that before
/// is told nothing of it meanwhile.
fn worst(fires: &BTreeSet<Alert>) -> BTreeSet<Alert> {
    let is_worse = |alert: &Alert| fires.contains(&worse(alert));
    let inhibited: BTreeSet<Alert> =
        fires.iter().filter(|alert| alert.contains(" warning ") && is_worse(alert)).cloned().collect();
    fires.difference(&inhibited).cloned().collect()
}

/// The critical one of a warning; nothing that there is of anything else.
fn worse(alert: &Alert) -> Alert {
    let worse = alert.replacen(" warning ", " critical ", 1);
    if worse == *alert { String::new() } else { worse }
}

/// What fires by a title or subject: `CRITICAL ×2: NAME in BUCKET, STREAM`, `[CRITICAL] NAME in BUCKET, STREAM`.
fn firing(title: &str) -> Option<Alert> {
    let parts = Regex::new(r"^\[?(CRITICAL|WARNING)(?: ×\d+:|:|\]) (\w+)(?: in ([^ ,]+))?(?:, (.*))?$").unwrap();
    let found = parts.captures(title)?;
    let part = |number: usize| found.get(number).map_or("", |part| part.as_str());
    let about = format!("{} {} {} {}", part(2), part(1).to_lowercase(), part(3), part(4));
    Some(about.trim_end().to_owned())
}

/// Of a message in Slack.
fn title(content: &Value) -> String {
    content["blocks"][0]["text"]["text"].as_str().unwrap_or_default().to_owned()
}

/// A header, unfolded.
fn header(mail: &str, name: &str) -> Option<String> {
    let head = mail.split_once("\n\n").map_or(mail, |(head, _)| head).replace("\n ", " ");
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(ToOwned::to_owned)
}
