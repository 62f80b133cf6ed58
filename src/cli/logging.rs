//! The log on standard error.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use super::arguments::{LogArguments, LogFormat, LogLevel};
use super::progress::Bars;

/// Starts logging to standard error, beside what `bars` draws there. `colour`: whether colours are wanted where it is a
/// terminal.
pub(super) fn install(arguments: LogArguments, colour: bool, bars: &Bars) -> Result<(), TryInitError> {
    let colour = colour && io::stderr().is_terminal();
    let writer = bars.standard_error();
    Registry::default().with(layer(arguments, colour, move || writer.clone())).try_init()
}

/// What is logged, in which form, to `writer`.
fn layer<W>(arguments: LogArguments, colour: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match arguments.format {
        LogFormat::Text => layer.with_ansi(colour).with_target(false).with_filter(targets(arguments.level)).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(targets(arguments.level)).boxed(),
    }
}

/// Our own events at the level that was asked for, those of libraries at `info` at most: below that the HTTP and
/// storage libraries print headers and URLs, which hold credentials and signatures.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    Targets::new().with_default(LevelFilter::from_level(level.min(Level::INFO))).with_target("blockwarden", level)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Everything that is logged by `events` at `level`.
    fn logged(level: LogLevel, format: LogFormat, events: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = layer(LogArguments { level, format }, false, move || writer.clone());
        tracing::subscriber::with_default(Registry::default().with(layer), events);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn some_events() {
        tracing::trace!("ours at trace");
        tracing::warn!("ours at warn");
        tracing::trace!(target: "hyper::proto", "authorization: secret");
        tracing::debug!(target: "reqwest::connect", "url with signature");
        tracing::debug!(target: "object_store::client", "headers");
        tracing::info!(target: "rustls", "library at info");
    }

    #[test]
    fn libraries_never_log_below_info() {
        let text = logged(LogLevel::Trace, LogFormat::Text, some_events);
        assert!(text.contains("ours at trace") && text.contains("library at info"), "{text}");
        for secret in ["secret", "signature", "headers"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn libraries_keep_quiet_when_we_do() {
        let text = logged(LogLevel::Warn, LogFormat::Text, some_events);
        assert!(text.contains("ours at warn"), "{text}");
        assert!(!text.contains("library at info") && !text.contains("ours at trace"), "{text}");
        assert_eq!(logged(LogLevel::Error, LogFormat::Text, some_events), "");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogLevel::Warn, LogFormat::Json, || {
            tracing::warn!(bucket = "thanos\n\u{1b}[31m", "listing failed");
        });
        let event: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(
            (text.lines().count(), &event["message"], &event["level"]),
            (1, &"listing failed".into(), &"WARN".into())
        );
        assert_eq!(event["bucket"], "thanos\n\u{1b}[31m");
    }
}
