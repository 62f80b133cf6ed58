//! Listing: one page after the other, as each says where the next begins.
//!
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs>

use std::sync::{Arc, Mutex, PoisonError};

use ::http::Method;
use tokio::sync::mpsc;

use super::super::escape::{escape, unescape};
use super::super::xml::{Step, Steps, parse_time};
use super::{Azure, Request, is_notable, is_unreachable};
use crate::discover::headway::Headway;
use crate::discover::{Answer, BucketError, ErrorKind, ListPage, ListedObject, OddKey, Purpose, Verdict};
use crate::model::TimestampMs;

/// Bytes of one page at most: five thousand keys of 1,024 characters, and the kilobyte that is about each.
const PAGE_BYTES: u64 = 64 << 20;

/// One answer to a listing request.
#[derive(Debug, Default)]
struct Listing {
    blobs: Vec<Blob>,
    next: Option<String>,
}

#[derive(Debug, Default)]
struct Blob {
    name: Vec<u8>,
    size: Option<u64>,
    last_modified: Option<TimestampMs>,
    etag: Option<Box<str>>,
    tier: Option<String>,
    tier_inferred: bool,
    /// Accounts with a hierarchical namespace list directories among the blobs.
    is_directory: bool,
}

/// Why a listing cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    /// It ends early or is broken inside: another attempt may be whole.
    Broken(String),
    /// It is another kind of document.
    Foreign,
}

impl Azure {
    pub(super) async fn list_all(&self, pages: &mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        let mut marker: Option<String> = None;
        let mut headway = Headway::default();
        loop {
            let listing = self.list_page(marker.as_deref()).await?;
            let last_name = listing.blobs.last().map(|blob| blob.name.clone());
            let page = self.page(listing.blobs)?;
            if pages.send(page).await.is_err() {
                return Err(self.list_error("nobody waits for it any more"));
            }
            match listing.next {
                None => return Ok(()),
                Some(next) if !headway.is_made(Some(next.as_bytes()), last_name.as_deref()) => {
                    return Err(self.list_error("the listing repeats itself without an end"));
                }
                Some(next) => marker = Some(next),
            }
        }
    }

    async fn list_page(&self, marker: Option<&str>) -> Result<Listing, BucketError> {
        let mut url = format!("{}?restype=container&comp=list&maxresults=5000", self.0.container_url);
        let prefix = Some(self.0.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        for (name, value) in [("prefix", prefix), ("marker", marker)] {
            if let Some(value) = value {
                url.extend(["&", name, "=", &escape(value)]);
            }
        }
        // what the check has parsed is kept for after it, so that nothing is parsed twice
        let parsed = Mutex::new(None);
        let check = |answer: &Answer| match parse(&answer.body) {
            Ok(listing) => {
                *parsed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
                Verdict::Accept
            }
            Err(Unusable::Broken(why)) => Verdict::Retry(why),
            Err(Unusable::Foreign) => Verdict::Reject("the answer is not a listing of blobs".to_owned()),
        };
        let request = Request {
            method: Method::GET,
            purpose: Purpose::List,
            url,
            headers: Vec::new(),
            max_bytes: PAGE_BYTES,
            check: &check,
        };
        self.send(self.doing("list", None), request).await?;
        let parsed = parsed.into_inner().unwrap_or_else(PoisonError::into_inner);
        parsed.ok_or_else(|| self.list_error("the answer was not read"))
    }

    fn page(&self, blobs: Vec<Blob>) -> Result<ListPage, BucketError> {
        let mut page = ListPage { objects: Vec::with_capacity(blobs.len()), odd: Vec::new() };
        let mut tiers: Vec<Arc<str>> = Vec::new();
        for blob in blobs.into_iter().filter(|blob| !blob.is_directory) {
            let (Some(size), Some(last_modified)) = (blob.size, blob.last_modified) else {
                let name = blob.name.escape_ascii();
                let why = format!("`{name}` is listed without a readable `Content-Length` or `Last-Modified`");
                return Err(self.list_error(&why));
            };
            let name = match String::from_utf8(blob.name) {
                Ok(name) if !is_unreachable(&name) => name,
                Ok(name) => {
                    page.odd.push(OddKey { key: name, size });
                    continue;
                }
                Err(error) => {
                    page.odd.push(OddKey { key: error.as_bytes().escape_ascii().to_string(), size });
                    continue;
                }
            };
            let Some(key) = name.strip_prefix(&self.0.prefix) else {
                return Err(self.list_error("the listing holds keys without the prefix that was asked for"));
            };
            let tier = blob.tier.filter(|tier| is_notable(tier, blob.tier_inferred));
            let storage_class = tier.map(|tier| match tiers.iter().find(|known| ***known == *tier) {
                Some(known) => Arc::clone(known),
                None => {
                    let tier: Arc<str> = tier.into();
                    tiers.push(Arc::clone(&tier));
                    tier
                }
            });
            page.objects.push(ListedObject {
                key: key.to_owned(),
                size,
                etag: blob.etag,
                last_modified,
                storage_class,
            });
        }
        Ok(page)
    }

    fn list_error(&self, why: &str) -> BucketError {
        self.doing("list", None).error(ErrorKind::Protocol, why, None)
    }
}

fn parse(body: &[u8]) -> Result<Listing, Unusable> {
    // Azure's documents begin with a byte order mark
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let start = body.trim_ascii_start();
    if start.first() != Some(&b'<') || start.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype")) {
        return Err(Unusable::Foreign);
    }
    let mut steps = Steps::new(body);
    let mut listing = Listing::default();
    let mut path: Vec<Vec<u8>> = Vec::new();
    let mut blob = Blob::default();
    let mut is_encoded = false;
    while let Some(step) = steps.next().map_err(Unusable::Broken)? {
        let (name, text) = match step {
            Step::Start(name) => {
                if path.is_empty() && name != b"EnumerationResults" {
                    return Err(Unusable::Foreign);
                }
                if name == b"Name" {
                    is_encoded = steps.has_attribute("Encoded", "true");
                }
                path.push(name);
                continue;
            }
            Step::End { name, text } => (name, text),
        };
        path.pop();
        let inside: &[u8] = path.last().map_or(&[], Vec::as_slice);
        let as_text = || std::str::from_utf8(&text).unwrap_or_default().trim();
        match (path.len(), inside, name.as_slice()) {
            // a name that XML cannot hold comes percent-encoded
            (3, b"Blob", b"Name") => blob.name = if is_encoded { unescape(&text) } else { text },
            (4, b"Properties", b"Content-Length") => blob.size = as_text().parse().ok(),
            (4, b"Properties", b"Last-Modified") => blob.last_modified = parse_time(as_text()),
            (4, b"Properties", b"Etag") => {
                let etag = as_text().trim_matches('"');
                blob.etag = (!etag.is_empty()).then(|| etag.into());
            }
            (4, b"Properties", b"AccessTier") => blob.tier = Some(as_text().to_owned()),
            (4, b"Properties", b"AccessTierInferred") => blob.tier_inferred = as_text() == "true",
            (4, b"Properties", b"ResourceType") => blob.is_directory = as_text() == "directory",
            (2, _, b"Blob") => listing.blobs.push(std::mem::take(&mut blob)),
            (1, _, b"NextMarker") => {
                listing.next = Some(as_text().to_owned()).filter(|marker| !marker.is_empty());
            }
            _ => {}
        }
    }
    Ok(listing)
}
