//! Listing, in parts of the key space at once.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use ::http::{HeaderMap, Method};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::address::encode;
use super::xml::{Listing, Part, Unusable, parse_listing};
use super::{Request, S3, fault, listing_status};
use crate::discover::headway::Headway;
use crate::discover::{Answer, BucketError, ErrorKind, ListPage, Purpose, Verdict, splits};

/// Bytes of one page at most: a thousand keys of 1,024 bytes, each of which may be escaped to six, and their markup.
const PAGE_BYTES: u64 = 16 << 20;

/// Parts that the rest of an unknown bucket is cut into.
const PARTS: usize = 8;

/// Where a page begins.
#[derive(Clone, Debug)]
enum Cursor {
    /// At the part's beginning.
    Start,
    /// Version 2.
    Token(String),
    /// Version 1: behind this key.
    Marker(Vec<u8>),
}

impl S3 {
    /// Lists each part on a task of its own; dropping the future ends them all. Where nobody gave `splits` and the first
    /// page is not all, the rest is cut by the time in the names of blocks.
    pub(super) async fn list_parts(&self, splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        let whole = Part { prefix: self.0.prefix.clone(), ..Part::default() };
        let is_ordered = !self.0.unordered.load(Ordering::Relaxed);
        let parts = if splits.is_empty() || !is_ordered {
            let first = self.list_page(&whole, &Cursor::Start).await?;
            let next = self.next_cursor(&first, &Cursor::Start)?;
            let last_key = first.last_key.clone().filter(|_| is_ordered && !first.disordered);
            self.deliver(&pages, first.page).await?;
            let Some(next) = next else { return Ok(()) };
            match last_key.and_then(|key| String::from_utf8(key).ok()) {
                Some(last_key) => {
                    let relative = last_key.strip_prefix(&self.0.prefix).unwrap_or(&last_key);
                    let cuts = splits::behind(relative, self.0.transport.ambient().now(), PARTS);
                    if cuts.is_empty() {
                        return self.list_part(whole, next, pages).await;
                    }
                    cut(&Part { after: Some(last_key), ..whole }, &cuts)
                }
                None => return self.list_part(whole, next, pages).await,
            }
        } else {
            cut(&whole, splits)
        };
        let mut tasks = JoinSet::new();
        for part in parts {
            let this = self.clone();
            let pages = pages.clone();
            tasks.spawn(async move { this.list_part(part, Cursor::Start, pages).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or_else(|_panicked| Err(self.list_error("the listing broke off")))?;
        }
        Ok(())
    }

    async fn list_part(
        &self,
        part: Part,
        mut cursor: Cursor,
        pages: mpsc::Sender<ListPage>,
    ) -> Result<(), BucketError> {
        let is_bounded = part.after.is_some() || part.until.is_some();
        let mut headway = Headway::default();
        loop {
            let listing = self.list_page(&part, &cursor).await?;
            if listing.disordered && is_bounded {
                // the next listing will not be read in parts
                self.0.unordered.store(true, Ordering::Relaxed);
                let why = "the listing is not in the order of keys, so it cannot be read in parts";
                return Err(self.doing("list", None).error(ErrorKind::Disordered, why, None));
            }
            let next = if listing.past_end { None } else { self.next_cursor(&listing, &cursor)? };
            self.deliver(&pages, listing.page).await?;
            let Some(next) = next else { return Ok(()) };
            let token = if let Cursor::Token(token) = &next { Some(token.as_bytes()) } else { None };
            if !headway.is_made(token, listing.last_key.as_deref()) {
                return Err(self.list_error("the listing repeats itself without an end"));
            }
            cursor = next;
        }
    }

    async fn deliver(&self, pages: &mpsc::Sender<ListPage>, page: ListPage) -> Result<(), BucketError> {
        pages.send(page).await.map_err(|_closed| self.list_error("nobody waits for it any more"))
    }

    async fn list_page(&self, part: &Part, cursor: &Cursor) -> Result<Listing, BucketError> {
        let query = self.list_query(part, cursor);
        // what the check has parsed is kept for after it, so that nothing is parsed twice
        let parsed = Mutex::new(None);
        // an error with a good status says what is wrong better than that it came so
        let disguised: Mutex<Option<Answer>> = Mutex::new(None);
        let check = |answer: &Answer| {
            *disguised.lock().unwrap_or_else(PoisonError::into_inner) = None;
            if !listing_status(answer) {
                return Verdict::Reject(format!("HTTP {} is no answer to a listing", answer.status));
            }
            match parse_listing(&answer.body, part) {
                Ok(listing) => {
                    *parsed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
                    Verdict::Accept
                }
                Err(Unusable::Broken(why)) => Verdict::Retry(why),
                Err(Unusable::Fault(fault)) => {
                    *disguised.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
                    Verdict::Retry(format!("{} came with HTTP 200", fault.code.escape_debug()))
                }
                Err(Unusable::Foreign(why)) => Verdict::Reject(why),
            }
        };
        let sent = self
            .send(
                self.doing("list", None),
                Request {
                    method: Method::GET,
                    purpose: Purpose::List,
                    headers: HeaderMap::new(),
                    max_bytes: PAGE_BYTES,
                    url: &|route| Some(format!("{}/?{query}", route.bucket_url)),
                    check: &check,
                },
            )
            .await;
        if let Err(mut error) = sent {
            if error.kind == ErrorKind::Protocol && error.hint.is_none() {
                if let Some(answer) = disguised.into_inner().unwrap_or_else(PoisonError::into_inner) {
                    let credential = self.0.credentials.get().await?;
                    let token = credential.token.as_deref().unwrap_or_default();
                    let secrets = [&credential.secret_key, token, &credential.key_id];
                    return Err(fault::error(self.doing("list", None), &answer, &secrets));
                }
                error.hint = Some("does `endpoint` name the S3 API, not a console or another service?".to_owned());
            }
            return Err(error);
        }
        let parsed = parsed.into_inner().unwrap_or_else(PoisonError::into_inner);
        parsed.ok_or_else(|| self.list_error("the answer was not read"))
    }

    fn list_query(&self, part: &Part, cursor: &Cursor) -> String {
        let mut query = String::from("encoding-type=url&max-keys=1000");
        let mut add = |name: &str, value: &[u8]| {
            query.extend(["&", name, "=", &encode(value)]);
        };
        if !part.prefix.is_empty() {
            add("prefix", part.prefix.as_bytes());
        }
        let after = part.after.as_deref().map(str::as_bytes);
        if self.0.settings.list_v1 {
            match (cursor, after) {
                (Cursor::Marker(marker), _) => add("marker", marker),
                (_, Some(after)) => add("marker", after),
                _ => {}
            }
        } else {
            add("list-type", b"2");
            match (cursor, after) {
                (Cursor::Token(token), _) => add("continuation-token", token.as_bytes()),
                (_, Some(after)) => add("start-after", after),
                _ => {}
            }
        }
        query
    }

    /// Where the next page begins; `None` behind the last.
    fn next_cursor(&self, listing: &Listing, cursor: &Cursor) -> Result<Option<Cursor>, BucketError> {
        if !listing.truncated {
            return Ok(None);
        }
        if !self.0.settings.list_v1 {
            let token = listing.next_token.clone();
            return match token {
                Some(token) => Ok(Some(Cursor::Token(token))),
                None => Err(self.list_error("the storage says that there is more, and not where")),
            };
        }
        let marker = listing.next_marker.clone().or_else(|| listing.last_key.clone());
        match (marker, cursor) {
            (None, _) => Err(self.list_error("the storage says that there is more, and not where")),
            (Some(marker), Cursor::Marker(previous)) if marker <= *previous => {
                Err(self.list_error("the listing repeats itself without an end"))
            }
            (Some(marker), _) => Ok(Some(Cursor::Marker(marker))),
        }
    }

    fn list_error(&self, why: &str) -> BucketError {
        self.doing("list", None).error(ErrorKind::Protocol, why, None)
    }
}

/// `whole` cut behind each of `cuts`, which are relative to the prefix.
fn cut(whole: &Part, cuts: &[String]) -> Vec<Part> {
    let mut cuts: Vec<String> = cuts.iter().map(|cut| format!("{}{cut}", whole.prefix)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut parts = Vec::with_capacity(cuts.len().saturating_add(1));
    let mut rest = whole.clone();
    for cut in cuts {
        let after = Some(cut.clone());
        parts.push(Part { until: Some(cut), ..rest.clone() });
        rest = Part { after, ..rest };
    }
    parts.push(rest);
    parts
}
