//! What was understood of a configuration, for a person who checks it: everything that decides, nothing secret.

use super::{Config, duration};
use crate::checks::{BucketPolicy, CheckSettings, ParamValue, Retention, StreamPolicy};
use crate::model::{AzureSettings, BucketSettings, GcsSettings, ProviderSettings, S3Settings};

impl Config {
    /// The configuration in words, one thing a line, without secrets.
    pub fn summary(&self) -> Vec<String> {
        let buckets = self.buckets.iter().flat_map(|bucket| self.bucket(bucket));
        let streams = self.policy.streams.iter().map(stream);
        let checks = self.policy.checks.iter().flat_map(|(id, policy)| {
            let general = settings(&policy.settings).map(|text| format!("check {id}: {text}"));
            let overrides = policy.overrides.iter().filter_map(move |(selector, own)| {
                settings(own).map(|text| format!("check {id} for {}: {text}", selector.text))
            });
            general.into_iter().chain(overrides)
        });
        let notify = super::notify::summary(&self.alerting, &self.notify);
        let scrub = super::scrub::summary(&self.policy.scrub);
        buckets.chain(streams).chain(checks).chain([scrub]).chain(notify).collect()
    }

    fn bucket(&self, settings: &BucketSettings) -> Vec<String> {
        let demands = self.policy.bucket(&settings.name);
        let mut lines = vec![
            format!("bucket {}: {}", settings.name, location(settings)),
            format!("  credentials: {}", credentials(&settings.provider)),
            format!("  {}", rhythm(&demands)),
            format!("  replica labels: {}", demands.replica_labels.join(", ")),
            format!("  retention: {}", retention(demands.retention)),
        ];
        let streams = demands.stream_retention.iter();
        lines.extend(streams.map(|(selector, own)| format!("  retention of {}: {}", selector.text, retention(*own))));
        lines
    }
}

fn location(settings: &BucketSettings) -> String {
    let place = match &settings.provider {
        ProviderSettings::S3(s3) => {
            let scheme = if s3.insecure { "http" } else { "https" };
            format!("{scheme}://{} bucket {}", s3.endpoint, s3.bucket)
        }
        ProviderSettings::Gcs(gcs) => format!("bucket {}", gcs.bucket),
        ProviderSettings::Azure(azure) => {
            format!("{} account {} container {}", azure.endpoint, azure.storage_account, azure.container)
        }
        ProviderSettings::Filesystem(folder) => folder.directory.clone(),
    };
    let prefix = if settings.prefix.is_empty() { String::new() } else { format!(" below {}", settings.prefix) };
    format!("{} {place}{prefix}", settings.kind().name())
}

fn credentials(provider: &ProviderSettings) -> &'static str {
    match provider {
        ProviderSettings::S3(s3) => s3_credentials(s3),
        ProviderSettings::Gcs(gcs) => gcs_credentials(gcs),
        ProviderSettings::Azure(azure) => azure_credentials(azure),
        ProviderSettings::Filesystem(_) => "none",
    }
}

fn s3_credentials(s3: &S3Settings) -> &'static str {
    if s3.aws_sdk_auth {
        "as the AWS SDK finds them"
    } else if s3.access_key.is_empty() {
        "environment, shared credentials file, web identity or instance metadata"
    } else {
        "access key from the file"
    }
}

fn gcs_credentials(gcs: &GcsSettings) -> &'static str {
    if gcs.service_account.is_empty() { "application default" } else { "service account from the file" }
}

fn azure_credentials(azure: &AzureSettings) -> &'static str {
    if !azure.storage_connection_string.is_empty() {
        "connection string from the file"
    } else if !azure.storage_account_key.is_empty() {
        "account key from the file"
    } else if !azure.client_secret.is_empty() {
        "client secret from the file"
    } else if !azure.user_assigned_id.is_empty() {
        "the managed identity that the file names"
    } else {
        "environment, workload identity or managed identity"
    }
}

fn rhythm(demands: &BucketPolicy) -> String {
    let new = if demands.new { ", declared new" } else { "" };
    let vertical = match demands.vertical_compaction {
        None => "",
        Some(true) => ", vertical compaction on",
        Some(false) => ", vertical compaction off",
    };
    format!(
        "every {}, delete delay {}, consistency delay {}{new}{vertical}",
        duration::format(demands.interval_ms),
        duration::format(demands.delete_delay_ms),
        duration::format(demands.consistency_delay_ms),
    )
}

fn retention(retention: Retention) -> String {
    let resolutions = [("raw", retention.raw), ("5m", retention.five_minutes), ("1h", retention.one_hour)];
    let words = resolutions.map(|(name, ms)| match ms {
        None => format!("{name} unknown"),
        Some(0) => format!("{name} for ever"),
        Some(ms) => format!("{name} {}", duration::format(ms)),
    });
    words.join(", ")
}

fn stream(stream: &StreamPolicy) -> String {
    let expected = stream.expected.then(|| "expected".to_owned());
    let times = [
        ("local retention", stream.local_retention_ms),
        ("retired after", stream.retire_after_ms),
        ("block range", stream.block_range_ms),
    ];
    let times = times.into_iter().filter_map(|(what, ms)| Some(format!("{what} {}", duration::format(ms?))));
    let words: Vec<String> = expected.into_iter().chain(times).collect();
    let words = if words.is_empty() { "known".to_owned() } else { words.join(", ") };
    format!("streams {}: {words}", stream.selector.text)
}

/// What the configuration changes of a check; `None` where nothing.
fn settings(settings: &CheckSettings) -> Option<String> {
    let enabled = settings.enabled.map(|enabled| if enabled { "enabled" } else { "disabled" }.to_owned());
    let severity = settings.severity.map(|severity| format!("severity {severity}"));
    let params = settings.params.iter().map(|(name, value)| match value {
        ParamValue::DurationMs(ms) => format!("{name} {}", duration::format(*ms)),
        ParamValue::Ratio(ratio) => format!("{name} {ratio}"),
        ParamValue::Count(count) => format!("{name} {count}"),
    });
    let words: Vec<String> = enabled.into_iter().chain(severity).chain(params).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
