//! Verifications and the hashes of first sight.

use super::*;
use crate::model::{Damage, Hashes, Level, Place, Problem, Verdict, Verification, Verified};

/// A sound result of [`block`] 1 at level `full`.
pub(super) fn verification(at: TimestampMs, verdict: Verdict) -> Verification {
    Verification {
        at,
        level: Level::Full,
        version: 1,
        verdict,
        bytes: 600,
        samples: 1_000,
        identity: u64::MAX - 1,
        problems: Vec::new(),
        why: None,
        compared: false,
    }
}

fn problem() -> Problem {
    let place = Place {
        file: "chunks/000001".into(),
        section: "record".to_owned(),
        offset: Some(u64::MAX),
        expected: "7f".to_owned(),
        found: "7e".to_owned(),
        found_again: Some("7e".to_owned()),
        series: Some("{__name__=\"up\"}".to_owned()),
        times_ms: Some((i64::MIN, i64::MAX)),
    };
    Problem {
        damage: Damage::Chunk,
        severity: Severity::Critical,
        rule: "chunk_checksum".to_owned(),
        words: "a checksum does not match".to_owned(),
        count: 7,
        places: vec![place.clone(), Place { offset: None, found_again: None, series: None, times_ms: None, ..place }],
        confirmed: true,
    }
}

fn hashes(names: &[&str], byte: u8) -> Hashes {
    names.iter().map(|name| ((*name).into(), [byte; 32])).collect()
}

fn keep(ledger: &mut Ledger, verification: &Verification, hashes: &Hashes) -> Option<Kept> {
    ledger.commit_verification(KEY, ulid(1), verification, hashes).unwrap()
}

fn with_blocks(count: u64) -> Ledger {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(T0, (1..=count).map(block)), BucketTransition::default());
    ledger
}

#[test]
fn a_verification_comes_back_as_it_was() {
    let mut ledger = with_blocks(2);
    let corrupt = Verification {
        problems: vec![problem(), Problem { confirmed: false, places: Vec::new(), ..problem() }],
        why: Some("x".to_owned()),
        ..verification(T0, Verdict::Corrupt)
    };
    for whatever in [verification(T0, Verdict::Suspect), corrupt] {
        let kept = keep(&mut ledger, &whatever, &Hashes::new()).unwrap();
        assert_eq!(kept, Kept { verification: whatever.clone(), tried_at: None });
        assert_eq!(ledger.verifications(KEY).unwrap(), Verified::from([(ulid(1), whatever)]));
    }
    assert!(ledger.baseline(KEY, ulid(1)).unwrap().is_empty());
    // the same again changes nothing
    let before: i64 = total_changes(&ledger);
    let again = ledger.verifications(KEY).unwrap().remove(&ulid(1)).unwrap();
    keep(&mut ledger, &again, &Hashes::new());
    assert_eq!(total_changes(&ledger), before);
}

#[test]
fn what_the_ledger_does_not_know_is_not_kept() {
    let mut ledger = Ledger::in_memory().unwrap();
    let sound = verification(T0, Verdict::Ok);
    assert_eq!(keep(&mut ledger, &sound, &Hashes::new()), None);
    let mut ledger = with_blocks(2);
    assert_eq!(ledger.commit_verification(KEY, ulid(9), &sound, &Hashes::new()).unwrap(), None);
    assert_eq!(ledger.commit_verification("other", ulid(1), &sound, &Hashes::new()).unwrap(), None);
    let ended = BucketTransition { ended: vec![(ulid(1), EndReason::Expired)], ..BucketTransition::default() };
    let rest = changed(block(2), |block| block.change = BlockChange::Unchanged);
    commit(&mut ledger, &view(T0.plus(1), [rest]), ended);
    assert_eq!(keep(&mut ledger, &sound, &hashes(&["index"], 1)), None);
    assert_eq!((count(&ledger, "verifications"), count(&ledger, "hashes")), (0, 0));
    assert!(ledger.verifications("other").unwrap().is_empty() && ledger.attempts("other").unwrap().is_empty());
}

#[test]
fn an_attempt_that_showed_nothing_takes_nothing_away() {
    let mut ledger = with_blocks(1);
    let vain = |hours: i64, identity| Verification {
        identity,
        why: Some("503".to_owned()),
        ..verification(T0.plus(hours * HOUR_MS), Verdict::Unreachable)
    };
    let sound = verification(T0, Verdict::Ok);
    let same = sound.identity;
    // nothing was known before: then the attempt itself is what there is
    assert_eq!(keep(&mut ledger, &vain(-1, same), &Hashes::new()).unwrap().verification, vain(-1, same));
    assert_eq!(ledger.attempts(KEY).unwrap(), BTreeMap::from([(ulid(1), T0.minus(HOUR_MS))]));
    keep(&mut ledger, &sound, &Hashes::new());
    assert!(ledger.attempts(KEY).unwrap().is_empty());
    for hours in [1, 2] {
        let tried_at = Some(T0.plus(hours * HOUR_MS));
        let kept = keep(&mut ledger, &vain(hours, same), &Hashes::new());
        assert_eq!(kept, Some(Kept { verification: sound.clone(), tried_at }));
        assert_eq!(ledger.attempts(KEY).unwrap().get(&ulid(1)).copied(), tried_at);
        assert_eq!(ledger.verifications(KEY).unwrap()[&ulid(1)], sound);
    }
    // of other content the old result says nothing
    let other = vain(3, 7);
    assert_eq!(keep(&mut ledger, &other, &Hashes::new()).unwrap().verification, other);
    let again = verification(T0.plus(4 * HOUR_MS), Verdict::Ok);
    assert_eq!(keep(&mut ledger, &again, &Hashes::new()).unwrap(), Kept { verification: again, tried_at: None });
}

#[test]
fn the_hashes_of_the_first_clean_reading_stay() {
    let mut ledger = with_blocks(1);
    let damaged = Verification { problems: vec![problem()], ..verification(T0, Verdict::Corrupt) };
    keep(&mut ledger, &damaged, &hashes(&["index"], 9));
    for unsure in [Verdict::Suspect, Verdict::Changed, Verdict::Unreachable] {
        keep(&mut ledger, &verification(T0.plus(1), unsure), &hashes(&["index"], 9));
    }
    assert!(ledger.baseline(KEY, ulid(1)).unwrap().is_empty(), "what is damaged vouches for nothing");
    keep(&mut ledger, &verification(T0.plus(2), Verdict::Ok), &hashes(&["index"], 1));
    keep(&mut ledger, &verification(T0.plus(3), Verdict::Ok), &hashes(&["chunks/000001", "index"], 2));
    let expected = [hashes(&["index"], 1), hashes(&["chunks/000001"], 2)].concat_all();
    assert_eq!(ledger.baseline(KEY, ulid(1)).unwrap(), expected);
    assert!(ledger.baseline(KEY, ulid(2)).unwrap().is_empty());
}

trait ConcatAll {
    fn concat_all(self) -> Hashes;
}

impl<const N: usize> ConcatAll for [Hashes; N] {
    fn concat_all(self) -> Hashes {
        self.into_iter().flatten().collect()
    }
}

/// The index of block 1 has another `ETag` than at first sight.
fn mutated() -> BlockView {
    changed(block(1), |block| {
        let mut now = block.objects[1].clone();
        now.last_modified = T0;
        let mutation = Mutation { was: block.objects[1].clone(), now: now.clone(), meta_difference: None };
        block.mutations = [mutation].into();
        block.objects[1] = now;
    })
}

#[test]
fn a_hash_that_came_after_the_change_compares_nothing() {
    let compared = |at: i64| Verification { compared: true, ..verification(T0.plus(at), Verdict::Ok) };
    // kept before the object changed
    let mut ledger = with_blocks(1);
    keep(&mut ledger, &verification(T0, Verdict::Ok), &hashes(&["index"], 1));
    commit(&mut ledger, &view(T0.plus(1), [mutated()]), BucketTransition::default());
    assert!(keep(&mut ledger, &compared(2), &hashes(&["index"], 1)).unwrap().verification.compared);
    // kept after it
    let mut ledger = with_blocks(1);
    commit(&mut ledger, &view(T0.plus(1), [mutated()]), BucketTransition::default());
    keep(&mut ledger, &verification(T0.plus(2), Verdict::Ok), &hashes(&["index"], 1));
    assert!(!keep(&mut ledger, &compared(3), &hashes(&["index"], 1)).unwrap().verification.compared);
    // kept after the change of another object
    let mut ledger = with_blocks(1);
    commit(&mut ledger, &view(T0.plus(1), [mutated()]), BucketTransition::default());
    keep(&mut ledger, &verification(T0.plus(2), Verdict::Ok), &hashes(&["chunks/000001"], 1));
    assert!(keep(&mut ledger, &compared(3), &hashes(&["chunks/000001"], 1)).unwrap().verification.compared);
}

#[test]
fn what_was_verified_goes_with_the_details_of_the_block_and_when_it_comes_back() {
    let kept = |ledger: &Ledger| [count(ledger, "verifications"), count(ledger, "hashes")];
    let sound = verification(T0, Verdict::Ok);
    let rest = changed(block(2), |block| block.change = BlockChange::Unchanged);
    let ended = || BucketTransition { ended: vec![(ulid(1), EndReason::Superseded)], ..BucketTransition::default() };

    let mut ledger = with_blocks(2);
    keep(&mut ledger, &sound, &hashes(&["index"], 1));
    commit(&mut ledger, &view(T0.plus(1), [rest.clone()]), ended());
    assert_eq!(kept(&ledger), [1, 1]);
    assert!(ledger.verifications(KEY).unwrap().is_empty());
    commit(&mut ledger, &view(T0.plus(1 + DETAIL_MS), [rest.clone()]), BucketTransition::default());
    assert_eq!(kept(&ledger), [0, 0]);

    let mut ledger = with_blocks(2);
    keep(&mut ledger, &sound, &hashes(&["index"], 1));
    commit(&mut ledger, &view(T0.plus(1), [rest.clone()]), ended());
    commit(&mut ledger, &view(T0.plus(2), [block(1), rest]), BucketTransition::default());
    assert_eq!(kept(&ledger), [0, 0]);
}

#[test]
fn several_are_kept_together_or_not_at_all() {
    let mut ledger = with_blocks(3);
    let (sound, none) = (verification(T0, Verdict::Ok), Hashes::new());
    let all: Vec<ToKeep<'_>> =
        [1, 9, 3].map(|number| ToKeep { bucket: KEY, ulid: ulid(number), verification: &sound, hashes: &none }).into();
    let kept = ledger.commit_verifications(&all).unwrap();
    assert_eq!(kept.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    ledger.connection.execute_batch("UPDATE verifications SET level = 'thorough' WHERE block = 3").unwrap();
    let later = verification(T0.plus(1), Verdict::Ok);
    let all = [1, 3].map(|number| ToKeep { bucket: KEY, ulid: ulid(number), verification: &later, hashes: &none });
    assert!(matches!(ledger.commit_verifications(&all), Err(LedgerError::Corrupt { .. })));
    ledger.connection.execute_batch("UPDATE verifications SET level = 'full'").unwrap();
    assert!(ledger.verifications(KEY).unwrap().values().all(|verification| verification.at == T0));
}
