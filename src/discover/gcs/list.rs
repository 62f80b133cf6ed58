//! Listing, in parts of the key space at once.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{FIELDS, Gcs, Request};
use crate::discover::escape::escape;
use crate::discover::headway::Headway;
use crate::discover::{Answer, BucketError, ErrorKind, ListPage, ListedObject, Purpose, Verdict};
use crate::model::TimestampMs;

/// Bytes of one page at most: a thousand keys of 1,024 bytes, each of which may be escaped to six, and what is about
/// them.
const PAGE_BYTES: u64 = 16 << 20;

/// Keys from `from` up to and without `until`, prefix included.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    from: Option<String>,
    until: Option<String>,
}

impl Part {
    fn holds(&self, key: &str) -> bool {
        self.from.as_deref().is_none_or(|from| from <= key) && self.until.as_deref().is_none_or(|until| key < until)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[serde(default)]
    items: Vec<Resource>,
    #[serde(default)]
    next_page_token: Option<String>,
}

/// An object's metadata. Numbers come as text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    name: String,
    size: Number,
    #[serde(default)]
    etag: Option<Box<str>>,
    #[serde(default)]
    generation: Option<Number>,
    updated: String,
    #[serde(default)]
    storage_class: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(Box<str>),
    Plain(u64),
}

impl Number {
    fn text(self) -> Box<str> {
        match self {
            Self::Text(text) => text,
            Self::Plain(number) => number.to_string().into(),
        }
    }
}

impl Resource {
    /// `None` where size or time make no sense. `classes` holds each name once.
    pub(super) fn object(self, key: String, classes: &mut Vec<Arc<str>>) -> Option<ListedObject> {
        let class = self.storage_class.filter(|class| !class.is_empty() && class != "STANDARD");
        let storage_class = class.map(|class| match classes.iter().find(|known| ***known == *class) {
            Some(known) => Arc::clone(known),
            None => {
                let class: Arc<str> = class.into();
                classes.push(Arc::clone(&class));
                class
            }
        });
        let etag = self.generation.map(Number::text).or(self.etag);
        Some(ListedObject {
            key,
            size: self.size.text().parse().ok()?,
            etag: etag.map(|etag| etag.trim_matches('"').into()),
            last_modified: TimestampMs::parse_rfc3339(&self.updated).ok()?,
            storage_class,
        })
    }
}

impl Gcs {
    /// Lists each part on a task of its own; dropping the future ends them all.
    pub(super) async fn list_parts(&self, splits: &[String], pages: mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        let mut tasks = JoinSet::new();
        for part in parts(&self.0.prefix, splits) {
            let this = self.clone();
            let pages = pages.clone();
            tasks.spawn(async move { this.list_part(&part, &pages).await });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or_else(|_panicked| Err(self.list_error("the listing broke off")))?;
        }
        Ok(())
    }

    async fn list_part(&self, part: &Part, pages: &mpsc::Sender<ListPage>) -> Result<(), BucketError> {
        let mut token: Option<String> = None;
        let mut headway = Headway::default();
        loop {
            let listing = self.list_page(part, token.as_deref()).await?;
            let last_key = listing.items.last().map(|item| item.name.clone());
            let page = self.page(part, listing.items)?;
            if pages.send(page).await.is_err() {
                return Err(self.list_error("nobody waits for it any more"));
            }
            match listing.next_page_token.filter(|token| !token.is_empty()) {
                None => return Ok(()),
                Some(next) if !headway.is_made(Some(next.as_bytes()), last_key.as_deref().map(str::as_bytes)) => {
                    return Err(self.list_error("the listing repeats itself without an end"));
                }
                Some(next) => token = Some(next),
            }
        }
    }

    async fn list_page(&self, part: &Part, token: Option<&str>) -> Result<Listing, BucketError> {
        let mut url = format!(
            "{}?maxResults=1000&projection=noAcl&fields={}",
            self.0.objects_url,
            escape(&format!("nextPageToken,items({FIELDS})"))
        );
        let prefix = Some(self.0.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        for (name, value) in [
            ("prefix", prefix),
            ("startOffset", part.from.as_deref()),
            ("endOffset", part.until.as_deref()),
            ("pageToken", token),
        ] {
            if let Some(value) = value {
                url.extend(["&", name, "=", &escape(value)]);
            }
        }
        // what the check has parsed is kept for after it, so that nothing is parsed twice
        let parsed = Mutex::new(None);
        let check = |answer: &Answer| {
            if answer.body.trim_ascii_start().first() != Some(&b'{') {
                return Verdict::Reject("the answer is not JSON".to_owned());
            }
            match serde_json::from_slice::<Listing>(&answer.body) {
                Ok(listing) => {
                    *parsed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
                    Verdict::Accept
                }
                Err(error) => Verdict::Retry(format!(
                    "the listing is cut or broken at line {}, column {}",
                    error.line(),
                    error.column()
                )),
            }
        };
        let request =
            Request { purpose: Purpose::List, url, headers: Vec::new(), max_bytes: PAGE_BYTES, check: &check };
        self.send(self.doing("list", None), request).await?;
        let parsed = parsed.into_inner().unwrap_or_else(PoisonError::into_inner);
        parsed.ok_or_else(|| self.list_error("the answer was not read"))
    }

    fn page(&self, part: &Part, items: Vec<Resource>) -> Result<ListPage, BucketError> {
        let mut page = ListPage { objects: Vec::with_capacity(items.len()), odd: Vec::new() };
        let mut classes = Vec::new();
        for item in items {
            // not every emulator knows the parts of a listing: what is not in this one is in another
            if !part.holds(&item.name) {
                continue;
            }
            let Some(key) = item.name.strip_prefix(&self.0.prefix) else {
                return Err(self.list_error("the listing holds keys without the prefix that was asked for"));
            };
            let key = key.to_owned();
            let Some(object) = item.object(key.clone(), &mut classes) else {
                let why = format!("`{}` is listed without a readable `size` or `updated`", key.escape_debug());
                return Err(self.list_error(&why));
            };
            page.objects.push(object);
        }
        Ok(page)
    }

    fn list_error(&self, why: &str) -> BucketError {
        self.doing("list", None).error(ErrorKind::Protocol, why, None)
    }
}

/// The key space under `prefix`, cut before each of `splits`.
fn parts(prefix: &str, splits: &[String]) -> Vec<Part> {
    let mut cuts: Vec<String> = splits.iter().map(|split| format!("{prefix}{split}")).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut parts = Vec::with_capacity(cuts.len().saturating_add(1));
    let mut from = None;
    for cut in cuts {
        parts.push(Part { from, until: Some(cut.clone()) });
        from = Some(cut);
    }
    parts.push(Part { from, until: None });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_key_once() {
        for splits in [vec![], vec!["01B"], vec!["01B", "01D", "01B"]] {
            let splits: Vec<String> = splits.into_iter().map(str::to_owned).collect();
            let parts = parts("p/", &splits);
            for key in ["p/", "p/01A", "p/01B", "p/01B/meta.json", "p/01C", "p/01D", "p/zz"] {
                assert_eq!(parts.iter().filter(|part| part.holds(key)).count(), 1, "{key} in {parts:?}");
            }
        }
    }
}
