//! From what Google answered to an error that says what to do.

use serde::Deserialize;

use crate::discover::said::quoted;
use crate::discover::{Answer, BucketError, Doing, ErrorKind};

/// <https://cloud.google.com/storage/docs/json_api/v1/status-codes>
#[derive(Default, Deserialize)]
struct Fault {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
}

impl Fault {
    /// Metadata comes with JSON, content with plain text.
    fn parse(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Document {
            error: Fault,
        }
        if let Ok(document) = serde_json::from_slice::<Document>(body) {
            return document.error;
        }
        let text = std::str::from_utf8(body).unwrap_or_default().trim();
        // a page for a browser is no message
        let message = if text.starts_with('<') { String::new() } else { text.to_owned() };
        Self { message, errors: Vec::new() }
    }

    fn has_reason(&self, reasons: &[&str]) -> bool {
        self.errors.iter().any(|detail| reasons.contains(&detail.reason.as_str()))
    }
}

/// What an answer with a bad status means.
pub(super) fn error(doing: Doing<'_>, answer: &Answer, secrets: &[&str]) -> BucketError {
    let fault = Fault::parse(&answer.body);
    let kind = kind(answer, &fault, doing.key.is_some());
    let said = quoted(&fault.message, secrets);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    doing.error(kind, &format!("HTTP {}{said}", answer.status), hint(kind, doing).map(str::to_owned))
}

fn kind(answer: &Answer, fault: &Fault, about_object: bool) -> ErrorKind {
    let no_bucket = fault.message.contains("bucket does not exist");
    match answer.status.as_u16() {
        429 => ErrorKind::Throttled,
        403 if fault.has_reason(&["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"]) => {
            ErrorKind::Throttled
        }
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::Forbidden,
        404 if about_object && !no_bucket => ErrorKind::NotFound,
        404 => ErrorKind::NoBucket,
        // a range that begins behind the end: the object is shorter than it was
        412 | 416 => ErrorKind::Changed,
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}

fn hint(kind: ErrorKind, doing: Doing<'_>) -> Option<&'static str> {
    match kind {
        ErrorKind::NoBucket => Some("the bucket does not exist: check `bucket`"),
        ErrorKind::Unauthenticated => Some("check `service_account`, or the credentials of the process"),
        ErrorKind::Forbidden if doing.key.is_some() => {
            Some("the account needs `storage.objects.get`, as the role Storage Object Viewer has it")
        }
        ErrorKind::Forbidden => {
            Some("the account needs `storage.objects.list`, as the role Storage Object Viewer has it")
        }
        ErrorKind::Throttled => Some("the storage asks for fewer requests: scan less often, or raise the quota"),
        ErrorKind::NotFound
        | ErrorKind::Changed
        | ErrorKind::Archived
        | ErrorKind::TooLarge
        | ErrorKind::Unavailable
        | ErrorKind::Protocol
        | ErrorKind::Disordered => None,
    }
}
