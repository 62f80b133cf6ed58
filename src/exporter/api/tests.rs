//! What is answered, held to `docs/openapi.json`.
#![expect(clippy::string_slice, reason = "a ULID is ASCII")]

use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::exporter::sample;
use crate::exporter::{Action, OutboxPage, Refusal};
use crate::model::{Notification, OutboxRow, OutboxState, Reason, SilenceEnd, Snapshot, TimestampMs};

struct Api {
    router: Router,
    sender: watch::Sender<Arc<Published>>,
    description: Value,
    actions: Option<mpsc::Receiver<Action>>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Api {
    fn of(published: Published) -> Self {
        let (sender, mut site) = sample::site(published);
        site.lifecycle = true;
        let (asking, actions) = mpsc::channel(1);
        site.hooks.actions = asking;
        let description = serde_json::from_str(OPENAPI).unwrap();
        Self { router: router().with_state(site), sender, description, actions: Some(actions) }
    }

    /// Answers the next action as the engine would.
    fn answering(&mut self, answer: impl FnOnce(Action) + Send + 'static) -> tokio::task::JoinHandle<()> {
        let mut actions = self.actions.take().unwrap();
        tokio::spawn(async move { answer(actions.recv().await.unwrap()) })
    }

    async fn act(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost:9798");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let path = request.uri().path().to_owned();
        let method = request.method().as_str().replace("HEAD", "GET").to_lowercase();
        let response = TowerToHyperService::new(self.router.clone()).call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        self.validate(&method, &path, &answer);
        answer
    }

    /// Every answer of a test is held to the description.
    fn validate(&self, method: &str, path: &str, answer: &Answer) {
        let fits = |template: &str| {
            let (parts, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
            parts.len() == given.len() && parts.iter().zip(&given).all(|(a, b)| a == b || a.starts_with('{'))
        };
        let paths = self.description["paths"].as_object().unwrap();
        // one without a placeholder is before one with
        let found =
            paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, found)| found));
        let Some(operation) = found else {
            assert_eq!(answer.status, 404, "{path} is not described");
            return;
        };
        let described = &operation[method]["responses"][answer.status.to_string()];
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
        .filter(|(_, operations)| operations.get("get").is_some())
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
    let set = acts::NOTIFICATIONS.iter().map(|own| (own.name.to_owned(), own.repeats)).collect();
    known.insert("/api/v1/notifications".to_owned(), set);
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

#[tokio::test]
async fn alerts_can_be_filtered_and_paged() {
    let api = Api::of(sample::published());
    for (query, expected) in [
        ("", 6),
        ("state=firing", 3),
        ("state=unknown&state=ended", 2),
        ("severity=critical", 2),
        ("check=upload_lag", 1),
        ("bucket=archive", 2),
        ("receiver=ops", 1),
        ("receiver=nobody", 0),
        ("state=firing&severity=warning&bucket=thanos", 1),
    ] {
        let answer = api.get(&format!("/api/v1/alerts?{query}")).await;
        assert_eq!((answer.status, &answer.body["total"]), (200, &json!(expected)), "{query}");
    }
    assert_eq!(api.get("/api/v1/alerts?state=burning").await.status, 400);
    let all = api.all("/api/v1/alerts", "alerts", 2).await;
    let of = |check: &str| all.iter().find(|alert| alert["check"] == check).unwrap();
    assert_eq!(all[0]["severity"], "critical");
    let silenced = of("deletion_overdue");
    assert_eq!(silenced["suppressed"], json!({"by": "silence", "id": "00000000000000aa"}));
    assert_eq!((&silenced["state"], &silenced["receivers"]), (&json!("firing"), &json!(["oncall"])));
    let unknown = of("upload_lag");
    assert_eq!((&unknown["state"], &unknown["phase"]), (&json!("unknown"), &json!("firing")));
    assert_eq!(of("partial_upload")["end"], "resolved");
    let silences = api.get("/api/v1/silences").await;
    assert_eq!(silences.body["silences"][0]["match"], "{check=\"deletion_overdue\"}");
    assert_eq!(api.get("/api/v1/alerts").await.body["at"], "2026-01-02T00:00:00Z");
    assert_eq!(Api::of(Published::default()).get("/api/v1/alerts").await.body["at"], Value::Null);
}

#[tokio::test]
async fn a_silence_is_made_by_the_engine_or_refused() {
    let good = r#"{"match": "{bucket=\"x\"}", "duration": "1d12h", "author": "ada", "comment": "moving"}"#;
    let mut api = Api::of(sample::published());
    let engine = api.answering(|action| {
        let Action::Silence { silence, reply } = action else { panic!("{action:?}") };
        assert_eq!((silence.starts, silence.ends), (None, SilenceEnd::After(36 * 3_600_000)));
        reply.send(Ok(silence.accept("00000000000000bb".to_owned(), sample::NOW).unwrap())).unwrap();
    });
    let answer = api.act("POST", "/api/v1/silences", good).await;
    assert_eq!((answer.status, &answer.body["id"]), (200, &json!("00000000000000bb")));
    assert_eq!(answer.body["ends"], "2026-01-03T12:00:00Z");
    engine.await.unwrap();
    // the engine is gone
    assert_eq!(api.act("POST", "/api/v1/silences", good).await.status, 503);

    let mut api = Api::of(sample::published());
    let engine = api.answering(|action| {
        let Action::Silence { reply, .. } = action else { panic!("{action:?}") };
        reply.send(Err(Refusal::Invalid("match".to_owned(), "expected matchers".to_owned()))).unwrap();
    });
    let answer = api.act("POST", "/api/v1/silences", good).await;
    assert_eq!((answer.status, &answer.body["error"]["parameter"]), (400, &json!("match")));
    engine.await.unwrap();

    for body in [
        "",
        "[]",
        "{}",
        &good.replace("1d12h", "soon"),
        &good.replace("duration", "ends"),
        &good.replace("\"author\"", "\"more\": 1, \"author\""),
        &good.replace("\"author\"", "\"ends\": \"2026-01-03T12:00:00Z\", \"author\""),
        &good.replace("\"duration\": \"1d12h\", ", ""),
        &good.replace("\"author\"", "\"starts\": \"now\", \"author\""),
    ] {
        assert_eq!(api.act("POST", "/api/v1/silences", body).await.status, 400, "{body}");
    }
    let long = good.replace("moving", &"x".repeat(64 << 10));
    assert_eq!(api.act("POST", "/api/v1/silences", &long).await.status, 413);
    let answer = api.act("PUT", "/api/v1/silences", good).await;
    assert_eq!((answer.status, answer.headers[header::ALLOW].to_str().unwrap()), (405, "GET, HEAD, POST"));
}

#[tokio::test]
async fn a_silence_ends_and_what_is_dead_is_sent_again() {
    let mut api = Api::of(sample::published());
    let engine = api.answering(|action| {
        let Action::Expire { id, reply } = action else { panic!("{action:?}") };
        assert_eq!(id, "silences[0]");
        reply.send(Err(Refusal::NotFound)).unwrap();
    });
    assert_eq!(api.act("DELETE", "/api/v1/silences/silences%5B0%5D", "").await.status, 404);
    engine.await.unwrap();
    for (path, expected) in
        [("/api/v1/notifications/abc/resend", Some(vec!["abc".to_owned()])), ("/api/v1/notifications/resend", None)]
    {
        let mut api = Api::of(sample::published());
        let engine = api.answering(move |action| {
            let Action::Resend { ids, reply } = action else { panic!("{action:?}") };
            assert_eq!(ids, expected);
            reply.send(Ok(vec!["abc".to_owned()])).unwrap();
        });
        let answer = api.act("POST", path, "").await;
        assert_eq!((answer.status, &answer.body["resent"]), (200, &json!(["abc"])), "{path}");
        engine.await.unwrap();
    }
}

#[tokio::test]
async fn the_outbox_can_be_looked_into() {
    let row = OutboxRow {
        id: "abc".to_owned(),
        receiver: "ops".to_owned(),
        recipient: "a@x.example".to_owned(),
        lane: "group".to_owned(),
        created: sample::NOW,
        not_before: sample::NOW,
        deadline: sample::NOW.plus(1),
        attempts: 3,
        state: OutboxState::Dead,
        uncertain: true,
        plain: false,
        error: Some("550 no such user".to_owned()),
        instead_of: None,
        notification: Notification {
            version: 1,
            reason: Reason::Test,
            at: sample::NOW,
            receiver: "ops".to_owned(),
            group_key: "{}".to_owned(),
            group: BTreeMap::new(),
            incident: "cafe".to_owned(),
            began: TimestampMs(0),
            ended: None,
            alerts: Vec::new(),
            more: 0,
            repeat_ms: None,
            parts: Vec::new(),
            text: None,
        },
    };
    let mut api = Api::of(sample::published());
    let engine = api.answering(|action| {
        let Action::Outbox { states, limit, reply } = action else { panic!("{action:?}") };
        assert_eq!((states.as_slice(), limit), (&[OutboxState::Dead][..], 5));
        reply.send(Ok(OutboxPage { total: 1, rows: vec![row] })).unwrap();
    });
    let answer = api.get("/api/v1/notifications?state=dead&limit=5").await;
    let found = &answer.body["notifications"][0];
    assert_eq!((&found["error"], &found["reason"]), (&json!("550 no such user"), &json!("test")));
    engine.await.unwrap();
    for query in ["state=gone", "limit=0", "limit=1001", "receiver=ops"] {
        assert_eq!(api.get(&format!("/api/v1/notifications?{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn a_watchdog_is_heard_when_an_alert_fires() {
    let webhook = |status: &str| format!(r#"{{"version": "4", "alerts": [{{"status": "{status}", "labels": {{}}}}]}}"#);
    for (found, status) in [(Ok(()), 200), (Err(Refusal::NotFound), 404)] {
        let mut api = Api::of(sample::published());
        let engine = api.answering(move |action| {
            let Action::Watchdog { name, reply } = action else { panic!("{action:?}") };
            assert_eq!(name, "eu1");
            reply.send(found).unwrap();
        });
        assert_eq!(api.act("POST", "/api/v1/watchdogs/eu1", &webhook("firing")).await.status, status);
        engine.await.unwrap();
    }
    let api = Api::of(sample::published());
    for (name, body, status) in [
        ("eu1", webhook("resolved"), 200),
        ("eu1", "{\"alerts\": []}".to_owned(), 200),
        ("eu9", webhook("resolved"), 404),
        ("eu1", "[1]".to_owned(), 400),
        ("eu1", "{\"alerts\": [{}]}".to_owned(), 400),
        ("eu1", "x".repeat((1 << 20) + 1), 413),
    ] {
        let answer = api.act("POST", &format!("/api/v1/watchdogs/{name}"), &body).await;
        assert_eq!(answer.status, status, "{name} {}", &body[..body.len().min(60)]);
        assert!(status != 200 || answer.body["heard"] == false);
    }
}

#[tokio::test]
async fn nothing_is_changed_for_pages_of_others_or_without_the_flag() {
    let changes = [
        ("POST", "/api/v1/silences"),
        ("DELETE", "/api/v1/silences/a"),
        ("POST", "/api/v1/notifications/resend"),
        ("POST", "/api/v1/notifications/a/resend"),
        ("POST", "/api/v1/watchdogs/eu1"),
    ];
    let (_sender, site) = sample::site(sample::published());
    let without = router().with_state(site);
    let api = Api::of(sample::published());
    for (method, path) in changes {
        let request = |name: header::HeaderName, value: &str| {
            let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
            request.header(name, value).body(Body::empty()).unwrap()
        };
        for (name, value) in [
            (header::ORIGIN, "https://evil.example.net"),
            (header::HOST, "localhost"),
            (header::HeaderName::from_static("sec-fetch-site"), "cross-site"),
        ] {
            let answer = api.send(request(name, value)).await;
            assert_eq!(
                (answer.status, &answer.body["error"]["code"]),
                (403, &json!("forbidden")),
                "{method} {path} {value}"
            );
        }
        let response = TowerToHyperService::new(without.clone()).call(request(header::ACCEPT, "*/*")).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("--web.enable-lifecycle"), "{method} {path}");
    }
}
