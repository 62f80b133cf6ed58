//! From what S3 answered to an error that says what to do.

use ::http::StatusCode;

use super::xml::{Fault, parse_fault};
use crate::discover::said::quoted;
use crate::discover::{Answer, BucketError, Doing, ErrorKind};

/// What an answer with a bad status means. `secrets` are taken out of what the storage said, should it repeat them.
pub(super) fn error(doing: Doing<'_>, answer: &Answer, secrets: &[&str]) -> BucketError {
    let fault = parse_fault(&answer.body).unwrap_or_default();
    let kind = kind(answer, &fault, doing.key.is_some());
    let hint = if kind == ErrorKind::Protocol && !fault.region.is_empty() {
        Some(format!("set `region: {}`", fault.region.escape_debug()))
    } else {
        hint(kind, &fault, doing).map(str::to_owned)
    };
    doing.error(kind, &describe(answer.status, &fault, secrets), hint)
}

/// The status and what the storage said, in a line.
fn describe(status: StatusCode, fault: &Fault, secrets: &[&str]) -> String {
    let mut text = format!("HTTP {status}");
    if !fault.code.is_empty() {
        text = format!("{text}, {}", quoted(&fault.code, secrets));
    }
    if !fault.message.is_empty() {
        text = format!("{text}: {}", quoted(&fault.message, secrets));
    }
    text
}

fn kind(answer: &Answer, fault: &Fault, about_object: bool) -> ErrorKind {
    match fault.code.as_str() {
        "NoSuchBucket" => return ErrorKind::NoBucket,
        "NoSuchKey" => return ErrorKind::NotFound,
        "InvalidObjectState" => return ErrorKind::Archived,
        "InvalidAccessKeyId"
        | "NotSignedUp"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "RequestTimeTooSkewed"
        | "InvalidClientTokenId"
        | "MissingSecurityHeader"
        | "RequestExpired"
        | "InvalidSecurity" => return ErrorKind::Unauthenticated,
        // these come with a good status, too
        "InternalError" | "ServiceUnavailable" | "RequestTimeout" => return ErrorKind::Unavailable,
        _ => {}
    }
    if answer.is_throttled() {
        return ErrorKind::Throttled;
    }
    match answer.status.as_u16() {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::Forbidden,
        404 if about_object => ErrorKind::NotFound,
        404 => ErrorKind::NoBucket,
        // a range that begins behind the end: the object is shorter than it was
        412 | 416 => ErrorKind::Changed,
        408 | 500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}

fn hint(kind: ErrorKind, fault: &Fault, doing: Doing<'_>) -> Option<&'static str> {
    let hint = match fault.code.as_str() {
        "InvalidAccessKeyId" | "InvalidClientTokenId" | "NotSignedUp" => {
            "the storage does not know this key: check `access_key`"
        }
        "SignatureDoesNotMatch" => "check `secret_key`, and `region` if the storage has regions",
        "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired" => {
            "the credentials have expired: renew `session_token` or the source that it came from"
        }
        "InvalidToken" => "the storage does not know the session token: check `session_token`",
        "RequestTimeTooSkewed" => "this machine's clock and the storage's differ: check both",
        "AccessDenied" if doing.key.is_some() => "the credentials need `s3:GetObject` on the bucket's objects",
        "AccessDenied" => "the credentials need `s3:ListBucket` on the bucket, and `s3:GetObject` on its objects",
        "AllAccessDisabled" | "AccountProblem" => "the account or bucket is closed: ask the storage's provider",
        "InvalidObjectState" => "restore the object from its archive class before it is needed",
        "PermanentRedirect" | "TemporaryRedirect" => "use the endpoint of the bucket's own region",
        _ => match kind {
            ErrorKind::NoBucket => "bucket does not exist: check `bucket` and `endpoint`",
            ErrorKind::Forbidden if doing.key.is_some() => {
                "the credentials need `s3:GetObject` on the bucket's objects, and a customer key needs `sse_config`"
            }
            ErrorKind::Forbidden => "the credentials need `s3:ListBucket` on the bucket",
            ErrorKind::Unauthenticated => "check `access_key` and `secret_key`",
            ErrorKind::Throttled => "the storage asks for fewer requests: scan less often, or ask its operator",
            ErrorKind::Protocol => "does `endpoint` name the S3 API, and is `insecure` right?",
            ErrorKind::NotFound
            | ErrorKind::Changed
            | ErrorKind::Archived
            | ErrorKind::TooLarge
            | ErrorKind::Unavailable
            | ErrorKind::Disordered => return None,
        },
    };
    Some(hint)
}
