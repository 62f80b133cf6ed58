//! Pages of a list. The cursor holds the key of the last element, not a position: when the list has changed until the
//! next page is asked for, nothing that stayed is left out or given twice.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::query::Query;
use crate::model::{Published, TimestampMs};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// No cursor of ours is longer: object keys have at most 1,024 bytes, label sets not much more.
const MAX_CURSOR_BYTES: usize = 16_384;

/// Which page is asked for. `K` is the key that the list is sorted by.
#[derive(Clone, Debug)]
pub(super) struct PageQuery<K> {
    pub(super) limit: usize,
    /// The page begins after this key.
    pub(super) after: Option<K>,
}

impl<K: DeserializeOwned> PageQuery<K> {
    /// Reads `limit` and `cursor`.
    pub(super) fn of(query: &Query) -> Result<Self, Problem> {
        let limit = match query.text("limit") {
            None => DEFAULT_LIMIT,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                limit.ok_or_else(|| Problem::parameter("limit", "expected a whole number from 1 to 1000"))?
            }
        };
        let after = match query.text("cursor") {
            None => None,
            Some(text) => {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| text.len() <= MAX_CURSOR_BYTES);
                let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                Some(key.ok_or_else(|| Problem::parameter("cursor", "expected `next` of the page before"))?)
            }
        };
        Ok(Self { limit, after })
    }
}

/// Elements of one page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub(super) next: Option<String>,
}

impl<T> Page<T> {
    /// Takes as many as fit from what comes after the cursor. `key` is that of an element.
    pub(super) fn take<K: Serialize>(
        rest: impl Iterator<Item = T>,
        limit: usize,
        key: impl Fn(&T) -> K,
    ) -> Result<Self, Problem> {
        let mut rest = rest;
        let items: Vec<T> = rest.by_ref().take(limit).collect();
        let next = match (items.last(), rest.next()) {
            (Some(last), Some(_)) => {
                let bytes = serde_json::to_vec(&key(last)).map_err(Problem::internal)?;
                Some(URL_SAFE_NO_PAD.encode(bytes))
            }
            _ => None,
        };
        Ok(Self { items, next })
    }
}

/// The time that was judged, once there is a judgement.
pub(super) fn judged_at(published: &Published) -> Option<TimestampMs> {
    published.service.last_judgement.map(|_| published.snapshot.at)
}

/// A document as JSON.
pub(super) fn to_json(document: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(document).map_err(Problem::internal)
}
