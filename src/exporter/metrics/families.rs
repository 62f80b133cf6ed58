//! Series on their way into the text format, held to what the enum of metrics says of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto;
use prometheus::{Registry, TextEncoder};

use crate::model::{DURATION_BOUNDS_MS, Durations, Labels, Metric, MetricKind, MetricLabel, MetricsSettings};

/// Series by metric.
#[derive(Clone, Debug)]
pub(super) struct Families {
    settings: Arc<MetricsSettings>,
    series: BTreeMap<Metric, Vec<proto::Metric>>,
}

/// What a series is about, where it is about a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum OfStream<'a> {
    /// Nothing of the kind: a whole bucket.
    None,
    /// All that have no series of their own.
    Others,
    /// One.
    One(&'a Labels),
}

/// The value of the label `stream` for those that have no series of their own.
pub(super) const OTHERS: &str = "(others)";

impl Families {
    pub(super) const fn new(settings: Arc<MetricsSettings>) -> Self {
        Self { settings, series: BTreeMap::new() }
    }

    /// A gauge or counter.
    pub(super) fn set(&mut self, metric: Metric, labels: &[(MetricLabel, &str)], value: f64) {
        let pairs = labels.iter().map(|(label, value)| pair(label.name(), value)).collect();
        self.push(metric, pairs, value);
    }

    /// A gauge or counter with the labels of a stream.
    pub(super) fn set_of(
        &mut self,
        metric: Metric,
        labels: &[(MetricLabel, &str)],
        stream: OfStream<'_>,
        text: &str,
        value: f64,
    ) {
        let mut pairs: Vec<proto::LabelPair> = labels.iter().map(|(label, value)| pair(label.name(), value)).collect();
        pairs.push(pair(MetricLabel::Stream.name(), text));
        for name in &self.settings.stream_labels {
            let value = match stream {
                OfStream::None | OfStream::Others => "",
                OfStream::One(labels) => labels.get(name).unwrap_or_default(),
            };
            pairs.push(pair(name, value));
        }
        self.push(metric, pairs, value);
    }

    /// A histogram.
    pub(super) fn observe(&mut self, metric: Metric, labels: &[(MetricLabel, &str)], durations: &Durations) {
        let mut cumulated = 0_u64;
        let buckets = DURATION_BOUNDS_MS.iter().zip(durations.counts).map(|(bound, count)| {
            cumulated = cumulated.saturating_add(count);
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(seconds_of(i64::try_from(*bound).unwrap_or(i64::MAX)));
            bucket.set_cumulative_count(cumulated);
            bucket
        });
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(durations.count);
        histogram.set_sample_sum(seconds_of(i64::try_from(durations.sum_ms).unwrap_or(i64::MAX)));
        let mut series =
            proto::Metric::from_label(labels.iter().map(|(label, value)| pair(label.name(), value)).collect());
        series.set_histogram(histogram);
        self.series.entry(metric).or_default().push(series);
    }

    fn push(&mut self, metric: Metric, mut pairs: Vec<proto::LabelPair>, value: f64) {
        pairs.sort_by(|a, b| a.name().cmp(b.name()));
        let mut series = proto::Metric::from_label(pairs);
        match metric.kind() {
            MetricKind::Counter => {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                series.set_counter(counter);
            }
            MetricKind::Gauge | MetricKind::Histogram => {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                series.set_gauge(gauge);
            }
        }
        self.series.entry(metric).or_default().push(series);
    }

    /// The text format.
    pub(super) fn into_text(self) -> Result<String, prometheus::Error> {
        // a registry of its own refuses what is no valid name and keeps series in order
        let registry = Registry::new();
        registry.register(Box::new(Collected::new(self)?))?;
        TextEncoder::new().encode_to_string(&registry.gather())
    }
}

/// The families as a collector, with their descriptions.
struct Collected {
    families: Families,
    descriptions: Vec<Desc>,
}

impl Collected {
    fn new(families: Families) -> Result<Self, prometheus::Error> {
        let describe = |metric: &Metric| {
            let labels = metric.labels().iter().flat_map(|label| {
                let chosen = *label == MetricLabel::StreamLabels;
                if chosen { families.settings.stream_labels.clone() } else { vec![label.name().to_owned()] }
            });
            Desc::new(metric.name().to_owned(), metric.help().to_owned(), labels.collect(), HashMap::new())
        };
        let descriptions = families.series.keys().map(describe).collect::<Result<Vec<Desc>, prometheus::Error>>()?;
        Ok(Self { families, descriptions })
    }
}

impl Collector for Collected {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let family = |(metric, series): (&Metric, &Vec<proto::Metric>)| {
            let mut family = proto::MetricFamily::default();
            family.set_name(metric.name().to_owned());
            family.set_help(metric.help().to_owned());
            family.set_field_type(match metric.kind() {
                MetricKind::Gauge => proto::MetricType::GAUGE,
                MetricKind::Counter => proto::MetricType::COUNTER,
                MetricKind::Histogram => proto::MetricType::HISTOGRAM,
            });
            family.set_metric(series.clone());
            family
        };
        self.families.series.iter().map(family).collect()
    }
}

fn pair(name: &str, value: &str) -> proto::LabelPair {
    let mut pair = proto::LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

/// ms as seconds.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact up to 285,000 years")]
pub(super) fn seconds_of(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// A count as a sample.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, and samples are 64-bit floats"
)]
pub(super) fn number_of(count: u64) -> f64 {
    count as f64
}

/// A yes or no as a sample.
pub(super) fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
