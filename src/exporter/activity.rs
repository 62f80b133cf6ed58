//! What a connection is doing, so that one that does nothing, or does it too slowly, can be told from one that works.
//!
//! hyper bounds the time of a request's head, and counts the idle time before it as part of it; it has no bound for
//! clients that read slowly. So the state is followed here, at the edge between hyper and the stream.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Bounds;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    /// Bytes of a head have come, or the connection is new.
    in_head: bool,
    /// Since then there is no request, or one whose head is incomplete.
    waiting_since: Instant,
    /// The oldest request whose answer has not left completely.
    busy_since: Option<Instant>,
    /// The request that is being answered; its answer has not been handed over completely.
    current: Option<Instant>,
}

impl Activity {
    /// Of a connection that was just accepted.
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(State { in_head: true, waiting_since: now, busy_since: None, current: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handshake is over: the time for the first head begins.
    pub(super) fn established(&self, now: Instant) {
        self.state().waiting_since = now;
    }

    /// Bytes came in.
    fn received(&self, now: Instant) {
        let mut state = self.state();
        if !state.in_head && state.busy_since.is_none() {
            state.in_head = true;
            state.waiting_since = now;
        }
    }

    /// A head is complete.
    pub(super) fn request(&self, now: Instant) {
        let mut state = self.state();
        state.in_head = false;
        state.current = Some(now);
        state.busy_since.get_or_insert(now);
    }

    /// The last of an answer was handed over.
    fn answered(&self) {
        self.state().current = None;
    }

    /// All that was handed over has left.
    fn flushed(&self, now: Instant) {
        let mut state = self.state();
        if state.busy_since.is_some() {
            state.busy_since = state.current;
            state.waiting_since = now;
        }
    }

    /// Since when nothing is asked or answered here; `None` while something is.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        state.busy_since.is_none().then_some(state.waiting_since)
    }

    /// When the connection has used up its time, unless something happens before.
    pub(super) fn deadline(&self, bounds: &Bounds) -> Instant {
        let state = self.state();
        match state.busy_since {
            Some(since) => since + bounds.response,
            None if state.in_head => state.waiting_since + bounds.head,
            None => state.waiting_since + bounds.idle,
        }
    }
}

/// A stream that tells what passes through it.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) const fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.received(Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// hyper flushes the stream once its own buffer has gone into it.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.activity.flushed(Instant::now());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// The body of an answer, which tells when the last of it was taken.
#[derive(Debug)]
pub(super) struct WatchedBody {
    inner: Body,
    activity: Arc<Activity>,
}

impl WatchedBody {
    pub(super) const fn new(inner: Body, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

/// hyper drops a body as soon as it has taken the last of it.
impl Drop for WatchedBody {
    fn drop(&mut self) {
        self.activity.answered();
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Event = fn(&Activity, Instant);

    /// Seconds from the begin to the deadline, after events at given seconds.
    #[track_caller]
    fn check(events: &[(u64, Event)], expected: u64, is_quiet: bool) {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let bounds = Bounds {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(100),
            response: Duration::from_secs(50),
            ..Bounds::default()
        };
        let activity = Activity::new(begin);
        for (seconds, event) in events {
            event(&activity, at(*seconds));
        }
        let found = activity.deadline(&bounds).duration_since(begin).as_secs();
        assert_eq!((found, activity.quiet_since().is_some()), (expected, is_quiet));
    }

    #[test]
    fn time_runs_for_what_the_connection_is_doing() {
        const RECEIVED: Event = Activity::received;
        const REQUEST: Event = Activity::request;
        const ANSWERED: Event = |activity, _| activity.answered();
        const FLUSHED: Event = Activity::flushed;
        // silent, and dribbling: more bytes of a head give no more time
        check(&[], 10, true);
        check(&[(1, RECEIVED), (9, RECEIVED)], 10, true);
        check(&[(5, Activity::established), (9, RECEIVED)], 15, true);
        // an empty buffer before anything was asked changes nothing
        check(&[(8, FLUSHED)], 10, true);
        // being answered; reading slowly
        check(&[(1, RECEIVED), (2, REQUEST)], 52, false);
        check(&[(2, REQUEST), (3, FLUSHED), (4, FLUSHED)], 52, false);
        check(&[(2, REQUEST), (3, ANSWERED), (40, RECEIVED)], 52, false);
        // idle, and the begin of the next head
        check(&[(2, REQUEST), (3, ANSWERED), (4, FLUSHED), (5, FLUSHED)], 104, true);
        check(&[(2, REQUEST), (3, ANSWERED), (4, FLUSHED), (20, RECEIVED)], 30, true);
        // pipelined: the oldest answer that has not left counts, then the one that is being made
        check(&[(2, REQUEST), (3, ANSWERED), (4, REQUEST), (5, ANSWERED)], 52, false);
        check(&[(2, REQUEST), (3, ANSWERED), (4, REQUEST), (5, FLUSHED)], 54, false);
    }
}
