//! What Slack's answers mean for what is done next.

use std::error::Error;

use slack_morphism::errors::SlackClientError;

use crate::model::{FailureClass, SECOND_MS};
use crate::notify::SendError;

/// Words of Slack that mean: we are not let in, or the place to write to is not there.
const NOT_LET_IN: [&str; 36] = [
    "access_denied",
    "account_inactive",
    "action_prohibited",
    "as_user_not_supported",
    "cannot_dm_bot",
    "channel_is_archived",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "invalid_token",
    "is_archived",
    "is_inactive",
    "messages_tab_disabled",
    "missing_post_type",
    "missing_scope",
    "no_active_hooks",
    "no_permission",
    "no_service",
    "no_service_id",
    "no_team",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "posting_to_general_channel_denied",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "team_access_not_granted",
    "team_disabled",
    "team_not_found",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
];

/// Words of Slack for troubles of its own.
const ITS_OWN: [&str; 5] =
    ["fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"];

/// Words of Slack that mean: the message that was to be changed or replied to is not there, or not ours to change.
const GONE: [&str; 8] = [
    "cannot_reply_to_message",
    "cant_update_message",
    "channel_not_found",
    "edit_window_closed",
    "invalid_ts",
    "message_not_found",
    "thread_not_found",
    "update_failed",
];

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Slack's own word.
    Said(String, Option<i64>),
    /// Anything else.
    Other(SendError),
}

impl Failure {
    /// The message that was to be changed is not there any more, or cannot be changed.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Said(word, _) if GONE.contains(&word.as_str()))
    }

    /// For the delivery.
    pub(super) fn into_error(self) -> SendError {
        match self {
            Self::Other(error) => error,
            Self::Said(word, retry_after_ms) => {
                let mut error = SendError::new(class_of(&word), format!("Slack answered `{word}`"));
                error.retry_after_ms = retry_after_ms;
                error
            }
        }
    }
}

impl From<SlackClientError> for Failure {
    fn from(error: SlackClientError) -> Self {
        match error {
            SlackClientError::ApiError(error) => Self::Said(word(&error.code), None),
            SlackClientError::RateLimitError(error) => {
                let pause = error.retry_after.map(|pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
                Self::Said("ratelimited".to_owned(), pause)
            }
            SlackClientError::SystemError(error) => {
                match error.cause.map(<dyn Error + Send + Sync>::downcast::<SendError>) {
                    Some(Ok(error)) => Self::Other(*error),
                    Some(Err(_)) | None => Self::Other(not_understood()),
                }
            }
            SlackClientError::HttpError(_)
            | SlackClientError::HttpProtocolError(_)
            | SlackClientError::EndOfStream(_)
            | SlackClientError::ProtocolError(_)
            | SlackClientError::SocketModeProtocolError(_) => Self::Other(not_understood()),
        }
    }
}

/// An answer with a good status that is not Slack's. It may have arrived all the same.
pub(super) fn not_understood() -> SendError {
    SendError {
        maybe_sent: true,
        ..SendError::new(
            FailureClass::Transient,
            "the answer is not one of Slack: is the URL right, and does a proxy answer in its place?",
        )
    }
}

pub(super) fn class_of(word: &str) -> FailureClass {
    if matches!(word, "ratelimited" | "rate_limited" | "message_limit_exceeded") {
        FailureClass::RateLimited
    } else if NOT_LET_IN.contains(&word) {
        FailureClass::Authentication
    } else if ITS_OWN.contains(&word) {
        FailureClass::Transient
    } else {
        // what is not known is tried once more as plain text, and is not repeated for a day
        FailureClass::Permanent
    }
}

/// Slack's words are short and of one form; what else stands there is not repeated.
pub(super) fn word(text: &str) -> String {
    let text = text.trim();
    let is_word = !text.is_empty()
        && text.len() <= 60
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if is_word { text.to_owned() } else { "unknown_error".to_owned() }
}

/// `Retry-After` is sometimes in the answer's body: seconds.
pub(super) fn pause_in(body: &str) -> Option<i64> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    let seconds = value.get("retry_after")?.as_i64()?;
    Some(seconds.clamp(0, 3_600).saturating_mul(SECOND_MS))
}
