//! Grafana dashboards: that they are whole, and that every query in them can be answered.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{queries, source};

/// Panels that show no figures.
const WITHOUT_QUERIES: [&str; 2] = ["row", "text"];

/// What every query has to select by, so that one dashboard does for several services.
const SELECTED_BY: [&str; 2] = ["job", "instance"];

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// All panels, those inside of folded rows too.
fn panels(dashboard: &Value) -> Vec<&Value> {
    list(dashboard, "/panels").iter().flat_map(|panel| [panel].into_iter().chain(list(panel, "/panels"))).collect()
}

/// What is wrong with a dashboard, one line each.
fn violations(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: String| {
        if !holds {
            found.push(what);
        }
    };
    let uid = text(dashboard, "/uid");
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    demand(!uid.is_empty() && uid.len() <= 40 && uid.chars().all(is_id), format!("`{uid}` is no uid"));
    demand(text(dashboard, "/title").starts_with("Blockwarden / "), "its title does not name the product".to_owned());
    demand(dashboard["tags"] == serde_json::json!(["blockwarden"]), "it lacks its tag".to_owned());
    demand(dashboard["timezone"] == "utc", "its times are not UTC".to_owned());
    demand(dashboard["editable"] == false, "it is editable".to_owned());
    demand(dashboard["schemaVersion"] == 39, "its schema is not the classic one".to_owned());
    let variables: Vec<&str> = list(dashboard, "/templating/list").iter().map(|own| text(own, "/name")).collect();
    demand(variables == ["datasource", "job", "instance", "bucket"], format!("its variables are {variables:?}"));
    for variable in list(dashboard, "/templating/list").iter().skip(1) {
        let name = text(variable, "/name");
        demand(text(variable, "/datasource/uid") == "${datasource}", format!("${name} asks a fixed datasource"));
        demand(variable["refresh"] == 2, format!("${name} does not follow the time range"));
        let query = text(variable, "/query/query");
        let inner = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')'));
        let (expr, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap_or_default();
        let looked = queries::look(&substituted(expr));
        demand(looked.labels.contains(label), format!("${name}: {query} gives no `{label}`"));
        looked.problems.into_iter().for_each(|problem| demand(false, format!("${name}: {problem}")));
    }

    let mut ids = BTreeSet::new();
    let mut taken: BTreeSet<(u64, u64)> = BTreeSet::new();
    for panel in panels(dashboard) {
        let title = text(panel, "/title");
        demand(ids.insert(panel["id"].as_u64().unwrap_or_default()), format!("{title}: its id is another's"));
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap_or(99));
        demand(w > 0 && h > 0 && x + w <= 24, format!("{title}: is outside of the grid"));
        let overlaps = (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))).filter(|cell| !taken.insert(*cell));
        demand(overlaps.count() == 0, format!("{title}: lies over another"));
        let kind = text(panel, "/type");
        demand(!title.is_empty(), format!("panel {} has no title", panel["id"]));
        if WITHOUT_QUERIES.contains(&kind) {
            continue;
        }
        demand(text(panel, "/description").ends_with('.'), format!("{title}: has no description"));
        demand(text(panel, "/datasource/uid") == "${datasource}", format!("{title}: asks a fixed datasource"));
        demand(!text(panel, "/fieldConfig/defaults/unit").is_empty(), format!("{title}: has no unit"));
        demand(!list(panel, "/targets").is_empty(), format!("{title}: asks nothing"));
        for target in list(panel, "/targets") {
            let looked = queries::look(&substituted(text(target, "/expr")));
            looked.problems.iter().for_each(|problem| demand(false, format!("{title}: {problem}")));
            for (name, matched) in &looked.matched {
                let missing = SELECTED_BY.iter().find(|label| !matched.contains(**label));
                demand(missing.is_none(), format!("{title}: `{name}` is not selected by {missing:?}"));
            }
            let legend = text(target, "/legendFormat");
            let labels = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
            for label in labels {
                demand(looked.labels.contains(label), format!("{title}: the legend names `{label}`"));
            }
            demand(text(target, "/datasource/uid") == "${datasource}", format!("{title}: asks a fixed datasource"));
        }
    }
    found
}

/// A query as Grafana would send it.
fn substituted(expr: &str) -> String {
    let mut expr = expr.replace("$__rate_interval", "5m").replace("$__range", "6h");
    for variable in ["job", "instance", "bucket"] {
        expr = expr.replace(&format!("${variable}"), ".+");
    }
    expr
}

fn parsed(file: &source::SourceFile) -> Value {
    serde_json::from_str(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path))
}

#[test]
fn dashboards_are_whole() {
    let files = source::files("dashboards", &[".json"]);
    let mut uids = BTreeSet::new();
    for file in &files {
        let dashboard = parsed(file);
        let found = violations(&dashboard);
        assert!(found.is_empty(), "{}: {found:#?}", file.path);
        assert!(uids.insert(text(&dashboard, "/uid").to_owned()), "{}: its uid is another's", file.path);
    }
}

#[test]
fn a_broken_dashboard_is_caught() {
    let file = source::files("dashboards", &["overview.json"]).remove(0);
    let sound = parsed(&file);
    let first = panels(&sound).iter().position(|panel| !WITHOUT_QUERIES.contains(&text(panel, "/type"))).unwrap();
    let panel = format!("/panels/{first}");
    for (pointer, value) in [
        ("/uid", "a b".into()),
        ("/timezone", "browser".into()),
        ("/editable", true.into()),
        ("/templating/list/1/datasource/uid", "prometheus".into()),
        ("/templating/list/3/query/query", "label_values(blockwarden_build_info, bucket)".into()),
        (&format!("{panel}/id"), sound.pointer(&format!("/panels/{}/id", first + 1)).unwrap().clone()),
        (&format!("{panel}/gridPos/w"), 25.into()),
        (&format!("{panel}/gridPos/h"), 20.into()),
        (&format!("{panel}/title"), "".into()),
        (&format!("{panel}/description"), "".into()),
        (&format!("{panel}/datasource/uid"), "prometheus".into()),
        (&format!("{panel}/fieldConfig/defaults/unit"), "".into()),
        (&format!("{panel}/targets/0/expr"), "sum(".into()),
        (&format!("{panel}/targets/0/expr"), "up{job=~\"$job\"}".into()),
        (&format!("{panel}/targets/0/expr"), "blockwarden_typo{job=~\"$job\", instance=~\"$instance\"}".into()),
        (&format!("{panel}/targets/0/legendFormat"), "{{ulid}}".into()),
    ] {
        let mut broken = sound.clone();
        *broken.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        assert!(!violations(&broken).is_empty(), "{pointer} is not looked at");
    }
}
