//! Earlier moments.

use super::*;

fn as_of(ledger: &Ledger, at: TimestampMs) -> AsOf {
    ledger.as_of(KEY, &"thanos".into(), at, &mut Interner::default()).unwrap().unwrap()
}

fn hours(hours: i64) -> TimestampMs {
    T0.plus(hours * HOUR_MS)
}

/// A bucket with a history: what each hour saw.
fn history() -> (Ledger, Vec<BucketView>) {
    let mut ledger = Ledger::in_memory().unwrap();
    let unchanged = |number| changed(block(number), |block| block.change = BlockChange::Unchanged);
    let mut uploading = block(2);
    uploading.objects = [object("chunks/000001", 100)].into();
    uploading.meta = MetaState::Absent;
    let mut arrived = block(2);
    arrived.objects[1].last_modified = hours(1);
    arrived.objects[2].last_modified = hours(1);
    let mutated = changed(block(1), |block| {
        let now = object("index", 999);
        let mark = DeletionMark { time: hours(2), details: String::new() };
        block.marks.deletion = Some(MarkState::Read(mark));
        let mutation = Mutation { was: block.objects[1].clone(), now: now.clone(), meta_difference: None };
        block.mutations = [mutation].into();
        block.objects =
            [block.objects[0].clone(), object("deletion-mark.json", 9), now, block.objects[2].clone()].into();
    });
    let views = vec![
        view(hours(0), [block(1), uploading]),
        view(hours(1), [unchanged(1), changed(arrived.clone(), |_| ())]),
        view(hours(2), [mutated, changed(arrived.clone(), |block| block.change = BlockChange::Unchanged)]),
        view(hours(3), [changed(arrived, |block| block.change = BlockChange::Unchanged), block(3)]),
    ];
    let stream = |hours| (meta(1).labels, StreamPast { first_seen: T0, newest_max_time: T0.plus(hours * HOUR_MS) });
    let retention = |hour, days: i64| RetentionSeen {
        since: hours(hour),
        resolution: Resolution::Raw,
        retention_ms: Some(days * DAY_MS),
    };
    let transitions = [
        BucketTransition {
            completed: vec![ulid(1)],
            streams: vec![stream(4)],
            retention: vec![retention(0, 30)],
            ..BucketTransition::default()
        },
        BucketTransition { completed: vec![ulid(2)], streams: vec![stream(6)], ..BucketTransition::default() },
        BucketTransition { retention: vec![retention(2, 60)], ..BucketTransition::default() },
        BucketTransition {
            ended: vec![(ulid(1), EndReason::Marked)],
            streams: vec![stream(8)],
            ..BucketTransition::default()
        },
    ];
    let gone = finding("thanos", Some(1), "mutated");
    for ((view, changes), hour) in views.iter().zip(transitions).zip(0..) {
        let mut transition = transition(view.observed_at, changes);
        match hour {
            2 => transition.findings.push(FindingChange::Opened(gone.clone())),
            3 => transition.findings.push(FindingChange::Ended {
                bucket: "thanos".into(),
                fingerprint: gone.fingerprint(),
                end: FindingEnd::Expired,
            }),
            _ => {}
        }
        ledger.commit(&[(KEY, view)], &transition).unwrap();
    }
    (ledger, views)
}

#[test]
fn each_scan_can_be_seen_again() {
    let (ledger, views) = history();
    for seen in &views {
        // any moment until the next scan shows this one
        for at in [seen.observed_at, seen.observed_at.plus(HOUR_MS - 1)] {
            let AsOf { view, past } = as_of(&ledger, at);
            assert_eq!((view.observed_at, past.last_scan), (seen.observed_at, Some(seen.observed_at)));
            assert!(matches!(view.listing, Listing::FromLedger { .. }) && view.requests == RequestCounts::default());
            assert!(view.blocks.keys().eq(seen.blocks.keys()));
            for (ulid, block) in &view.blocks {
                let seen = &seen.blocks[ulid];
                assert_eq!((&block.objects, &block.meta), (&seen.objects, &seen.meta), "{at}");
                assert_eq!((&block.marks, &block.mutations), (&seen.marks, &seen.mutations), "{at}");
                assert!(past.blocks[ulid].end.is_none());
            }
        }
    }
    let before = as_of(&ledger, T0.minus(DAY_MS));
    assert_eq!(before.view.observed_at, T0);
}

#[test]
fn the_past_of_an_earlier_moment_knows_nothing_of_what_came_later() {
    let (ledger, _) = history();
    let at = |hour| as_of(&ledger, hours(hour)).past;
    let complete = |hour| at(hour).blocks.iter().filter(|(_, block)| block.complete).count();
    assert_eq!([complete(0), complete(1)], [1, 2]);
    assert_eq!([0, 1, 2, 3].map(|hour| at(hour).findings.len()), [0, 0, 1, 0]);
    assert_eq!([0, 1, 2, 3].map(|hour| at(hour).retention.len()), [1, 1, 2, 2]);
    assert_eq!(at(3).blocks[&ulid(1)].end, Some(End { at: hours(3), reason: EndReason::Marked }));
    // the newest data that was there then
    let newest = |hour: i64| at(hour).streams.values().map(|stream| stream.newest_max_time).collect::<Vec<_>>();
    assert_eq!([1, 3].map(newest), [[meta(2).interval.end], [meta(3).interval.end]]);
}

#[test]
fn a_meta_json_that_changed_later_is_shown_as_it_was() {
    let mut ledger = Ledger::in_memory().unwrap();
    commit(&mut ledger, &view(hours(0), [block(1)]), BucketTransition::default());
    let difference = (vec!["thanos.files: 3 entries → 2 entries".to_owned()], false);
    let later = changed(block(1), |block| {
        let now = object("meta.json", 301);
        let was = std::mem::replace(&mut block.objects[2], now.clone());
        block.meta = read(BlockMeta { segments: Some(9), ..meta(1) });
        block.mutations = [Mutation { was, now, meta_difference: Some(difference) }].into();
    });
    commit(&mut ledger, &view(hours(1), [later.clone()]), BucketTransition::default());
    for (hour, seen) in [(0, block(1)), (1, later)] {
        let found = as_of(&ledger, hours(hour)).view.blocks.remove(&ulid(1)).unwrap();
        assert_eq!((found.meta, found.mutations), (seen.meta, seen.mutations));
    }
}

#[test]
fn what_could_not_be_read_then_is_unknown() {
    let mut ledger = Ledger::in_memory().unwrap();
    let mut unread = block(1);
    unread.meta = MetaState::Unknown("403".to_owned());
    unread.marks.no_compact = Some(MarkState::Unknown("404".to_owned()));
    commit(&mut ledger, &view(T0, [unread]), BucketTransition::default());
    let unknown = as_of(&ledger, T0).view.unknown;
    let unknown: Vec<_> = unknown.iter().map(|unknown| (unknown.object.as_str(), unknown.why.as_str())).collect();
    let key = |name: &str| format!("{}/{name}", ulid(1));
    assert_eq!(unknown, [(key("meta.json").as_str(), "403"), (key("no-compact-mark.json").as_str(), "404")]);
}

#[test]
fn a_moment_whose_details_are_pruned_is_refused() {
    let (mut ledger, _) = history();
    let rest = changed(block(2), |block| block.change = BlockChange::Unchanged);
    let newest = hours(3).plus(DETAIL_MS);
    commit(&mut ledger, &view(newest, [rest]), BucketTransition::default());
    let error = ledger.as_of(KEY, &"thanos".into(), hours(2), &mut Interner::default()).unwrap_err();
    let LedgerError::Pruned { at, oldest, .. } = error else { panic!("{error}") };
    assert_eq!((at, oldest), (hours(2), hours(3)));
    assert_eq!(as_of(&ledger, oldest).view.blocks.len(), 2);
}
