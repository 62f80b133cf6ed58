//! Reads what is new or changed, many objects at once, and gives up where nothing can be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use ulid::Ulid;

use super::ScanOptions;
use super::draft::{Document, Draft, Outcome};
use super::gather::find;
use crate::discover::{Bucket, ErrorKind, Progress};
use crate::model::Interner;

/// Failures in a row, with no success in between, after which the rest is not asked for: each has been through all
/// retries already, and a storage in trouble is not helped by a hundred thousand more.
const FAILURES_IN_ROW: u32 = 200;

/// Reads `wanted` and puts it into `drafts`.
pub(super) async fn read_all(
    bucket: &Arc<dyn Bucket>,
    drafts: &mut BTreeMap<Ulid, Draft>,
    wanted: Vec<(Ulid, Document)>,
    options: &ScanOptions,
    progress: &dyn Progress,
) {
    let mut interner = Interner::default();
    let mut tasks = JoinSet::new();
    let mut wanted = wanted.into_iter();
    let mut failures: u32 = 0;
    let mut last_failure = String::new();
    let silence = Duration::from_millis(options.silence_ms);
    let mut last_success = Instant::now();
    let mut is_silent = false;
    loop {
        while !is_silent
            && failures < FAILURES_IN_ROW
            && tasks.len() < options.reads_at_once.max(1)
            && let Some((ulid, document)) = wanted.next()
        {
            let bucket = Arc::clone(bucket);
            let listed = drafts.get(&ulid).and_then(|draft| find(&draft.objects, document.name()));
            let listed = listed.map(|object| (object.size, object.etag.clone()));
            tasks.spawn(async move { (ulid, document, read(&*bucket, ulid, document, listed).await) });
        }
        let Some(ended) = tasks.join_next().await else { break };
        let Ok((ulid, document, outcome)) = ended else {
            // a task that panicked or was ended takes its block's name with it: what was not read is unknown from the start
            continue;
        };
        match &outcome {
            Outcome::Bytes(_) | Outcome::Gone => {
                failures = 0;
                last_success = Instant::now();
            }
            // of one object alone, not of the storage
            Outcome::Failed { kind: Some(ErrorKind::TooLarge | ErrorKind::Archived), .. } => {}
            Outcome::Failed { why, .. } => {
                failures = failures.saturating_add(1);
                last_failure.clone_from(why);
                if last_success.elapsed() >= silence {
                    is_silent = true;
                    tasks.abort_all();
                }
            }
        }
        if let Some(draft) = drafts.get_mut(&ulid) {
            draft.read(document, outcome, &mut interner);
        }
        progress.read(bucket.name());
    }
    for (ulid, document) in wanted {
        if let Some(draft) = drafts.get_mut(&ulid) {
            let why = format!("not asked for after {failures} failures in a row; the last: {last_failure}");
            draft.read(document, Outcome::Failed { kind: None, why }, &mut interner);
        }
    }
}

async fn read(bucket: &dyn Bucket, ulid: Ulid, document: Document, listed: Option<(u64, Option<Box<str>>)>) -> Outcome {
    let key = format!("{ulid}/{}", document.name());
    let read = match bucket.get(&key, None, None, document.max_bytes()).await {
        Ok(read) => read,
        Err(error) if error.kind == ErrorKind::NotFound => return Outcome::Gone,
        Err(error) => {
            let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
            return Outcome::Failed { kind: Some(error.kind), why: format!("{error}{hint}") };
        }
    };
    // an object that was replaced since it was listed is taken as it is now, but a short body is no content
    if let Some((size, etag)) = listed
        && size != read.size
        && (etag.is_none() || read.etag.is_none() || etag.as_deref() == read.etag.as_deref())
    {
        let why = format!("`{key}` is listed with {size} bytes, and {} were sent", read.size);
        return Outcome::Failed { kind: Some(ErrorKind::Protocol), why };
    }
    Outcome::Bytes(read.bytes)
}
