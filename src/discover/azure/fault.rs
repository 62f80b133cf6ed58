//! From what Azure answered to an error that says what to do.

use super::super::xml::{Step, Steps};
use crate::discover::said::quoted;
use crate::discover::{Answer, BucketError, Doing, ErrorKind};

/// What an answer with a bad status means.
/// <https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes>
pub(super) fn error(doing: Doing<'_>, answer: &Answer, secrets: &[&str]) -> BucketError {
    let (in_body, message) = code_and_message(&answer.body);
    // the answer to HEAD has no body
    let code = answer.header("x-ms-error-code").map_or(in_body, str::to_owned);
    let kind = kind(answer, &code, doing.key.is_some());
    let mut said = format!("HTTP {}", answer.status);
    for text in [&code, &message].into_iter().filter(|text| !text.is_empty()) {
        said.extend([": ", &quoted(text, secrets)]);
    }
    doing.error(kind, &said, hint(kind, &code, doing).map(str::to_owned))
}

/// `Code` and `Message`. `AuthenticationErrorDetail` is left out: it repeats signatures.
fn code_and_message(body: &[u8]) -> (String, String) {
    let (mut code, mut message) = (String::new(), String::new());
    let mut steps = Steps::new(body);
    // an error document that is cut still says what it has said so far
    while let Ok(Some(step)) = steps.next() {
        if let Step::End { name, text } = step {
            let field = match name.as_slice() {
                b"Code" => &mut code,
                b"Message" => &mut message,
                _ => continue,
            };
            String::from_utf8_lossy(&text).trim().clone_into(field);
        }
    }
    (code, message)
}

fn kind(answer: &Answer, code: &str, about_object: bool) -> ErrorKind {
    match code {
        "ContainerNotFound" | "ContainerBeingDeleted" | "ContainerDisabled" => return ErrorKind::NoBucket,
        "BlobNotFound" => return ErrorKind::NotFound,
        "BlobArchived" | "BlobBeingRehydrated" => return ErrorKind::Archived,
        "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation" => {
            return ErrorKind::Unauthenticated;
        }
        "ServerBusy" => return ErrorKind::Throttled,
        _ => {}
    }
    match answer.status.as_u16() {
        429 => ErrorKind::Throttled,
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

fn hint(kind: ErrorKind, code: &str, doing: Doing<'_>) -> Option<&'static str> {
    let hint = match (kind, code) {
        (_, "AuthorizationFailure") => "the account's network rules may not allow this machine",
        (_, "PublicAccessNotPermitted" | "NoAuthenticationInformation") => {
            "the container is not public: set credentials"
        }
        (_, "AccountIsDisabled") => "the storage account is disabled: ask its owner",
        (_, "KeyBasedAuthenticationNotPermitted") => "the account allows no keys: use an identity",
        (ErrorKind::NoBucket, _) => "the container does not exist: check `container` and `storage_account`",
        (ErrorKind::Unauthenticated, _) => {
            "check the key, connection string or identity, and this machine's clock, which signatures rest on"
        }
        (ErrorKind::Forbidden, _) if doing.key.is_some() => {
            "the identity needs the role Storage Blob Data Reader, and a shared access signature `r`"
        }
        (ErrorKind::Forbidden, _) => {
            "the identity needs the role Storage Blob Data Reader, and a shared access signature `l`"
        }
        (ErrorKind::Archived, _) => "rehydrate the blob from the archive tier before it is needed",
        (ErrorKind::Throttled, _) => "the storage asks for fewer requests: scan less often, or raise its limits",
        (
            ErrorKind::NotFound
            | ErrorKind::Changed
            | ErrorKind::TooLarge
            | ErrorKind::Unavailable
            | ErrorKind::Protocol
            | ErrorKind::Disordered,
            _,
        ) => return None,
    };
    Some(hint)
}
