//! `rules/` and what is made of it: up to date, accepted by Prometheus' own tool, and every alert as its tests say: quiet
//! when well, fires in time, survives a gap between scrapes, resolves, and somebody tells when all metrics are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use blockwarden::catalogue::{self, Catalogue, Entry, RuleFormat, RuleTarget};
use blockwarden::model::{Component, ComponentSettings, RuleSettings};

use crate::{generated, source};

/// Where the rules are in which every component is named, so that there are rules about what is absent.
const COMPONENTS: &str = "rules/tests/components";

/// Runs promtool in a folder. Not being able to is a failure, not a reason to skip.
fn promtool(folder: &Path, args: &[&str]) -> Output {
    match Command::new("promtool").args(args).current_dir(folder).output() {
        Ok(output) => output,
        Err(error) => panic!("promtool cannot be run ({error}): apt-get install --no-install-recommends prometheus"),
    }
}

fn assert_passes(output: &Output, what: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}\n{}{}", text(&output.stdout), text(&output.stderr));
}

/// Settings in which each component but our own is named.
fn all_named() -> RuleSettings {
    let others = Component::ALL.into_iter().filter(|component| *component != Component::Own);
    let named = others.map(|component| ComponentSettings { component, job: component.usual_job().to_owned() });
    RuleSettings { components: named.collect(), ..RuleSettings::default() }
}

fn is_of_another(entry: &Entry) -> bool {
    entry.component.is_some_and(|component| component != Component::Own)
}

/// The tests of these alerts, one file for each group, beside `rules`, as promtool sees them.
fn test_files(
    catalogue: &Catalogue,
    entries: &[&Entry],
    settings: &RuleSettings,
    rules: &str,
) -> BTreeMap<String, String> {
    let groups: BTreeSet<String> = entries.iter().map(|entry| catalogue::group_name(entry)).collect();
    let mut files = BTreeMap::new();
    for group in groups {
        let own: Vec<&Entry> = entries.iter().copied().filter(|entry| catalogue::group_name(entry) == group).collect();
        let guards = own.iter().filter_map(|entry| catalogue::guard_of(entry, catalogue)).map(catalogue::group_name);
        let needed: BTreeSet<String> = guards.chain([group.clone()]).collect();
        let needed: Vec<String> = needed.into_iter().map(|name| format!("{rules}/{name}.yaml")).collect();
        let text = catalogue::rule_test_file(&needed, catalogue, own, settings).unwrap();
        let head =
            "# Generated from alerts/ by `UPDATE=1 cargo test --test repo`. Run it with `promtool test rules`.\n";
        files.insert(format!("{group}.yaml"), format!("{head}{text}"));
    }
    files
}

/// Everything in `rules/`, by path.
fn expected() -> BTreeMap<String, String> {
    let catalogue = catalogue::embedded().unwrap();
    let (settings, named) = (RuleSettings::default(), all_named());
    let rules = |settings| {
        catalogue::rule_files(catalogue, settings, RuleFormat::Prometheus, RuleTarget::V2_42).unwrap().into_iter()
    };
    let always: Vec<&Entry> = catalogue.entries().filter(|entry| !entry.named_only).collect();
    let theirs: Vec<&Entry> = catalogue.entries().filter(|entry| is_of_another(entry)).collect();
    let mut files: BTreeMap<String, String> =
        rules(&settings).map(|file| (format!("rules/{}", file.name), file.text)).collect();
    let tests = test_files(catalogue, &always, &settings, "..");
    files.extend(tests.into_iter().map(|(name, text)| (format!("rules/tests/{name}"), text)));
    if !theirs.is_empty() {
        files.extend(rules(&named).map(|file| (format!("{COMPONENTS}/rules/{}", file.name), file.text)));
        let tests = test_files(catalogue, &theirs, &named, "rules");
        files.extend(tests.into_iter().map(|(name, text)| (format!("{COMPONENTS}/{name}"), text)));
    }
    files
}

#[test]
fn rules_are_up_to_date() {
    let expected = expected();
    generated::update("rules", &expected);
    let committed = source::files("rules", &[".yaml"]).into_iter().map(|file| (file.path, file.text)).collect();
    let found = generated::differences(&expected, &committed);
    assert!(found.is_empty(), "\n{}\nrun `UPDATE=1 cargo test --test repo`", found.join("\n"));
}

#[test]
fn rules_pass_their_own_tests() {
    let folder = tempfile::tempdir().unwrap();
    let files = expected();
    for (path, text) in &files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let is_test =
        |path: &&String| path.starts_with("rules/tests/") && !path.starts_with("rules/tests/components/rules/");
    let (tests, rules): (Vec<&String>, Vec<&String>) = files.keys().partition(is_test);
    let run = |words: &[&str], files: &[&String]| {
        let args: Vec<&str> = words.iter().copied().chain(files.iter().map(|path| path.as_str())).collect();
        promtool(folder.path(), &args)
    };
    assert_passes(&run(&["check", "rules", "--lint=all", "--lint-fatal"], &rules), "the rules are not valid");
    assert_passes(&run(&["test", "rules"], &tests), "the rules do not behave as alerts/*.yaml says");
}

/// What every alert has to have beside its expression.
#[test]
fn every_rule_is_complete() {
    for (path, text) in expected().iter().filter(|(path, _)| !path.contains("/tests/")) {
        let document: serde_json::Value = serde_yaml::from_str(text).unwrap();
        for group in document["groups"].as_array().unwrap() {
            assert!(group["limit"].as_u64() >= Some(1000) && group["interval"].is_string(), "{path}");
            for rule in group["rules"].as_array().unwrap() {
                for key in ["summary", "description", "runbook_url", "dashboard_url"] {
                    let text = rule["annotations"][key].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{path}: {}: no {key}", rule["alert"]);
                }
            }
        }
    }
}

/// Each target gets only fields that it knows, and each format holds the same rules.
#[test]
fn every_format_holds_the_same_rules() {
    let catalogue = catalogue::embedded().unwrap();
    let named = all_named();
    let folder = tempfile::tempdir().unwrap();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for target in [RuleTarget::V2_42, RuleTarget::V2_53, RuleTarget::V3] {
        for format in [RuleFormat::Prometheus, RuleFormat::Operator, RuleFormat::Mimir] {
            let text = catalogue::rule_document(catalogue, &named, format, target).unwrap();
            assert!(catalogue::is_generated(&text));
            let document: serde_json::Value = serde_yaml::from_str(&text).unwrap();
            let groups = match format {
                RuleFormat::Prometheus => &document["groups"],
                RuleFormat::Mimir => {
                    assert_eq!(document["namespace"], "blockwarden");
                    &document["groups"]
                }
                RuleFormat::Operator => {
                    assert_eq!(
                        (&document["kind"], &document["metadata"]["name"]),
                        (&"PrometheusRule".into(), &"blockwarden".into())
                    );
                    &document["spec"]["groups"]
                }
            };
            let names: BTreeSet<&str> =
                groups.as_array().unwrap().iter().filter_map(|group| group["name"].as_str()).collect();
            assert_eq!(names.len(), groups.as_array().unwrap().len(), "two groups have one name");
            seen.insert(serde_yaml::to_string(&serde_json::json!({ "groups": groups })).unwrap());
        }
    }
    // no target needs, and no format lacks, what another has
    assert_eq!(seen.len(), 1);
    fs::write(folder.path().join("rules.yaml"), seen.first().unwrap()).unwrap();
    assert_passes(&promtool(folder.path(), &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]), "");
}

#[test]
fn every_component_with_alerts_has_somebody_who_tells_that_it_is_gone() {
    let catalogue = catalogue::embedded().unwrap();
    let unwatched: Vec<&str> = catalogue
        .entries()
        .filter(|entry| catalogue::guard_of(entry, catalogue).is_none())
        .map(|entry| entry.id.as_str())
        .collect();
    assert!(unwatched.is_empty(), "nobody tells that what these are about is gone: {unwatched:?}");
}

#[test]
fn a_rule_that_does_not_fire_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue::embedded().unwrap();
    let settings = RuleSettings::default();
    let entry = catalogue.entry("upload_lag").unwrap();
    let broken = Entry { expr: entry.expr.replace("> 0", "> 1000"), ..entry.clone() };
    let guard = catalogue::guard_of(entry, catalogue).unwrap();
    let tests = catalogue::rule_test_file(&["rules.yaml".to_owned()], catalogue, [entry], &settings).unwrap();
    fs::write(folder.path().join("tests.yaml"), tests).unwrap();
    for (entries, passes) in [([entry, guard], true), ([&broken, guard], false), ([entry, entry], false)] {
        let groups = catalogue::groups_of(entries, &settings).unwrap();
        let rules = serde_yaml::to_string(&serde_json::json!({ "groups": groups })).unwrap();
        fs::write(folder.path().join("rules.yaml"), rules).unwrap();
        let test = promtool(folder.path(), &["test", "rules", "tests.yaml"]);
        assert_eq!(test.status.success(), passes, "{}", String::from_utf8_lossy(&test.stderr));
    }
}
