//! A bucket that goes on living while it is watched, and stays as large as it is: blocks are rewritten and the old ones
//! marked and deleted, streams come and go, objects are damaged and healed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use blockwarden::engine::clock;
use ulid::Ulid;

use crate::support::estate::{Estate, Span};
use crate::support::memory::Memory;
use crate::support::s3_server::Objects;

/// Between two steps. A stream cuts twelve blocks a day, so a hundred streams cut one every 72 s.
const STEP: Duration = Duration::from_secs(5);
/// Steps from a mark to the deletion.
const MARKED_STEPS: usize = 4;
/// Names of streams that come and go.
const SHORT_LIVED: u64 = 8;

/// Begins to change `memory`, which holds all of `estate`, on a thread that ends with the process.
pub(crate) fn begin(memory: Arc<Memory>, estate: &Estate, streams: u32) {
    let mut live: Vec<VecDeque<String>> =
        (0..streams).map(|stream| estate.raw_blocks(stream, Span::TwoHours).into()).collect();
    std::thread::spawn(move || {
        // nobody sends: this is a pause
        let (_sender, pause) = mpsc::channel::<()>();
        let mut marked = VecDeque::new();
        let mut damaged: Option<(String, u64)> = None;
        for step in 0_u64.. {
            pause.recv_timeout(STEP).unwrap_or_default();
            let stream = usize::try_from(step).unwrap() % live.len();
            let old = live[stream].pop_front().unwrap();
            let new = rewrite(&memory, &old, step, None);
            live[stream].push_back(new);
            mark(&memory, &old);
            marked.push_back(old);
            if step % 6 == 0 {
                // a stream that lives for a moment; that it was there is remembered, so there are only so many
                let only = rewrite(&memory, &live[0][0], step + (1 << 40), Some(step / 6 % SHORT_LIVED));
                mark(&memory, &only);
                marked.push_back(only);
            }
            while marked.len() > MARKED_STEPS {
                memory.remove(&format!("{}/", marked.pop_front().unwrap()));
            }
            if let Some((key, size)) = damaged.take() {
                memory.resize(&key, size);
            } else {
                // one whose turn to be rewritten is far away
                let key = format!("{}/chunks/000001", live[(stream + live.len() / 2) % live.len()][0]);
                let size = memory.head(&key).unwrap().size;
                memory.resize(&key, size - 1);
                damaged = Some((key, size));
            }
        }
    });
}

/// Stores the block `old` under a new name, and of another cluster if told so; gives the name.
fn rewrite(memory: &Memory, old: &str, salt: u64, cluster: Option<u64>) -> String {
    let now = clock::now();
    let new = Ulid::from_parts(now.0.unsigned_abs(), u128::from(salt)).to_string();
    let meta = memory.body(&format!("{old}/meta.json")).unwrap();
    let mut meta = String::from_utf8(meta.to_vec()).unwrap();
    meta = meta.replacen(old, &new, 1);
    if let Some(cluster) = cluster {
        meta = meta.replacen("\"cluster\": \"eu-", &format!("\"cluster\": \"eu-{cluster}-"), 1);
    }
    memory.copy(&format!("{old}/"), &format!("{new}/"), now);
    memory.put(&format!("{new}/meta.json"), meta, now);
    new
}

fn mark(memory: &Memory, block: &str) {
    let now = clock::now();
    let seconds = now.0 / 1_000;
    let mark = format!("{{\"id\":\"{block}\",\"version\":1,\"details\":\"rewritten\",\"deletion_time\":{seconds}}}");
    memory.put(&format!("{block}/deletion-mark.json"), mark, now);
}
