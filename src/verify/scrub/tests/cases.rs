//! Single cases.

use super::*;

/// What is begun at a moment, blocks by number, until nothing is left to do then; each ends at once.
fn begun(scheduler: &mut Scheduler, blocks: &[Block], now: TimestampMs) -> Vec<(Arc<str>, u128)> {
    let mut found = Vec::new();
    while let Next::Begin { bucket, ulid } = scheduler.next(now) {
        let block = blocks.iter().find(|block| block.ulid == ulid).unwrap();
        scheduler.ended(&bucket, ulid, Some(&shown(block, Verdict::Ok, now)), now);
        found.push((bucket, ulid.random()));
    }
    found
}

fn wait(scheduler: &mut Scheduler, now: TimestampMs) -> Option<TimestampMs> {
    match scheduler.next(now) {
        Next::Wait(until) => until,
        begin @ Next::Begin { .. } => panic!("{begin:?}"),
    }
}

#[test]
fn thousands_of_blocks_that_nobody_has_verified_are_spread_over_the_interval() {
    let blocks: Vec<Block> = (0..3_000).map(|number| block(number, 1_000_000, hours(-1_000))).collect();
    let mut scheduler = Scheduler::new(&settings(32, ""), 2, BEGIN);
    scheduler.see(&bucket("a"), blocks.clone(), BEGIN);
    let mut now = BEGIN;
    let mut per_day = [0_usize; 32];
    let mut all = 0;
    while all < blocks.len() {
        now = match scheduler.next(now) {
            Next::Begin { bucket, ulid } => {
                let block = &blocks[usize::try_from(ulid.random()).unwrap()];
                scheduler.ended(&bucket, ulid, Some(&shown(block, Verdict::Ok, now)), now);
                per_day[usize::try_from(now.since(BEGIN) / DAY_MS).unwrap()] += 1;
                all += 1;
                continue;
            }
            Next::Wait(until) => until.unwrap(),
        };
    }
    // 30 of 32 days: a sixteenth is left for what comes in between
    assert!(per_day[..30].iter().all(|count| (98..=102).contains(count)), "{per_day:?}");
    assert!(now.since(BEGIN) <= 31 * DAY_MS, "{now}");
}

#[test]
fn what_is_new_comes_first_and_by_what_is_lost_first() {
    let old = block(1, 1, hours(-1_000));
    let new = block(2, 1, hours(-3));
    let soon = Block { copied_until: Some(hours(2)), ..block(3, 1, hours(-1)) };
    let coming = Block { ready: Some(hours(1)), ..block(4, 1, hours(0)) };
    let partial = Block { ready: None, ..block(5, 1, hours(-1)) };
    let marked = Block { leaves: Some(hours(-1)), ..block(6, 1, hours(-1)) };
    let blocks = [old, new, soon, coming, partial, marked];
    let mut scheduler = Scheduler::new(&settings(32, ""), 1, BEGIN);
    scheduler.see(&bucket("a"), blocks.to_vec(), BEGIN);
    let numbers = |found: Vec<(Arc<str>, u128)>| found.into_iter().map(|(_, number)| number).collect::<Vec<_>>();
    assert_eq!(numbers(begun(&mut scheduler, &blocks, BEGIN)), [3, 2]);
    assert_eq!(wait(&mut scheduler, BEGIN), Some(hours(1)));
    assert_eq!(numbers(begun(&mut scheduler, &blocks, hours(1))), [4]);
}

#[test]
fn a_changed_block_is_read_at_once_and_a_restart_does_not_begin_anew() {
    let mut blocks: Vec<Block> = (0..100).map(|number| block(number, 1_000_000, hours(-1_000))).collect();
    for (block, hour) in blocks.iter_mut().zip(1..) {
        let verification = shown(block, Verdict::Ok, hours(-hour));
        block.done = Done::of(&verification);
    }
    for _ in 0..5 {
        let mut scheduler = Scheduler::new(&settings(32, ""), 1, BEGIN);
        scheduler.see(&bucket("a"), blocks.clone(), BEGIN);
        assert_eq!(begun(&mut scheduler, &blocks, BEGIN), [], "the turn of the last one is not over");
        assert!(wait(&mut scheduler, BEGIN).is_some_and(|until| until > BEGIN));
    }
    let mut scheduler = Scheduler::new(&settings(32, ""), 1, BEGIN);
    blocks[7].identity = 2;
    scheduler.see(&bucket("a"), blocks.clone(), BEGIN);
    assert_eq!(begun(&mut scheduler, &blocks, BEGIN), [(bucket("a"), 7)]);
    // the one that was verified longest ago has the next turn
    let next = wait(&mut scheduler, BEGIN).unwrap();
    assert_eq!(begun(&mut scheduler, &blocks, next), [(bucket("a"), 99)]);
}

#[test]
fn the_round_keeps_to_its_hours_and_what_is_new_does_not_wait() {
    let blocks: Vec<Block> = (0..100).map(|number| block(number, 1_000_000, hours(-1_000))).collect();
    let mut scheduler = Scheduler::new(&settings(32, "22:00-06:00"), 1, BEGIN);
    let noon = hours(12);
    scheduler.see(&bucket("a"), blocks.clone(), noon);
    assert_eq!(begun(&mut scheduler, &blocks, noon), []);
    assert_eq!(wait(&mut scheduler, noon), Some(hours(22)));
    assert_eq!(begun(&mut scheduler, &blocks, hours(22)).len(), 1);
    let mut with_new = blocks.clone();
    with_new.push(block(500, 1_000_000, noon));
    scheduler.see(&bucket("a"), with_new.clone(), noon);
    assert_eq!(begun(&mut scheduler, &with_new, noon), [(bucket("a"), 500)]);

    // near the end of the hours only what fits is begun
    let mut budgeted = settings(32, "22:00-06:00");
    budgeted.max_bytes_per_second = Some(1_000);
    let mut mixed = vec![block(1, 1_000 * 7_200, hours(-1_000)), block(2, 1_000 * 600, hours(-1_000))];
    let mut scheduler = Scheduler::new(&budgeted, 1, BEGIN);
    scheduler.see(&bucket("a"), mixed.clone(), hours(29));
    assert_eq!(begun(&mut scheduler, &mixed, hours(29)), [(bucket("a"), 2)]);
    // what is longer than any night is begun in any
    mixed[0].bytes = 1_000 * 40_000;
    let mut scheduler = Scheduler::new(&budgeted, 1, BEGIN);
    scheduler.see(&bucket("a"), mixed.clone(), hours(29));
    assert_eq!(begun(&mut scheduler, &mixed, hours(29)), [(bucket("a"), 1)]);
}

#[test]
fn buckets_are_served_by_bytes_in_turn() {
    let large: Vec<Block> = (0..50).map(|number| block(number, 4_000, hours(-1))).collect();
    let small: Vec<Block> = (100..300).map(|number| block(number, 1_000, hours(-1))).collect();
    let all: Vec<Block> = large.iter().chain(&small).copied().collect();
    let mut scheduler = Scheduler::new(&settings(32, ""), 1, BEGIN);
    scheduler.see(&bucket("large"), large, BEGIN);
    scheduler.see(&bucket("small"), small, BEGIN);
    let order = begun(&mut scheduler, &all, BEGIN);
    for part in order.chunks(50) {
        let of_large = part.iter().filter(|(bucket, _)| &**bucket == "large").count();
        assert!((9..=11).contains(&of_large), "{of_large} of 50");
    }
    // who had nothing to do for long has no claim to what he did not use
    let more: Vec<Block> = (1_000..1_050).map(|number| block(number, 4_000, hours(-1))).collect();
    let others: Vec<Block> = (2_000..2_200).map(|number| block(number, 4_000, hours(-1))).collect();
    scheduler.see(&bucket("large"), more.clone(), BEGIN);
    assert_eq!(begun(&mut scheduler, &more, BEGIN).len(), 50);
    scheduler.see(&bucket("large"), (1_050..1_100).map(|number| block(number, 4_000, hours(-1))).collect(), BEGIN);
    scheduler.see(&bucket("small"), others, BEGIN);
    let first: Vec<u128> = (0..20)
        .map(|_| {
            let Next::Begin { bucket, ulid } = scheduler.next(BEGIN) else { panic!() };
            scheduler.ended(&bucket, ulid, None, BEGIN);
            ulid.random()
        })
        .collect();
    assert!(first.iter().any(|number| *number < 2_000) && first.iter().any(|number| *number >= 2_000), "{first:?}");
}

#[test]
fn what_fails_is_tried_again_later_and_what_is_seen_again_stays_failed() {
    let blocks = [block(1, 1_000, hours(-1))];
    let mut scheduler = Scheduler::new(&settings(32, ""), 1, BEGIN);
    let a = bucket("a");
    let mut now = BEGIN;
    for minutes in [5, 10, 20] {
        scheduler.see(&a, blocks.to_vec(), now);
        let Next::Begin { ulid, .. } = scheduler.next(now) else { panic!("{minutes}") };
        scheduler.ended(&a, ulid, Some(&shown(&blocks[0], Verdict::Unreachable, now)), now);
        let until = wait(&mut scheduler, now).unwrap();
        assert_eq!(until, now.plus(minutes * 60_000));
        now = until;
    }
    let healed = Block { identity: 2, ..blocks[0] };
    scheduler.see(&a, vec![healed], now.minus(1));
    assert_eq!(begun(&mut scheduler, &[healed], now.minus(1)).len(), 1);
    // a reading that was given up by whoever asked for it is no failure
    scheduler.see(&a, vec![Block { identity: 3, ..healed }], now);
    let Next::Begin { ulid, .. } = scheduler.next(now) else { panic!() };
    scheduler.ended(&a, ulid, None, now);
    assert!(matches!(scheduler.next(now), Next::Begin { .. }));
}

#[test]
fn no_more_is_begun_than_may_run_at_once() {
    let blocks: Vec<Block> = (0..5).map(|number| block(number, 1_000, hours(-1))).collect();
    let mut scheduler = Scheduler::new(&settings(32, ""), 3, BEGIN);
    scheduler.see(&bucket("a"), blocks.clone(), BEGIN);
    let begun: Vec<Next> = (0..4).map(|_| scheduler.next(BEGIN)).collect();
    assert_eq!(begun.iter().filter(|next| matches!(next, Next::Begin { .. })).count(), 3);
    assert_eq!((&begun[3], scheduler.running("a")), (&Next::Wait(None), 3));
    // what is being read is not begun again when it is seen again
    scheduler.see(&bucket("a"), blocks.clone(), BEGIN);
    scheduler.ended("a", blocks[0].ulid, None, BEGIN);
    let Next::Begin { ulid, .. } = scheduler.next(BEGIN) else { panic!() };
    assert_eq!(ulid, blocks[0].ulid);
    scheduler.keep(|name| name != "a");
    assert_eq!((scheduler.next(BEGIN), scheduler.outlook("a", BEGIN)), (Next::Wait(None), None));
}

fn ends_and_due(outlook: &Outlook) -> (TimestampMs, TimestampMs) {
    let worst = outlook.worst.unwrap();
    (worst.round_ends, worst.due)
}

#[test]
fn the_outlook_says_what_is_left_and_whether_that_can_be_done() {
    let mut blocks: Vec<Block> = (0..32).map(|number| block(number, 86_400_000, hours(-1_000))).collect();
    let look = |blocks: &[Block], rate: Option<u64>| {
        let mut settings = settings(32, "");
        settings.max_bytes_per_second = rate;
        let mut scheduler = Scheduler::new(&settings, 1, BEGIN);
        scheduler.see(&bucket("a"), blocks.to_vec(), BEGIN);
        scheduler.outlook("a", BEGIN).unwrap()
    };
    let first = look(&blocks, Some(2_000));
    assert_eq!((first.blocks, first.backlog_blocks, first.oldest), (32, 32, Some(BEGIN)));
    assert_eq!((first.bytes, first.backlog_bytes), (32 * 86_400_000, 32 * 86_400_000));
    // 32 blocks in 30 days: a kilobyte per second and a little
    assert_eq!((first.needed_rate, first.remaining_ms / DAY_MS), (1_067, 30));
    let (ends, due) = ends_and_due(&first);
    assert_eq!((ends, due), (BEGIN.plus(16 * DAY_MS), BEGIN.plus(32 * DAY_MS)));
    let late = look(&blocks, Some(500));
    assert_eq!(late.worst.map(|worst| (worst.bytes_left, worst.bytes_per_second)), Some((late.bytes, 500)));
    let (ends, due) = ends_and_due(&late);
    assert_eq!((ends, due), (BEGIN.plus(64 * DAY_MS), BEGIN.plus(32 * DAY_MS)));
    assert_eq!(look(&blocks, None).worst, None, "nobody knows yet how fast it goes");

    for (block, days) in blocks.iter_mut().zip(0..) {
        let verification = shown(block, Verdict::Ok, BEGIN.minus(days * DAY_MS));
        block.done = Done::of(&verification);
    }
    let steady = look(&blocks, Some(2_000));
    assert_eq!((steady.backlog_blocks, steady.remaining_ms), (0, 0));
    assert_eq!(steady.oldest, Some(BEGIN.minus(31 * DAY_MS)));
    // what is late is given time after a start, and then it is not
    let mut settings = settings(32, "");
    settings.max_bytes_per_second = Some(100_000);
    let mut late = blocks.clone();
    for block in &mut late {
        block.done = block.done.map(|done| Done { at: done.at.minus(40 * DAY_MS), ..done });
    }
    let mut scheduler = Scheduler::new(&settings, 1, BEGIN);
    scheduler.see(&bucket("a"), late, BEGIN);
    let (ends, due) = ends_and_due(&scheduler.outlook("a", BEGIN).unwrap());
    assert!(ends < due, "{ends} {due}");
    let (ends, due) = ends_and_due(&scheduler.outlook("a", BEGIN.plus(5 * DAY_MS)).unwrap());
    assert!(ends > due, "{ends} {due}");
}

#[test]
fn two_buckets_share_what_there_is() {
    let mut settings = settings(32, "");
    settings.max_bytes_per_second = Some(2_000);
    let mut scheduler = Scheduler::new(&settings, 1, BEGIN);
    let blocks = |first: u128| (first..first + 32).map(|number| block(number, 86_400_000, hours(-1_000))).collect();
    scheduler.see(&bucket("a"), blocks(0), BEGIN);
    scheduler.see(&bucket("b"), blocks(100), BEGIN);
    for name in ["a", "b"] {
        let (ends, due) = ends_and_due(&scheduler.outlook(name, BEGIN).unwrap());
        // the pace would be 2,134 bytes per second, and a sixteenth less is still in time
        assert_eq!((ends.since(BEGIN) / DAY_MS, ends <= due), (32, true), "{name}");
    }
    settings.max_bytes_per_second = Some(1_900);
    scheduler.change(&settings, 1, BEGIN);
    let (ends, due) = ends_and_due(&scheduler.outlook("b", BEGIN).unwrap());
    assert!(ends > due, "{ends} {due}");
}
