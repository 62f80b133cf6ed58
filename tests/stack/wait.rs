//! Waits on a level, with a bound, and says what it last saw.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Looks until `level` gives a value, and gives it. After `seconds` the test fails with what it said last.
pub(crate) async fn until<T>(what: &str, seconds: u64, mut level: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match level().await {
            Ok(value) => return value,
            Err(seen) => {
                assert!(began.elapsed() < Duration::from_secs(seconds), "{what}: not within {seconds} s; {seen}");
            }
        }
        sleep(LOOK).await;
    }
}
