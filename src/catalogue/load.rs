//! Reads the catalogue and finds every mistake in it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use include_dir::{Dir, include_dir};

use super::{AlertTest, Entry, expr};
use crate::model::{KnownAlert, KnownThreshold, Severity};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/alerts");

static EMBEDDED: LazyLock<Result<Catalogue, CatalogueError>> = LazyLock::new(|| {
    let files = FILES.files().filter_map(|file| Some((file.path().to_str()?, file.contents_utf8()?)));
    Catalogue::parse(files)
});

/// The catalogue that is part of the program.
///
/// An error means that the program was built with a broken file; a test keeps that from happening.
pub fn embedded() -> Result<&'static Catalogue, &'static CatalogueError> {
    EMBEDDED.as_ref()
}

/// All alerts.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
}

impl Catalogue {
    /// The alerts in the order of their ids.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The alert with this id.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    /// The alerts that are PromQL alone, as the configuration has to know them, in the order of their ids.
    pub fn known(&'static self) -> Vec<KnownAlert> {
        let alone = self.entries().filter(|entry| entry.check.is_none());
        let known = alone.map(|entry| KnownAlert {
            id: &entry.id,
            thresholds: entry
                .thresholds
                .iter()
                .map(|(name, own)| KnownThreshold { name, default: own.default, help: &own.help })
                .collect(),
        });
        known.collect()
    }

    /// Reads our own files, each with its name (`upload_lag.yaml`) and content. All mistakes of all files are reported.
    pub fn parse<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Result<Self, CatalogueError> {
        Self::default().read(files, "alerts", Origin::Own)
    }

    /// These alerts with the files of a folder, each of which replaces the alert of its name or adds one.
    pub fn with<'f>(
        &self,
        folder: &str,
        files: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> Result<Self, CatalogueError> {
        self.clone().read(files, folder, Origin::User)
    }

    fn read<'f>(
        mut self,
        files: impl IntoIterator<Item = (&'f str, &'f str)>,
        folder: &str,
        origin: Origin,
    ) -> Result<Self, CatalogueError> {
        let mut problems = Vec::new();
        for (file, text) in files {
            let problem = |text| Problem { file: format!("{folder}/{file}"), text };
            match parse_entry(file, text) {
                Ok(entry) => {
                    problems.extend(validate(&entry, origin).into_iter().map(problem));
                    self.entries.insert(entry.id.clone(), entry);
                }
                Err(text) => problems.push(problem(text)),
            }
        }
        problems.extend(self.cross_check(folder));
        if problems.is_empty() { Ok(self) } else { Err(CatalogueError { problems }) }
    }

    /// What only shows when all files are known.
    fn cross_check(&self, folder: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut names = BTreeMap::new();
        for entry in self.entries.values() {
            let mut note = |text: String| problems.push(Problem { file: format!("{folder}/{}.yaml", entry.id), text });
            if let Some(other) = names.insert(&entry.name, &entry.id) {
                note(format!("name: `{}` is also the name of `{other}`; choose another", entry.name));
            }
            for id in &entry.inhibited_by {
                if *id == entry.id || !self.entries.contains_key(id) {
                    note(format!("inhibited_by: `{id}` is no other alert; use the id of one"));
                }
            }
        }
        problems
    }
}

/// The files of a catalogue have mistakes.
#[derive(Debug, thiserror::Error)]
pub struct CatalogueError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the alert catalogue cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n  {}: {}", problem.file, problem.text)?;
        }
        Ok(())
    }
}

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Part of the program.
    Own,
    /// From `--alerts-dir`.
    User,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Folder and name of the file.
    pub file: String,
    /// In words, beginning with the key where there is one.
    pub text: String,
}

fn parse_entry(file: &str, text: &str) -> Result<Entry, String> {
    let id = file.strip_suffix(".yaml").ok_or("is not called `<id>.yaml`; rename it")?;
    let mut entry: Entry = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    id.clone_into(&mut entry.id);
    Ok(entry)
}

/// Everything that is wrong with one entry.
fn validate(entry: &Entry, origin: Origin) -> Vec<String> {
    let mut problems = Vec::new();
    let mut demand = |holds: bool, text: &str| {
        if !holds {
            problems.push(text.to_owned());
        }
    };
    let is_id = !entry.id.is_empty() && entry.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    demand(is_id, "the file's name is not lower case with underscores");
    demand(entry.check_id().is_none_or(|check| check == entry.id), "check: differs from the file's name");
    demand(entry.check.is_some() != entry.component.is_some(), "has to have either `check` or `component`");
    let is_check_id = super::check_ids().any(|id| id == entry.id);
    demand(
        origin == Origin::User || entry.check.is_none() || is_check_id || cfg!(test),
        "check: there is no such check",
    );
    demand(entry.check.is_some() || !is_check_id, "component: the file has the name of a check; choose another");
    demand(entry.check.is_none() || entry.thresholds.is_empty(), "thresholds: belong into the check");
    demand(entry.check.is_none() || !entry.named_only, "named_only: is for an alert with `component`");
    demand(entry.severity != Severity::Info || entry.check.is_some(), "severity: `info` is never notified");
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    demand(entry.group.as_deref().is_none_or(is_word), "group: is not lower case with underscores");
    demand(
        entry.thresholds.iter().all(|(name, own)| is_word(name) && is_sentence(&own.help) && own.default.is_finite()),
        "thresholds: each has a name in lower case, a finite `default` and one sentence of `help`",
    );
    let reserved = ["self", "job", "window", "stream", "enabled", "for", "keep_firing_for", "severity", "overrides"];
    demand(
        !entry.thresholds.keys().any(|name| reserved.contains(&name.as_str())),
        "thresholds: a name is taken; choose another",
    );
    demand(
        entry.name.starts_with("Blockwarden") && entry.name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "name: is not CamelCase that begins with `Blockwarden`",
    );
    demand(
        is_sentence(&entry.summary) && entry.summary.starts_with(|first: char| first.is_uppercase()),
        "summary: is not a sentence (capital, final period, one line)",
    );
    demand(!entry.summary.contains("{{"), "summary: is not static; labels belong into the description");
    demand(is_sentence(entry.description.text()), "description: is not a sentence (final period, one line)");
    demand(!entry.meaning.trim().is_empty(), "meaning: is empty");
    demand(!entry.impact.trim().is_empty(), "impact: is empty");
    demand(!entry.what_to_do.is_empty(), "what_to_do: has no step");
    problems.extend(expr::validate(entry, origin));
    problems.extend(validate_tests(&entry.tests).into_iter().map(str::to_owned));
    problems
}

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && !text.contains('\n')
}

fn validate_tests(tests: &[AlertTest]) -> Vec<&'static str> {
    let fires = |test: &AlertTest| test.expect.iter().any(|moment| !moment.firing.is_empty());
    let ends_quiet = |test: &AlertTest| test.expect.last().is_some_and(|moment| moment.firing.is_empty());
    let has_gap = |test: &AlertTest| test.input_series.iter().any(|series| series.values.contains('_'));
    let in_order = |test: &AlertTest| test.expect.is_sorted_by_key(|moment| moment.at.ms());
    let demands: [(bool, &str); 5] = [
        (tests.iter().any(|test| !fires(test)), "tests: none shows it quiet while all is well"),
        (tests.iter().any(fires), "tests: none shows it fire"),
        (tests.iter().any(|test| fires(test) && has_gap(test)), "tests: none shows it survive a gap between scrapes"),
        (tests.iter().any(|test| fires(test) && ends_quiet(test)), "tests: none shows it resolve"),
        (tests.iter().all(in_order), "tests: moments are not in order of time"),
    ];
    demands.into_iter().filter(|(holds, _)| !holds).map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name: BlockwardenLate
check: late
expr: max by (check, severity, bucket) (max_over_time(blockwarden_findings{$self, check="late"}[$window])) > 0
for: 5m
keep_firing_for: 15m
severity: warning
summary: Something is late.
description: "{{ $value }} things in {{ $labels.bucket }} are late."
meaning: text
impact: text
what_to_do: [{step: look, run: ls}]
inhibited_by: []
tests:
  - {name: quiet, input_series: [], expect: [{at: 5m, firing: []}]}
  - name: fires
    input_series: [{series: 'x{a="b"}', values: 1 _x2 1}]
    expect: [{at: 5m, firing: [{value: 1, labels: {bucket: b}}]}, {at: 1h, firing: []}]
"#;

    const ALONE: &str = r#"
name: BlockwardenAlone
component: sidecar
thresholds: {ratio: {default: 0.5, help: A ratio.}}
expr: |
  sum by (job, instance) (rate(thanos_shipper_dir_sync_failures_total{$job}[$window]))
    / sum by (job, instance) (rate(thanos_shipper_dir_syncs_total{$job}[$window])) > $ratio
for: 5m
keep_firing_for: 15m
severity: warning
summary: Something is wrong.
description: "{{ $labels.instance }}: {{ $value | humanizePercentage }}."
meaning: text
impact: text
what_to_do: [{step: look}]
tests:
  - {name: quiet, input_series: [], expect: [{at: 5m, firing: []}]}
  - name: fires
    input_series: [{series: 'x{a="b"}', values: 1 _x2 1}]
    expect: [{at: 5m, firing: [{value: 0.75, labels: {bucket: b}}]}, {at: 1h, firing: []}]
"#;

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        match Catalogue::parse(files.iter().copied()) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems.into_iter().map(|problem| problem.text).collect(),
        }
    }

    #[test]
    fn the_embedded_catalogue_is_sound() {
        if let Err(error) = embedded() {
            panic!("{error}");
        }
    }

    #[test]
    fn finds_each_mistake() {
        assert_eq!(problems(&[("late.yaml", GOOD)]), Vec::<String>::new());
        for (from, to, expected) in [
            ("check: late", "check: other", "check: differs"),
            ("name: BlockwardenLate", "name: Late", "name: is not CamelCase"),
            ("summary: Something is late.", "summary: something", "summary: is not a sentence"),
            ("summary: Something is late.", "summary: '{{ $labels.a }} X.'", "summary: is not static"),
            ("things in", "{{ things }} in", "is not understood"),
            ("$labels.bucket", "$labels.pod", "description: `pod` is not a label"),
            ("are late.\"", "are late\"", "description: is not a sentence"),
            ("meaning: text", "meaning: ''", "meaning: is empty"),
            ("impact: text", "impact: ' '", "impact: is empty"),
            ("[{step: look, run: ls}]", "[]", "what_to_do: has no step"),
            ("for: 5m", "for: 5 minutes", "is not a duration"),
            ("severity: warning", "severity: bad", "unknown variant"),
            ("impact: text", "impact: text\nextra: 1", "unknown field `extra`"),
            ("> 0", "> 0 )", "expr: is not PromQL"),
            ("> 0", "> 7", "expr: holds a threshold"),
            ("check=\"late\"}", "check=\"soon\"}", "expr: reads something else"),
            ("blockwarden_findings", "up", "expr: reads something else"),
            ("inhibited_by: []", "inhibited_by: [late]", "inhibited_by: `late` is no other alert"),
            ("inhibited_by: []", "inhibited_by: [gone]", "inhibited_by: `gone` is no other alert"),
            ("1 _x2 1", "1x4", "survive a gap"),
            ("{at: 1h, firing: []}", "{at: 1m, firing: []}", "not in order"),
            (", {at: 1h, firing: []}", "", "resolve"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from} is not in the good text");
            let found = problems(&[("late.yaml", &text)]);
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn finds_each_mistake_in_an_alert_that_is_promql_alone() {
        assert_eq!(problems(&[("alone.yaml", ALONE)]), Vec::<String>::new());
        for (from, to, expected) in [
            ("component: sidecar", "component: car", "`car` is not a component"),
            ("component: sidecar", "component: sidecar\ncheck: alone", "either `check` or `component`"),
            ("component: sidecar\n", "", "either `check` or `component`"),
            (
                "component: sidecar",
                "component: compactor",
                "compactor exports no series `thanos_shipper_dir_syncs_total`",
            ),
            ("component: sidecar", "component: sidecar\ngroup: A b", "group: is not"),
            ("syncs_total{$job}", "syncs_total", "selector without job"),
            ("syncs_total{$job}", "syncs_total{job=\"a\"}", "names a job"),
            ("syncs_total{$job}", "syncs_total{$job, pod=\"a\"}", "has no label `pod`"),
            ("(job, instance)", "(job, zone)", "nothing in it has a label `zone`"),
            ("> $ratio", "> $other", "`$other` is neither"),
            ("> $ratio", "> 1", "expr does not use `$ratio`"),
            ("ratio: {default: 0.5, help: A ratio.}", "ratio: {default: 0.5, help: ratio}", "one sentence of `help`"),
            ("severity: warning", "severity: info", "is never notified"),
            ("dir_sync_failures_total{$job}[$window]", "dir_sync_failures_total{$job}[$window", "is not PromQL"),
            ("$labels.instance", "$labels.pod", "`pod` is not a label"),
        ] {
            let text = ALONE.replacen(from, to, 1);
            assert_ne!(text, ALONE, "{from} is not in the good text");
            let found = problems(&[("alone.yaml", &text)]);
            assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:?}");
        }
        // what a parameter of an aggregation reads is looked at, too
        let hidden = ALONE.replace(
            "sum by (job, instance) (rate(thanos_shipper_dir_syncs",
            "quantile by (job, instance) (scalar(nowhere{$job}), rate(thanos_shipper_dir_syncs",
        );
        assert!(problems(&[("alone.yaml", &hidden)]).iter().any(|problem| problem.contains("`nowhere`")));
        let taken = ALONE.replace("name: BlockwardenAlone", "name: BlockwardenOverlap");
        assert!(problems(&[("overlap.yaml", &taken)]).iter().any(|problem| problem.contains("name of a check")));
    }

    #[test]
    fn a_folder_replaces_and_adds() {
        let own = Catalogue::parse([("late.yaml", GOOD)]).unwrap();
        let louder = GOOD.replace("for: 5m", "for: 1m");
        let foreign = ALONE.replace("thanos_shipper_dir_syncs_total", "what_we_never_heard_of");
        let both = own.with("mine", [("late.yaml", &*louder), ("alone.yaml", &*foreign)]).unwrap();
        assert_eq!(both.entry("late").unwrap().hold.text(), "1m");
        assert_eq!(both.entries().count(), 2);
        let error = own.with("mine", [("late.yaml", "name: a\nseverity: loud")]).unwrap_err().to_string();
        assert!(error.contains("mine/late.yaml: ") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn reports_the_mistakes_of_all_files_together() {
        let twin = GOOD.replace("late", "soon");
        let broken = GOOD.replace("impact: text", "impact: ''");
        let found = problems(&[("late.yaml", &broken), ("soon.yaml", &twin), ("notes.txt", "")]);
        let expected = [
            "impact: is empty",
            "is not called `<id>.yaml`; rename it",
            "name: `BlockwardenLate` is also the name of `late`; choose another",
        ];
        assert_eq!(found, expected);
    }
}
