//! What is written, from a populated state.
