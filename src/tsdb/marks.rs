//! The marks that Thanos puts beside a block (`pkg/block/metadata/markers.go`): one-line JSON, times in seconds.

use ulid::Ulid;

use super::json::Reader;
use super::tree::Object;
use crate::model::{DeletionMark, MetaProblem, MetaProblemKind, NoCompactMark, NoDownsampleMark, TimestampMs};

/// Reads `deletion-mark.json`.
pub fn parse_deletion_mark(bytes: &[u8], directory: Ulid) -> Result<DeletionMark, MetaProblem> {
    let (time, details) = parse_mark(bytes, directory, "deletion_time", "details")?;
    Ok(DeletionMark { time, details })
}

/// Reads `no-compact-mark.json`.
pub fn parse_no_compact_mark(bytes: &[u8], directory: Ulid) -> Result<NoCompactMark, MetaProblem> {
    let (time, reason) = parse_mark(bytes, directory, "no_compact_time", "reason")?;
    Ok(NoCompactMark { time, reason })
}

/// Reads `no-downsample-mark.json`.
pub fn parse_no_downsample_mark(bytes: &[u8], directory: Ulid) -> Result<NoDownsampleMark, MetaProblem> {
    let (time, reason) = parse_mark(bytes, directory, "no_downsample_time", "reason")?;
    Ok(NoDownsampleMark { time, reason })
}

/// The time at `time_key` and the text at `text_key`; of several problems, the first.
fn parse_mark(
    bytes: &[u8],
    directory: Ulid,
    time_key: &str,
    text_key: &str,
) -> Result<(TimestampMs, String), MetaProblem> {
    let mut reader = Reader::default();
    let document = reader.document(bytes).unwrap_or_default();
    let read = read_mark(&document, directory, time_key, text_key, &mut reader);
    match reader.problems.into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(read),
    }
}

fn read_mark(
    document: &Object<'_>,
    directory: Ulid,
    time_key: &str,
    text_key: &str,
    reader: &mut Reader,
) -> (TimestampMs, String) {
    reader.version_one(document);
    let id = document.get("id").and_then(|value| reader.ulid(value, "id"));
    if let Some(id) = id.filter(|id| *id != directory) {
        reader.note(MetaProblemKind::Field, format!("`id` is {id}, but the directory is {directory}"));
    }
    let time = reader.seconds(document, time_key);
    if time.is_none() {
        reader.note(MetaProblemKind::Field, format!("`{time_key}` is missing"));
    }
    (time.unwrap_or_default(), reader.text(document, text_key, text_key).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_ulid;

    #[test]
    fn marks_are_read_and_damage_is_named() {
        let directory = parse_ulid("01KDYZ5G000000000000000000").unwrap();
        let good =
            r#"{"id":"01KDYZ5G000000000000000000","version":1,"details":"outdated block","deletion_time":1767225600}"#;
        let mark = parse_deletion_mark(good.as_bytes(), directory).unwrap();
        assert_eq!((mark.time, mark.details.as_str()), (TimestampMs(1_767_225_600_000), "outdated block"));
        let no_compact = good.replace("deletion_time", "no_compact_time").replace("details", "reason");
        assert_eq!(parse_no_compact_mark(no_compact.as_bytes(), directory).unwrap().reason, "outdated block");
        let no_downsample = no_compact.replace("no_compact", "no_downsample");
        assert_eq!(parse_no_downsample_mark(no_downsample.as_bytes(), directory).unwrap().time, mark.time);
        for (text, expected) in [
            (good.replace(":1,", ":3,"), "`version` is 3, not 1"),
            (good.replace("0000\",", "0001\","), "`id` is 01KDYZ5G000000000000000001"),
            (good.replace("deletion_time", "x"), "`deletion_time` is missing"),
            (good.replace('}', ""), "ends early"),
            (String::new(), "the file is empty"),
            ("[]".to_owned(), "does not hold a JSON object"),
        ] {
            let problem = parse_deletion_mark(text.as_bytes(), directory).unwrap_err();
            assert!(problem.text.contains(expected), "{text}: {problem:?}");
        }
    }
}
