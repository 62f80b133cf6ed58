//! One block between the listing and the view: what was listed, what the ledger knows, what has to be read.

use std::sync::Arc;

use ulid::Ulid;

use super::gather::{find, without};
use crate::discover::ErrorKind;
use crate::model::{
    BlockChange, BlockMeta, BlockView, Interner, KnownBlock, MarkState, Marks, MetaProblem, MetaState, Mutation,
    ObjectView,
};
use crate::tsdb::{meta_difference, parse_deletion_mark, parse_meta, parse_no_compact_mark, parse_no_downsample_mark};

/// The objects of a block that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Meta,
    Deletion,
    NoCompact,
    NoDownsample,
}

impl Document {
    pub(super) const ALL: [Self; 4] = [Self::Meta, Self::Deletion, Self::NoCompact, Self::NoDownsample];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta.json",
            Self::Deletion => "deletion-mark.json",
            Self::NoCompact => "no-compact-mark.json",
            Self::NoDownsample => "no-downsample-mark.json",
        }
    }

    /// The longest that is read, in bytes.
    pub(super) const fn max_bytes(self) -> u64 {
        match self {
            Self::Meta => 64 << 20,
            Self::Deletion | Self::NoCompact | Self::NoDownsample => 64 << 10,
        }
    }

    const fn is_mark(self) -> bool {
        !matches!(self, Self::Meta)
    }
}

/// What reading a document led to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All of it.
    Bytes(bytes::Bytes),
    /// It went since it was listed.
    Gone,
    /// It could not be read, and why.
    Failed { kind: Option<ErrorKind>, why: String },
}

/// One block in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) ulid: Ulid,
    pub(super) objects: Box<[ObjectView]>,
    known: Option<KnownBlock>,
    meta: MetaState,
    marks: Marks,
    /// A deletion mark was listed: whoever deletes the block takes `meta.json` first.
    is_marked: bool,
}

impl Draft {
    /// Takes over from the ledger what did not change, and says what has to be read.
    pub(super) fn new(ulid: Ulid, objects: Box<[ObjectView]>, known: Option<KnownBlock>) -> (Self, Vec<Document>) {
        let is_marked = find(&objects, Document::Deletion.name()).is_some();
        let mut draft = Self { ulid, objects, known, meta: MetaState::Absent, marks: Marks::default(), is_marked };
        let mut wanted = Vec::new();
        for document in Document::ALL {
            let Some(listed) = find(&draft.objects, document.name()) else { continue };
            let is_archived = listed.is_archived();
            let class = listed.storage_class.clone();
            if draft.take_known(document) {
                continue;
            }
            if is_archived {
                let class = class.unwrap_or_default();
                draft.fail(document, format!("archived ({class}): it has to be restored before it can be read"));
            } else {
                // until it is read: what is listed is never taken for absent
                draft.fail(document, "it was not read".to_owned());
                wanted.push(document);
            }
        }
        (draft, wanted)
    }

    /// Uses what the ledger holds of a document that is listed, if its content is still the same.
    fn take_known(&mut self, document: Document) -> bool {
        let Some(known) = &self.known else { return false };
        let same = match (find(&self.objects, document.name()), find(current(known), document.name())) {
            (Some(now), Some(then)) => now.has_content_of(then),
            _ => false,
        };
        if !same {
            return false;
        }
        match document {
            Document::Meta => match &known.meta {
                MetaState::Read { .. } => {
                    self.meta = known.meta.clone();
                    true
                }
                MetaState::Absent | MetaState::Unknown(_) => false,
            },
            Document::Deletion => take_mark(&mut self.marks.deletion, known.marks.deletion.as_ref()),
            Document::NoCompact => take_mark(&mut self.marks.no_compact, known.marks.no_compact.as_ref()),
            Document::NoDownsample => take_mark(&mut self.marks.no_downsample, known.marks.no_downsample.as_ref()),
        }
    }

    /// Takes in what reading a document led to.
    pub(super) fn read(&mut self, document: Document, outcome: Outcome, interner: &mut Interner) {
        let bytes = match outcome {
            Outcome::Bytes(bytes) => bytes,
            // the listing and the answer contradict each other, and nothing says which of them is right
            Outcome::Gone if document == Document::Meta && !self.is_marked => {
                return self.fail(document, "it was listed, and was not there when it was read".to_owned());
            }
            Outcome::Gone => {
                self.objects = without(std::mem::take(&mut self.objects), document.name());
                return self.clear(document);
            }
            Outcome::Failed { why, .. } => return self.fail(document, why),
        };
        match document {
            Document::Meta => {
                self.meta = parse_meta(&bytes, self.ulid, interner).into();
            }
            Document::Deletion => self.marks.deletion = Some(mark(parse_deletion_mark(&bytes, self.ulid))),
            Document::NoCompact => self.marks.no_compact = Some(mark(parse_no_compact_mark(&bytes, self.ulid))),
            Document::NoDownsample => {
                self.marks.no_downsample = Some(mark(parse_no_downsample_mark(&bytes, self.ulid)));
            }
        }
    }

    fn clear(&mut self, document: Document) {
        match document {
            Document::Meta => self.meta = MetaState::Absent,
            Document::Deletion => self.marks.deletion = None,
            Document::NoCompact => self.marks.no_compact = None,
            Document::NoDownsample => self.marks.no_downsample = None,
        }
    }

    fn fail(&mut self, document: Document, why: String) {
        match document {
            Document::Meta => self.meta = MetaState::Unknown(why),
            Document::Deletion => self.marks.deletion = Some(MarkState::Unknown(why)),
            Document::NoCompact => self.marks.no_compact = Some(MarkState::Unknown(why)),
            Document::NoDownsample => self.marks.no_downsample = Some(MarkState::Unknown(why)),
        }
    }

    /// The documents that are listed and could not be read, each with the reason. Archived ones are left out: nobody
    /// tried, and their storage class says it all.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (Document, &str)> {
        fn why<T>(mark: Option<&MarkState<T>>) -> Option<&str> {
            match mark {
                Some(MarkState::Unknown(why)) => Some(why),
                Some(MarkState::Read(_) | MarkState::Invalid(_)) | None => None,
            }
        }
        Document::ALL.into_iter().filter_map(|document| {
            let why = match document {
                Document::Meta => match &self.meta {
                    MetaState::Unknown(why) => Some(why.as_str()),
                    MetaState::Absent | MetaState::Read { .. } => None,
                },
                Document::Deletion => why(self.marks.deletion.as_ref()),
                Document::NoCompact => why(self.marks.no_compact.as_ref()),
                Document::NoDownsample => why(self.marks.no_downsample.as_ref()),
            };
            let is_archived = || find(&self.objects, document.name()).is_some_and(ObjectView::is_archived);
            why.filter(|_| !is_archived()).map(|why| (document, why))
        })
    }

    /// What the ledger knows of it, for a block that has gone while it was read.
    pub(super) fn into_known(self) -> Option<KnownBlock> {
        self.known
    }

    /// The block as it was seen.
    pub(super) fn finish(self) -> BlockView {
        let Self { ulid, objects, known, meta, marks, is_marked: _ } = self;
        let Some(known) = known else {
            let change = BlockChange::New;
            return BlockView { ulid, objects, meta, marks, mutations: Box::default(), change };
        };
        let mutations = mutations(&known, &objects, meta.meta());
        let is_same = *objects == *current(&known) && meta == known.meta && marks == known.marks;
        let (change, objects) = if is_same {
            // the ledger's own copy, so that the listed one can go
            (BlockChange::Unchanged, known.current.unwrap_or(known.baseline))
        } else {
            (BlockChange::Changed, objects)
        };
        BlockView { ulid, objects, meta, marks, mutations, change }
    }
}

/// A block's objects as they were last listed.
pub(super) fn current(known: &KnownBlock) -> &[ObjectView] {
    known.current.as_ref().unwrap_or(&known.baseline)
}

fn take_mark<T: Clone>(own: &mut Option<MarkState<T>>, known: Option<&MarkState<T>>) -> bool {
    match known {
        Some(MarkState::Read(_) | MarkState::Invalid(_)) => {
            *own = known.cloned();
            true
        }
        Some(MarkState::Unknown(_)) | None => false,
    }
}

fn mark<T>(parsed: Result<T, MetaProblem>) -> MarkState<T> {
    match parsed {
        Ok(mark) => MarkState::Read(mark),
        Err(problem) => MarkState::Invalid(problem),
    }
}

/// What is not as it was when the block was first seen with a `meta.json`. Until then its objects may still come and
/// change; marks may always.
fn mutations(known: &KnownBlock, objects: &[ObjectView], meta: Option<&Arc<BlockMeta>>) -> Box<[Mutation]> {
    if !known.complete {
        return Box::default();
    }
    // what was read last is what it was at first, as long as it had not changed since
    let meta_of = |objects| find(objects, Document::Meta.name());
    let is_first = match (meta_of(&known.baseline), meta_of(current(known))) {
        (Some(was), Some(then)) => then.has_content_of(was),
        _ => false,
    };
    let first_meta = known.first_meta.as_ref().or_else(|| known.meta.meta().filter(|_| is_first));
    let is_mark = |name: &str| Document::ALL.iter().any(|document| document.is_mark() && document.name() == name);
    let changed = objects.iter().filter(|object| !is_mark(&object.name)).filter_map(|now| {
        let was = find(&known.baseline, &now.name)?;
        (!now.has_content_of(was)).then(|| Mutation {
            was: was.clone(),
            now: now.clone(),
            meta_difference: if *now.name == *Document::Meta.name() {
                first_meta.zip(meta).map(|(first, now)| meta_difference(first, now))
            } else {
                None
            },
        })
    });
    changed.collect()
}
