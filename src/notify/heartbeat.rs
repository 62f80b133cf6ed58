//! The ping to a dead-man's switch elsewhere, which tells when we no longer do. Made after a cycle that was completed
//! and judged, never by a timer of its own: a process that only lives proves nothing.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::http::{Client, Request, refusal, secret_url};
use super::{Context, OpenError, SendError};
use crate::model::{FailureClass, HeartbeatSettings, TimestampMs};

/// Tries per ping.
const TRIES: u32 = 3;
/// Before the second try, and twice that before the third, in ms.
const PAUSE_MS: u64 = 1_000;

/// What a ping is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartbeatPhase {
    /// A cycle begins.
    Start,
    /// It was completed and judged.
    Success,
    /// It could not be.
    Fail,
}

/// See the module.
#[derive(Debug)]
pub struct Heartbeat {
    settings: HeartbeatSettings,
    client: Client,
}

impl Heartbeat {
    /// Ready to ping; nothing is asked yet.
    pub fn open(settings: &HeartbeatSettings, context: &Context) -> Result<Self, OpenError> {
        let client = Client::new(&settings.http, settings.timeout_ms, &context.environment)?;
        Ok(Self { settings: settings.clone(), client })
    }

    /// Sends `summary`, up to three times. `Start` and `Fail` do nothing unless phases are wanted. Public switches take
    /// five pings a minute: the caller makes at most one `Start` and one of the others per cycle, and leaves cycles
    /// out where they are shorter than half a minute. To be run beside the cycle, never within it.
    pub async fn ping(&self, phase: HeartbeatPhase, summary: &Value, now: TimestampMs) -> Result<(), SendError> {
        let suffix = match phase {
            HeartbeatPhase::Success => "",
            HeartbeatPhase::Start | HeartbeatPhase::Fail if !self.settings.phases => return Ok(()),
            HeartbeatPhase::Start => "start",
            HeartbeatPhase::Fail => "fail",
        };
        let url = with_suffix(secret_url(&self.settings.url, "the heartbeat's URL").await?, suffix);
        let body = summary.to_string().into_bytes();
        let mut tries = 1;
        loop {
            let error = match self.client.send(Request::post(&url, body.clone(), now)).await {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) => refusal(url.host_str().unwrap_or_default(), &answer),
                Err(error) => error,
            };
            // a refusal stays one, and a rate limit is not helped by more
            let is_passing = matches!(error.class, FailureClass::Transient | FailureClass::Timeout);
            if !is_passing || tries >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(PAUSE_MS.saturating_mul(u64::from(tries)))).await;
            tries = tries.saturating_add(1);
        }
    }
}

/// `/start` and `/fail` behind the path, as healthchecks has them.
fn with_suffix(mut url: Url, suffix: &str) -> Url {
    if !suffix.is_empty() {
        let path = format!("{}/{suffix}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url
}
