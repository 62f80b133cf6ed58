//! Times as plain numbers of ms, for what is kept and read again: the ledger and frozen notifications. Documents for
//! others have RFC 3339 instead.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::TimestampMs;

/// For `#[serde(with = "serde_ms")]`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(time: &TimestampMs, serializer: S) -> Result<S::Ok, S::Error> {
    time.0.serialize(serializer)
}

/// See [`serialize`].
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimestampMs, D::Error> {
    i64::deserialize(deserializer).map(TimestampMs)
}

/// The same for times that may be missing.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Serialize, Serializer, TimestampMs};

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(in crate::model) fn serialize<S: Serializer>(
        time: &Option<TimestampMs>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.0).serialize(serializer)
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TimestampMs>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(TimestampMs))
    }
}

/// The same for lists of times.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Serializer, TimestampMs};

    pub(in crate::model) fn serialize<S: Serializer>(times: &[TimestampMs], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(times.iter().map(|time| time.0))
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<TimestampMs>, D::Error> {
        Ok(Vec::<i64>::deserialize(deserializer)?.into_iter().map(TimestampMs).collect())
    }
}
