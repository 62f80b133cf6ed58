//! What is answered, held to `docs/openapi.json`.
#![expect(clippy::string_slice, reason = "a ULID is ASCII")]

use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::exporter::sample;
use crate::model::Snapshot;

struct Api {
    router: Router,
    sender: watch::Sender<Arc<Published>>,
    description: Value,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Api {
    fn of(published: Published) -> Self {
        let (sender, site) = sample::site(published);
        Self { router: router().with_state(site), sender, description: serde_json::from_str(OPENAPI).unwrap() }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path().to_owned();
        let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        self.validate(&path, &answer);
        answer
    }

    /// Every answer of a test is held to the description.
    fn validate(&self, path: &str, answer: &Answer) {
        let Some(operation) = self.description["paths"].get(path) else {
            assert_eq!(answer.status, 404, "{path} is not described");
            return;
        };
        let described = &operation["get"]["responses"][answer.status.to_string()];
        if answer.status == 405 {
            return;
        }
        assert!(described.is_object(), "{path}: {} is not described", answer.status);
        let Some(schema) = described.pointer("/content/application~1json/schema") else {
            assert_eq!(answer.body, Value::Null, "{path}");
            return;
        };
        let mut schema = schema.clone();
        schema["components"] = self.description["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.body).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{path}: {errors:#?}\n{:#}", answer.body);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    }

    async fn get(&self, path_and_query: &str) -> Answer {
        self.send(Request::get(path_and_query).body(Body::empty()).unwrap()).await
    }

    /// The elements of all pages.
    async fn all(&self, path: &str, key: &str, limit: usize) -> Vec<Value> {
        let mut elements = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = self.get(&format!("{path}?limit={limit}{cursor}")).await;
            assert_eq!(answer.status, 200);
            elements.extend(answer.body[key].as_array().unwrap().iter().cloned());
            match answer.body["next"].as_str() {
                None => {
                    assert_eq!(answer.body["total"], elements.len());
                    return elements;
                }
                Some(next) => cursor = format!("&cursor={next}"),
            }
            assert_eq!(answer.body[key].as_array().unwrap().len(), limit);
        }
    }
}

#[tokio::test]
async fn the_status_says_how_the_watching_goes() {
    let api = Api::of(sample::published());
    let answer = api.get("/api/v1/status").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["findings"], json!({"critical": 2, "warning": 2, "info": 0}));
    assert_eq!(answer.body["at"], "2026-01-02T00:00:00Z");
    let archive = &answer.body["buckets"][0];
    assert_eq!(archive["bucket"], "archive");
    assert_eq!(archive["unreachable"], "connection refused");
    assert_eq!(archive["listed"]["blocks"], 1);
    assert_eq!(answer.body["buckets"][1]["listed"], Value::Null);
    assert_eq!(answer.body["configuration"]["refused"], "config.yaml:3:1: unknown key");
}

#[tokio::test]
async fn before_the_first_judgement_there_is_nothing_and_no_time() {
    let api = Api::of(Published::default());
    for (path, key) in [("/api/v1/findings", "findings"), ("/api/v1/streams", "streams"), ("/api/v1/blocks", "blocks")]
    {
        let answer = api.get(path).await;
        assert_eq!(
            (&answer.body["at"], &answer.body["total"], &answer.body[key]),
            (&Value::Null, &json!(0), &json!([]))
        );
    }
    assert_eq!(api.get("/api/v1/status").await.body["at"], Value::Null);
}

#[tokio::test]
async fn findings_are_those_of_scan() {
    let published = sample::published();
    let expected = serde_json::to_value(&published.snapshot.findings).unwrap();
    let api = Api::of(published);
    let answer = api.get("/api/v1/findings").await;
    assert_eq!(answer.body["findings"], expected);
    assert_eq!(answer.body["total"], 4);
}

#[tokio::test]
async fn filters_leave_what_was_asked_for() {
    let api = Api::of(sample::published());
    let block = sample::ulid(40, 1);
    for (query, total) in [
        ("findings?bucket=thanos", 3),
        ("findings?bucket=thanos&bucket=archive", 4),
        ("findings?bucket=nowhere", 0),
        ("findings?check=clock_skew&check=coverage_gap", 2),
        ("findings?severity=warning", 2),
        ("findings?stream=%7Breplica%3D%22b%22%7D", 2),
        ("findings?stream=%7B%7D", 3),
        ("findings?resolution=raw", 3),
        ("findings?resolution=5m", 0),
        (&format!("findings?block={block}"), 1),
        ("findings?min_time=2026-01-01T05:00:00Z", 1),
        ("findings?max_time=2025-12-31T12:00:00Z", 1),
        ("findings?min_time=2026-01-01T09:00:00Z", 0),
        ("streams", 3),
        ("streams?bucket=archive", 1),
        ("streams?stream=%7Breplica!%3D%22a%22%7D", 1),
        ("blocks", 38),
        ("blocks?bucket=archive", 1),
        ("blocks?stream=%7Breplica%3D%22b%22%7D", 18),
        ("blocks?resolution=5m", 1),
        (&format!("blocks?block={block}"), 1),
        (&format!("blocks?block={}", &block.to_string()[..10]), 3),
        (&format!("blocks?block={}&resolution=raw", &block.to_string().to_lowercase()[..10]), 2),
        // the blocks of a, b and archive that hold this hour, and none that merely touches it
        ("blocks?min_time=2026-01-01T18:00:00Z&max_time=2026-01-01T19:00:00Z", 2),
        ("blocks?max_time=2025-12-31T09:00:00Z", 3),
    ] {
        let answer = api.get(&format!("/api/v1/{query}")).await;
        assert_eq!((answer.status, &answer.body["total"]), (200, &json!(total)), "{query}: {:#}", answer.body);
    }
}

#[tokio::test]
async fn pages_together_are_the_list() {
    let api = Api::of(sample::published());
    for (path, key, count) in
        [("/api/v1/findings", "findings", 4), ("/api/v1/streams", "streams", 3), ("/api/v1/blocks", "blocks", 38)]
    {
        let whole = api.all(path, key, 1_000).await;
        assert_eq!(whole.len(), count);
        for limit in [1, 2, 3] {
            assert_eq!(api.all(path, key, limit).await, whole, "{path} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_stays_right_when_the_list_changes() {
    let published = sample::published();
    let api = Api::of(published.clone());
    let first = api.get("/api/v1/findings?limit=2").await;
    let seen = first.body["findings"].as_array().unwrap().clone();
    // what was read before is healed, so a position would now lead past something that was not
    let mut snapshot = Snapshot::clone(&published.snapshot);
    snapshot.findings.drain(0..2);
    let left = serde_json::to_value(&snapshot.findings).unwrap();
    api.sender.send_replace(Arc::new(Published { number: 8, snapshot: Arc::new(snapshot), ..published }));
    let second = api.get(&format!("/api/v1/findings?limit=2&cursor={}", first.body["next"].as_str().unwrap())).await;
    assert_eq!(second.body["findings"], left);
    assert!(seen.iter().all(|one| !second.body["findings"].as_array().unwrap().contains(one)));
    assert_eq!(second.body["next"], Value::Null);
}

#[tokio::test]
async fn mistakes_name_the_parameter() {
    let api = Api::of(sample::published());
    for (query, parameter) in [
        ("findings?limit=0", "limit"),
        ("findings?limit=1001", "limit"),
        ("findings?limit=-1", "limit"),
        ("findings?limit=", "limit"),
        ("findings?limit=1&limit=2", "limit"),
        ("findings?offset=1", "offset"),
        ("findings?cursor=x", "cursor"),
        ("findings?cursor=e30", "cursor"),
        ("findings?check=nothing", "check"),
        ("findings?severity=CRITICAL", "severity"),
        ("findings?stream=eu1", "stream"),
        ("findings?block=IL", "block"),
        ("findings?min_time=yesterday", "min_time"),
        ("streams?severity=info", "severity"),
        ("streams?cursor=bnVsbA", "cursor"),
        ("blocks?resolution=1s", "resolution"),
        ("blocks?cursor=WyJhIiwiYiJd", "cursor"),
        ("blocks?check=overlap", "check"),
        ("status?x", "x"),
        ("openapi.json?x=1", "x"),
    ] {
        let answer = api.get(&format!("/api/v1/{query}")).await;
        assert_eq!((answer.status, &answer.body["error"]["parameter"]), (400, &json!(parameter)), "{query}");
        assert!(!answer.headers.contains_key(header::ETAG));
    }
    let answer = api.get("/api/v1/nothing").await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (404, &json!("not_found")));
    let answer = api.send(Request::post("/api/v1/blocks").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (405, &json!("method_not_allowed")));
    assert_eq!(answer.headers[header::ALLOW], "GET, HEAD");
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let published = sample::published();
    let api = Api::of(published.clone());
    let ask = async |path: &str, tag: &str| {
        let request = Request::get(path).header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
        api.send(request).await.status
    };
    for path in ["status", "findings", "streams", "blocks", "openapi.json"].map(|name| format!("/api/v1/{name}")) {
        let answer = api.get(&path).await;
        let tag = answer.headers[header::ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(ask(&path, &tag).await, 304);
        assert_eq!(ask(&path, &format!("\"x\", {}", tag.trim_start_matches("W/"))).await, 304);
        assert_eq!(ask(&path, "*").await, 304);
        assert_eq!(ask(&path, "\"x\"").await, 200);
    }
    let tag = api.get("/api/v1/status").await.headers[header::ETAG].to_str().unwrap().to_owned();
    api.sender.send_replace(Arc::new(Published { number: 8, ..published.clone() }));
    assert_eq!(ask("/api/v1/status", &tag).await, 200);
    assert_eq!(ask("/api/v1/findings?limit=0", "*").await, 400, "a mistake is one all the same");
    // another process counts from the same number
    let other = Api::of(published);
    assert_ne!(other.get("/api/v1/status").await.headers[header::ETAG], tag.as_str());
}

#[tokio::test]
async fn blocks_say_what_is_known_of_them() {
    let api = Api::of(sample::published());
    let answer = api.get(&format!("/api/v1/blocks?block={}", sample::ulid(40, 1))).await;
    let block = &answer.body["blocks"][0];
    assert_eq!(block["superseded"], true);
    assert_eq!(block["deletion_mark"]["details"], "source of compacted block");
    assert_eq!((&block["objects"], &block["bytes"], &block["meta"]), (&json!(3), &json!(1500), &json!("ok")));
    let answer = api.get("/api/v1/streams?stream=%7Breplica%3D%22b%22%7D").await;
    let stream = &answer.body["streams"][0];
    assert_eq!((&stream["lag_seconds"], &stream["deadline"]), (&json!(7200), &json!("2026-01-02T10:00:00Z")));
    assert_eq!(stream["timelines"][0]["gap_seconds"], 14400);
    assert_eq!(stream["findings"]["critical"], 1);
}

#[test]
fn the_description_is_sound_and_complete() {
    let description: Value = serde_json::from_str(OPENAPI).unwrap();
    let resolve = |parameter: &Value| {
        let path = parameter["$ref"].as_str().unwrap().trim_start_matches('#');
        description.pointer(path).unwrap_or_else(|| panic!("{path}")).clone()
    };
    let described: BTreeMap<String, BTreeSet<(String, bool)>> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, operations)| {
            let parameters = operations["get"]["parameters"].as_array().unwrap().iter().map(resolve);
            let own = parameters.filter(|parameter| parameter["in"] == "query");
            let set = own.map(|own| (own["name"].as_str().unwrap().to_owned(), own["schema"]["type"] == "array"));
            (path.clone(), set.collect())
        })
        .collect();
    let mut known: BTreeMap<String, BTreeSet<(String, bool)>> = ENDPOINTS
        .iter()
        .map(|endpoint| {
            let set = endpoint.parameters.iter().map(|own| (own.name.to_owned(), own.repeats));
            (endpoint.path.to_owned(), set.collect())
        })
        .collect();
    known.insert("/api/v1/openapi.json".to_owned(), BTreeSet::new());
    assert_eq!(described, known);

    // findings are the same here as in the document of `scan`
    let scan: Value = serde_json::from_str(include_str!("../../../docs/scan.schema.json")).unwrap();
    let here = &description["components"]["schemas"]["Finding"]["properties"];
    let there = &scan["$defs"]["finding"]["properties"];
    assert_eq!(
        here.as_object().unwrap().keys().collect::<Vec<_>>(),
        there.as_object().unwrap().keys().collect::<Vec<_>>()
    );
    for schema in description["components"]["schemas"].as_object().unwrap().values() {
        assert!(jsonschema::meta::is_valid(schema), "{schema:#}");
    }
}

#[tokio::test]
async fn a_page_of_many_blocks_is_quick() {
    let api = Api::of(sample::wide(100, 340));
    let begin = tokio::time::Instant::now();
    let answer = api.get("/api/v1/blocks?limit=1000").await;
    assert_eq!(answer.body["total"], 102_000);
    let cursor = answer.body["next"].as_str().unwrap();
    assert_eq!(api.get(&format!("/api/v1/blocks?limit=100&cursor={cursor}")).await.status, 200);
    let filtered = api.get("/api/v1/blocks?stream=%7Bcluster%3D%22production-eu-west-7%22%7D&resolution=1h").await;
    assert_eq!(filtered.body["total"], 340);
    // generous, for a machine that does other things too and an unoptimised build
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
