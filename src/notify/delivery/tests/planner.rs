//! What is next.
