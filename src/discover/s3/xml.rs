//! The XML that S3 answers with, read without trust: keys may be anything, and a document may end early.

use std::sync::Arc;

use crate::discover::escape::unescape;
use crate::discover::xml::{Step, Steps, parse_time};
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
    url_encoded &= entries.iter().all(|entry| can_be_encoded(&entry.key));
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

/// Undoes `encoding-type=url`: percent-encoding with `+` for a space, as Go's `url.QueryUnescape`, which minio-go uses.
/// What is no escape stays as it is.
fn decode_url(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    unescape(&spaced)
}

/// Whether `text` can be what `encoding-type=url` makes of a key. Some servers say that they encode, and do not.
fn can_be_encoded(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}
