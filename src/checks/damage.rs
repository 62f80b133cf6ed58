//! What the checks of damage share: one finding per block, from what its verification has shown.

use serde_json::{Value, json};

use super::Scope;
use super::estate::{LEVEL, Placed, level_of};
use super::scope::{moment, span};
use crate::model::{
    BlockView, Damage, Finding, Interval, Level, OpenFinding, Place, Problem, Severity, TimestampMs, Verification,
};

/// So many broken rules and places are in the evidence; their numbers are, in any case.
const SHOWN: usize = 10;
/// Longer values are cut in messages, in characters. The evidence has them whole.
const LONGEST: usize = 120;

/// What the checks differ in.
#[derive(Debug)]
pub(super) struct Kind {
    /// Which damage.
    pub(super) damage: Damage,
    /// What follows for whoever reads the block, before its time.
    pub(super) consequence: &'static str,
    /// The one object that it can be about, where there is but one.
    pub(super) object: Option<&'static str>,
    /// What to do, where that is not to bring the block back.
    pub(super) remedy: Option<&'static str>,
}

/// One finding per block that has this damage. What was read of other content than that which is there now says nothing.
pub(super) fn findings(scope: &Scope<'_>, kind: &Kind) -> Vec<Finding> {
    let verified = scope.estate.verified();
    let kept = verified.filter(|(block, _)| block.marks.deletion.is_none());
    let hurt = kept.filter(|(_, verification)| problems(verification, kind.damage).next().is_some());
    hurt.filter_map(|(block, _)| judge(scope, kind, block, scope.estate.verification(block)?)).collect()
}

fn problems(verification: &Verification, damage: Damage) -> impl Iterator<Item = &Problem> {
    verification.problems.iter().filter(move |problem| problem.damage == damage)
}

fn judge(scope: &Scope<'_>, kind: &Kind, block: &BlockView, verification: &Verification) -> Option<Finding> {
    let (mut settled, suspect): (Vec<&Problem>, Vec<&Problem>) =
        problems(verification, kind.damage).partition(|problem| problem.is_settled());
    settled.sort_by_key(|problem| problem.severity);
    let placed = scope.estate.placed(block.ulid);
    let Some(worst) = settled.first() else {
        let finding = suspicion(scope, kind, block, placed, suspect.first()?);
        // that it was right once heals nothing
        let is_news = open_one(scope, &finding).is_none_or(|open| open.severity == Severity::Info);
        return is_news.then(|| finding.with("problems", shown(&suspect)));
    };
    // a check has a worst that it may say, whatever the rule
    let own = worst.severity.max(scope.check.severity);
    let is_held = own == Severity::Critical && placed.is_some_and(|placed| scope.is_held_elsewhere(placed));
    let count = settled.iter().fold(0_u64, |count, problem| count.saturating_add(problem.count));
    let message = format!(
        "{}{}{}: {}",
        opening(block, placed, worst),
        if count > 1 { format!("; {count} places in all") } else { String::new() },
        hurt_series(&settled).map(|hurt| format!("; hurt is {hurt}")).unwrap_or_default(),
        consequence(kind, worst.severity, placed),
    );
    let deadline = placed.and_then(|placed| held_locally_until(scope, placed));
    let remedy = remedy(kind, own, is_held, placed, deadline.filter(|until| *until > scope.now()));
    let finding = of_block(scope, kind, block, placed, message, remedy);
    let level = open_one(scope, &finding).and_then(level_of).max(Some(verification.level));
    let deadline = deadline.filter(|_| own == Severity::Critical && !is_held);
    let severity = if is_held { Severity::Warning } else { own };
    let finding = finding.with_severity(severity).until(deadline, scope.now());
    Some(with_reading(finding, verification, level).with("count", count).with("problems", shown(&settled)))
}

/// The open finding about the same.
pub(super) fn open_one<'a>(scope: &Scope<'a>, finding: &Finding) -> Option<&'a OpenFinding> {
    scope.estate.past.findings.get(&finding.fingerprint())
}

/// With what a finding that rests on a verification owes to it. `level`: what would have to read the block again.
pub(super) fn with_reading(finding: Finding, verification: &Verification, level: Option<Level>) -> Finding {
    finding
        .with(LEVEL, level.unwrap_or(verification.level).name())
        .with("verified_at", verification.at.to_string())
        .with("verifier", verification.version)
}

fn of_block(
    scope: &Scope<'_>,
    kind: &Kind,
    block: &BlockView,
    placed: Option<&Placed<'_>>,
    message: String,
    remedy: String,
) -> Finding {
    let finding = match placed {
        Some(placed) => scope.block_finding(placed, message, remedy),
        None => scope.unplaced_finding(block.ulid, message, remedy),
    };
    match kind.object {
        Some(object) => finding.about_object(block.ulid, object),
        None => finding,
    }
}

/// What is wrong, and where.
fn opening(block: &BlockView, placed: Option<&Placed<'_>>, problem: &Problem) -> String {
    let ulid = block.ulid;
    let labels = placed.map(|placed| &placed.meta.labels).filter(|labels| !labels.is_empty());
    let of = labels.map_or(String::new(), |labels| format!(" of {labels}"));
    let Some(place) = problem.places.first() else {
        return problem.about(&format!("block {ulid}{of}"));
    };
    let offset = place.offset.map(|offset| format!(" at byte {offset}")).unwrap_or_default();
    let again = match &place.found_again {
        Some(again) if *again == place.found => " at both readings".to_owned(),
        Some(again) => format!(" and then {}", cut(again)),
        None => String::new(),
    };
    format!(
        "{} ({}{offset}: expected {}, found {}{again})",
        problem.about(&format!("`{}` of block {ulid}{of}", place.file)),
        place.section,
        cut(&place.expected),
        cut(&place.found),
    )
}

fn suspicion(
    scope: &Scope<'_>,
    kind: &Kind,
    block: &BlockView,
    placed: Option<&Placed<'_>>,
    problem: &Problem,
) -> Finding {
    let message = format!(
        "{}, but not when it was read again: the way to the bytes is at fault, not the block",
        opening(block, placed, problem)
    );
    let remedy =
        "nothing, if it stays the only one; if there are more, look for a proxy or a network device that changes \
                  data, and test the memory of this machine"
            .to_owned();
    of_block(scope, kind, block, placed, message, remedy).with_severity(Severity::Info)
}

/// The first series that is hurt, its hours, and how many places there are beside it.
fn hurt_series(problems: &[&Problem]) -> Option<String> {
    let places = || problems.iter().flat_map(|problem| &problem.places);
    let place = places().find(|place| place.series.is_some())?;
    let series = cut(place.series.as_deref()?);
    let hours = interval_of(place).map(|interval| format!(" from {}", span(interval))).unwrap_or_default();
    let others = places().filter(|other| other.series.is_some() && other.series != place.series).count();
    let more = if others > 0 { " and other series" } else { "" };
    Some(format!("{series}{hours}{more}"))
}

/// The time of the samples that are hurt, the last one included.
fn interval_of(place: &Place) -> Option<Interval> {
    let (first, last) = place.times_ms?;
    Some(Interval::new(TimestampMs(first), TimestampMs(last).plus(1)))
}

fn consequence(kind: &Kind, severity: Severity, placed: Option<&Placed<'_>>) -> String {
    let of = placed.map(|placed| format!(" ({})", span(placed.meta.interval))).unwrap_or_default();
    match severity {
        Severity::Info => "writers are known for it, and nothing is lost".to_owned(),
        Severity::Warning if kind.remedy.is_none() => {
            format!("readers get over it today, but the block{of} is not whole")
        }
        Severity::Critical | Severity::Warning => format!("{}{of}", kind.consequence),
    }
}

/// Until when the producer still has the block on its disk, as far as that was declared.
fn held_locally_until(scope: &Scope<'_>, placed: &Placed<'_>) -> Option<TimestampMs> {
    let is_local = placed.meta.level == 1 && placed.meta.source.is_producer();
    let retention = scope.estate.policy.local_retention_ms(&placed.meta.labels).filter(|_| is_local)?;
    Some(placed.meta.interval.end.plus(retention))
}

fn remedy(
    kind: &Kind,
    severity: Severity,
    is_held: bool,
    placed: Option<&Placed<'_>>,
    until: Option<TimestampMs>,
) -> String {
    if let Some(remedy) = kind.remedy {
        return remedy.to_owned();
    }
    let is_compacted = placed.is_some_and(|placed| placed.meta.level > 1);
    let text = match (severity, until) {
        (Severity::Info, _) => "nothing; a newer version of the writer no longer does it",
        (Severity::Warning, _) if !is_held => "note which version wrote the block; compaction or a new upload mends it",
        _ if is_held => {
            "another block or replica holds the data: bring the object back from there or from versioning, or mark this \
             block for deletion (`thanos tools bucket mark`) so that the compactor can go on"
        }
        (_, Some(until)) => {
            return format!(
                "until {} the producer has the block on its disk: copy `index` and `chunks/` of its directory of the same \
                 name over those in the bucket; else bring the old version back from versioning or a copy of the bucket",
                moment(until)
            );
        }
        _ if is_compacted => {
            "mark the block with no-compact; bring the object back from versioning or a copy of the bucket; if its sources \
             are still there, marked, take off their marks and mark this block instead; else `thanos tools bucket rewrite` \
             saves what is left"
        }
        _ => {
            "while the producer's local retention holds the block, copy `index` and `chunks/` from there; else bring the \
             object back from versioning or a copy of the bucket"
        }
    };
    text.to_owned()
}

/// Broken rules for the evidence, with the first few places over all of them.
pub(super) fn shown(problems: &[&Problem]) -> Vec<Value> {
    let mut left = SHOWN;
    let mut shown = Vec::new();
    for problem in problems.iter().take(SHOWN) {
        let places: Vec<Value> = problem.places.iter().take(left).map(show_place).collect();
        left = left.saturating_sub(places.len());
        shown.push(json!({
            "rule": problem.rule, "words": problem.words, "severity": problem.severity.name(),
            "count": problem.count, "confirmed": problem.confirmed, "places": places,
        }));
    }
    shown
}

fn show_place(place: &Place) -> Value {
    let times = interval_of(place).map(|time| json!({"start": time.start.to_string(), "end": time.end.to_string()}));
    json!({
        "file": &*place.file, "section": place.section, "offset": place.offset, "expected": place.expected,
        "found": place.found, "found_again": place.found_again, "series": place.series, "times": times,
    })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
