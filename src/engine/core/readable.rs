//! What there is to know of buckets whose blocks are to be read.

use std::sync::Arc;

use super::Core;
use crate::discover::Bucket;
use crate::model::{BucketView, Listing, ProviderSettings, RequestCounts, Verified};

/// A bucket that was seen in full just now, so that its blocks can be read.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Readable {
    pub(in crate::engine) name: Arc<str>,
    pub(in crate::engine) bucket: Arc<dyn Bucket>,
    pub(in crate::engine) view: Arc<BucketView>,
    /// What is known of its blocks.
    pub(in crate::engine) known: Arc<Verified>,
    /// Its blocks were named one by one.
    pub(in crate::engine) named: bool,
}

impl Core {
    /// The buckets whose blocks can be read, by name. A bucket that is judged as of an earlier moment cannot: its blocks
    /// are read as they are now.
    pub(in crate::engine) fn readable(&self) -> Vec<Readable> {
        let seen = self.sources.iter().filter_map(|(name, source)| {
            let view = self.world.buckets.get(name)?;
            let named = match &source.settings.provider {
                ProviderSettings::Filesystem(folder) => !folder.blocks.is_empty(),
                ProviderSettings::S3(_) | ProviderSettings::Gcs(_) | ProviderSettings::Azure(_) => false,
            };
            matches!(view.listing, Listing::Complete { .. }).then(|| Readable {
                name: Arc::clone(name),
                bucket: Arc::clone(&source.bucket),
                view: Arc::clone(view),
                known: self.verified(name).cloned().unwrap_or_default(),
                named,
            })
        });
        seen.collect()
    }

    /// Buckets that are judged as of an earlier moment.
    pub(in crate::engine) fn rewound_buckets(&self) -> Vec<Arc<str>> {
        let views = self.world.buckets.iter();
        let rewound = views.filter(|(_, view)| matches!(view.listing, Listing::FromLedger { .. }));
        rewound.map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Attempts against a bucket since it was opened.
    pub(in crate::engine) fn requests(&self, bucket: &str) -> RequestCounts {
        self.sources.get(bucket).map_or_else(RequestCounts::default, |source| source.bucket.requests())
    }
}
