//! When to ask again: which answers are worth it, and how long to wait.

use ::http::{HeaderMap, StatusCode, header};

use super::{Answer, http_date};
use crate::discover::{Ambient, Limits};
use crate::model::SECOND_MS;

/// Codes in S3 error bodies that come with varying statuses and mean "later".
const PASSING_CODES: [&str; 8] = [
    "SlowDown",
    "SlowDownRead",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "RequestThrottled",
    "ThrottlingException",
    "TooManyRequests",
];

/// The storage may answer otherwise in a moment.
pub(super) fn is_passing(answer: &Answer) -> bool {
    match answer.status.as_u16() {
        408 | 429 | 500 | 502 | 503 | 504 => true,
        400..=599 => xml_code(&answer.body).is_some_and(|code| PASSING_CODES.contains(&code)),
        _ => false,
    }
}

/// The storage asked to be left alone for a while.
pub(super) fn is_throttling(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || xml_code(body).is_some_and(|code| {
            ["SlowDown", "SlowDownRead", "RequestThrottled", "ThrottlingException", "TooManyRequests"].contains(&code)
        })
}

/// The `Code` of an error body, without parsing it: enough to decide about a retry.
fn xml_code(body: &[u8]) -> Option<&str> {
    // an error document is short; a long body is something else
    let text = std::str::from_utf8(body.get(..body.len().min(4096))?).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.trim())
}

/// `Retry-After` in ms: seconds, or a date, taken against the answer's own `Date` where it has one.
pub(super) fn retry_after_ms(headers: &HeaderMap, ambient: &Ambient) -> Option<u64> {
    let value = headers.get(header::RETRY_AFTER)?;
    if let Some(seconds) = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        return Some(seconds.saturating_mul(SECOND_MS.unsigned_abs()));
    }
    let until = http_date(value)?;
    let now = headers.get(header::DATE).and_then(http_date).unwrap_or_else(|| ambient.now());
    Some(u64::try_from(until.since(now)).unwrap_or(0))
}

/// How long to wait before the attempt after number `attempt` (from 0), in ms: full jitter below a bound that doubles;
/// where the storage named a time, that and a little jitter, so that its clients do not return all at once.
pub(super) fn pause_ms(attempt: u32, asked_ms: Option<u64>, limits: &Limits, ambient: &Ambient) -> u64 {
    let doubled = limits.backoff_first_ms.saturating_mul(1_u64.checked_shl(attempt).unwrap_or(u64::MAX));
    let jitter = ambient.random(doubled.min(limits.backoff_max_ms));
    match asked_ms {
        Some(asked) => asked.min(limits.retry_after_max_ms).saturating_add(jitter.min(limits.backoff_first_ms)),
        None => jitter,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::TimestampMs;

    fn ambient() -> Ambient {
        // 1994-11-06T08:49:37Z, and always the most that is allowed
        Ambient::new(|| TimestampMs(784_111_777_000), |most| most)
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let limits = Limits::default();
        for (attempt, asked, expected) in [
            (0, None, 200),
            (1, None, 400),
            (5, None, 6_400),
            (7, None, 20_000),
            (200, None, 20_000),
            (0, Some(0), 200),
            (3, Some(5_000), 5_200),
            (0, Some(3_600_000), 60_200),
        ] {
            assert_eq!(pause_ms(attempt, asked, &limits, &ambient()), expected, "{attempt} {asked:?}");
        }
        let lucky = Ambient::new(|| TimestampMs(0), |_| 0);
        assert_eq!(pause_ms(4, None, &limits, &lucky), 0);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, date, expected) in [
            ("3", None, Some(3_000)),
            (" 0 ", None, Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", None, Some(60_000)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None, Some(0)),
            // the storage's clock is what its date is about
            ("Sun, 06 Nov 1994 10:00:10 GMT", Some("Sun, 06 Nov 1994 10:00:00 GMT"), Some(10_000)),
            ("soon", None, None),
            ("-1", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            if let Some(date) = date {
                headers.insert(header::DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after_ms(&headers, &ambient()), expected, "{value}");
        }
    }

    #[test]
    fn passing_answers_are_told_from_final_ones() {
        for (status, body, passing, throttling) in [
            (200, "", false, false),
            (200, "<Error><Code>SlowDown</Code></Error>", false, true),
            (400, "<Error><Code>RequestTimeout</Code></Error>", true, false),
            (400, "<Error><Code>InvalidArgument</Code></Error>", false, false),
            (403, "<Error><Code>AccessDenied</Code></Error>", false, false),
            (404, "", false, false),
            (408, "", true, false),
            (429, "", true, true),
            (500, "", true, false),
            (501, "", false, false),
            (502, "<html>", true, false),
            (503, "<Error><Code>SlowDown</Code></Error>", true, true),
            (504, "", true, false),
            (509, "<Error><Code>SlowDown</Code></Error>", true, true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Answer { status, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) };
            assert_eq!(is_passing(&answer), passing, "{status} {body}");
            assert_eq!(is_throttling(status, body.as_bytes()), throttling, "{status} {body}");
        }
    }
}
