//! What is answered instead of data.

use std::fmt::Display;

use axum::http::Method;
use serde::Serialize;

/// An error as a client gets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    #[serde(skip)]
    status: u16,
    code: &'static str,
    parameter: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a Problem,
}

impl Problem {
    /// A value that cannot be understood.
    pub(super) fn parameter(name: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: "bad_parameter", parameter: Some(name.to_owned()), message: message.into() }
    }

    /// A parameter that does not exist here. `known` are those that do.
    pub(super) fn unknown_parameter(name: &str, known: &[&str]) -> Self {
        let message = match known {
            [] => "this path takes no parameters".to_owned(),
            known => format!("there is no such parameter here; there are: {}", known.join(", ")),
        };
        Self { status: 400, code: "unknown_parameter", parameter: Some(name.to_owned()), message }
    }

    /// A path that does not exist.
    pub(super) fn not_found(path: &str) -> Self {
        let message = format!("there is nothing at `{path}`; `/api/v1/openapi.json` describes what there is");
        Self { status: 404, code: "not_found", parameter: None, message }
    }

    /// A thing that does not exist.
    pub(super) fn missing(what: &str) -> Self {
        Self { status: 404, code: "not_found", parameter: None, message: format!("there is no such {what}") }
    }

    /// A body that cannot be understood.
    pub(super) fn body(expected: &str) -> Self {
        Self { status: 400, code: "bad_body", parameter: None, message: expected.to_owned() }
    }

    /// A body that is too long, or that broke off.
    pub(super) fn too_large(expected: &str) -> Self {
        Self { status: 413, code: "too_large", parameter: None, message: expected.to_owned() }
    }

    /// Not for who asks.
    pub(super) fn forbidden(reason: &str) -> Self {
        Self { status: 403, code: "forbidden", parameter: None, message: reason.to_owned() }
    }

    /// Not now.
    pub(super) const fn unavailable(message: String) -> Self {
        Self { status: 503, code: "unavailable", parameter: None, message }
    }

    /// A method that does nothing here.
    pub(super) fn method(method: &Method, allowed: &str) -> Self {
        let message = format!("{method} is not possible here; possible is: {allowed}");
        Self { status: 405, code: "method_not_allowed", parameter: None, message }
    }

    /// A defect of ours; the log has the reason.
    pub(super) fn internal(error: impl Display) -> Self {
        tracing::error!(%error, "an answer could not be put together");
        let message = "the answer could not be put together; the log says why".to_owned();
        Self { status: 500, code: "internal", parameter: None, message }
    }

    pub(super) const fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&Envelope { error: self }).unwrap_or_default()
    }
}
