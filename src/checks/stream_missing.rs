//! A stream that the configuration expects has no block, or none for a long time.

use std::sync::Arc;

use super::policy::StreamPolicy;
use super::scope::moment;
use super::{Check, Scope};
use crate::model::{Finding, Need, Resolution, Severity, format_duration_ms};

pub(super) static CHECK: Check =
    Check { id: "stream_missing", needs: &[Need::Listing, Need::Metas], severity: Severity::Warning, params: &[], run };

fn run(scope: &Scope<'_>) -> Vec<Finding> {
    // a stream may be in any bucket, so all have to be known; the first bucket reports for all
    let known = scope.estates.iter().all(|estate| estate.view.listing.is_complete() && estate.knows_all_metas());
    let first = scope.estates.first().is_some_and(|first| first.view.bucket == scope.estate.view.bucket);
    if !known || !first || scope.estates.iter().any(|estate| estate.mass_loss.is_some()) {
        return Vec::new();
    }
    let expected = scope.estate.policy.streams.iter().filter(|stream| stream.expected);
    expected.filter_map(|stream| judge(scope, stream)).collect()
}

fn judge(scope: &Scope<'_>, expected: &StreamPolicy) -> Option<Finding> {
    let streams = scope.estates.iter().flat_map(|estate| &estate.streams);
    let matching = streams.filter(|stream| expected.selector.matches(&stream.labels));
    let newest = matching.filter_map(|stream| Some((stream.newest_raw?, &stream.labels))).max();
    let selector = &expected.selector.text;
    let remedy = "look whether the producer runs, has these external labels and uploads to this bucket; if it was given \
                  up, take it out of `streams`";
    match newest {
        None => {
            let labels = Arc::new(expected.selector.fixed_labels());
            let message = format!("expected stream {selector} has no block in any bucket");
            Some(scope.stream_finding(&labels, Resolution::Raw, message, remedy))
        }
        Some((newest, labels)) => {
            let age = scope.now().since(newest);
            let retire_after = scope.estate.policy.retire_after_ms(labels);
            (age > retire_after).then(|| {
                let (age, end) = (format_duration_ms(age), moment(newest));
                let message = format!("expected stream {selector} has no block newer than {end}, {age} ago");
                scope
                    .stream_finding(labels, Resolution::Raw, message, remedy)
                    .with("newest_max_time", newest.to_string())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::kit::{Kit, at};
    use crate::model::{MatchOp, Matcher, Selector};

    fn expect(kit: &mut Kit, replica: &str) {
        let matcher = Matcher { name: "replica".to_owned(), op: MatchOp::Equal, value: replica.to_owned() };
        let selector = Selector { matchers: vec![matcher], text: format!("{{replica={replica:?}}}") };
        kit.policy.streams.push(StreamPolicy { selector, expected: true, ..StreamPolicy::default() });
    }

    #[test]
    fn an_expected_stream_has_to_be_there_and_not_to_be_given_up() {
        let mut kit = Kit::healthy(49);
        expect(&mut kit, "a");
        kit.none(CHECK.id);
        kit.view.observed_at = at(48 + 14 * 24);
        kit.none(CHECK.id);
        kit.view.observed_at = at(48 + 14 * 24 + 1);
        assert_eq!(kit.one(CHECK.id).severity, Severity::Warning);
        expect(&mut kit, "b");
        let found = kit.run(CHECK.id);
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].subject.stream.as_ref().unwrap().to_string(), r#"{replica="b"}"#);
    }

    #[test]
    fn nothing_is_expected_by_default() {
        Kit::healthy(49).none(CHECK.id);
    }
}
