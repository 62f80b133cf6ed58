//! Percent-encoding of keys in URLs.

/// One part of a path, or a value of a query: everything but RFC 3986's unreserved characters is escaped.
pub(super) fn escape(text: &str) -> String {
    percent_encode(text.as_bytes(), b"")
}

/// As [`escape`], with further bytes that stay as they are.
pub(super) fn percent_encode(text: &[u8], also_plain: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also_plain.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push('%');
            for nibble in [byte >> 4, byte & 0xf] {
                encoded.push(HEX.get(usize::from(nibble)).copied().map_or('0', char::from));
            }
        }
    }
    encoded
}

/// Undoes it. What is no escape stays as it is.
pub(super) fn unescape(text: &[u8]) -> Vec<u8> {
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escape = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                plain.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_can_be_undone() {
        for (plain, escaped) in [
            ("01ABC/meta.json", "01ABC%2Fmeta.json"),
            ("a//../b", "a%2F%2F..%2Fb"),
            ("ä +%&=?#", "%C3%A4%20%2B%25%26%3D%3F%23"),
            ("\u{1}\n", "%01%0A"),
            ("", ""),
        ] {
            assert_eq!(escape(plain), escaped);
            assert_eq!(unescape(escaped.as_bytes()), plain.as_bytes());
        }
        assert_eq!(unescape(b"50%, %zz%4"), b"50%, %zz%4");
    }
}
