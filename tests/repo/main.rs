//! The laws of the repository as tests: who may use whom, what stays pure, what each check brings along, what is
//! generated. Each law is a function over text, with a test that a text that breaks it is caught.

mod files;
mod generated;
mod imports;
mod promtool;
mod purity;
mod registry;
mod source;
