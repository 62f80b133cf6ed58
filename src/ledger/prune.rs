//! Forgetting what nobody will ask for.

use rusqlite::{Connection, params};

use crate::model::{DAY_MS, TimestampMs};

/// For how long after its end a block keeps its objects, its marks and the list of its files, in ms.
pub const DETAIL_MS: i64 = 35 * DAY_MS;

/// For how long after their end blocks and findings are kept at all, in ms.
pub const ENDED_MS: i64 = 400 * DAY_MS;

/// Prunes one bucket. Costs what there is to prune: each statement walks an index from where the last one stopped.
pub(super) fn prune(connection: &Connection, bucket: i64, now: TimestampMs) -> rusqlite::Result<()> {
    let detail = now.minus(DETAIL_MS).0;
    // `detail_from` is where the last pruning stopped; NULL compares as nothing pruned yet
    let stripped = "SELECT id FROM blocks WHERE bucket = ?1 AND ended_at <= ?2
        AND ended_at > coalesce((SELECT detail_from FROM buckets WHERE id = ?1), ended_at - 1)";
    for table in ["objects", "objects_now", "marks"] {
        connection
            .prepare_cached(&format!("DELETE FROM {table} WHERE block IN ({stripped})"))?
            .execute(params![bucket, detail])?;
    }
    let pruned = connection
        .prepare_cached(&format!(
            "UPDATE blocks SET first_meta = NULL, meta_difference = NULL, meta = CASE typeof(meta)
               WHEN 'text' THEN json_remove(meta, '$.thanos.files', '$.thanos.segment_files') ELSE meta END
             WHERE id IN ({stripped})"
        ))?
        .execute(params![bucket, detail])?;
    if pruned > 0 {
        connection
            .prepare_cached("UPDATE buckets SET detail_from = ?2 WHERE id = ?1")?
            .execute(params![bucket, detail])?;
    }
    let ended = now.minus(ENDED_MS).0;
    for gone in [
        "DELETE FROM blocks WHERE bucket = ?1 AND ended_at <= ?2 AND end_reason IS NOT 'vanished'",
        "DELETE FROM findings WHERE bucket = ?1 AND ended_at <= ?2",
    ] {
        connection.prepare_cached(gone)?.execute(params![bucket, ended])?;
    }
    // the last one before stays: it is what was known then
    connection
        .prepare_cached(
            "DELETE FROM scans WHERE bucket = ?1 AND at < (SELECT max(at) FROM scans WHERE bucket = ?1 AND at <= ?2)",
        )?
        .execute(params![bucket, detail])?;
    Ok(())
}
