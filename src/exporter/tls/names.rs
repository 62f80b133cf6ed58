//! The alternative names of a certificate (RFC 5280, 4.2.1.6), for exact comparison. rustls can say whether a
//! certificate is for a host; it has no way to the mail addresses and URIs that may stand there too.

use std::net::{Ipv4Addr, Ipv6Addr};

/// 2.5.29.17
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
/// `[3]` in the body of a certificate
const EXTENSIONS: u8 = 0xa3;

const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// DNS names, mail addresses, URIs and IP addresses, as text; `None` where the bytes are no certificate.
pub(super) fn alternative(certificate: &[u8]) -> Option<Vec<String>> {
    let (SEQUENCE, whole, _) = element(certificate)? else { return None };
    let (SEQUENCE, body, _) = element(whole)? else { return None };
    let mut names = Vec::new();
    for extensions in elements(body)?.into_iter().filter(|(tag, _)| *tag == EXTENSIONS) {
        let (SEQUENCE, list, _) = element(extensions.1)? else { return None };
        for (_, extension) in elements(list)? {
            let parts = elements(extension)?;
            let is_wanted = parts.first() == Some(&(OBJECT_ID, ALTERNATIVE_NAME));
            // between the two may be a flag that says how critical the extension is
            if let Some((OCTETS, value)) = parts.last().filter(|_| is_wanted) {
                let (SEQUENCE, general, _) = element(value)? else { return None };
                names.extend(elements(general)?.into_iter().filter_map(|(tag, name)| text(tag, name)));
            }
        }
    }
    Some(names)
}

fn text(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        MAIL | DNS | URI => std::str::from_utf8(name).ok().filter(|name| name.is_ascii()).map(str::to_owned),
        IP => match <[u8; 4]>::try_from(name) {
            Ok(four) => Some(Ipv4Addr::from(four).to_string()),
            Err(_) => <[u8; 16]>::try_from(name).ok().map(|sixteen| Ipv6Addr::from(sixteen).to_string()),
        },
        _ => None,
    }
}

/// All elements of a constructed one.
fn elements(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = element(bytes)?;
        found.push((tag, content));
        bytes = rest;
    }
    Some(found)
}

/// The first element in DER: tag, content, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, bytes) = bytes.split_first()?;
    let (first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        short @ 0..=0x7f => (usize::from(*short), bytes),
        // a certificate that is longer than three bytes can say does not get here
        long @ 0x81..=0x83 => {
            let (digits, bytes) = bytes.split_at_checked(usize::from(long & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), bytes)
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
        CertificateDer::from_pem_file(path).unwrap().to_vec()
    }

    /// An element in DER.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut bytes = vec![tag];
        match u8::try_from(content.len()) {
            Ok(length @ 0..=0x7f) => bytes.push(length),
            Ok(length) => bytes.extend([0x81, length]),
            Err(_) => {
                bytes.push(0x82);
                bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            }
        }
        bytes.extend(content);
        bytes
    }

    fn with_names(names: &[u8], is_critical: bool) -> Vec<u8> {
        let flag = if is_critical { der(0x01, &[&[0xff]]) } else { Vec::new() };
        let value = der(OCTETS, &[&der(SEQUENCE, &[names])]);
        let extension = der(SEQUENCE, &[&der(OBJECT_ID, &[ALTERNATIVE_NAME]), &flag, &value]);
        let other = der(SEQUENCE, &[&der(OBJECT_ID, &[&[0x55, 0x1d, 0x0f]]), &der(OCTETS, &[&[3, 2, 5, 0xa0]])]);
        let body = der(SEQUENCE, &[&der(0x02, &[&[1]]), &der(EXTENSIONS, &[&der(SEQUENCE, &[&other, &extension])])]);
        der(SEQUENCE, &[&body, &der(SEQUENCE, &[]), &der(0x03, &[&[0; 300]])])
    }

    #[test]
    fn names_of_real_certificates() {
        assert_eq!(alternative(&fixture("client.pem")).unwrap(), ["client.test"]);
        assert_eq!(alternative(&fixture("server.pem")).unwrap(), ["storage.test"]);
        assert_eq!(alternative(&fixture("ca.pem")).unwrap(), [""; 0]);
    }

    #[test]
    fn names_of_every_kind() {
        let names = [
            der(DNS, &[b"a.example.com"]),
            der(MAIL, &[b"ops@example.com"]),
            der(URI, &[b"spiffe://example.com/prometheus"]),
            der(IP, &[&[10, 1, 2, 3]]),
            der(IP, &[&Ipv6Addr::LOCALHOST.octets()]),
            // not comparable: a directory name, half an address, a name that is not ASCII
            der(0xa4, &[b"x"]),
            der(IP, &[&[10, 1]]),
            der(DNS, &["é".as_bytes()]),
        ]
        .concat();
        let expected = ["a.example.com", "ops@example.com", "spiffe://example.com/prometheus", "10.1.2.3", "::1"];
        for is_critical in [false, true] {
            assert_eq!(alternative(&with_names(&names, is_critical)).unwrap(), expected);
        }
    }

    #[test]
    fn broken_certificates_have_no_names() {
        let whole = with_names(&der(DNS, &[b"a.example.com"]), false);
        for end in 0..whole.len() {
            assert_eq!(alternative(&whole[..end]), None, "the first {end} bytes");
        }
        // whatever a byte is changed to, there is an end, and no name that was not there
        for at in 0..whole.len() {
            for value in [0x00, 0x30, 0x7f, 0x80, 0x83, 0x84, 0xff] {
                let mut broken = whole.clone();
                broken[at] = value;
                alternative(&broken);
            }
        }
    }
}
