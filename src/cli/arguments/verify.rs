//! The flags of whatever reads blocks.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ulid::Ulid;

use super::{JudgementArguments, LogArguments, OutputArguments, SourceArguments};
use crate::model::{Level, TimestampMs, parse_byte_size, parse_prometheus_duration, parse_ulid};

pub(super) const EXAMPLES: &str = "\
Examples:
  One block, wherever it is:
    blockwarden verify /backup/01KK0HCWW0000FANWA5KTS24VZ

  All blocks of a Prometheus:
    blockwarden verify /var/lib/prometheus

  A bucket as Thanos describes it, at most 50 MiB per second:
    blockwarden verify --objstore.config-file bucket.yml --max-bytes-per-second 50MiB

  The same in several nights: what was verified before is not read again:
    blockwarden verify --objstore.config-file bucket.yml --state ledger.db --resume

  The last week of one cluster, without decoding samples:
    blockwarden verify --objstore.config-file bucket.yml --level checksum \\
      --stream '{cluster=\"eu1\"}' --min-time -7d

Levels:
  quick     the listing and `meta.json`, as `scan`; nothing is read
  index     every byte of the index
  checksum  the index, every checksum of a chunk, and all that can be compared without decoding
  full      every sample

Verdicts:
  ok           everything that the level reads holds
  changed      it went, or was replaced, while it was read: nothing is known
  unreachable  it could not be read: nothing is known
  suspect      wrong at one reading and not at the next: the way to the bytes is at fault
  corrupt      wrong at two readings

Exit codes:
  0  every block was read, and there is nothing at warning or above. A block that was deleted
     meanwhile is only noted
  1  findings at warning or above, or a block that is corrupt
  2  could not do the job: a block could not be read, or was replaced while it was; nothing is there
     by that name; 2 beats 1";

/// `verify`
#[derive(Args, Debug)]
pub struct VerifyArguments {
    /// Blocks, or folders that hold blocks: a Prometheus data directory, a copy of a bucket
    #[arg(value_name = "PATH", conflicts_with_all = ["objstore_config_file", "objstore_config", "config"])]
    pub paths: Vec<PathBuf>,
    /// Which buckets.
    #[command(flatten)]
    pub source: SourceArguments,
    /// Which blocks of them.
    #[command(flatten)]
    pub blocks: BlockArguments,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArguments,
    /// As of when.
    #[command(flatten)]
    pub judgement: JudgementArguments,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArguments,
    /// What is logged.
    #[command(flatten)]
    pub log: LogArguments,
}

/// Which blocks are read.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selection")]
pub struct BlockArguments {
    /// Only this block; may be given several times
    #[arg(long, value_name = "ULID", value_parser = block)]
    pub id: Vec<Ulid>,
    /// Only blocks whose external labels match, for example '{cluster="eu1", replica!="b"}'
    #[arg(long, value_name = "SELECTOR")]
    pub stream: Option<String>,
    /// Only blocks that hold something after this time: RFC 3339, or relative to now as -2h or 7d
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, allow_hyphen_values = true)]
    pub min_time: Option<Moment>,
    /// Only blocks that hold something before this time
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, allow_hyphen_values = true)]
    pub max_time: Option<Moment>,
}

/// How blocks are read.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Reading")]
pub struct ReadingArguments {
    /// How thoroughly: quick, index, checksum or full
    // the log has a level, too
    #[arg(id = "reading_level", long = "level", value_name = "LEVEL", default_value = "full",
          hide_possible_values = true, value_parser = levels())]
    pub level: Level,
    /// Do not read blocks that the ledger holds as verified at this level or a higher one, and unchanged since
    #[arg(long, requires = "state")]
    pub resume: bool,
    /// Bounds.
    #[command(flatten)]
    pub bounds: BoundArguments,
}

/// What reading may take.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Reading")]
pub struct BoundArguments {
    /// Blocks that are read at once
    #[arg(long, value_name = "BLOCKS", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Bytes that are read per second at most, for example 50MiB; without it as many as there can be
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub max_bytes_per_second: Option<NonZeroU64>,
}

/// A time on the command line, as Thanos' `--min-time` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// RFC 3339.
    At(TimestampMs),
    /// ms after now.
    FromNow(i64),
}

impl Moment {
    /// Either form.
    pub fn parse(text: &str) -> Result<Self, String> {
        let duration = text.strip_prefix(['-', '+']).unwrap_or(text);
        match parse_prometheus_duration(duration) {
            Some(ms) if text.starts_with('-') => Ok(Self::FromNow(ms.saturating_neg())),
            Some(ms) => Ok(Self::FromNow(ms)),
            None => TimestampMs::parse_rfc3339(text).map(Self::At).map_err(|_no_time| {
                "expected a time such as 2026-01-02T03:04:05Z, or a duration such as -2h or -7d".to_owned()
            }),
        }
    }

    /// The time, seen from `now`.
    pub const fn seen_from(self, now: TimestampMs) -> TimestampMs {
        match self {
            Self::At(time) => time,
            Self::FromNow(ms) => now.plus(ms),
        }
    }
}

/// The words of the levels.
pub(super) fn levels() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::name)).map(|word| Level::from_name(&word).unwrap_or(Level::Full))
}

fn block(text: &str) -> Result<Ulid, &'static str> {
    parse_ulid(text).ok_or("expected the 26 characters of a ULID")
}

fn rate(text: &str) -> Result<NonZeroU64, &'static str> {
    let bytes = parse_byte_size(text).ok_or("expected bytes such as 52428800, 50MiB or 50MB")?;
    NonZeroU64::new(bytes).ok_or("nothing can be read at that rate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_thanos_takes_them() {
        let now = TimestampMs::parse_rfc3339("2026-01-02T00:00:00Z").unwrap();
        for (text, expected) in [
            ("2026-01-01T00:00:00Z", Some("2026-01-01T00:00:00Z")),
            ("-1d", Some("2026-01-01T00:00:00Z")),
            ("2h45m", Some("2026-01-02T02:45:00Z")),
            ("+2h", Some("2026-01-02T02:00:00Z")),
            ("0", Some("2026-01-02T00:00:00Z")),
            ("yesterday", None),
            ("-", None),
            ("", None),
        ] {
            let read = Moment::parse(text).map(|moment| moment.seen_from(now).to_string());
            assert_eq!(read.ok().as_deref(), expected, "{text}");
        }
    }
}
