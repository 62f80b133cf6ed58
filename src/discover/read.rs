//! From the answer to a GET to the bytes that were asked for; the same for every storage that speaks HTTP.

use std::ops::Range;

use ::http::StatusCode;
use bytes::Bytes;

use super::{Answer, BucketError, Doing, ErrorKind, ReadObject};

/// The object or the part of it in `answer`, which has a good status. All bytes of `range`, or an error.
pub(super) fn read_object(
    doing: Doing<'_>,
    answer: Answer,
    range: Option<Range<u64>>,
) -> Result<ReadObject, BucketError> {
    let etag = etag(&answer);
    let length = len(&answer.body);
    let Some(range) = range else {
        return Ok(ReadObject { bytes: answer.body, size: length, etag });
    };
    let (start, size) = if answer.status == StatusCode::PARTIAL_CONTENT {
        answer
            .header("content-range")
            .and_then(content_range)
            .ok_or_else(|| doing.error(ErrorKind::Protocol, "the answer has no readable `Content-Range`", None))?
    } else {
        // a storage that ignores ranges sends everything
        (0, length)
    };
    if size < range.end {
        let why = format!("it has {size} bytes, fewer than the {} that it should have at least", range.end);
        return Err(doing.error(ErrorKind::Changed, &why, None));
    }
    let bytes = part(&answer.body, start, &range)
        .ok_or_else(|| doing.error(ErrorKind::Protocol, "the answer holds other bytes than were asked for", None))?;
    Ok(ReadObject { bytes, size, etag })
}

/// `range` of an object, out of a body that begins at `start`.
fn part(body: &Bytes, start: u64, range: &Range<u64>) -> Option<Bytes> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    (from <= to && to <= body.len()).then(|| body.slice(from..to))
}

/// First byte and size of the whole object from `bytes 0-99/1234`.
fn content_range(text: &str) -> Option<(u64, u64)> {
    let (span, size) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (start, _) = span.split_once('-')?;
    Some((start.trim().parse().ok()?, size.trim().parse().ok()?))
}

/// The `ETag` header without quotes.
pub(super) fn etag(answer: &Answer) -> Option<String> {
    let text = answer.header("etag")?.trim();
    let text = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    (!text.is_empty()).then(|| text.to_owned())
}

fn len(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use ::http::HeaderMap;

    use super::*;

    #[test]
    fn ranges_are_whole_or_an_error() {
        for (status, content_range, body, range, expected) in [
            (200, None, "0123456789", None, Ok(("0123456789", 10))),
            (206, Some("bytes 2-5/10"), "2345", Some(2..6), Ok(("2345", 10))),
            (206, Some("bytes 2-9/10"), "23456789", Some(2..6), Ok(("2345", 10))),
            (200, None, "0123456789", Some(2..6), Ok(("2345", 10))),
            (206, Some("bytes 2-3/4"), "23", Some(2..6), Err(ErrorKind::Changed)),
            (206, Some("bytes 3-6/10"), "3456", Some(2..6), Err(ErrorKind::Protocol)),
            (206, Some("bytes 2-5/10"), "23", Some(2..6), Err(ErrorKind::Protocol)),
            (206, Some("bytes 2-5/*"), "2345", Some(2..6), Err(ErrorKind::Protocol)),
            (206, None, "2345", Some(2..6), Err(ErrorKind::Protocol)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_range {
                headers.insert("content-range", value.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, headers, body: Bytes::from_static(body.as_bytes()) };
            let doing = Doing { what: "read", key: Some("k"), place: "p" };
            let read = read_object(doing, answer, range.clone());
            match (read, expected) {
                (Ok(read), Ok((bytes, size))) => assert_eq!((read.bytes, read.size), (Bytes::from(bytes), size)),
                (Err(error), Err(kind)) => assert_eq!(error.kind, kind),
                (read, expected) => panic!("{content_range:?} {range:?}: {read:?}, not {expected:?}"),
            }
        }
    }
}
