//! One mail as bytes.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use crate::model::{FailureClass, Reason};
use crate::notify::render::{Story, clean, cut, html, minimal, plain};
use crate::notify::{Message, SendError};

/// Of a subject, in characters.
const LONGEST_SUBJECT: usize = 160;

/// The mail for one recipient. The same row gives the same Message-ID, so that a repeat can be recognised.
pub(super) fn letter(
    story: &Story,
    message: &Message<'_>,
    from: &Mailbox,
    to: &Mailbox,
    domain: &str,
) -> Result<lettre::Message, SendError> {
    let row = message.row;
    let notification = &row.notification;
    let subject = cut(&clean(&format!("[{}] {}", story.state, story.about)), LONGEST_SUBJECT);
    let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(message.now.0).unwrap_or(0));
    let mut builder = lettre::Message::builder()
        .from(from.clone())
        .to(to.clone())
        .subject(subject)
        .date(date)
        .message_id(Some(format!("<{}@{domain}>", id_part(&row.id))))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Blockwarden-Reason", notification.reason.name()));
    let is_of_an_incident = !matches!(notification.reason, Reason::Digest | Reason::Test);
    if is_of_an_incident && !notification.incident.is_empty() {
        // a mail that never existed: all of an incident answer it, whichever of them is lost
        let root = format!("<incident-{}@{domain}>", id_part(&notification.incident));
        builder = builder.references(root.clone()).in_reply_to(root);
    }
    let built = if row.plain {
        builder.singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(minimal(story)))
    } else {
        builder.multipart(MultiPart::alternative_plain_html(plain(story), html(story)))
    };
    built.map_err(|error| SendError::new(FailureClass::Permanent, format!("the mail cannot be written: {error}")))
}

/// Ids are hex digits; whatever else stood there would break out of the header.
fn id_part(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(64).collect()
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}
