//! The web server over real connections: what it answers, whom it lets in, and what hostile clients cannot do to it.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails in here fails the test")]
#![expect(clippy::indexing_slicing, reason = "what is not there fails the test")]

mod access;
mod hostile;
mod routes;
mod service;
mod tls;
