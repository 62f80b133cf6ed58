//! Reads secrets anew each time they are needed, so that they can be rotated without a restart.

use tokio::io::AsyncReadExt;

use super::SendError;
use crate::model::{FailureClass, Secret, SecretSource};

/// No token, URL or password is longer, in bytes.
const LONGEST: u64 = 16 * 1024;

/// The secret itself. `what` says in words what it is for; the error says no more of it.
pub(super) async fn read(source: &SecretSource, what: &str) -> Result<Secret, SendError> {
    let secret = match source {
        SecretSource::Inline(secret) => secret.clone(),
        SecretSource::File(path) => {
            let refused = |why: &str| {
                let message = format!("cannot read {what} from `{}`: {why}", path.display());
                SendError::new(FailureClass::Authentication, message)
            };
            let mut text = String::new();
            let file = tokio::fs::File::open(path).await.map_err(|error| refused(&error.to_string()))?;
            // the error of a file that is no text would not quote it, yet says nothing that helps either
            let read = file.take(LONGEST + 1).read_to_string(&mut text).await;
            if read.is_err() || text.len() > usize::try_from(LONGEST).unwrap_or(usize::MAX) {
                return Err(refused("it is not a short text"));
            }
            Secret::new(text.trim().to_owned())
        }
    };
    if secret.is_empty() {
        let place = match source {
            SecretSource::Inline(_) => String::new(),
            SecretSource::File(path) => format!(" in `{}`", path.display()),
        };
        return Err(SendError::new(FailureClass::Authentication, format!("{what}{place} is empty")));
    }
    Ok(secret)
}
