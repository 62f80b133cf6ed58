//! Alerts, silences and tests of receivers, as somebody on call meets them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

const SAMPLE: &str = "tests/fixtures/sample-bucket.yaml";
const SAMPLE_AT: &str = "2026-03-06T15:30:00Z";

/// Exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blockwarden"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_clear().stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A server that gives this answer to so many requests; gives what they were.
fn answering(status: &'static str, body: &'static str, requests: usize) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = std::thread::spawn(move || {
        let one = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).unwrap();
                asked.extend(buffer.iter().take(read));
                let text = String::from_utf8_lossy(&asked).into_owned();
                let Some((head, sent)) = text.split_once("\r\n\r\n") else {
                    assert!(read > 0, "{text}");
                    continue;
                };
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ").and_then(|length| length.parse().ok())
                });
                if read == 0 || sent.len() >= length.unwrap_or(0) {
                    break;
                }
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
            String::from_utf8(asked).unwrap()
        };
        (0..requests).map(one).collect()
    });
    (address, serving)
}

fn config(folder: &Path, notify: &str) -> String {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-bucket");
    let text = format!(
        "buckets: [{{objstore_config: {{type: FILESYSTEM, config: {{directory: {}}}}}}}]\nnotify:\n{notify}",
        sample.display()
    );
    let path = folder.join("blockwarden.yml");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

const ROUTES: &str = r#"  receivers:
    - {name: oncall, type: webhook, url: "http://127.0.0.1:1/SENTINEL"}
    - {name: ops, type: mail, to: [ops@x.example], from: b@x.example, smarthost: "127.0.0.1:1", tls: none}
  routes:
    - {name: at once, match: '{severity="critical"}', receivers: [oncall], group_by: [cluster], continue: true}
    - {name: test, match: '{cluster="test"}', receivers: []}
    - {receivers: [ops], mute: [never]}
  mute_times: [{name: never, hours: "00:00-24:00", days: [monday, "tuesday:sunday"]}]
  silences:
    - {match: '{cluster="moving"}', ends: 2126-01-02T00:00:00Z, comment: being moved}
    - {match: '{cluster="old"}', ends: 2020-01-02T00:00:00Z}
"#;

#[test]
fn the_way_of_an_alert_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), ROUTES);
    let route = |labels: &str| run(&["alerts", "route", labels, "--config", &config]);
    let (code, out, err) = route(r#"{alertname="a", severity="critical", cluster="eu1"}"#);
    assert_eq!((code, err.as_str()), (0, ""));
    for line in [
        "route at once {severity=\"critical\"}: matches",
        "  receivers: oncall",
        "  one message with all that have {cluster=\"eu1\"}",
        "  told after 10s, changes every 1m at most, again after 1h",
        "  goes on to the next route",
        "route test {cluster=\"test\"}: does not match",
        "  mute time never: holds now",
        "told: oncall, ops",
    ] {
        assert!(out.lines().any(|found| found == line), "{line} in\n{out}");
    }
    let (_, out, _) = route(r#"{cluster="test", severity="warning"}"#);
    assert!(out.ends_with("told: nobody\n") && out.contains("receivers: nobody"), "{out}");
    let (_, out, _) = route(r#"{cluster="moving", severity="warning"}"#);
    assert!(out.contains("silenced until 2126-01-02T00:00:00Z by the configuration: being moved"), "{out}");
    let (code, _, err) = route(r#"{cluster=~"a|b"}"#);
    assert!(code == 2 && err.contains("expected the labels of one alert"), "{err}");
}

#[test]
fn the_configuration_says_who_is_told_and_asks_only_when_it_is_to() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), ROUTES);
    let (code, out, err) = run(&["config", "check", "--config", &config]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("receiver oncall (webhook): address from the configuration"), "{out}");
    assert!(out.contains("note: the silence of {cluster=\"old\"} is over since 2020-01-02T00:00:00Z"), "{out}");
    assert!(!out.contains("SENTINEL"), "{out}");

    // nobody listens there: of a webhook that cannot be known, of a mail server it can
    let (code, out, err) = run(&["config", "check", "--online", "--config", &config]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(out.contains("unknown  oncall (webhook)") && out.contains("failed  ops (mail)"), "{out}");
    assert!(!out.contains("SENTINEL") && err.contains("1 of 2 could not be told anything"), "{out}{err}");
}

#[test]
fn a_test_is_sent_and_what_came_back_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (good, taken) = answering("200 OK", "ok", 2);
    let (bad, refused) = answering("403 Forbidden", "no", 1);
    let config = config(
        folder.path(),
        &format!(
            "  receivers:\n    - {{name: good, type: webhook, url: \"http://{good}/SENTINEL\"}}\n    - {{name: bad, type: webhook, url: \"http://{bad}/SENTINEL\"}}\n"
        ),
    );
    let (code, out, err) = run(&["notify-test", "--config", &config, "--receiver", "good"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("ok  good (webhook) after "), "{out}");

    let (code, out, err) = run(&["notify-test", "--config", &config, "--output", "json", "--log.level", "trace"]);
    assert_eq!(code, 2, "{out}{err}");
    assert!(!out.contains("SENTINEL") && !err.contains("SENTINEL"), "{out}{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let oks: Vec<_> = document["receivers"].as_array().unwrap().iter().map(|one| one["ok"].clone()).collect();
    assert_eq!(oks, [true, false]);
    for asked in taken.join().unwrap().iter().chain(&refused.join().unwrap()) {
        assert!(asked.starts_with("POST /SENTINEL HTTP/1.1") && asked.contains("test of Blockwarden"), "{asked}");
    }
    let (code, _, err) = run(&["notify-test", "--config", &config, "--receiver", "nobody"]);
    assert!(code == 2 && err.contains("there is no receiver of this name"), "{err}");
}

#[test]
fn an_alertmanager_is_tested_and_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (address, asked) = answering("200 OK", "", 2);
    let config = config(
        folder.path(),
        &format!("  receivers: [{{name: am, type: alertmanager, urls: [\"http://{address}\"]}}]\n"),
    );
    let (code, out, err) = run(&["config", "check", "--online", "--config", &config]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let (code, out, err) = run(&["notify-test", "--config", &config]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let asked = asked.join().unwrap();
    assert!(asked[0].ends_with("\r\n\r\n[]"), "without alerts: {}", asked[0]);
    assert!(asked[1].contains("\"BlockwardenTest\"") && asked[1].contains("endsAt"), "{}", asked[1]);
}

#[test]
fn silences_are_made_in_a_ledger_that_nobody_holds() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("ledger.db").to_string_lossy().into_owned();
    let (code, _, err) = run(&["alerts", "--state", &state]);
    assert!(code == 2 && err.contains("there is no ledger at"), "{err}");
    run(&["scan", "--objstore.config-file", SAMPLE, "--at", SAMPLE_AT, "--state", &state]);
    assert_eq!(run(&["alerts", "--state", &state]), (0, "no alerts\n".to_owned(), String::new()));
    assert_eq!(run(&["alerts", "dead", "--state", &state]).1, "nothing was given up\n");
    assert_eq!(run(&["silence", "list", "--state", &state]).1, "no silences\n");

    let add = |more: &[&str]| run(&[&["silence", "add", "--state", &state, "--comment", "moving"], more].concat());
    let (code, out, err) = add(&["{bucket=\"x\"}", "--duration", "2h", "--author", "ada"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let id = out.split(' ').nth(1).unwrap().to_owned();
    let (_, listed, _) = run(&["silence", "list", "--state", &state]);
    assert!(listed.lines().nth(1).unwrap().starts_with(&format!("{id}  {{bucket=\"x\"}}  ")), "{listed}");
    let (_, json, _) = run(&["silence", "list", "--state", &state, "--output", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["silences"][0]["author"], &json["silences"][0]["comment"]), (&"ada".into(), &"moving".into()));
    let (code, out, _) = run(&["silence", "expire", &id, "--state", &state]);
    assert!(code == 0 && out == format!("silence {id} of {{bucket=\"x\"}} is over\n"), "{out}");
    assert_eq!(run(&["silence", "list", "--state", &state]).1, "no silences\n");

    for (more, expected) in [
        (&["{bucket=\"x\"}", "--duration", "2h"][..], "--author is missing"),
        (&["{bucket=\"x\"}", "--author", "ada"], "--duration"),
        (&["{}", "--author", "ada", "--duration", "2h"], "match: expected at least one matcher"),
        (&["{bucket=\"x\"}", "--author", "ada", "--end", "2020-01-01T00:00:00Z"], "ends: expected an end"),
        (&["{bucket=\"x\"}", "--author", "ada", "--duration", "soon"], "expected a duration such as 2h"),
    ] {
        let (code, _, err) = add(more);
        assert!(code == 2 && err.contains(expected), "{more:?}: {err}");
    }
    let (code, _, err) = run(&["silence", "expire", "nothing", "--state", &state]);
    assert!(code == 2 && err.contains("there is no such silence"), "{err}");
    let (code, _, err) = run(&["alerts", "resend", "nothing", "--state", &state]);
    assert!(code == 2 && err.contains("there is no such dead notification"), "{err}");
}

#[test]
fn a_service_is_asked_and_its_words_are_passed_on() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://user:SENTINEL@{nobody}");
    let (code, _, err) = run(&["silence", "list", "--url", &url]);
    assert!(code == 2 && err.contains("does not answer: is `blockwarden watch` running there?"), "{err}");
    assert!(!err.contains("SENTINEL"), "{err}");

    let refusal =
        r#"{"error": {"code": "forbidden", "parameter": null, "message": "start with --web.enable-lifecycle"}}"#;
    let (address, asked) = answering("403 Forbidden", refusal, 1);
    let url = format!("http://{address}/prefix/");
    let add =
        ["silence", "add", "{bucket=\"x\"}", "--duration", "2h", "--author", "ada", "--comment", "c", "--url", &url];
    let (code, _, err) = run(&add);
    assert!(code == 2 && err.contains("the service refused: start with --web.enable-lifecycle"), "{err}");
    let asked = asked.join().unwrap().remove(0);
    assert!(asked.starts_with("POST /prefix/api/v1/silences HTTP/1.1"), "{asked}");
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["match"], &body["duration"]), (&"{bucket=\"x\"}".into(), &"7200000ms".into()));

    let page = r#"{"version": 1, "next": null, "alerts": [
        {"state": "firing", "severity": "critical", "alertname": "BlockwardenCoverageGap", "bucket": "thanos",
         "stream": {"cluster": "eu1"}, "since": "2026-01-02T03:04:05Z", "message": "two hours \u001b[2J are missing",
         "receivers": ["oncall"], "suppressed": {"by": "silence", "id": "aa"}, "flapping_since": null},
        {"state": "ended", "alertname": "Over", "severity": "warning"}]}"#;
    let (address, asked) = answering("200 OK", page, 2);
    let url = format!("http://{address}");
    let (code, out, err) = run(&["alerts", "--url", &url]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "firing critical BlockwardenCoverageGap  thanos {cluster=\"eu1\"}\n  since 2026-01-02T03:04:05Z: two hours \\u{1b}[2J are \
         missing\n  told: oncall, not now: silence aa\n"
    );
    let (_, out, _) = run(&["alerts", "--url", &url, "--all", "--output", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["alerts"].as_array().unwrap().len(), 2);
    assert!(asked.join().unwrap()[0].starts_with("GET /api/v1/alerts?limit=1000 HTTP/1.1"));
}
