//! Blocks that the ledger knows and a complete listing lacks: asked for once more before anybody is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use ulid::Ulid;

use super::ScanOptions;
use super::draft::{Document, current};
use super::gather::find;
use crate::discover::Bucket;
use crate::model::KnownBlock;

/// The blocks that are gone for certain, and those that may not be, with the reason.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) confirmed: Vec<Ulid>,
    pub(super) unconfirmed: Vec<(Ulid, String)>,
}

/// Looks for one object of each of `missing`. Blocks that were marked for deletion were expected to go. Of very many
/// only the first are looked for, and the rest is as they are if they agree.
pub(super) async fn confirm(
    bucket: &Arc<dyn Bucket>,
    missing: &BTreeMap<Ulid, KnownBlock>,
    options: &ScanOptions,
) -> Gone {
    let mut gone = Gone::default();
    let mut doubtful = Vec::new();
    for (ulid, known) in missing {
        match (&known.marks.deletion, probe(known)) {
            (None, Some(name)) => doubtful.push((*ulid, format!("{ulid}/{name}"))),
            _ => gone.confirmed.push(*ulid),
        }
    }
    let rest = doubtful.split_off(options.most_heads.min(doubtful.len()));
    let mut unanswered: BTreeSet<Ulid> = doubtful.iter().map(|(ulid, _)| *ulid).collect();
    let asked = doubtful.len();
    let mut tasks = JoinSet::new();
    let mut doubtful = doubtful.into_iter();
    loop {
        while tasks.len() < options.reads_at_once.max(1)
            && let Some((ulid, key)) = doubtful.next()
        {
            let bucket = Arc::clone(bucket);
            tasks.spawn(async move {
                let why = match bucket.head(&key).await {
                    Ok(None) => None,
                    Ok(Some(_)) => Some(format!("`{key}` is not listed any more, but it is there")),
                    Err(error) => Some(error.to_string()),
                };
                (ulid, why)
            });
        }
        let Some(ended) = tasks.join_next().await else { break };
        let Ok((ulid, why)) = ended else { continue };
        unanswered.remove(&ulid);
        match why {
            None => gone.confirmed.push(ulid),
            Some(why) => gone.unconfirmed.push((ulid, why)),
        }
    }
    gone.unconfirmed.extend(unanswered.into_iter().map(|ulid| (ulid, "looking for it broke off".to_owned())));
    if gone.unconfirmed.is_empty() {
        gone.confirmed.extend(rest.into_iter().map(|(ulid, _)| ulid));
    } else {
        let why = format!("not looked for: of the first {asked} missing blocks some may still be there");
        gone.unconfirmed.extend(rest.into_iter().map(|(ulid, _)| (ulid, why.clone())));
    }
    gone.confirmed.sort_unstable();
    gone.unconfirmed.sort_unstable();
    gone
}

/// The object whose absence says that the block is gone: `meta.json`, or any other of a block that never had one.
fn probe(known: &KnownBlock) -> Option<&str> {
    let objects = current(known);
    let probe = find(objects, Document::Meta.name()).or_else(|| objects.first());
    probe.map(|object| &*object.name)
}
