//! Fills of many keys by one call: the items of a batch.
//!
//! All keys of a call lead to the same log. Whoever wants one of them reads along,
//! whether it asked for the others or not, so that two batches that overlap pay
//! for no item twice.

use std::collections::HashMap;
use std::sync::Arc;

use super::log::Log;
use super::{Cursor, Flights, Producer};
use crate::key::Key;

/// A request's places in the fills of its items. Items are told by their position
/// in what was asked for.
#[derive(Debug, Default)]
pub struct ItemSeats {
    /// The call this request has to make, and for which items.
    pub lead: Option<(Producer, Cursor, Vec<usize>)>,
    /// The calls of others, and the items that they fill.
    pub follow: Vec<(Cursor, Vec<usize>)>,
}

impl Flights {
    /// Joins the fills that are under way for any of `keys`, which are distinct,
    /// and leads one for the others.
    pub fn join_items(self: &Arc<Self>, keys: &[Key]) -> ItemSeats {
        let mut running = self.running();
        let mut follow: Vec<(Cursor, Vec<usize>)> = Vec::new();
        let mut places: HashMap<*const Log, usize> = HashMap::new();
        let mut own = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let log = running.get(key).filter(|_| !self.is_unshared(key));
            let Some(log) = log else {
                own.push(at);
                continue;
            };
            if let Some((_, items)) = places
                .get(&Arc::as_ptr(log))
                .and_then(|place| follow.get_mut(*place))
            {
                items.push(at);
            } else if let Some(cursor) = Cursor::attach(log) {
                places.insert(Arc::as_ptr(log), follow.len());
                follow.push((cursor, vec![at]));
            } else {
                own.push(at);
            }
        }
        let lead = self.lead_among(&mut running, keys, own);
        drop(running);
        ItemSeats { lead, follow }
    }

    /// Leads a fill of all `keys` that joins none started before; later requests
    /// join this one.
    pub fn lead_items(self: &Arc<Self>, keys: &[Key]) -> ItemSeats {
        let led = (0..keys.len()).collect();
        ItemSeats {
            lead: self.lead_among(&mut self.running(), keys, led),
            follow: Vec::new(),
        }
    }

    /// Leads a fill of all `keys` that nobody can join.
    pub fn lead_items_alone(self: &Arc<Self>, keys: &[Key]) -> ItemSeats {
        let led = (0..keys.len()).collect();
        ItemSeats {
            lead: self.lead_among(&mut HashMap::new(), keys, led),
            follow: Vec::new(),
        }
    }

    fn lead_among(
        self: &Arc<Self>,
        running: &mut HashMap<Key, Arc<Log>>,
        keys: &[Key],
        led: Vec<usize>,
    ) -> Option<(Producer, Cursor, Vec<usize>)> {
        let own: Vec<Key> = led.iter().filter_map(|at| keys.get(*at).copied()).collect();
        if own.is_empty() {
            return None;
        }
        let log = Arc::new(Log::new());
        for key in own.iter().filter(|key| !self.is_unshared(key)) {
            running.insert(*key, Arc::clone(&log));
        }
        let cursor = Cursor::first(&log);
        Some((Producer::new(Arc::clone(self), own, log), cursor, led))
    }
}
