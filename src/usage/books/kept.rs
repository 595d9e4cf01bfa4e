//! Aggregates of single buckets that were made before, for as long as their bucket
//! stays as it was. Bounded by bytes.

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::grouping::Aggregate;
use super::query::Shape;
use crate::backend::Revision;
use crate::ledger::{Granularity, Start};

/// What an aggregate takes on average, to size the table's own bookkeeping.
const AGGREGATE_BYTES: u64 = 4 * 1024;

/// Which bucket, and how its lines were chosen and grouped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Of {
    pub(super) shape: Arc<Shape>,
    pub(super) granularity: Granularity,
    pub(super) start: Start,
}

/// Aggregates by bucket and shape.
#[derive(Debug)]
pub(super) struct Kept(Cache<Of, Held, ByBytes>);

#[derive(Clone, Debug)]
struct Held {
    revision: Revision,
    aggregate: Arc<Aggregate>,
    weight: u64,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<Of, Held> for ByBytes {
    fn weight(&self, _of: &Of, held: &Held) -> u64 {
        held.weight
    }
}

impl Kept {
    /// Keeps aggregates of up to `bytes_max` together.
    pub(super) fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / AGGREGATE_BYTES).unwrap_or(usize::MAX);
        let mut options = OptionsBuilder::new();
        // One shard: an aggregate must fit a shard, and few ask at once.
        options
            .shards(1)
            .estimated_items_capacity(items.max(1))
            .weight_capacity(bytes_max);
        Self(match options.build() {
            Ok(options) => Cache::with_options(
                options,
                ByBytes,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            Err(_incomplete) => Cache::with_weighter(items.max(1), bytes_max, ByBytes),
        })
    }

    /// The aggregate of a bucket, if it was made of this revision.
    pub(super) fn get(&self, of: &Of, revision: Revision) -> Option<Arc<Aggregate>> {
        let held = self.0.get(of)?;
        (held.revision == revision).then_some(held.aggregate)
    }

    /// Keeps an aggregate. The bucket may have been newer than the revision: then the
    /// next look finds another revision and makes it anew, which is right as well.
    pub(super) fn put(&self, of: Of, revision: Revision, aggregate: &Arc<Aggregate>) {
        let held = Held {
            revision,
            weight: aggregate.weight(),
            aggregate: Arc::clone(aggregate),
        };
        self.0.insert(of, held);
    }

    /// About how many bytes are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}
