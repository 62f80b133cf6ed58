//! Half-open intervals of time and sets of them.

use serde::{Deserialize, Serialize};

use super::TimestampMs;

/// `[start, end)` in ms, as a block's `minTime` and `maxTime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Interval {
    /// First ms inside.
    pub start: TimestampMs,
    /// First ms outside.
    pub end: TimestampMs,
}

impl Interval {
    /// `[start, end)`; empty when `end` is not after `start`.
    pub const fn new(start: TimestampMs, end: TimestampMs) -> Self {
        Self { start, end }
    }

    /// Length in ms, never negative.
    pub const fn len_ms(self) -> i64 {
        let len = self.end.since(self.start);
        if len > 0 { len } else { 0 }
    }

    /// Nothing lies inside.
    pub const fn is_empty(self) -> bool {
        self.end.0 <= self.start.0
    }

    /// The common part, if it is not empty.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let both = Self::new(self.start.max(other.start), self.end.min(other.end));
        (!both.is_empty()).then_some(both)
    }

    /// The smallest interval around both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }

    /// `other` lies wholly inside.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// Disjoint, sorted, non-touching, non-empty intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<(i64, i64)>", from = "Vec<(i64, i64)>")]
pub struct IntervalSet(Vec<Interval>);

impl From<IntervalSet> for Vec<(i64, i64)> {
    fn from(set: IntervalSet) -> Self {
        set.0.into_iter().map(|part| (part.start.0, part.end.0)).collect()
    }
}

impl From<Vec<(i64, i64)>> for IntervalSet {
    fn from(parts: Vec<(i64, i64)>) -> Self {
        parts.into_iter().map(|(start, end)| Interval::new(TimestampMs(start), TimestampMs(end))).collect()
    }
}

impl FromIterator<Interval> for IntervalSet {
    fn from_iter<I: IntoIterator<Item = Interval>>(parts: I) -> Self {
        let mut parts: Vec<Interval> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(parts.len());
        for part in parts {
            match merged.last_mut() {
                Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
                _ => merged.push(part),
            }
        }
        Self(merged)
    }
}

impl IntervalSet {
    /// The parts, ascending.
    pub fn parts(&self) -> &[Interval] {
        &self.0
    }

    /// Nothing inside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// From the first part's start to the last part's end.
    pub fn hull(&self) -> Option<Interval> {
        Some(Interval::new(self.0.first()?.start, self.0.last()?.end))
    }

    /// All of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.0.iter().chain(&other.0).copied().collect()
    }

    /// What of `interval` is not in the set.
    pub fn missing_from(&self, interval: Interval) -> Vec<Interval> {
        let mut missing = Vec::new();
        let mut cursor = interval.start;
        let first = self.0.partition_point(|part| part.end <= interval.start);
        for part in self.0.iter().skip(first) {
            if part.start >= interval.end {
                break;
            }
            if part.start > cursor {
                missing.push(Interval::new(cursor, part.start));
            }
            cursor = cursor.max(part.end);
        }
        if cursor < interval.end {
            missing.push(Interval::new(cursor, interval.end));
        }
        missing
    }

    /// The ms of `interval` that the set holds.
    pub fn covered_ms(&self, interval: Interval) -> i64 {
        interval.len_ms().saturating_sub(self.missing_from(interval).iter().map(|gap| gap.len_ms()).sum())
    }

    /// The spaces between the parts.
    pub fn holes(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.iter().zip(self.0.iter().skip(1)).map(|(before, after)| Interval::new(before.end, after.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: i64, end: i64) -> Interval {
        Interval::new(TimestampMs(start), TimestampMs(end))
    }

    #[test]
    fn sets_merge_what_touches_and_know_their_holes() {
        let set: IntervalSet = [interval(4, 6), interval(0, 2), interval(6, 8), interval(9, 9)].into_iter().collect();
        assert_eq!(set.parts(), [interval(0, 2), interval(4, 8)]);
        assert_eq!(set.holes().collect::<Vec<_>>(), [interval(2, 4)]);
        assert_eq!(set.missing_from(interval(-1, 9)), [interval(-1, 0), interval(2, 4), interval(8, 9)]);
        assert_eq!(set.missing_from(interval(5, 7)), []);
        assert_eq!(set.covered_ms(interval(1, 5)), 2);
    }
}
