//! A bucket beside that of Thanos, with streams of their own, in each of which something else goes wrong. No compactor
//! touches it, and its blocks are read to the last byte.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::bucket::{ARCHIVE, Bucket};
use crate::chain::{self, Alert};
use crate::history::now_ms;
use crate::stack::Stack;
use crate::wait::until;
use crate::watch::Watch;

/// All its streams.
pub(crate) const ALL: &str = r#"{cluster=~"f.*"}"#;
/// Those whose blocks are kept for an hour only.
pub(crate) const EXPIRING: &str = r#"{cluster="f-retention"}"#;

/// The objects of a block by their names.
type Block = BTreeMap<String, Bytes>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Archive {
    pub(crate) bucket: Bucket,
    /// By the stream's `cluster`: the block's name, and what belongs into it.
    blocks: BTreeMap<&'static str, (String, Block)>,
    /// A real block, which the others are copies of.
    pattern: Block,
}

/// What goes wrong in one stream, by changing the objects of its block.
struct Fault {
    cluster: &'static str,
    /// The ends of alerts' names, and their severities.
    alerts: &'static [&'static str],
    /// The block is there, and well, before.
    is_there: bool,
    /// Makes of a good block what is there then.
    wrong: fn(Block) -> Block,
    /// Makes of it what is well again.
    healed: fn(Block) -> Block,
}

const FAULTS: &[Fault] = &[
    Fault { cluster: "f-meta", alerts: &["MetaInvalid critical"], wrong: |block| cut(block, "meta.json"), ..CHANGED },
    Fault {
        cluster: "f-chunk",
        alerts: &["ChunkCorrupt critical", "ObjectMutated critical"],
        wrong: |block| flipped(block, "chunks/000001"),
        ..CHANGED
    },
    Fault {
        cluster: "f-index",
        alerts: &["IndexCorrupt critical", "ObjectMutated critical"],
        wrong: |block| flipped(block, "index"),
        ..CHANGED
    },
    Fault {
        cluster: "f-missing",
        alerts: &["MissingObject critical"],
        wrong: |block| without(block, "index"),
        ..CHANGED
    },
    Fault {
        cluster: "f-short",
        // what is left of it cannot be read either
        alerts: &[
            "BlockInconsistent critical",
            "ChunkCorrupt critical",
            "ObjectMutated critical",
            "SizeMismatch critical",
        ],
        wrong: |block| cut(block, "chunks/000001"),
        ..CHANGED
    },
    Fault { cluster: "f-marked", alerts: &["DeletionUnreplaced critical"], wrong: marked, ..CHANGED },
    Fault { cluster: "f-retention", alerts: &["RetentionOverdue warning"], is_there: false, healed: marked, ..CHANGED },
];

/// What most faults have in common.
const CHANGED: Fault = Fault { cluster: "", alerts: &[], is_there: true, wrong: |block| block, healed: |block| block };

impl Archive {
    pub(crate) fn of(bucket: Bucket) -> Self {
        Self { bucket, blocks: BTreeMap::new(), pattern: Block::new() }
    }

    /// Makes its blocks of one that a sidecar has uploaded.
    pub(crate) async fn fill(&mut self, from: &Bucket) {
        let blocks = from.blocks().await.unwrap();
        // not the newest: whatever still grows is not in it
        let block = blocks.values().min_by_key(|block| block.start).unwrap();
        for key in from.keys(&block.ulid).await.unwrap() {
            let name = key.strip_prefix(&format!("{}/", block.ulid)).unwrap().to_owned();
            self.pattern.insert(name, from.get(&key).await.unwrap());
        }
        for fault in FAULTS {
            let made = self.make(fault.cluster);
            if fault.is_there {
                self.write(&made.0, &Block::new(), &made.1).await;
            }
            self.blocks.insert(fault.cluster, made);
        }
        let made = self.make("f-twice");
        self.write(&made.0, &Block::new(), &made.1).await;
        self.blocks.insert("f-twice", made);
    }

    /// A block of a stream, uploaded now.
    fn make(&self, cluster: &str) -> (String, Block) {
        let salt = u128::try_from(self.blocks.len()).unwrap();
        let ulid = Ulid::from_parts(u64::try_from(now_ms()).unwrap(), salt).to_string();
        let mut block = self.pattern.clone();
        let mut meta: Value = serde_json::from_slice(&block["meta.json"]).unwrap();
        meta["ulid"] = ulid.clone().into();
        meta["compaction"]["sources"] = json!([ulid]);
        meta["thanos"]["labels"] = json!({"cluster": cluster});
        block.insert("meta.json".to_owned(), Bytes::from(meta.to_string()));
        (ulid, block)
    }

    /// Makes of a block what it is to be, `meta.json` last, as an upload does. What does not change is not touched.
    async fn write(&self, ulid: &str, before: &Block, after: &Block) {
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.bucket.take(&format!("{ulid}/{name}")).await;
        }
        let new = after.iter().filter(|(name, body)| before.get(*name) != Some(body));
        let (meta, others): (Vec<_>, Vec<_>) = new.partition(|(name, _)| *name == "meta.json");
        for (name, body) in others.into_iter().chain(meta) {
            self.bucket.put(&format!("{ulid}/{name}"), body.clone()).await;
        }
    }
}

/// Several at once, since each concerns another stream: each is told on all ways, nothing else is, and all are over once
/// they are healed.
pub(crate) async fn faults(stack: &Stack, watch: &Watch) {
    let archive = &stack.archive;
    until("the blocks are verified", 60, async || {
        let metrics = watch.metrics().await?;
        let backlog = format!("blockwarden_scrub_backlog_blocks{{bucket=\"{ARCHIVE}\"}} 0");
        if metrics.lines().any(|line| line == backlog) { Ok(()) } else { Err("there is a backlog".to_owned()) }
    })
    .await;

    // from more than ten at once there would be one message for all of them
    let (first, second) = FAULTS.split_at(4);
    let first_alerts = cause(archive, first).await;
    stack.chain.tells("four faults in four streams", &first_alerts).await;

    let mut second_alerts = cause(archive, second).await;
    let twice = &archive.blocks["f-twice"].0;
    let (copy, block) = archive.make("f-twice");
    archive.write(&copy, &Block::new(), &block).await;
    second_alerts.push(chain::alert("Overlap warning", ARCHIVE, &stream("f-twice")));
    let config = stack.path().join("blockwarden.yaml");
    let before = std::fs::read_to_string(&config).unwrap();
    let demanding = before.replace("streams:\n", "streams:\n  - {match: '{cluster=\"f-none\"}', expected: true}\n");
    std::fs::write(&config, demanding).unwrap();
    watch.reload().await;
    // it may be in any bucket, and the first one tells for all
    second_alerts.push(chain::alert("StreamMissing warning", ARCHIVE, &stream("f-none")));
    let all = [first_alerts, second_alerts.clone()].concat();
    stack.chain.tells("five more in five others", &all).await;

    // until it is read, nobody knows that what was put back is what had been there
    stack.chain.may_tell(chain::alert("ObjectMutated warning", ARCHIVE, &stream("f-missing")));
    heal(archive, first).await;
    stack.chain.tells("the first four are healed", &second_alerts).await;

    heal(archive, second).await;
    // what a vertical compaction does
    let (merged, both) = archive.make("f-twice");
    archive.write(&merged, &Block::new(), &made_of(both, &[twice, &copy])).await;
    for ulid in [twice, &copy] {
        archive.bucket.put(&format!("{ulid}/deletion-mark.json"), mark(ulid)).await;
    }
    std::fs::write(&config, before).unwrap();
    watch.reload().await;
    stack.chain.tells("all nine are healed", &[]).await;
}

/// Gives what has to be told.
async fn cause(archive: &Archive, faults: &[Fault]) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for fault in faults {
        let (ulid, good) = &archive.blocks[fault.cluster];
        let before = if fault.is_there { good.clone() } else { Block::new() };
        archive.write(ulid, &before, &(fault.wrong)(good.clone())).await;
        alerts.extend(fault.alerts.iter().map(|what| chain::alert(what, ARCHIVE, &stream(fault.cluster))));
    }
    alerts
}

async fn heal(archive: &Archive, faults: &[Fault]) {
    for fault in faults {
        let (ulid, good) = &archive.blocks[fault.cluster];
        archive.write(ulid, &(fault.wrong)(good.clone()), &(fault.healed)(good.clone())).await;
    }
}

fn stream(cluster: &str) -> String {
    format!("{{cluster=\"{cluster}\"}}")
}

fn cut(mut block: Block, name: &str) -> Block {
    let body = block[name].clone();
    block.insert(name.to_owned(), body.slice(..body.len() / 2));
    block
}

fn flipped(mut block: Block, name: &str) -> Block {
    let mut body = block[name].to_vec();
    let middle = body.len() / 2;
    body[middle] ^= 0x10;
    block.insert(name.to_owned(), body.into());
    block
}

fn without(mut block: Block, name: &str) -> Block {
    block.remove(name).unwrap();
    block
}

fn made_of(mut block: Block, sources: &[&String]) -> Block {
    let mut meta: Value = serde_json::from_slice(&block["meta.json"]).unwrap();
    let parent = |ulid| json!({"ulid": ulid, "minTime": meta["minTime"], "maxTime": meta["maxTime"]});
    let parents: Vec<Value> = sources.iter().map(parent).collect();
    meta["compaction"] = json!({"level": 2, "sources": sources, "parents": parents});
    block.insert("meta.json".to_owned(), Bytes::from(meta.to_string()));
    block
}

fn mark(ulid: &str) -> Bytes {
    let mark = json!({"id": ulid, "version": 1, "details": "by hand", "deletion_time": now_ms() / 1_000});
    Bytes::from(mark.to_string())
}

fn marked(mut block: Block) -> Block {
    let meta: Value = serde_json::from_slice(&block["meta.json"]).unwrap();
    block.insert("deletion-mark.json".to_owned(), mark(meta["ulid"].as_str().unwrap()));
    block
}
