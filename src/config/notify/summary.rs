//! What was understood of `notify`, for a person who checks it: who is told what and how, and nothing secret.

use super::super::duration;
use crate::alerting::{AlertingPolicy, Route};
use crate::model::{
    ClientSettings, MailSecurity, NotifySettings, ReceiverKind, ReceiverSettings, SecretSource, SlackAccess,
};

/// One thing a line; nothing where nobody is told.
pub(in crate::config) fn lines(policy: &AlertingPolicy, settings: &NotifySettings) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(settings.receivers.iter().flat_map(receiver));
    lines.extend(policy.routes.iter().map(route));
    lines.extend(policy.mute_times.iter().map(|(name, time)| {
        let days = if time.weekdays.is_empty() { "every day".to_owned() } else { days(&time.weekdays) };
        let hours = if time.hours.is_always() {
            format!("the whole day, {}", time.zone.iana_name().unwrap_or("UTC"))
        } else {
            time.hours.text()
        };
        format!("mute time {name}: {days}, {hours}")
    }));
    lines.extend(
        policy
            .silences
            .iter()
            .map(|silence| format!("silence of {}: until {}, by {}", silence.matchers, silence.ends, silence.author)),
    );
    lines.extend(settings.heartbeat.iter().map(|heartbeat| {
        let phases = if heartbeat.phases { ", begin and failure of a cycle too" } else { "" };
        format!("heartbeat: to the address {}{phases}{}", held(&heartbeat.url), client(&heartbeat.http))
    }));
    lines.extend(settings.watchdogs.iter().map(|watchdog| {
        format!("watchdog {}: to be heard of within {}", watchdog.name, duration::format(watchdog.within_ms))
    }));
    lines
}

fn receiver(settings: &ReceiverSettings) -> Vec<String> {
    let fallback = settings.fallback.as_ref().map(|name| format!(", otherwise {name}")).unwrap_or_default();
    let test = settings.daily_test_minute.map(|minute| format!(", test at {:02}:{:02} UTC", minute / 60, minute % 60));
    let how = match &settings.kind {
        ReceiverKind::Slack(slack) => match &slack.access {
            SlackAccess::Webhook(url) => format!("incoming webhook {}{}", held(url), client(&slack.http)),
            SlackAccess::Bot { token, channel } => {
                format!("channel {channel} at {}, token {}{}", slack.api_url, held(token), client(&slack.http))
            }
        },
        ReceiverKind::Mail(mail) => {
            let security = match mail.security {
                MailSecurity::StartTls => "STARTTLS",
                MailSecurity::Implicit => "TLS",
                MailSecurity::None => "not encrypted",
            };
            let login =
                mail.login.as_ref().map(|(name, password)| format!(", as {name} with a password {}", held(password)));
            let (to, login) = (mail.to.join(", "), login.unwrap_or_default());
            format!("to {to} from {} over {}:{}, {security}{login}", mail.from, mail.host, mail.port)
        }
        ReceiverKind::Alertmanager(alertmanager) => {
            let resend = duration::format(alertmanager.resend_ms);
            format!("{}, again every {resend}{}", alertmanager.urls.join(", "), client(&alertmanager.http))
        }
        ReceiverKind::Webhook(webhook) => format!("address {}{}", held(&webhook.url), client(&webhook.http)),
    };
    let (burst, rate, timeout) = (settings.burst, settings.per_minute, duration::format(settings.timeout_ms));
    vec![
        format!("receiver {} ({}): {how}", settings.name, settings.kind.name()),
        format!("  {rate} messages per minute, {burst} at once, {timeout} each{fallback}{}", test.unwrap_or_default()),
    ]
}

/// Where a secret comes from.
fn held(source: &SecretSource) -> String {
    match source {
        SecretSource::Inline(_) => "from the configuration".to_owned(),
        SecretSource::File(path) => format!("from {}", path.display()),
    }
}

fn client(settings: &ClientSettings) -> String {
    let user = settings.basic_auth.as_ref().map(|(name, _)| format!(", as {name}"));
    let bearer = settings.bearer.as_ref().map(|_| ", with a bearer token".to_owned());
    let proxy = settings.proxy_url.as_ref().map(|url| format!(", through {url}"));
    [user, bearer, proxy].into_iter().flatten().collect()
}

fn route(route: &Route) -> String {
    let receivers = if route.receivers.is_empty() { "nobody".to_owned() } else { route.receivers.join(", ") };
    let times =
        [("wait", route.group_wait_ms), ("interval", route.group_interval_ms), ("repeat", route.repeat_interval_ms)];
    let times = times.into_iter().filter_map(|(what, ms)| Some(format!(", {what} {}", duration::format(ms?))));
    let times: String = times.collect();
    let mute = if route.mute.is_empty() { String::new() } else { format!(", not during {}", route.mute.join(", ")) };
    let continues = if route.continues { ", and on to the next" } else { "" };
    format!(
        "route {} {}: {receivers}, by {}{times}{mute}{continues}",
        route.name,
        route.matchers.text,
        route.group_by.join(", "),
    )
}

fn days(days: &[u8]) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let name = |day: &u8| DAYS.get(usize::from(day.saturating_sub(1))).copied().unwrap_or_default();
    days.iter().map(name).collect::<Vec<_>>().join(", ")
}
