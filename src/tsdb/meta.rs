//! `meta.json`: Prometheus' `tsdb.BlockMeta` with the section that Thanos adds (`pkg/block/metadata/meta.go`).

use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::json::Reader;
use super::tree::{Object, Value};
use crate::model::{
    BlockMeta, BlockSource, FileEntry, Interner, Interval, Labels, MetaProblem, MetaProblemKind, MetaState, Parent,
    Resolution, Stats, TimestampMs,
};

/// A `meta.json` as far as it could be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedMeta {
    /// There if labels, resolution and time range could be read, so that the block has its place in a stream.
    pub meta: Option<BlockMeta>,
    /// Everything that is wrong with it.
    pub problems: Vec<MetaProblem>,
}

impl From<ParsedMeta> for MetaState {
    fn from(parsed: ParsedMeta) -> Self {
        Self::Read { meta: parsed.meta.map(Arc::new), problems: parsed.problems.into() }
    }
}

/// Reads the `meta.json` of the block in directory `directory`.
pub fn parse_meta(bytes: &[u8], directory: Ulid, interner: &mut Interner) -> ParsedMeta {
    let mut reader = Reader::default();
    let meta = reader.document(bytes).and_then(|document| read_document(&document, directory, &mut reader, interner));
    ParsedMeta { meta, problems: reader.problems }
}

fn read_document(
    document: &Object<'_>,
    directory: Ulid,
    reader: &mut Reader,
    interner: &mut Interner,
) -> Option<BlockMeta> {
    let empty = Object::default();
    reader.version_one(document);
    let ulid = document.get("ulid").and_then(|value| reader.ulid(value, "ulid"));
    if ulid != Some(directory) {
        let written = ulid.map_or("missing".to_owned(), |ulid| ulid.to_string());
        reader.note(MetaProblemKind::Field, format!("`ulid` is {written}, but the directory is {directory}"));
    }

    let start = reader.integer(document, "minTime", "minTime");
    let end = reader.integer(document, "maxTime", "maxTime");
    let (Some(start), Some(end)) = (start, end) else {
        let missing = if start.is_none() { "minTime" } else { "maxTime" };
        reader.note(MetaProblemKind::Field, format!("`{missing}` is missing"));
        return None;
    };
    let interval = Interval::new(TimestampMs(start), TimestampMs(end));
    if interval.is_empty() {
        reader.note(MetaProblemKind::Field, format!("`minTime` {start} is not before `maxTime` {end}"));
    }

    let stats = reader.object(document, "stats", "stats").unwrap_or(&empty);
    let stats = Stats {
        samples: reader.unsigned(stats, "numSamples", "stats.numSamples"),
        series: reader.unsigned(stats, "numSeries", "stats.numSeries"),
        chunks: reader.unsigned(stats, "numChunks", "stats.numChunks"),
        tombstones: reader.unsigned(stats, "numTombstones", "stats.numTombstones"),
    };

    let compaction = reader.object(document, "compaction", "compaction").unwrap_or(&empty);
    let level = reader.unsigned(compaction, "level", "compaction.level").unwrap_or(0);
    let sources = reader.ulids(compaction, "sources", "compaction.sources");
    let parents = read_parents(compaction, reader);
    let hinted = !reader.array(compaction, "hints", "compaction.hints").is_empty();
    let failed = reader.boolean(compaction, "failed", "compaction.failed");

    let thanos = reader.object(document, "thanos", "thanos").unwrap_or(&empty);
    // absent where Thanos wrote it, which reads it as 1
    let thanos_version = reader.integer(thanos, "version", "thanos.version").unwrap_or(0);
    if !matches!(thanos_version, 0 | 1) {
        reader.note(MetaProblemKind::Version, format!("`thanos.version` is {thanos_version}, not 1"));
    }
    let labels = read_labels(thanos, reader)?;
    let downsample = reader.object(thanos, "downsample", "thanos.downsample").unwrap_or(&empty);
    let resolution_ms = reader.integer(downsample, "resolution", "thanos.downsample.resolution").unwrap_or(0);
    let Some(resolution) = Resolution::from_ms(resolution_ms) else {
        let text = format!("`thanos.downsample.resolution` is {resolution_ms} ms, which no Thanos writes");
        reader.note(MetaProblemKind::Field, text);
        return None;
    };

    Some(BlockMeta {
        ulid,
        interval,
        stats,
        level: u32::try_from(level).unwrap_or(u32::MAX),
        sources: interner.ulids(&sources),
        parents,
        hinted,
        failed,
        labels: interner.labels(labels),
        resolution,
        source: BlockSource::from_text(reader.text(thanos, "source", "thanos.source").unwrap_or_default()),
        files: read_files(thanos, reader, interner),
        segments: read_segments(thanos, reader),
        rewrite_sources: read_rewrites(thanos, reader),
        upload_time: read_upload_time(thanos, reader),
    })
}

fn read_parents(compaction: &Object<'_>, reader: &mut Reader) -> Box<[Parent]> {
    const PATH: &str = "compaction.parents";
    let mut parents = Vec::new();
    for item in reader.array(compaction, "parents", PATH) {
        let Value::Object(item) = item else {
            reader.note(MetaProblemKind::Unparsable, format!("`{PATH}` holds something that is not an object"));
            continue;
        };
        let ulid = item.get("ulid").and_then(|value| reader.ulid(value, "compaction.parents[].ulid"));
        let start = reader.integer(item, "minTime", "compaction.parents[].minTime").unwrap_or(0);
        let end = reader.integer(item, "maxTime", "compaction.parents[].maxTime").unwrap_or(0);
        if let Some(ulid) = ulid {
            parents.push(Parent { ulid, interval: Interval::new(TimestampMs(start), TimestampMs(end)) });
        }
    }
    parents.into()
}

fn read_labels(thanos: &Object<'_>, reader: &mut Reader) -> Option<Labels> {
    let Some(object) = reader.object(thanos, "labels", "thanos.labels") else {
        // absent in blocks that Prometheus itself wrote; of another type: the stream cannot be told
        let absent = thanos.get("labels").is_none_or(Value::is_null);
        return absent.then(Labels::default);
    };
    let mut labels = BTreeMap::new();
    for (name, value) in object.entries() {
        let Value::String(value) = value else {
            reader.note(MetaProblemKind::Unparsable, "`thanos.labels` holds a value that is not a string".to_owned());
            return None;
        };
        labels.insert(name.to_owned(), value.clone().into_owned());
    }
    Some(Labels(labels))
}

fn read_files(thanos: &Object<'_>, reader: &mut Reader, interner: &mut Interner) -> Option<Box<[FileEntry]>> {
    const PATH: &str = "thanos.files";
    let items = reader.array(thanos, "files", PATH);
    if items.is_empty() {
        return None;
    }
    let mut files = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(item) = item else {
            reader.note(MetaProblemKind::Unparsable, format!("`{PATH}` holds something that is not an object"));
            continue;
        };
        let Some(name) = reader.text(item, "rel_path", "thanos.files[].rel_path") else {
            continue;
        };
        // an uploader on Windows writes backslashes
        let name = interner.name(&name.replace('\\', "/"));
        let size = reader.unsigned(item, "size_bytes", "thanos.files[].size_bytes");
        // Go leaves a size of zero out; `meta.json` never has one
        let size = size.or((&*name != "meta.json").then_some(0));
        let hash = reader.object(item, "hash", "thanos.files[].hash");
        let sha256 = hash.and_then(|hash| read_hash(hash, reader));
        files.push(FileEntry { name, size, sha256 });
    }
    Some(files.into())
}

fn read_hash(hash: &Object<'_>, reader: &mut Reader) -> Option<[u8; 32]> {
    let function = reader.text(hash, "hashFunc", "thanos.files[].hash.hashFunc").unwrap_or_default();
    if function != "SHA256" {
        return None;
    }
    let value = reader.text(hash, "value", "thanos.files[].hash.value").unwrap_or_default();
    let decoded = decode_hex(value);
    if decoded.is_none() {
        reader.note(MetaProblemKind::Field, "`thanos.files[].hash.value` is not 64 hex digits".to_owned());
    }
    decoded
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0_u8; 32];
    for (byte, digits) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(out)
}

fn read_segments(thanos: &Object<'_>, reader: &mut Reader) -> Option<u32> {
    let items = reader.array(thanos, "segment_files", "thanos.segment_files");
    (!items.is_empty()).then(|| u32::try_from(items.len()).unwrap_or(u32::MAX))
}

fn read_rewrites(thanos: &Object<'_>, reader: &mut Reader) -> Box<[Ulid]> {
    let mut all = Vec::new();
    for item in reader.array(thanos, "rewrites", "thanos.rewrites") {
        if let Value::Object(item) = item {
            all.extend(reader.ulids(item, "sources", "thanos.rewrites[].sources"));
        }
    }
    all.into()
}

fn read_upload_time(thanos: &Object<'_>, reader: &mut Reader) -> Option<TimestampMs> {
    let text = reader.text(thanos, "upload_time", "thanos.upload_time")?;
    match TimestampMs::parse_rfc3339(text) {
        // Go's zero time stands for "unset"
        Ok(time) if time.0 > 0 => Some(time),
        Ok(_) => None,
        Err(_) => {
            reader.note(MetaProblemKind::Unparsable, "`thanos.upload_time` is not an RFC 3339 time".to_owned());
            None
        }
    }
}

/// What differs between two contents of one `meta.json`, as `key: old → new`, and whether any of it changes what the
/// block holds or where it belongs. Thanos' own tools only ever touch the rest (`files`, `rewrites`, `extensions`, …).
pub fn meta_difference(old: &BlockMeta, new: &BlockMeta) -> (Vec<String>, bool) {
    let ulid = |ulid: Option<Ulid>| ulid.map_or("missing".to_owned(), |ulid| ulid.to_string());
    let files = |files: &Option<Box<[FileEntry]>>| format!("{} entries", files.as_ref().map_or(0, |files| files.len()));
    let time = |time: Option<TimestampMs>| time.map_or("unset".to_owned(), |time| time.to_string());
    let text = |meta: &BlockMeta| {
        [
            ("ulid", ulid(meta.ulid), true),
            ("minTime", meta.interval.start.to_string(), true),
            ("maxTime", meta.interval.end.to_string(), true),
            ("stats.numSamples", format!("{:?}", meta.stats.samples), true),
            ("stats.numSeries", format!("{:?}", meta.stats.series), true),
            ("stats.numChunks", format!("{:?}", meta.stats.chunks), true),
            ("compaction.level", meta.level.to_string(), true),
            ("compaction.sources", format!("{} blocks", meta.sources.len()), true),
            ("thanos.labels", meta.labels.to_string(), true),
            ("thanos.downsample.resolution", meta.resolution.to_string(), true),
            ("thanos.source", format!("{:?}", meta.source), false),
            ("thanos.files", files(&meta.files), false),
            ("thanos.rewrites", format!("{} sources", meta.rewrite_sources.len()), false),
            ("thanos.upload_time", time(meta.upload_time), false),
        ]
    };
    let mut lines = Vec::new();
    let mut weighty = old.sources != new.sources;
    for ((key, was, matters), (_, is, _)) in text(old).into_iter().zip(text(new)) {
        if was != is {
            lines.push(format!("{key}: {was} → {is}"));
            weighty |= matters;
        }
    }
    (lines, weighty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_ulid;

    const ULID: &str = "01KDYZ5G000000000000000000";
    const GOOD: &str = r#"{
	"ulid": "01KDYZ5G000000000000000000",
	"minTime": 1767225600000,
	"maxTime": 1767232800000,
	"stats": {"numSamples": 960000, "numSeries": 1000, "numChunks": 8000},
	"compaction": {"level": 2, "sources": ["01KDYZ5G000000000000000001"],
		"parents": [{"ulid": "01KDYZ5G000000000000000001", "minTime": 1767225600000, "maxTime": 1767232800000}],
		"hints": ["from-out-of-order"]},
	"version": 1,
	"thanos": {
		"labels": {"cluster": "eu1", "replica": "a"},
		"downsample": {"resolution": 300000},
		"source": "compactor",
		"segment_files": ["000001"],
		"files": [
			{"rel_path": "chunks\\000001", "size_bytes": 8,
			 "hash": {"hashFunc": "SHA256", "value": "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}},
			{"rel_path": "meta.json"}],
		"rewrites": [{"sources": ["01KDYZ5G000000000000000002"]}],
		"index_stats": {},
		"upload_time": "2026-01-01T03:00:05Z"
	}
}
"#;

    fn parse(text: &str) -> ParsedMeta {
        parse_meta(text.as_bytes(), parse_ulid(ULID).unwrap(), &mut Interner::default())
    }

    #[test]
    fn every_field_that_is_judged_is_read() {
        let ParsedMeta { meta, problems } = parse(GOOD);
        assert_eq!(problems, []);
        let meta = meta.unwrap();
        assert_eq!(meta.interval.len_ms(), 7_200_000);
        assert_eq!(meta.stats.samples, Some(960_000));
        assert_eq!((meta.level, meta.hinted, meta.resolution), (2, true, Resolution::FiveMinutes));
        assert_eq!(meta.source, BlockSource::Compactor);
        assert_eq!(meta.labels.to_string(), r#"{cluster="eu1", replica="a"}"#);
        assert_eq!((meta.sources.len(), meta.parents.len(), meta.rewrite_sources.len()), (1, 1, 1));
        let files = meta.files.unwrap();
        assert_eq!((&*files[0].name, files[0].size, files[0].sha256.unwrap()[1]), ("chunks/000001", Some(8), 0x11));
        assert_eq!((&*files[1].name, files[1].size), ("meta.json", None));
        assert_eq!(meta.upload_time.unwrap().to_string(), "2026-01-01T03:00:05Z");
        assert_eq!(meta.segments, Some(1));
    }

    #[test]
    fn a_block_of_prometheus_alone_has_no_labels() {
        let text = format!(r#"{{"ulid":"{ULID}","minTime":1,"maxTime":2,"version":1}}"#);
        let ParsedMeta { meta, problems } = parse(&text);
        assert_eq!(problems, []);
        let meta = meta.unwrap();
        assert!(meta.labels.is_empty());
        assert_eq!((meta.resolution, meta.source), (Resolution::Raw, BlockSource::Unset));
    }

    #[test]
    fn keys_are_read_in_any_case_as_go_does() {
        assert_eq!(parse(&GOOD.replacen("minTime", "MINTIME", 1)).problems, []);
    }

    #[test]
    fn each_damage_is_named_and_placed() {
        for (from, to, kind, text, placed) in [
            ("\"version\": 1,", "\"version\": 2,", MetaProblemKind::Version, "`version` is 2, not 1", true),
            ("\"version\": 1,", "", MetaProblemKind::Version, "`version` is missing", true),
            ("\"thanos\": {", "\"thanos\": {\"version\": 2,", MetaProblemKind::Version, "`thanos.version` is 2", true),
            (
                "\"ulid\": \"01KDYZ5G000000000000000000\"",
                "\"ulid\": \"01KDYZ5G000000000000000009\"",
                MetaProblemKind::Field,
                "`ulid` is 01KDYZ5G000000000000000009, but the directory is 01KDYZ5G000000000000000000",
                true,
            ),
            (
                "\"maxTime\": 1767232800000,\n\t\"stats",
                "\"maxTime\": 1767225600000,\n\t\"stats",
                MetaProblemKind::Field,
                "`minTime` 1767225600000 is not before `maxTime` 1767225600000",
                true,
            ),
            (
                "\"maxTime\": 1767232800000,\n\t\"stats",
                "\"stats",
                MetaProblemKind::Field,
                "`maxTime` is missing",
                false,
            ),
            ("\"resolution\": 300000", "\"resolution\": 7", MetaProblemKind::Field, "which no Thanos writes", false),
            ("{\"cluster\": \"eu1\", \"replica\": \"a\"}", "[]", MetaProblemKind::Unparsable, "`thanos.labels`", false),
            ("\"numSeries\": 1000", "\"numSeries\": \"x\"", MetaProblemKind::Unparsable, "`stats.numSeries`", true),
            ("\"upload_time\": \"2026", "\"upload_time\": \"x", MetaProblemKind::Unparsable, "upload_time", true),
            ("\"thanos\": {", "\"thanos\": ,{", MetaProblemKind::Unparsable, "not valid JSON at line 10", false),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let ParsedMeta { meta, problems } = parse(&GOOD.replacen(from, to, 1));
            assert!(problems.iter().any(|p| p.kind == kind && p.text.contains(text)), "{to}: {problems:?}");
            assert_eq!(meta.is_some(), placed, "{to}");
        }
    }

    #[test]
    fn no_cut_of_the_file_panics_or_passes() {
        // the last two bytes are the closing brace and the newline
        for len in 0..GOOD.len() - 2 {
            let parsed = parse_meta(&GOOD.as_bytes()[..len], parse_ulid(ULID).unwrap(), &mut Interner::default());
            assert_eq!(parsed.meta, None, "{len}");
            assert_eq!(parsed.problems[0].kind, MetaProblemKind::Unparsable);
        }
        assert_eq!(parse(&format!("{GOOD}x")).meta, None, "trailing garbage fails in Thanos' fetcher, too");
    }

    #[test]
    fn a_difference_says_whether_it_matters() {
        let old = parse(GOOD).meta.unwrap();
        let mut new = old.clone();
        new.upload_time = None;
        let (lines, weighty) = meta_difference(&old, &new);
        assert_eq!((lines.join(";").as_str(), weighty), ("thanos.upload_time: 2026-01-01T03:00:05Z → unset", false));
        new.stats.samples = Some(1);
        assert!(meta_difference(&old, &new).1);
    }
}
