//! One rule of alerting after the other.

use super::kit::*;
use super::*;
use crate::model::{FindingEnd, Phase};

#[test]
fn a_finding_becomes_an_alert_that_is_told_and_told_to_be_over() {
    let mut kit = Kit::new(policy());
    let gap = kit.open(gap("a"));
    assert!(kit.judge_at(0).is_empty());
    assert_eq!(kit.alert(&gap).phase, Phase::Pending);
    assert_eq!(kit.told_until(1_000), ["70 first slack: coverage_gap/a fired"]);
    assert_eq!((kit.alert(&gap).phase, kit.alert(&gap).fired_at), (Phase::Firing, Some(at(60))));
    kit.end(&gap, FindingEnd::Resolved);
    assert!(kit.judge_at(1_000).is_empty());
    assert_eq!(kit.told_until(2_000), ["1060 ended slack: coverage_gap/a ended"]);
    assert_eq!((kit.alert(&gap).phase, kit.alert(&gap).ended_at), (Phase::Ended, Some(at(1_060))));
    assert!(kit.tables.groups.is_empty());
    kit.until(1_060 + 24 * 3_600);
    assert!(kit.tables.alerts.is_empty() && kit.alerting.next_due(&kit.policy).is_none());
}
