//! What is in a mail that was sent.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "whatever fails in here fails the test that uses it"
)]

/// The part of this type, decoded.
pub(crate) fn body(mail: &str, kind: &str) -> String {
    let at = mail.find(&format!("Content-Type: {kind}")).unwrap_or_else(|| panic!("{kind} in {mail}"));
    let (headers, rest) = mail[at..].split_once("\n\n").unwrap();
    let boundary = mail.split_once("boundary=\"").map(|(_, after)| after.split('"').next().unwrap());
    let end = boundary.and_then(|boundary| rest.find(&format!("\n--{boundary}"))).unwrap_or(rest.len());
    let text = &rest[..end];
    if headers.contains("quoted-printable") { unquoted(text) } else { text.to_owned() }
}

fn unquoted(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'=', [b'\n', after @ ..]) => rest = after,
            (b'=', [high, low, after @ ..]) => {
                let hex = String::from_utf8(vec![*high, *low]).unwrap();
                bytes.push(u8::from_str_radix(&hex, 16).unwrap());
                rest = after;
            }
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).unwrap()
}
