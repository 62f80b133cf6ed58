//! The XML that S3 answers with, read without trust: keys may be anything, and a document may end early.

use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

use crate::discover::{ListPage, ListedObject, OddKey};
use crate::model::TimestampMs;

/// The part of the key space that a listing is about. Keys as stored, prefix included.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// With a slash at its end, unless empty.
    pub(super) prefix: String,
    /// Only keys behind this one.
    pub(super) after: Option<String>,
    /// Only keys up to and with this one.
    pub(super) until: Option<String>,
}

/// One answer to a listing request.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// What of it lies in the part, without the prefix.
    pub(super) page: ListPage,
    /// A key lies behind the part's end.
    pub(super) past_end: bool,
    /// A key is not behind the one before it, or not behind the part's beginning.
    pub(super) disordered: bool,
    /// `IsTruncated`: there is more.
    pub(super) truncated: bool,
    /// `NextContinuationToken`, where the next page of version 2 begins.
    pub(super) next_token: Option<String>,
    /// `NextMarker`, where the next page of version 1 begins, if the storage says so.
    pub(super) next_marker: Option<Vec<u8>>,
    /// The last key as bytes, which is where version 1 goes on otherwise.
    pub(super) last_key: Option<Vec<u8>>,
}

/// What an error document says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// `NoSuchBucket`, …
    pub(super) code: String,
    /// For a reader.
    pub(super) message: String,
    /// Where the bucket is, in errors about the region.
    pub(super) region: String,
}

/// Why a listing cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It ends early or is broken inside: another attempt may be whole.
    Broken(String),
    /// An error came with a good status.
    Fault(Fault),
    /// It is another kind of document.
    Foreign(String),
}

#[derive(Default)]
struct Entry {
    key: Vec<u8>,
    size: Option<u64>,
    last_modified: Option<TimestampMs>,
    etag: Option<Box<str>>,
    class: Option<Arc<str>>,
}

/// Elements by their local names, text included; `None` at the document's proper end.
enum Step {
    Start(Vec<u8>),
    End { name: Vec<u8>, text: Vec<u8> },
}

/// Walks a document, gathering the text of leaf elements.
struct Steps<'b> {
    reader: Reader<&'b [u8]>,
    text: Vec<u8>,
    depth: usize,
    begun: bool,
    pending_end: Option<Vec<u8>>,
}

impl<'b> Steps<'b> {
    fn new(body: &'b [u8]) -> Self {
        let mut reader = Reader::from_reader(body);
        reader.config_mut().trim_text(false);
        Self { reader, text: Vec::new(), depth: 0, begun: false, pending_end: None }
    }

    fn next(&mut self) -> Result<Option<Step>, String> {
        if let Some(name) = self.pending_end.take() {
            return Ok(Some(Step::End { name, text: Vec::new() }));
        }
        loop {
            let at = self.reader.buffer_position();
            match self.reader.read_event() {
                Err(error) => return Err(format!("broken XML at byte {at}: {error}")),
                Ok(Event::Eof) if self.begun && self.depth == 0 => return Ok(None),
                Ok(Event::Eof) => return Err(format!("the XML ends early, at byte {at}")),
                Ok(Event::Start(start)) => {
                    self.begun = true;
                    self.depth = self.depth.saturating_add(1);
                    self.text.clear();
                    return Ok(Some(Step::Start(start.local_name().as_ref().to_vec())));
                }
                Ok(Event::Empty(start)) => {
                    self.begun = true;
                    let name = start.local_name().as_ref().to_vec();
                    self.pending_end = Some(name.clone());
                    return Ok(Some(Step::Start(name)));
                }
                Ok(Event::End(end)) => {
                    self.depth = self.depth.saturating_sub(1);
                    let name = end.local_name().as_ref().to_vec();
                    return Ok(Some(Step::End { name, text: std::mem::take(&mut self.text) }));
                }
                Ok(Event::Text(text)) => self.text.extend_from_slice(&text),
                Ok(Event::CData(text)) => self.text.extend_from_slice(&text),
                Ok(Event::GeneralRef(reference)) => {
                    let name = String::from_utf8_lossy(&reference).into_owned();
                    if let Ok(Some(character)) = reference.resolve_char_ref() {
                        self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    } else if let Some(meaning) = resolve_xml_entity(&name) {
                        self.text.extend_from_slice(meaning.as_bytes());
                    } else {
                        return Err(format!("unknown entity `&{};` at byte {at}", name.escape_debug()));
                    }
                }
                Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            }
        }
    }
}

/// Reads the answer to a listing request, of either version.
pub(super) fn parse_listing(body: &[u8], part: &Part) -> Result<Listing, Unusable> {
    let start = body.trim_ascii_start();
    if start.first() != Some(&b'<') || start.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype")) {
        return Err(Unusable::Foreign("the answer is not XML".to_owned()));
    }
    let mut steps = Steps::new(body);
    let mut listing = Listing::default();
    let mut entries: Vec<Entry> = Vec::new();
    let mut classes: Vec<Arc<str>> = Vec::new();
    let mut path: Vec<Vec<u8>> = Vec::new();
    let mut entry = Entry::default();
    let mut url_encoded = false;
    while let Some(step) = steps.next().map_err(Unusable::Broken)? {
        let (name, text) = match step {
            Step::Start(name) => {
                if path.is_empty() && name != b"ListBucketResult" {
                    return Err(other_document(body, &name));
                }
                path.push(name);
                continue;
            }
            Step::End { name, text } => (name, text),
        };
        path.pop();
        let inside: &[u8] = path.last().map_or(&[], Vec::as_slice);
        match (path.len(), inside, name.as_slice()) {
            (2, b"Contents", b"Key") => entry.key = text,
            (2, b"Contents", b"Size") => entry.size = parse_text(&text),
            (2, b"Contents", b"LastModified") => {
                entry.last_modified = std::str::from_utf8(&text).ok().and_then(parse_time);
            }
            (2, b"Contents", b"ETag") => entry.etag = tidy_etag(&text),
            (2, b"Contents", b"StorageClass") => entry.class = intern_class(&mut classes, &text),
            (1, _, b"Contents") => entries.push(std::mem::take(&mut entry)),
            (1, _, b"IsTruncated") => listing.truncated = text.trim_ascii().eq_ignore_ascii_case(b"true"),
            (1, _, b"NextContinuationToken") => {
                listing.next_token = String::from_utf8(text).ok().filter(|token| !token.is_empty());
            }
            (1, _, b"NextMarker") => listing.next_marker = Some(text).filter(|marker| !marker.is_empty()),
            (1, _, b"EncodingType") => url_encoded = text.trim_ascii().eq_ignore_ascii_case(b"url"),
            _ => {}
        }
    }
    for mut entry in entries {
        if url_encoded {
            entry.key = decode_url(&entry.key);
        }
        let key = entry.key.as_slice();
        let before = listing.last_key.as_deref().or(part.after.as_deref().map(str::as_bytes));
        listing.disordered |= before.is_some_and(|before| key <= before);
        listing.last_key = Some(key.to_vec());
        if part.until.as_ref().is_some_and(|until| key > until.as_bytes()) {
            listing.past_end = true;
            continue;
        }
        if entry.key.starts_with(part.prefix.as_bytes()) {
            entry.key.drain(..part.prefix.len());
        } else {
            return Err(Unusable::Foreign("the listing holds keys without the prefix that was asked for".to_owned()));
        }
        push(&mut listing.page, entry).map_err(Unusable::Broken)?;
    }
    if url_encoded {
        listing.next_marker = listing.next_marker.map(|marker| decode_url(&marker));
    }
    Ok(listing)
}

fn push(page: &mut ListPage, entry: Entry) -> Result<(), String> {
    let (Some(size), Some(last_modified)) = (entry.size, entry.last_modified) else {
        let key = String::from_utf8_lossy(&entry.key).into_owned();
        return Err(format!("`{}` is listed without a readable `Size` or `LastModified`", key.escape_debug()));
    };
    match String::from_utf8(entry.key) {
        Ok(key) => {
            let object = ListedObject { key, size, etag: entry.etag, last_modified, storage_class: entry.class };
            page.objects.push(object);
        }
        Err(error) => page.odd.push(OddKey { key: error.as_bytes().escape_ascii().to_string(), size }),
    }
    Ok(())
}

/// Not a listing: an error that came with a good status, or something that does not speak S3.
fn other_document(body: &[u8], root: &[u8]) -> Unusable {
    match parse_fault(body) {
        Some(fault) if root == b"Error" => Unusable::Fault(fault),
        _ => Unusable::Foreign(format!(
            "the answer is a document `{}`, not a listing",
            String::from_utf8_lossy(root).escape_debug()
        )),
    }
}

/// Reads an error document; `None` where the body is something else.
pub(super) fn parse_fault(body: &[u8]) -> Option<Fault> {
    let mut steps = Steps::new(body);
    let mut fault = Fault::default();
    let mut in_error = false;
    // an error document that is cut still says what it has said so far
    while let Ok(Some(step)) = steps.next() {
        match step {
            Step::Start(name) => in_error |= name == b"Error",
            Step::End { name, text } if in_error => {
                let field = match name.as_slice() {
                    b"Code" => &mut fault.code,
                    b"Message" => &mut fault.message,
                    b"Region" => &mut fault.region,
                    _ => continue,
                };
                String::from_utf8_lossy(&text).trim().clone_into(field);
            }
            Step::End { .. } => {}
        }
    }
    (!fault.code.is_empty()).then_some(fault)
}

fn parse_text<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn tidy_etag(text: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(text).ok()?.trim().trim_matches('"');
    (!text.is_empty()).then(|| text.into())
}

fn intern_class(classes: &mut Vec<Arc<str>>, text: &[u8]) -> Option<Arc<str>> {
    let name = std::str::from_utf8(text).ok()?.trim();
    if name.is_empty() || name == "STANDARD" {
        return None;
    }
    if let Some(known) = classes.iter().find(|class| &***class == name) {
        return Some(Arc::clone(known));
    }
    let class: Arc<str> = name.into();
    classes.push(Arc::clone(&class));
    Some(class)
}

/// RFC 3339 as S3 writes it, or one of the forms that others write.
pub(super) fn parse_time(text: &str) -> Option<TimestampMs> {
    let text = text.trim();
    if let Ok(time) = TimestampMs::parse_rfc3339(text) {
        return Some(time);
    }
    if let Ok(time) = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text) {
        return Some(TimestampMs(time.as_millisecond()));
    }
    // without a zone: UTC, which is what every storage means
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    Some(TimestampMs(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond()))
}

/// Undoes `encoding-type=url`: percent-encoding with `+` for a space, as Go's `url.QueryUnescape`, which minio-go uses.
/// What is no escape stays as it is.
fn decode_url(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escape = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            decoded.push(high << 4 | low);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
