//! The kinds of facts that a judgement can rest on.

/// A kind of fact that a check rests on. Where it is not wholly known for a bucket, findings of that check that are
/// no longer reported stay open: nothing is resolved by ignorance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A pass that has ended, whatever it saw.
    Pass,
    /// A complete listing.
    Listing,
    /// Every `meta.json` that was listed.
    Metas,
    /// Every mark that was listed.
    Marks,
    /// What the ledger holds.
    Ledger,
    /// For a finding that rests on a verification: one of the block as it is now, that would have noticed it.
    Bytes,
    /// How telling people goes, which only a service knows.
    Receivers,
}
