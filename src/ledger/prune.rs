//! Forgetting what nobody will ask for.

use rusqlite::{Connection, params};

use crate::model::{DAY_MS, TimestampMs};

/// For how long after its end a block keeps its objects, its marks, the list of its files and what its bytes
/// were, in ms.
pub const DETAIL_MS: i64 = 35 * DAY_MS;

/// For how long after their end blocks and findings are kept at all, in ms.
pub const ENDED_MS: i64 = 400 * DAY_MS;

/// For how long notifications that arrived are kept, in ms: who was told what of an incident of the last week.
pub const SENT_MS: i64 = 7 * DAY_MS;

/// For how long notifications that were given up are kept, in ms, so that they can be sent again; and for how long it
/// is remembered what the messages of an incident belong to.
pub const DEAD_MS: i64 = 30 * DAY_MS;

/// Prunes what is settled of the outbox. Costs what there is to prune.
pub(super) fn prune_notifications(connection: &Connection, now: TimestampMs) -> rusqlite::Result<()> {
    for (statement, age) in [
        ("DELETE FROM outbox WHERE state IN ('sent', 'coalesced') AND settled_at <= ?1", SENT_MS),
        ("DELETE FROM outbox WHERE state = 'dead' AND settled_at <= ?1", DEAD_MS),
        ("DELETE FROM threads WHERE used_at <= ?1", DEAD_MS),
    ] {
        connection.prepare_cached(statement)?.execute([now.minus(age).0])?;
    }
    Ok(())
}

/// Prunes one bucket. Costs what there is to prune: each statement walks an index from where the last one stopped.
pub(super) fn prune(connection: &Connection, bucket: i64, now: TimestampMs) -> rusqlite::Result<()> {
    let detail = now.minus(DETAIL_MS).0;
    // `detail_from` is where the last pruning stopped; NULL compares as nothing pruned yet
    let stripped = "SELECT id FROM blocks WHERE bucket = ?1 AND ended_at <= ?2
        AND ended_at > coalesce((SELECT detail_from FROM buckets WHERE id = ?1), ended_at - 1)";
    let mut rows = 0;
    for change in [
        "DELETE FROM objects",
        "DELETE FROM objects_now",
        "DELETE FROM marks",
        "DELETE FROM metas_first",
        "DELETE FROM verifications",
        "DELETE FROM hashes",
        "UPDATE metas SET files = NULL, segments = NULL",
    ] {
        rows += connection
            .prepare_cached(&format!("{change} WHERE block IN ({stripped})"))?
            .execute(params![bucket, detail])?;
    }
    if rows > 0 {
        connection
            .prepare_cached("UPDATE buckets SET detail_from = ?2 WHERE id = ?1")?
            .execute(params![bucket, detail])?;
    }

    let ended = now.minus(ENDED_MS).0;
    let gone = "bucket = ?1 AND ended_at <= ?2 AND end_reason IS NOT 'vanished'";
    let forgotten = connection
        .prepare_cached(&format!("DELETE FROM metas WHERE block IN (SELECT id FROM blocks WHERE {gone})"))?
        .execute(params![bucket, ended])?;
    connection.prepare_cached(&format!("DELETE FROM blocks WHERE {gone}"))?.execute(params![bucket, ended])?;
    if forgotten > 0 {
        connection
            .prepare_cached(
                "DELETE FROM source_lists WHERE id NOT IN (SELECT sources FROM metas WHERE sources IS NOT NULL)
                   AND id NOT IN (SELECT sources FROM metas_first WHERE sources IS NOT NULL)",
            )?
            .execute(())?;
    }
    connection
        .prepare_cached("DELETE FROM findings WHERE bucket = ?1 AND ended_at <= ?2")?
        .execute(params![bucket, ended])?;
    // the last one before stays: it is what was known then
    connection
        .prepare_cached(
            "DELETE FROM scans WHERE bucket = ?1 AND at < (SELECT max(at) FROM scans WHERE bucket = ?1 AND at <= ?2)",
        )?
        .execute(params![bucket, detail])?;
    Ok(())
}
