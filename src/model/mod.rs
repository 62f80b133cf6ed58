//! The words of the domain as types: time, labels, blocks, views of buckets, the past, findings and the snapshot.
//! Pure: no I/O, no clock. Every other module rests on this one.

mod alert;
mod alert_document;
mod block;
mod coverage;
mod delivery;
mod document;
mod environment;
mod finding;
mod intern;
mod interval;
mod labels;
mod metric;
mod metric_label;
mod need;
mod new_silence;
mod notification;
mod objstore;
mod past;
mod plan;
mod receiver;
mod rules;
mod scrub;
mod selector;
mod serde_ms;
mod service;
mod size;
mod snapshot;
mod time;
mod transition;
mod verification;
mod web;
mod window;
mod world;

pub use alert::{Alert, AlertContent, Phase, Silence};
pub use alert_document::{AlertDocument, NotificationDocument, SilenceDocument};
pub use block::{
    BlockMeta, BlockSource, DeletionMark, FileEntry, MetaProblem, MetaProblemKind, NoCompactMark, NoDownsampleMark,
    Parent, Resolution, Stats, ULID_LEN, parse_ulid, ulid_time,
};
pub use coverage::{BlockCoverage, BucketCoverage, CoverageDocument, StreamCoverage, TimelineCoverage};
pub use delivery::{
    AlertingStatus, DeliveryOutcome, FailureClass, HeartbeatStatus, ReceiverStatus, ShownAlert, WatchdogStatus,
};
pub use document::{BlockVerdict, Document, DocumentSummary, FindingCounts};
pub use environment::Environment;
pub use finding::{Evidence, Finding, FindingKey, Severity, Subject};
pub use intern::Interner;
pub use interval::{Interval, IntervalSet};
pub use labels::Labels;
pub use metric::{Metric, MetricKind};
pub use metric_label::MetricLabel;
pub use need::Need;
pub use new_silence::{NewSilence, SilenceEnd, SilenceMistake};
pub use notification::{
    Group, NOTIFICATION_VERSION, News, Notification, NotifiedAlert, OutboxRow, OutboxState, Reason, Told,
};
pub use objstore::{
    AzureSettings, BlockFolder, BucketSettings, FilesystemSettings, GcsSettings, HttpSettings, Provider,
    ProviderSettings, S3Encryption, S3Lookup, S3Settings, Secret, TlsSettings,
};
pub use past::{BucketPast, End, EndReason, Lineage, OpenFinding, Past, PastBlock, RetentionSeen, StreamPast};
pub use plan::{Amount, BucketPlan, ClassLoad, Cost, Fit, Load, PlanDocument, PlannedScrub};
pub use receiver::{
    AlertmanagerSettings, ClientSettings, HeartbeatSettings, Links, MailSecurity, MailSettings, NotifySettings,
    ReceiverKind, ReceiverSettings, SecretSource, SlackAccess, SlackSettings, WatchdogSettings, WebhookSettings,
};
pub use rules::{AlertSettings, Component, ComponentSettings, KnownAlert, KnownThreshold, RuleSettings};
pub use scrub::{BucketScrub, Outlook, Prices, ScrubSettings, ScrubStatus};
pub use selector::{MatchOp, Matcher, Selector};
pub use service::{
    BucketStatus, DURATION_BOUNDS_MS, Durations, LedgerStatus, MetricsSettings, Published, ReloadStatus, ScanCounts,
    ServiceStatus,
};
pub use size::parse_byte_size;
pub use snapshot::{BlockSpan, BucketSummary, RequestCounts, Snapshot, StreamSummary, Timeline};
pub use time::{
    DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, TimestampMs, exact_duration_ms, format_duration_ms,
    parse_prometheus_duration,
};
pub use transition::{AlertingChange, BucketTransition, FindingChange, FindingEnd, Transition};
pub use verification::{Damage, Hashes, Level, Place, Problem, VERIFIER_VERSION, Verdict, Verification, Verified};
pub use web::{ClientAuth, RateLimit, TlsVersion, WebSettings, WebSource, WebStamp, WebTls};
pub use window::Window;
pub use world::{
    BlockChange, BlockView, BucketView, ForeignKeys, KnownBlock, KnownBucket, Listing, MarkState, Marks, MetaState,
    Mutation, ObjectView, Schedule, ScrubOutlook, UnknownObject, World,
};
