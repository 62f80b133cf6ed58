//! The laws of the repository as tests: who may use whom, what stays pure, what each check brings along, what is
//! generated. Each law is a function over text, with a test that a text that breaks it is caught.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "places that were found in the very text")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "our own files end in lower case")]

mod dashboards;
mod files;
mod generated;
mod imports;
mod install;
mod promtool;
mod purity;
mod queries;
mod registry;
mod source;
