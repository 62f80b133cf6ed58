//! One pass over a bucket: list everything, read what is new or changed, compare with what the ledger holds.

mod draft;
mod gather;
mod gone;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Bucket, BucketError, ErrorKind, ListPage, Progress, splits};
use crate::model::{BucketView, KnownBucket, Listing, RequestCounts, TimestampMs, UnknownObject};
use draft::Draft;
use gather::Gathered;

/// Pages between the storage and the one who takes them in.
const PAGES_AHEAD: usize = 16;

/// Bounds of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// Objects that are read at once; the bucket has its own bound on requests below this one.
    pub reads_at_once: usize,
    /// Parts of a listing that are read at once, in a storage that can.
    pub list_parts: usize,
    /// Missing blocks that are looked for one by one.
    pub most_heads: usize,
    /// Time in ms without a success after which a failure ends the reading of objects, what is under way included: a
    /// storage that leaves every request without an answer would else hold a pass up for minutes with each new round.
    pub silence_ms: u64,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self { reads_at_once: 64, list_parts: 8, most_heads: 200, silence_ms: 120_000 }
    }
}

/// Looks at a bucket. Never fails: what could not be seen is unknown in the view. `known` is what the ledger holds of
/// it; `observed_at` becomes the view's time.
pub async fn scan(
    bucket: &Arc<dyn Bucket>,
    known: KnownBucket,
    observed_at: TimestampMs,
    options: &ScanOptions,
    progress: &dyn Progress,
) -> BucketView {
    let before = bucket.requests();
    let mut view = BucketView::awaited(Arc::clone(bucket.name()), bucket.provider(), observed_at);
    match list(bucket, &known, options, progress).await {
        Ok(gathered) => look_at(bucket, gathered, known, options, progress, &mut view).await,
        Err(error) => {
            let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
            view.listing = Listing::Unknown { why: format!("{error}{hint}") };
        }
    }
    view.date_skew_ms = bucket.date_skew_ms();
    view.requests = since(bucket.requests(), before);
    progress.ended(bucket.name());
    view
}

/// The whole listing, or an error.
async fn list(
    bucket: &Arc<dyn Bucket>,
    known: &KnownBucket,
    options: &ScanOptions,
    progress: &dyn Progress,
) -> Result<Gathered, BucketError> {
    let splits = splits::between(&known.blocks, options.list_parts);
    match list_once(bucket, &splits, progress).await {
        // a storage that turns out not to list in order of keys is read in one part from then on
        Err(error) if error.kind == ErrorKind::Disordered => list_once(bucket, &[], progress).await,
        result => result,
    }
}

async fn list_once(
    bucket: &Arc<dyn Bucket>,
    splits: &[String],
    progress: &dyn Progress,
) -> Result<Gathered, BucketError> {
    let (sender, mut receiver) = mpsc::channel::<ListPage>(PAGES_AHEAD);
    let gather = async {
        let mut gathered = Gathered::default();
        while let Some(page) = receiver.recv().await {
            let keys = page.objects.len().saturating_add(page.odd.len());
            progress.listed(bucket.name(), u64::try_from(keys).unwrap_or(u64::MAX));
            gathered.add(page);
        }
        gathered
    };
    let (listed, gathered) = tokio::join!(bucket.list(splits, sender), gather);
    listed.map(|()| gathered)
}

/// From a complete listing to the view.
async fn look_at(
    bucket: &Arc<dyn Bucket>,
    gathered: Gathered,
    known: KnownBucket,
    options: &ScanOptions,
    progress: &dyn Progress,
    view: &mut BucketView,
) {
    let mut known = known.blocks;
    view.listing = Listing::Complete { objects: gathered.objects, bytes: gathered.bytes };
    let (listed, foreign) = gathered.finish();
    view.foreign = foreign;

    let mut drafts = BTreeMap::new();
    let mut wanted = Vec::new();
    for (ulid, objects) in listed {
        let (draft, documents) = Draft::new(ulid, objects, known.remove(&ulid));
        if documents.is_empty() {
            view.blocks.insert(ulid, draft.finish());
        } else {
            wanted.extend(documents.into_iter().map(|document| (ulid, document)));
            drafts.insert(ulid, draft);
        }
    }
    progress.to_read(bucket.name(), u64::try_from(wanted.len()).unwrap_or(u64::MAX));
    read::read_all(bucket, &mut drafts, wanted, options, progress).await;

    for (ulid, draft) in drafts {
        if draft.objects.is_empty() {
            known.extend(draft.into_known().map(|known| (ulid, known)));
            continue;
        }
        view.unknown.extend(draft.unknown().map(|(document, why)| UnknownObject {
            block: ulid,
            object: format!("{ulid}/{}", document.name()),
            why: why.to_owned(),
        }));
        view.blocks.insert(ulid, draft.finish());
    }
    let gone = gone::confirm(bucket, &known, options).await;
    view.confirmed_gone = gone.confirmed;
    view.unconfirmed_gone = gone.unconfirmed;
}

fn since(now: RequestCounts, before: RequestCounts) -> RequestCounts {
    RequestCounts {
        list: now.list.saturating_sub(before.list),
        get: now.get.saturating_sub(before.get),
        head: now.head.saturating_sub(before.head),
    }
}
