//! `notify`: what it means, and every mistake at its place.

use super::*;
use crate::alerting::{DEFAULT_GROUP_BY, Flapping, ReceiverPolicy};
use crate::model::{
    ClientSettings, HOUR_MS, HeartbeatSettings, Links, MINUTE_MS, MailSecurity, ReceiverKind, SECOND_MS, Secret,
    SecretSource, SlackAccess, TimestampMs, TlsSettings, WatchdogSettings,
};

const BUCKET: &str = "buckets: [{objstore_config_file: objstore.yaml}]\n";
const SENTINEL: &str = "Sentinel5ecret";

/// A folder with a file of every kind that can be named.
fn folder(notify: &str) -> Folder {
    let folder = Folder::new(&format!("{BUCKET}{notify}"));
    folder.write("secret", format!(" {SENTINEL}\n"));
    folder.write("url", format!("https://hooks.example.com/{SENTINEL}\n"));
    folder.write("empty", "\n");
    folder.write("ca.pem", "a certificate");
    folder
}

fn load(notify: &str) -> Result<Config, Vec<String>> {
    folder(notify).load()
}

/// One receiver in each way.
const ALL_KINDS: &str = r#"notify:
  receivers:
    - {name: hooked, type: slack, webhook_url: "https://hooks.slack.com/services/Sentinel5ecret"}
    - {name: bot, type: slack, token: xoxb-Sentinel5ecret, channel: C0123456789, api_url: "http://127.0.0.1:1/api/", rate: 10, burst: 1, fallback: ops, daily_test: "9:05"}
    - {name: ops, type: mail, to: [a@x.example, b@x.example], from: "Blockwarden <b@x.example>", smarthost: "mail:465", username: u, password_file: secret, hello: here, tls_config: {ca_file: ca.pem, server_name: m}, fallback: hook}
    - {name: plain, type: mail, to: [a@x.example], from: b@x.example, smarthost: "[::1]:25", tls: none, username: u, password: Sentinel5ecret}
    - {name: am, type: alertmanager, urls: ["http://am1:9093/", "http://am2:9093/prefix"], resend: 30s, bearer_token: Sentinel5ecret, send_resolved: false}
    - {name: hook, type: webhook, url_file: url, max_alerts: 5, basic_auth: {username: u, password: Sentinel5ecret}, proxy_url: "http://proxy:3128", timeout: 1m}
  heartbeat: {url: "https://hc.example.com/Sentinel5ecret", phases: yes, bearer_token_file: secret}
"#;

#[test]
fn every_kind_of_receiver_has_its_meaning() {
    let folder = folder(ALL_KINDS);
    let config = folder.load().unwrap();
    let [hooked, bot, ops, plain, am, hook] = <[_; 6]>::try_from(config.notify.receivers.clone()).unwrap();
    let inline = |text: &str| SecretSource::Inline(Secret::new(text.to_owned()));
    let file = |name: &str| SecretSource::File(folder.0.path().join(name));

    let ReceiverKind::Slack(slack) = hooked.kind else { panic!() };
    assert_eq!(slack.access, SlackAccess::Webhook(inline("https://hooks.slack.com/services/Sentinel5ecret")));
    assert_eq!((slack.api_url.as_str(), slack.http), ("https://slack.com/api", ClientSettings::default()));
    assert_eq!((hooked.timeout_ms, hooked.per_minute, hooked.burst), (10 * SECOND_MS, 50, 3));
    assert_eq!((hooked.fallback, hooked.daily_test_minute), (None, None));

    let ReceiverKind::Slack(slack) = bot.kind else { panic!() };
    let access = SlackAccess::Bot { token: inline("xoxb-Sentinel5ecret"), channel: "C0123456789".to_owned() };
    assert_eq!((slack.access, slack.api_url.as_str()), (access, "http://127.0.0.1:1/api"));
    assert_eq!((bot.per_minute, bot.burst, bot.fallback.as_deref()), (10, 1, Some("ops")));
    assert_eq!(bot.daily_test_minute, Some(545));

    let ReceiverKind::Mail(mail) = ops.kind else { panic!() };
    assert_eq!((mail.host.as_str(), mail.port, mail.security), ("mail", 465, MailSecurity::Implicit));
    assert_eq!((mail.login, mail.hello.as_deref()), (Some(("u".to_owned(), file("secret"))), Some("here")));
    let ca_file = folder.0.path().join("ca.pem").to_string_lossy().into_owned();
    assert_eq!(mail.tls, TlsSettings { ca_file, server_name: "m".to_owned(), ..TlsSettings::default() });
    assert_eq!((ops.timeout_ms, ops.per_minute), (30 * SECOND_MS, 60));
    let ReceiverKind::Mail(mail) = plain.kind else { panic!() };
    assert_eq!((mail.host.as_str(), mail.port, mail.security), ("::1", 25, MailSecurity::None));

    let ReceiverKind::Alertmanager(alertmanager) = am.kind else { panic!() };
    assert_eq!(alertmanager.urls, ["http://am1:9093", "http://am2:9093/prefix"]);
    assert_eq!((alertmanager.resend_ms, alertmanager.http.bearer), (30 * SECOND_MS, Some(inline(SENTINEL))));
    let ReceiverKind::Webhook(webhook) = hook.kind else { panic!() };
    assert_eq!((webhook.url, webhook.max_alerts, hook.timeout_ms), (file("url"), 5, MINUTE_MS));
    assert_eq!(webhook.http.basic_auth, Some(("u".to_owned(), inline(SENTINEL))));
    assert_eq!(webhook.http.proxy_url.as_deref(), Some("http://proxy:3128"));

    let heartbeat = HeartbeatSettings {
        url: inline("https://hc.example.com/Sentinel5ecret"),
        phases: true,
        timeout_ms: 10 * SECOND_MS,
        http: ClientSettings { bearer: Some(file("secret")), ..ClientSettings::default() },
    };
    assert_eq!(config.notify.heartbeat, Some(heartbeat));

    let one = ReceiverPolicy { recipients: vec![String::new()], send_resolved: true };
    let receivers = &config.alerting.receivers;
    assert_eq!((&receivers["hooked"], &receivers["hook"]), (&one, &one));
    assert_eq!(receivers["ops"].recipients, ["a@x.example", "b@x.example"]);
    assert_eq!(receivers["am"], ReceiverPolicy { recipients: vec![], send_resolved: false });
    // without routes, everybody is told everything
    let [route] = config.alerting.routes.as_slice() else { panic!() };
    assert_eq!(route.receivers, ["hooked", "bot", "ops", "plain", "am", "hook"]);
    assert!(route.matchers.matchers.is_empty() && route.group_by == DEFAULT_GROUP_BY);
}

#[test]
fn routes_and_times_have_their_meaning() {
    let config = load(
        r#"notify:
  receivers: [{name: a, type: webhook, url: "http://a"}, {name: b, type: webhook, url: "http://b"}]
  routes:
    - {name: first, match: '{severity="critical"}', receivers: [a, b], group_by: [bucket], group_wait: 0s, group_interval: 2m, repeat_interval: 1h30m, mute: [nights], continue: true}
    - {match: '{check="clock_skew"}', receivers: [], group_by: ["..."]}
    - {receivers: [b]}
  mute_times:
    - {name: nights, days: [sunday, "Monday:tuesday"], hours: "22:00-06:00", time_zone: Europe/Berlin}
    - {name: weekends, days: ["saturday:sunday"]}
  silences:
    - {match: '{bucket="x"}', starts: 2026-01-02T00:00:00Z, ends: 2026-01-02T03:04:05+01:00, author: ada, comment: moving}
    - {match: '{alertname=~".+"}', ends: 2026-01-02T00:00:00Z}
  flapping: {edges: 4, within: 2h, quiet: 10m}
  watchdogs: [{name: eu1}, {name: us-1.example, within: 90s}]
  links: {page: "https://b.example/", runbook: "https://r.example/{id}.md", dashboard: "https://g.example/d/{uid}?var-bucket={bucket}&from={from}&to={to}"}
"#,
    )
    .unwrap();
    let policy = &config.alerting;
    let [first, nobody, last] = policy.routes.as_slice() else { panic!("{:?}", policy.routes) };
    assert_eq!((first.name.as_str(), first.matchers.text.as_str()), ("first", "{severity=\"critical\"}"));
    assert_eq!((first.group_wait_ms, first.group_interval_ms), (Some(0), Some(2 * MINUTE_MS)));
    assert_eq!((first.repeat_interval_ms, first.continues), (Some(90 * MINUTE_MS), true));
    assert_eq!(
        (first.group_by.as_slice(), first.mute.as_slice()),
        (&["bucket".to_owned()][..], &["nights".to_owned()][..])
    );
    assert_eq!((nobody.name.as_str(), nobody.receivers.len(), nobody.group_by[0].as_str()), ("routes[1]", 0, "..."));
    assert_eq!((last.name.as_str(), last.receivers.as_slice()), ("routes[2]", &["b".to_owned()][..]));

    let nights = &policy.mute_times["nights"];
    assert_eq!(
        (nights.weekdays.as_slice(), nights.hours.text().as_str()),
        (&[1, 2, 7][..], "22:00-06:00 Europe/Berlin")
    );
    assert_eq!(nights.zone.iana_name(), Some("Europe/Berlin"));
    let weekends = &policy.mute_times["weekends"];
    assert!(weekends.weekdays == [6, 7] && weekends.hours.is_always());

    let [moving, all] = policy.silences.as_slice() else { panic!() };
    assert_eq!((moving.id.as_str(), moving.author.as_str(), moving.comment.as_str()), ("silences[0]", "ada", "moving"));
    assert_eq!(moving.ends, TimestampMs::parse_rfc3339("2026-01-02T02:04:05Z").unwrap());
    assert_eq!((all.starts, all.author.as_str()), (TimestampMs(0), "configuration"));
    assert_eq!(policy.flapping, Flapping { edges: 4, within_ms: 2 * HOUR_MS, quiet_ms: 10 * MINUTE_MS });
    assert_eq!(
        config.notify.watchdogs,
        [
            WatchdogSettings { name: "eu1".to_owned(), within_ms: 5 * MINUTE_MS },
            WatchdogSettings { name: "us-1.example".to_owned(), within_ms: 90 * SECOND_MS },
        ]
    );
    let links = Links {
        page: "https://b.example".to_owned(),
        runbook: "https://r.example/{id}.md".to_owned(),
        dashboard: "https://g.example/d/{uid}?var-bucket={bucket}&from={from}&to={to}".to_owned(),
    };
    assert_eq!(config.notify.links, links);
}

#[test]
fn nothing_is_told_to_nobody() {
    for text in ["", "notify:\n", "notify: {receivers: [], links: {}}\n"] {
        let config = load(text).unwrap();
        assert!(config.notify.receivers.is_empty() && config.alerting.receivers.is_empty(), "{text}");
        assert!(config.alerting.routes.iter().all(|route| route.receivers.is_empty()), "{text}");
        assert_eq!(config.alerting.flapping, Flapping::default());
    }
}

/// What is wrong with a `notify` that has receivers `a` and `am`, and this in it.
#[track_caller]
fn check(notify: &str, expected: &[&str]) {
    let found = load(&format!(
        "notify:\n  receivers: [{{name: a, type: webhook, url: \"http://a\"}}, {{name: am, type: alertmanager, urls: [\"http://b\"]}}]\n{notify}\n"
    ));
    let expected: Vec<String> = expected.iter().map(|line| format!("main.yaml:{line}")).collect();
    assert_eq!(found.map(|_| ()).unwrap_err(), expected, "{notify}");
}

/// What is wrong with a receiver.
#[track_caller]
fn receiver(keys: &str, expected: &[&str]) {
    let found = load(&format!("notify:\n  receivers:\n  - {{name: r, {keys}}}\n"));
    let expected: Vec<String> =
        expected.iter().map(|line| format!("main.yaml:4:{line}").replacen('@', "notify.receivers[0]", 1)).collect();
    assert_eq!(found.map(|_| ()).unwrap_err(), expected, "{keys}");
}

#[test]
fn mistakes_of_receivers_are_said_at_their_place() {
    receiver("url: x", &["5: @.type: is missing: expected one of slack, mail, alertmanager, webhook"]);
    receiver("type: pager", &["15: @.type: expected one of slack, mail, alertmanager, webhook"]);
    receiver("type: slack", &["5: @.webhook_url: is missing: give it, or a bot's token and channel"]);
    receiver(
        "type: slack, webhook_url: 'http://a', token: t",
        &["53: @.token: excludes webhook_url: a bot's token or an incoming webhook, not both"],
    );
    receiver("type: slack, token: t", &["5: @.channel: is missing: give the id of a channel that the bot is in"]);
    receiver(
        "type: slack, token: t, channel: '#ops'",
        &[
            "38: @.channel: expected the id of a channel, such as C0123456789: Slack shows it at the end of the channel's details",
        ],
    );
    receiver(
        "type: slack, webhook_url: Sentinel5ecret",
        &["28: @.webhook_url: expected a URL that begins with http:// or https:// and has a host"],
    );
    receiver(
        "type: webhook, url: 'http://u:Sentinel5ecret@h/'",
        &[
            "30: @.url: expected a URL without name and password: they have keys of their own, whose values are never shown",
        ],
    );
    receiver("type: webhook, url: 'http://a', url_file: url", &["47: @.url_file: excludes url: give one of them"]);
    receiver("type: webhook, url_file: empty", &["30: @.url_file: empty is empty"]);
    receiver("type: webhook, url_file: none", &["30: @.url_file: none cannot be read: there is no such file"]);
    receiver(
        "type: webhook, url_file: secret",
        &["30: @.url_file: expected a URL that begins with http:// or https:// and has a host in the file"],
    );
    receiver(
        "type: webhook, url: 'http://a', basic_auth: {password: x}, bearer_token: y",
        &[
            "47: @.basic_auth.username: is missing: give the name that goes with the password",
            "74: @.bearer_token: excludes basic_auth: give one of them",
        ],
    );
    receiver(
        "type: webhook, url: 'http://a', tls_config: {cert_file: ca.pem, ca_file: none}, smarthost: x",
        &[
            "60: @.tls_config.cert_file: needs key_file beside it",
            "79: @.tls_config.ca_file: none cannot be read: there is no such file",
            "95: @: unknown key `smarthost`",
        ],
    );
    receiver(
        "type: mail, to: [nobody, a@x.example, a@x.example], from: me, smarthost: mail, username: u",
        &[
            "5: @.password: is missing: give it here, or name the file that holds it in password_file",
            "27: @.to: expected an address such as ops@example.com in item 1",
            "27: @.to: names the address of item 3 twice",
            "67: @.from: expected an address such as ops@example.com, or Name <ops@example.com>",
            "77: @.smarthost: expected host:port, such as mail.example.com:587 or [::1]:25",
        ],
    );
    receiver(
        "type: mail, to: [], from: a@x.example, smarthost: 'h:25', tls: none, username: u, password: Sentinel5ecret",
        &[
            "27: @.to: is missing: give at least one address",
            "73: @.tls: `none` would send the password in the clear, to another machine",
        ],
    );
    receiver(
        "type: mail, to: [a@x.example], from: a@x.example, smarthost: 'h:25', password: Sentinel5ecret",
        &["84: @.password: needs username beside it"],
    );
    receiver(
        "type: alertmanager, urls: ['ftp://a', 'http://b/api/v2/alerts', 'http://c', 'http://c/'], resend: 10ms",
        &[
            "35: @.urls: expected a URL that begins with http:// or https:// and has a host, in item 1",
            "35: @.urls: expected where the instance is, without /api/v2/alerts, in item 2",
            "35: @.urls: is given twice, in item 4",
            "105: @.resend: expected at least 1s",
        ],
    );
    receiver(
        "type: webhook, url: 'http://a', timeout: 1h, rate: 0, burst: x, daily_test: 25:00, proxy_url: 'http://u:p@p'",
        &[
            "47: @.timeout: expected at most 10m",
            "60: @.rate: expected a whole number from 1",
            "69: @.burst: expected a whole number",
            "79: @.daily_test: expected a time of the day such as 09:00, in quotes",
            "98: @.proxy_url: expected a URL without name and password: they have keys of their own, whose values are never shown",
        ],
    );
}

#[test]
fn receivers_are_unique_and_step_in_for_each_other_without_a_circle() {
    let of = |receivers: &[&str]| {
        let lines: String =
            receivers.iter().map(|keys| ["  - {", keys, ", type: webhook, url: \"http://a\"}\n"].concat()).collect();
        load(&format!("notify:\n  receivers:\n{lines}")).map(|_| ()).err().unwrap_or_default()
    };
    assert_eq!(of(&["name: a, fallback: b", "name: b, fallback: c", "name: c"]), [""; 0]);
    for (receivers, expected) in [
        (
            &["name: a", "name: a"][..],
            &["5:6: notify.receivers[1].name: is the same as that of an earlier receiver: give each its own name"][..],
        ),
        (
            &["fallback: a"],
            &[
                "4:5: notify.receivers[0].name: is missing: give each receiver a name of its own",
                "4:6: notify.receivers[0].fallback: is the name of no receiver",
            ],
        ),
        (&["name: a, fallback: a"], &["4:15: notify.receivers[0].fallback: is the receiver itself"]),
        (
            &["name: a, fallback: b", "name: b, fallback: c", "name: c, fallback: b"],
            &[
                "5:15: notify.receivers[1].fallback: leads back to this receiver",
                "6:15: notify.receivers[2].fallback: leads back to this receiver",
            ],
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|line| format!("main.yaml:{line}")).collect();
        assert_eq!(of(receivers), expected, "{receivers:?}");
    }
    let am = "{name: am, type: alertmanager, urls: ['http://a'], fallback: b}";
    let b = "{name: b, type: webhook, url: 'http://a', fallback: am}";
    let found = load(&format!("notify:\n  receivers:\n  - {am}\n  - {b}\n")).unwrap_err();
    assert!(found[0].ends_with("an Alertmanager is told again and again until it answers"), "{found:?}");
    assert!(found[1].ends_with("is an Alertmanager, which is told what fires, not single messages"), "{found:?}");
}

#[test]
fn mistakes_of_routes_and_times_are_said_at_their_place() {
    check(
        "  routes: [{match: '{}'}]",
        &["4:12: notify.routes[0].receivers: is missing: name who is told; an empty list means nobody"],
    );
    check(
        "  routes: [{receivers: [a, b, a], mute: [nights]}]",
        &[
            "4:13: notify.routes[0].receivers: item 2 is the name of no receiver",
            "4:13: notify.routes[0].receivers: item 3 is given twice",
            "4:35: notify.routes[0].mute: item 1 is the name of no mute time",
        ],
    );
    check(
        "  routes:\n  - {match: '{}', receivers: [a]}\n  - {receivers: [a]}",
        &[
            "6:5: notify.routes[1]: is never looked at: an earlier route catches everything and does not say `continue: true`",
        ],
    );
    check(
        "  routes: [{receivers: [], group_by: [..., x]}, {match: 'x', receivers: []}]",
        &[
            "4:28: notify.routes[0].group_by: expected `...` alone: each alert is a group of its own then",
            "4:49: notify.routes[1]: is never looked at: an earlier route catches everything and does not say `continue: true`",
            "4:50: notify.routes[1].match: expected PromQL matchers such as {cluster=\"eu1\"} in quotes",
        ],
    );
    check(
        "  routes: [{receivers: [], group_by: [a-b], group_interval: 0s, repeat_interval: 30s, group_wait: soon}]",
        &[
            "4:28: notify.routes[0].group_by: expected names of labels: letters, digits and `_`, no digit first",
            "4:45: notify.routes[0].group_interval: expected at least 1s",
            "4:65: notify.routes[0].repeat_interval: expected at least 1m",
            "4:87: notify.routes[0].group_wait: expected a duration such as 48h, 30d or 1h30m (units y w d h m s ms)",
        ],
    );
    check(
        "  mute_times: [{name: x}, {name: x, days: [someday, friday:monday], hours: all, time_zone: Nowhere}]",
        &[
            "4:16: notify.mute_times[0]: says nothing: give days, hours or both",
            "4:28: notify.mute_times[1].name: is the same as that of an earlier mute time: give each its own name",
            "4:37: notify.mute_times[1].days: expected days in the order of the week, which begins on monday",
            "4:37: notify.mute_times[1].days: expected days such as saturday, or monday:friday",
            "4:69: notify.mute_times[1].hours: expected hours such as 22:00-06:00, or several with commas between them",
            "4:81: notify.mute_times[1].time_zone: expected a name of the time zone database, such as Europe/Berlin, which this machine has to have; UTC is known everywhere",
        ],
    );
    check(
        "  silences:\n  - {match: '{a=\"b\"}'}\n  - {ends: 2026-01-01T00:00:00Z}\n  - {match: '{a!=\"b\"}', starts: now, ends: later}\n  - {match: '{a=\"b\"}', starts: 2026-01-02T00:00:00Z, ends: 2026-01-01T00:00:00Z}",
        &[
            "5:5: notify.silences[0].ends: is missing: say until when: a silence without an end is forgotten",
            "6:5: notify.silences[1].match: is missing: say which alerts, such as {bucket=\"thanos\"} in quotes",
            "7:6: notify.silences[2].match: expected at least one matcher that demands something: this silences whatever lacks these labels; everything is {alertname=~\".+\"}",
            "7:25: notify.silences[2].starts: expected a time in RFC 3339, such as 2026-01-02T03:04:05Z",
            "7:38: notify.silences[2].ends: expected a time in RFC 3339, such as 2026-01-02T03:04:05Z",
            "8:54: notify.silences[3].ends: expected a time after `starts`",
        ],
    );
    check(
        "  flapping: {edges: 1, within: 1s}\n  watchdogs: [{name: a/b, within: 1ms}, {within: 5m}]\n  links: {page: here, runbook: 'http://r/{name}'}\n  heartbeat: {phases: true}",
        &[
            "4:14: notify.flapping.edges: expected a whole number from 2",
            "4:24: notify.flapping.within: expected at least 1m",
            "5:16: notify.watchdogs[0].name: expected letters, digits, `-`, `_` and `.`: it is part of a path",
            "5:27: notify.watchdogs[0].within: expected at least 1s",
            "5:41: notify.watchdogs[1].name: is missing: give each watchdog a name of its own",
            "6:11: notify.links.page: expected a URL that begins with http:// or https:// and has a host",
            "6:23: notify.links.runbook: has a field that nothing is filled in for; there is: {id}",
            "7:3: notify.heartbeat.url: is missing: give it here, or name the file that holds it in url_file",
        ],
    );
}

#[test]
fn a_secret_is_in_no_summary_message_or_debug_output() {
    let config = folder(ALL_KINDS).load().unwrap();
    let summary = config.summary();
    let output = format!("{config:?} {:#?} {summary:?}", config.notify);
    assert!(!output.contains(SENTINEL), "{output}");
    for line in [
        "receiver ops (mail): to a@x.example, b@x.example from Blockwarden <b@x.example> over mail:465, TLS, as u with a password from ",
        "receiver hooked (slack): incoming webhook from the configuration",
        "  10 messages per minute, 1 at once, 10s each, otherwise ops, test at 09:05 UTC",
        "receiver am (alertmanager): http://am1:9093, http://am2:9093/prefix, again every 30s, with a bearer token",
        "route (everything) {}: hooked, bot, ops, plain, am, hook, by alertname, bucket, cluster, cluster_id, environment",
        "heartbeat: to the address from the configuration, begin and failure of a cycle too, with a bearer token",
    ] {
        assert!(summary.iter().any(|found| found.starts_with(line)), "{line} in {summary:#?}");
    }
    // in every place of a secret, whatever is wrong with it
    let keys = [
        ("type: slack, KEY", "webhook_url"),
        ("type: slack, channel: C0, KEY", "token"),
        ("type: mail, to: [a@x], from: a@x, smarthost: 'h:1', username: u, KEY", "password"),
        ("type: webhook, KEY", "url"),
        ("type: webhook, url: 'http://a', KEY", "bearer_token"),
        ("type: webhook, url: 'http://a', basic_auth: {username: u, KEY}", "password"),
        ("type: alertmanager, urls: ['http://a'], KEY", "bearer_token"),
        ("type: alertmanager, KEY", "urls"),
    ];
    for (start, key) in keys {
        for shape in
            ["X", "{X: X}", "[X]", "'X", "*X", "!X y", "`X`", "a: X", "http://u:X@h", "'http://[X'", "\"http://u:X@h\""]
        {
            let value = shape.replace('X', SENTINEL);
            for entry in [format!("{key}: {value}"), format!("{key}s: {value}")] {
                let receiver = start.replace("KEY", &entry);
                let found =
                    load(&format!("notify: {{receivers: [{{name: r, {receiver}}}], heartbeat: {{url: {value}}}}}\n"));
                let output = format!("{found:?} {:?}", found.as_ref().map(Config::summary));
                assert!(!output.contains(SENTINEL), "{receiver}: {output}");
            }
        }
    }
}
