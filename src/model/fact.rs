//! A fact: something observed, or the reason why it could not be.

/// Something that was looked for. The absence of a fact is not a fact of absence, so whoever reads one has to say
/// what it does with `Unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// Observed.
    Known(T),
    /// Not observed, and why, in words for a reader.
    Unknown(String),
}

impl<T> Fact<T> {
    /// The value, if there is one.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// A kind of fact that a check rests on. Where it is not wholly known for a bucket, findings of that check that are
/// no longer reported stay open: nothing is resolved by ignorance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A complete listing.
    Listing,
    /// Every `meta.json` that was listed.
    Metas,
    /// Every mark that was listed.
    Marks,
    /// What the ledger holds.
    Ledger,
}
