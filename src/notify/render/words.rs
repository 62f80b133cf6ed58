//! Words for states, ends and reasons.

use super::Tone;
use super::when::{count, span};
use crate::model::{Alert, FindingEnd, News, Notification, Phase, Reason, Severity, TimestampMs};

/// How a severity is looked at while it fires.
pub(super) const fn tone_of(severity: Severity) -> Tone {
    match severity {
        Severity::Critical => Tone::Critical,
        Severity::Warning => Tone::Warning,
        Severity::Info => Tone::Info,
    }
}

/// How an end is looked at.
pub(super) const fn tone_of_end(end: Option<FindingEnd>) -> Tone {
    match end {
        Some(FindingEnd::Resolved) => Tone::Good,
        Some(FindingEnd::Lost) => Tone::Lost,
        Some(FindingEnd::Expired | FindingEnd::Retired | FindingEnd::Unwatched) | None => Tone::Neutral,
    }
}

/// The one word for how it ended.
pub(super) const fn end_word(end: Option<FindingEnd>) -> &'static str {
    match end {
        Some(end) => end.name(),
        None => "ended",
    }
}

/// What an end means, so that nobody takes for healed what is not.
pub(super) const fn end_meaning(end: Option<FindingEnd>) -> &'static str {
    match end {
        Some(FindingEnd::Resolved) => "It was seen healed.",
        Some(FindingEnd::Expired) => {
            "It was not healed: what it was about has left the bucket by retention, as it was to."
        }
        Some(FindingEnd::Retired) => "It was not healed: its stream has been given up, and is not judged any more.",
        Some(FindingEnd::Unwatched) => {
            "Nobody knows whether it was healed: its bucket is not in the configuration any more."
        }
        Some(FindingEnd::Lost) => {
            "This is no good news: what it was about is gone unhealed, and neither retention nor another block accounts \
             for that. If the bucket keeps versions or there is a copy, it may still be brought back."
        }
        None => "How it ended is not known.",
    }
}

/// The end that a group of ended alerts is told under: the one that must not be overlooked.
pub(super) fn worst_end<'a>(alerts: impl Iterator<Item = &'a Alert>) -> Option<FindingEnd> {
    const BY_WEIGHT: [FindingEnd; 5] =
        [FindingEnd::Lost, FindingEnd::Unwatched, FindingEnd::Retired, FindingEnd::Expired, FindingEnd::Resolved];
    let ends: Vec<Option<FindingEnd>> = alerts.map(|alert| alert.end).collect();
    if ends.is_empty() || ends.contains(&None) {
        return ends.contains(&Some(FindingEnd::Lost)).then_some(FindingEnd::Lost);
    }
    BY_WEIGHT.into_iter().find(|end| ends.contains(&Some(*end)))
}

/// When the finding was over; else the alert.
pub(super) fn over_at(alert: &Alert) -> Option<TimestampMs> {
    if alert.phase == Phase::Ended { alert.healed_at.or(alert.ended_at) } else { None }
}

/// `resolved after 2 h 13 min`
pub(super) fn ended_after(alert: &Alert) -> String {
    let word = end_word(alert.end);
    match over_at(alert) {
        Some(at) => format!("{word} after {}", span(at.since(alert.since))),
        None => word.to_owned(),
    }
}

/// Why this message is sent, in one sentence.
pub(super) fn reason(notification: &Notification) -> String {
    let news = |wanted: News| -> u64 {
        let alerts = notification.all_alerts().filter(|notified| notified.news == Some(wanted));
        u64::try_from(alerts.count()).unwrap_or(u64::MAX)
    };
    let firing = u64::try_from(notification.firing().count()).unwrap_or(u64::MAX).saturating_add(notification.more);
    let lasted = || {
        let end = notification.ended.unwrap_or(notification.at);
        span(end.since(notification.began))
    };
    let also = |number: u64, what: &str| if number > 0 { format!("; {number} {what}") } else { String::new() };
    match notification.reason {
        Reason::First => "First message of this incident.".to_owned(),
        Reason::NewAlerts => {
            let new = news(News::Fired);
            if new == 0 {
                return "There are new alerts.".to_owned();
            }
            format!("{}{}.", count(new, "new alert"), also(news(News::Ended), "ended"))
        }
        Reason::Worse => {
            let worse = news(News::Worse).max(1);
            format!("Got worse: {}{}.", count(worse, "alert"), also(news(News::Fired), "new"))
        }
        Reason::SomeEnded => {
            let (ended, better) = (news(News::Ended), news(News::Better));
            if ended == 0 {
                return format!("Got better, and is not over: {}.", count(better.max(1), "alert"));
            }
            let better = also(better, "got better");
            format!(
                "{} ended, {firing} still {}{better}.",
                count(ended, "alert"),
                if firing == 1 { "fires" } else { "fire" }
            )
        }
        Reason::Ended => format!("All over after {}.", lasted()),
        Reason::FiredAndEnded => {
            format!("Fired and ended again, after {}, before it could be told.", lasted())
        }
        Reason::Flapping => {
            if news(News::Flapping) > 0 {
                "It comes and goes too often to be told each time; what follows is told together.".to_owned()
            } else {
                "It no longer comes and goes.".to_owned()
            }
        }
        Reason::Repeat => match notification.repeat_ms {
            Some(ms) => format!("Nothing is new, but it is still so. Said again every {}.", span(ms)),
            None => "Nothing is new, but it is still so.".to_owned(),
        },
        Reason::Digest => {
            let groups = u64::try_from(notification.parts.len()).unwrap_or(u64::MAX);
            format!("So much came at once that {} are told in one.", count(groups, "message"))
        }
        Reason::Test => "Somebody wants to see whether this arrives.".to_owned(),
    }
}
