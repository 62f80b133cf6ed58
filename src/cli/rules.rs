//! `rules`: rules for Prometheus, and what belongs to them in Alertmanager.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use super::alerts_dir;
use super::arguments::{RulesArguments, RulesFormat, RulesTarget};
use super::outcome::Outcome;
use crate::catalogue::{self, RuleFile, RuleFormat, RuleTarget};
use crate::config::{self, ObjstoreSource};
use crate::model::{Environment, RuleSettings};

/// Stands instead of the buckets, about which rules say nothing: what their files hold, secrets among it, is not needed.
const NO_BUCKET: &str = "{type: FILESYSTEM, config: {directory: /}}";

/// Runs the command.
pub(super) fn run(arguments: &RulesArguments, environment: &Environment) -> anyhow::Result<Outcome> {
    let catalogue = alerts_dir::catalogue(arguments.alerts_dir.as_deref())?;
    let settings = match &arguments.config {
        None => RuleSettings::default(),
        Some(file) => {
            let none = ObjstoreSource::Inline(NO_BUCKET.to_owned());
            config::load(Some(file), Some(&none), environment, &catalogue.known())?.rules
        }
    };
    if arguments.alertmanager {
        return Ok(Outcome::text(catalogue::alertmanager(catalogue, &settings)?));
    }
    let format = match arguments.format {
        RulesFormat::Prometheus => RuleFormat::Prometheus,
        RulesFormat::PrometheusOperator => RuleFormat::Operator,
        RulesFormat::Mimir => RuleFormat::Mimir,
    };
    let target = match arguments.target {
        RulesTarget::V2_42 => RuleTarget::V2_42,
        RulesTarget::V2_53 => RuleTarget::V2_53,
        RulesTarget::V3 => RuleTarget::V3,
    };
    let text = match &arguments.out_dir {
        None => catalogue::rule_document(catalogue, &settings, format, target)?,
        Some(folder) => write(folder, &catalogue::rule_files(catalogue, &settings, format, target)?)?,
    };
    Ok(Outcome::text(text))
}

/// Writes the files into a folder, and removes those of ours that are of no group any more. Says what was done.
fn write(folder: &Path, files: &[RuleFile]) -> anyhow::Result<String> {
    let failed = || format!("cannot write into --out-dir {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    // before anything is changed
    for file in files {
        let path = folder.join(&file.name);
        let old = match fs::read_to_string(&path) {
            Ok(old) => old,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        if !catalogue::is_generated(&old) {
            anyhow::bail!(
                "{} was not written by `blockwarden rules`; move it away or choose another folder",
                path.display()
            );
        }
    }
    let mut said = Vec::new();
    for file in files {
        let path = folder.join(&file.name);
        // a reload of Prometheus meanwhile sees the old file or the new one, and nothing beside them
        let mut new = tempfile::Builder::new().prefix(".blockwarden-").tempfile_in(folder).with_context(failed)?;
        new.write_all(file.text.as_bytes()).with_context(failed)?;
        set_readable(new.as_file()).with_context(failed)?;
        new.persist(&path).with_context(failed)?;
        said.push(path.display().to_string());
    }
    for entry in fs::read_dir(folder).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        let is_of_a_group = name.starts_with("blockwarden-") && is_yaml;
        if !is_of_a_group || files.iter().any(|file| file.name == name) {
            continue;
        }
        if fs::read_to_string(&path).is_ok_and(|text| catalogue::is_generated(&text)) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            said.push(format!("removed {}: it has no rules any more", path.display()));
        } else {
            said.push(format!("left {}: it was not written by `blockwarden rules`", path.display()));
        }
    }
    Ok(said.iter().map(|line| line.to_owned() + "\n").collect())
}

/// As a file is that is not temporary: Prometheus often runs as another user.
#[cfg(unix)]
fn set_readable(file: &fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn set_readable(_: &fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(folder: &Path) -> RulesArguments {
        RulesArguments {
            config: None,
            alerts_dir: None,
            format: RulesFormat::Prometheus,
            target: RulesTarget::V2_42,
            out_dir: Some(folder.to_owned()),
            alertmanager: false,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_gets_one_file_for_each_group_and_keeps_what_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let generated = "# Generated by blockwarden 0.0.1\ngroups: []\n";
        for (name, text) in
            [("blockwarden-old.yaml", generated), ("blockwarden-mine.yaml", "groups: []\n"), ("other.yaml", generated)]
        {
            fs::write(path.join(name), text).unwrap();
        }
        let run = || run(&arguments(path), &Environment::default());
        let first = run().unwrap().text;
        assert!(first.contains("removed") && first.contains("blockwarden-old.yaml"), "{first}");
        let catalogue = catalogue::embedded().unwrap();
        let files =
            catalogue::rule_files(catalogue, &RuleSettings::default(), RuleFormat::Prometheus, RuleTarget::V2_42)
                .unwrap();
        let mut expected: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
        expected.extend(["blockwarden-mine.yaml".to_owned(), "other.yaml".to_owned()]);
        expected.sort();
        assert_eq!(names(path), expected);
        for file in &files {
            assert_eq!(fs::read_to_string(path.join(&file.name)).unwrap(), file.text);
        }
        run().unwrap();
        assert_eq!(names(path), expected);

        let [.., last] = &files[..] else { panic!("no rules") };
        fs::write(path.join(&last.name), "groups: []\n").unwrap();
        let error = run().unwrap_err().to_string();
        assert!(error.contains(&last.name) && error.contains("move it away"), "{error}");
    }

    #[test]
    fn the_configuration_and_a_folder_of_alerts_decide() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let alerts = path.join("alerts");
        fs::create_dir(&alerts).unwrap();
        let absent =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("alerts/blockwarden_scan_stale.yaml"));
        fs::write(alerts.join("blockwarden_scan_stale.yaml"), absent.unwrap().replace("for: 5m", "for: 7m")).unwrap();
        let config = "buckets: [{objstore_config_file: nowhere.yaml}]\nmetrics: {rules: {job: warden, window: 20m}, \
                      stream_labels: [cluster]}\nchecks:\n  upload_lag: {for: 9m}\n  overlap: {enabled: false}\n  \
                      blockwarden_scan_stale: {intervals: 4.5, keep_firing_for: 1h}\n";
        fs::write(path.join("c.yaml"), config).unwrap();
        let arguments = RulesArguments {
            config: Some(path.join("c.yaml")),
            alerts_dir: Some(alerts),
            out_dir: None,
            ..arguments(path)
        };
        let text = run(&arguments, &Environment::default()).unwrap().text;
        for part in
            ["job=\"warden\"", "[20m]", "bucket, stream, cluster)", "for: 9m", "for: 7m", "> on (job, bucket) 4.5 *"]
        {
            assert!(text.contains(part), "{part}");
        }
        for part in ["BlockwardenOverlap", "job=\"blockwarden\"", "$self", "[10m]"] {
            assert!(!text.contains(part), "{part}");
        }
        assert_eq!(text, run(&arguments, &Environment::default()).unwrap().text);
    }
}
