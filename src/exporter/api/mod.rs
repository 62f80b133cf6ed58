//! `/api/v1`: the judgement and what it rests on, as JSON.

use axum::Router;

use super::Site;

/// `/api/v1`
pub(super) fn router() -> Router<Site> {
    Router::new()
}
