//! How a receiver is treated: how much at once, how often again, who gets what it could not be given. Pure.

use crate::alerting::DEADLINE_MS;
use crate::model::{
    HOUR_MS, MINUTE_MS, OutboxRow, OutboxState, Reason, ReceiverKind, ReceiverSettings, SECOND_MS, TimestampMs,
};

/// Who is not let in tries again after this time, in ms, then after twice that, and so on: a channel that was not found
/// once, or a token that is being renewed, keeps nobody waiting for long.
pub(super) const CIRCUIT_FIRST_MS: i64 = MINUTE_MS;

/// In the end this often, in ms: often enough to notice a new token, too seldom to be locked out.
pub(super) const CIRCUIT_MS: i64 = 15 * MINUTE_MS;

/// Pause where a server says that it is too much and not for how long, in ms: Slack's own answer is mostly below that.
const PAUSE_MS: i64 = 30 * SECOND_MS;

/// The longest pause that a server gets by asking, in ms. Longer ones are taken for a mistake.
const LONGEST_PAUSE_MS: i64 = HOUR_MS;

/// So much later than asked for, at most, in ms: many clients that were refused at once do not come back at once.
const PAUSE_SPREAD_MS: u64 = 1_000;

/// The first repetition comes after up to twice this, in ms.
const BACKOFF_FIRST_MS: i64 = SECOND_MS;

/// No repetition comes later, in ms.
const BACKOFF_MOST_MS: i64 = 5 * MINUTE_MS;

/// Repetitions of a mail, in ms: servers that put somebody off (greylisting) want minutes, not seconds.
const MAIL_BACKOFF_MS: [i64; 5] = [MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS];

/// A mail or a webhook to somebody does not wait for one to somebody else; what a channel gets is in order anyway.
const PARALLEL: usize = 4;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Rows on their way at once, of different lanes.
    pub(super) parallel: usize,
    /// From one message to the next on the average, in ms.
    pub(super) spacing_ms: i64,
    /// Messages that may come at once.
    pub(super) burst: i64,
    is_mail: bool,
    /// Whom it reaches.
    pub(super) recipients: Vec<String>,
    /// Who is told instead.
    pub(super) fallback: Option<String>,
}

impl Terms {
    pub(super) fn of(settings: &ReceiverSettings) -> Self {
        let parallel = match settings.kind {
            ReceiverKind::Slack(_) => 1,
            ReceiverKind::Mail(_) | ReceiverKind::Alertmanager(_) | ReceiverKind::Webhook(_) => PARALLEL,
        };
        Self {
            parallel,
            spacing_ms: MINUTE_MS / i64::from(settings.per_minute.max(1)),
            burst: i64::from(settings.burst.max(1)),
            is_mail: matches!(settings.kind, ReceiverKind::Mail(_)),
            recipients: recipients(settings),
            fallback: settings.fallback.clone().filter(|fallback| *fallback != settings.name),
        }
    }

    /// How long to wait after `attempts` (at least one) failed, in ms. `chance(most)` is anything up to `most`.
    pub(super) fn backoff_ms(&self, attempts: u32, chance: &dyn Fn(u64) -> u64) -> i64 {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        if self.is_mail {
            return MAIL_BACKOFF_MS.get(index).copied().unwrap_or(HOUR_MS);
        }
        let most = BACKOFF_FIRST_MS.saturating_mul(1 << attempts.min(20)).min(BACKOFF_MOST_MS);
        // anything in between, so that what failed together is not repeated together
        BACKOFF_FIRST_MS.saturating_add(spread(most - BACKOFF_FIRST_MS, chance))
    }

    /// How long a receiver rests that said that it is too much, in ms.
    pub(super) fn pause_ms(retry_after_ms: Option<i64>, chance: &dyn Fn(u64) -> u64) -> i64 {
        let asked = retry_after_ms.unwrap_or(PAUSE_MS).clamp(0, LONGEST_PAUSE_MS);
        asked.saturating_add(i64::try_from(chance(PAUSE_SPREAD_MS)).unwrap_or(0))
    }
}

fn spread(most: i64, chance: &dyn Fn(u64) -> u64) -> i64 {
    i64::try_from(chance(u64::try_from(most).unwrap_or(0))).unwrap_or(0).clamp(0, most.max(0))
}

/// Whom rows of the outbox are for: each address of a mail, or one that has no name. None for an Alertmanager, which
/// is told everything again and again beside the outbox.
fn recipients(settings: &ReceiverSettings) -> Vec<String> {
    match &settings.kind {
        ReceiverKind::Mail(mail) => mail.to.clone(),
        ReceiverKind::Slack(_) | ReceiverKind::Webhook(_) => vec![String::new()],
        ReceiverKind::Alertmanager(_) => Vec::new(),
    }
}

/// What each recipient of the fallback gets of a row that was given up. Nothing instead of what was a fallback already,
/// so that no two receivers hand it to each other; nor of a test, which says of its receiver alone whether it works.
pub(super) fn fallback_rows(
    row: &OutboxRow,
    fallback: &str,
    recipients: &[String],
    now: TimestampMs,
) -> Vec<OutboxRow> {
    if row.instead_of.is_some() || row.notification.reason == Reason::Test {
        return Vec::new();
    }
    let rows = recipients.iter().map(|recipient| {
        let mut notification = row.notification.clone();
        fallback.clone_into(&mut notification.receiver);
        OutboxRow {
            id: OutboxRow::derived_id(&["fallback", &row.id, fallback, recipient]),
            receiver: fallback.to_owned(),
            recipient: recipient.clone(),
            // apart from what the fallback is told of the same group for itself
            lane: format!("{} (instead of {})", row.lane, row.receiver),
            created: now,
            not_before: now,
            deadline: now.plus(DEADLINE_MS),
            attempts: 0,
            state: OutboxState::Pending,
            uncertain: false,
            plain: false,
            error: None,
            instead_of: Some(row.receiver.clone()),
            notification,
        }
    });
    rows.collect()
}
