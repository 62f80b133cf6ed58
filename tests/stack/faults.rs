//! What goes wrong, each by itself: found within two intervals, said in every way there is, and over when it is healed.

use std::collections::BTreeSet;
use std::process::Command;

use crate::bucket::{ARCHIVE, Block, NAME};
use crate::chain::{self, Alert};
use crate::history;
use crate::stack::{BLOCK_SECONDS, DELETE_DELAY_SECONDS, Stack};
use crate::wait::until;
use crate::watch::{INTERVAL_SECONDS, LAG_RANGES, Seen, Watch};

/// What is left of a repair: an object that was put back is newer than its block, and nobody has compared its content.
const REWRITTEN: &str = "object_mutated warning";

/// The stream of the producer.
const STREAM: &str = r#"{cluster="eu1", replica="a"}"#;

fn told(what: &str) -> Alert {
    chain::alert(what, NAME, STREAM)
}

/// Long enough for two passes on a busy machine.
const SOON: u64 = 30;

/// The `nth` block that the compactor made, of three at least. From the second on there is data before and after it.
async fn compacted(stack: &Stack, nth: usize) -> Block {
    let blocks = stack.bucket.blocks().await.unwrap();
    let mut compacted: Vec<_> = blocks.into_values().filter(|block| block.level > 1).collect();
    compacted.sort_by_key(|block| block.start);
    compacted.get(nth).cloned().expect("the compactor has made fewer blocks than it should")
}

/// Waits until just these findings are open at warning or above.
async fn open(watch: &Watch, what: &str, seconds: u64, expected: &[&str]) -> Seen {
    let expected: BTreeSet<String> = expected.iter().map(|finding| (*finding).to_owned()).collect();
    until(what, seconds, async || {
        let seen = watch.look().await?;
        if seen.open == expected { Ok(seen) } else { Err(format!("open is\n{}", seen.text())) }
    })
    .await
}

/// The same, by the second pass that ends after `before`: the first may have begun earlier.
async fn soon(watch: &Watch, what: &str, before: &Seen, expected: &[&str]) -> Seen {
    let seen = open(watch, what, SOON, expected).await;
    let passes = seen.scans - before.scans;
    assert!(passes <= 2.0, "{what}: only after {passes} passes");
    seen
}

/// What it says once something was done, whether it has seen that yet or not.
async fn now(watch: &Watch) -> Seen {
    until("the service answers", SOON, async || watch.look().await).await
}

/// Somebody removes a block that is needed, with all its objects.
pub(crate) async fn block_deleted(stack: &Stack, watch: &Watch) {
    let block = compacted(stack, 1).await;
    let taken = stack.bucket.take_block(&block.ulid).await;
    let before = now(watch).await;
    let seen = soon(watch, "a block is deleted", &before, &["block_vanished critical", "coverage_gap critical"]).await;
    assert_eq!(seen.finding("block_vanished")["block"], *block.ulid);
    let both = [told("BlockVanished critical"), told("CoverageGap critical")];
    stack.chain.tells("a block is deleted", &both).await;

    stack.bucket.bring_back(taken).await;
    let before = now(watch).await;
    soon(watch, "the block is brought back", &before, &[]).await;
    stack.chain.tells("the block is brought back", &[]).await;
}

/// An upload was called complete and is not.
pub(crate) async fn index_removed(stack: &Stack, watch: &Watch) {
    let block = compacted(stack, 2).await;
    let key = format!("{}/index", block.ulid);
    let body = stack.bucket.take(&key).await;
    let before = now(watch).await;
    let seen = soon(watch, "an index is removed", &before, &["missing_object critical"]).await;
    assert_eq!(seen.finding("missing_object")["object"], *key);
    stack.chain.tells("an index is removed", &[told("MissingObject critical")]).await;

    stack.bucket.put(&key, body).await;
    let before = now(watch).await;
    soon(watch, "the index is put back", &before, &[REWRITTEN]).await;
    stack.chain.tells("the index is put back", &[told("ObjectMutated warning")]).await;
}

/// Half of a segment is gone.
pub(crate) async fn segment_truncated(stack: &Stack, watch: &Watch) {
    let block = compacted(stack, 0).await;
    let key = format!("{}/chunks/000001", block.ulid);
    let body = stack.bucket.get(&key).await.unwrap();
    stack.bucket.put(&key, body.slice(..body.len() / 2)).await;
    let before = now(watch).await;
    let expected = ["object_mutated critical", REWRITTEN, "size_mismatch critical"];
    let seen = soon(watch, "a segment is truncated", &before, &expected).await;
    assert_eq!(seen.finding("size_mismatch")["object"], *key);
    let both = [told("ObjectMutated critical"), told("SizeMismatch critical")];
    stack.chain.tells("a segment is truncated", &both).await;

    stack.bucket.put(&key, body).await;
    let before = now(watch).await;
    soon(watch, "the segment is whole again", &before, &[REWRITTEN]).await;
    stack.chain.tells("the segment is whole again", &[told("ObjectMutated warning")]).await;
}

/// Somebody marks a block that is needed, and takes the mark away as the remedy says. Then nobody deletes it.
pub(crate) async fn marked_by_hand(stack: &mut Stack, watch: &Watch) -> Saved {
    let block = compacted(stack, 1).await;
    mark(stack, &block, "--details=by hand");
    let deleted_at = history::now_ms() + i64::try_from(DELETE_DELAY_SECONDS + 10).unwrap() * 1_000;
    let before = now(watch).await;
    let seen = soon(watch, "a block is marked", &before, &["deletion_unreplaced critical", REWRITTEN]).await;
    let finding = seen.finding("deletion_unreplaced");
    assert_eq!(finding["block"], *block.ulid);
    let (unreplaced, rewritten) = (told("DeletionUnreplaced critical"), told("ObjectMutated warning"));
    stack.chain.tells("a block is marked", &[unreplaced, rewritten.clone()]).await;
    let remedy = finding["remedy"].as_str().unwrap();
    let command = format!("thanos tools bucket mark --id={} --marker=deletion-mark.json --remove", block.ulid);
    assert!(remedy.contains("stop the compactor") && remedy.contains(&command), "{remedy}");

    stack.compactor = None;
    mark(stack, &block, "--remove");
    let before = now(watch).await;
    soon(watch, "the mark is removed", &before, &[REWRITTEN]).await;
    stack.chain.tells("the mark is removed", &[rewritten]).await;
    stack.start_compactor().await;
    Saved { block, deleted_at }
}

/// A block whose mark was taken away.
#[derive(Debug)]
pub(crate) struct Saved {
    block: Block,
    /// When it would be gone for sure had it kept its mark, in ms since the epoch.
    deleted_at: i64,
}

impl Saved {
    async fn assert_stays(&self, stack: &mut Stack) {
        until("the delete delay is over", DELETE_DELAY_SECONDS, async || {
            stack.assert_runs();
            let left = self.deleted_at - history::now_ms();
            if left < 0 { Ok(()) } else { Err(format!("{left} ms are left")) }
        })
        .await;
        assert!(
            stack.bucket.blocks().await.unwrap().contains_key(&self.block.ulid),
            "the remedy has not saved the block"
        );
    }
}

fn mark(stack: &Stack, block: &Block, argument: &str) {
    let mut command = Command::new(&stack.programs.thanos);
    command.args(["tools", "bucket", "mark", "--marker=deletion-mark.json", "--objstore.config-file=objstore.yaml"]);
    command.arg(format!("--id={}", block.ulid)).arg(argument).current_dir(stack.path()).env_clear();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Prometheus goes on, and nobody uploads what it writes.
pub(crate) async fn sidecar_stopped(stack: &mut Stack, watch: &Watch, saved: &Saved) {
    let tolerated = LAG_RANGES * BLOCK_SECONDS;
    stack.sidecar = None;
    let seen = open(watch, "nothing is uploaded", tolerated + SOON, &[REWRITTEN, "upload_lag warning"]).await;
    let lag = &seen.finding("upload_lag")["evidence"]["lag_seconds"];
    // two intervals, and a second for each of the two passes
    let latest = tolerated + 2 * INTERVAL_SECONDS + 2;
    assert!((tolerated..=latest).contains(&lag.as_u64().unwrap()), "found at a lag of {lag} s");

    let rewritten = told("ObjectMutated warning");
    stack.chain.tells("nothing is uploaded", &[told("UploadLag warning"), rewritten.clone()]).await;

    stack.start_sidecar().await;
    open(watch, "the sidecar catches up", SOON, &[REWRITTEN]).await;
    stack.chain.tells("the sidecar catches up", &[rewritten]).await;
    saved.assert_stays(stack).await;
}

/// The storage does not answer. Nothing is said of the data, neither that it is well nor that it is not.
pub(crate) async fn storage_stopped(stack: &mut Stack, watch: &Watch) {
    stack.minio = None;
    let before = now(watch).await;
    soon(watch, "the storage is gone", &before, &["bucket_unreachable warning", REWRITTEN]).await;
    let rewritten = told("ObjectMutated warning");
    let unreachable = [NAME, ARCHIVE].map(|bucket| chain::alert("BucketUnreachable warning", bucket, ""));
    stack.chain.tells("the storage is gone", &[&unreachable[..], std::slice::from_ref(&rewritten)].concat()).await;
    stack.start_minio().await;
    let before = now(watch).await;
    soon(watch, "the storage is back", &before, &[REWRITTEN]).await;
    stack.chain.tells("the storage is back", &[rewritten]).await;
}
