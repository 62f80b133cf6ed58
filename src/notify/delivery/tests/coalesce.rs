//! Two as one.
