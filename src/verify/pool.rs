//! The threads that compute. They never wait for the network or a disk, and nothing asynchronous ever waits for them
//! without giving its thread away.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::setpriority_process;
use tokio::sync::{mpsc, oneshot};

/// Jobs that wait for a thread, per thread: enough that no thread runs dry, few enough that work is taken in turn.
const AHEAD: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads and the jobs that wait for them. They end once the last clone is gone.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    jobs: mpsc::Sender<Job>,
}

/// A job did not come to its end: a defect in it, or the threads are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Pool {
    /// Starts the threads; at least one. `in_background`: whatever else the process does comes first.
    pub(super) fn start(threads: usize, in_background: bool) -> io::Result<Self> {
        let threads = threads.max(1);
        let (jobs, queue) = mpsc::channel::<Job>(threads.saturating_mul(AHEAD));
        let queue = Arc::new(Mutex::new(queue));
        for idx in 0..threads {
            let queue = Arc::clone(&queue);
            thread::Builder::new().name(format!("verify-{idx}")).spawn(move || {
                if in_background {
                    step_back();
                }
                work(&queue);
            })?;
        }
        Ok(Self { jobs })
    }

    /// Computes on one of the threads. A job that nobody waits for any more, because it was given up, is not begun.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            if !sender.is_closed() {
                // whoever waited may have given up in the meantime
                drop(sender.send(work()));
            }
        };
        self.jobs.send(Box::new(job)).await.map_err(|_gone| Broken)?;
        receiver.await.map_err(|_panicked| Broken)
    }
}

/// Gives the calling thread, and on Linux it alone, the lowest priority.
fn step_back() {
    if let Err(error) = setpriority_process(None, LOWEST) {
        tracing::debug!(%error, "the priority of a thread that verifies cannot be lowered");
    }
}

/// The greatest `nice` value.
const LOWEST: i32 = 19;

fn work(queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        // a defect in one job must not take the thread from all others; the panic's own message says what it was
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a computation of the verifier has failed: this is a defect");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_on_the_threads_and_a_defect_in_one_leaves_the_others() {
        let pool = Pool::start(1, true).unwrap();
        let name = pool.run(|| thread::current().name().map(str::to_owned)).await.unwrap();
        assert_eq!(name.as_deref(), Some("verify-0"));
        assert_eq!(pool.run(|| panic!("a defect")).await, Err::<(), _>(Broken));
        assert_eq!(pool.run(|| 2).await, Ok(2));
    }

    #[tokio::test]
    async fn what_was_given_up_is_not_begun() {
        let pool = Pool::start(1, true).unwrap();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || gate.recv()).await }
        });
        let (said, heard) = std::sync::mpsc::channel::<&str>();
        let second = tokio::spawn({
            let (pool, said) = (pool.clone(), said.clone());
            async move { pool.run(move || said.send("second")).await }
        });
        tokio::task::yield_now().await;
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        open.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        pool.run(move || said.send("third")).await.unwrap().unwrap();
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["third"]);
    }
}
