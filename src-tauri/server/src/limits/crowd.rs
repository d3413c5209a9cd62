//! How many of something each address holds at this instance.

use super::Client;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts what each address holds, up to a limit.
#[derive(Debug)]
pub struct Crowd {
    limit: u32,
    counts: Mutex<HashMap<Client, u32>>,
}

/// One of those that count, until it is dropped.
#[derive(Debug)]
pub struct Present {
    crowd: Arc<Crowd>,
    client: Client,
}

impl Crowd {
    /// Nobody yet; a limit of 0 is none.
    pub fn new(limit: u32) -> Arc<Self> {
        Arc::new(Crowd { limit, counts: Mutex::default() })
    }

    /// One more of this client's, or `None` if it has as many as it may have.
    pub fn enter(self: &Arc<Self>, client: Client) -> Option<Present> {
        let mut counts = self.lock();
        match counts.entry(client) {
            Entry::Occupied(entry) if self.limit > 0 && *entry.get() >= self.limit => return None,
            Entry::Occupied(mut entry) => *entry.get_mut() += 1,
            Entry::Vacant(entry) => {
                entry.insert(1);
            }
        }
        Some(Present { crowd: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, u32>> {
        // No code that holds the lock can panic half way through a change.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.crowd.lock().entry(self.client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_address_has_its_own_limit_and_leaves_nothing_behind() {
        let client = |text: &str| Client::new(text.parse().unwrap());
        let (one, other) = (client("192.0.2.1"), client("192.0.2.2"));
        let crowd = Crowd::new(2);
        let first = crowd.enter(one).unwrap();
        let second = crowd.enter(one).unwrap();
        assert!(crowd.enter(one).is_none());
        let third = crowd.enter(other).unwrap();
        drop(first);
        let again = crowd.enter(one).unwrap();
        drop((second, third, again));
        assert!(crowd.lock().is_empty());

        let boundless = Crowd::new(0);
        let all: Vec<_> = (0..1000).map(|_| boundless.enter(one).unwrap()).collect();
        drop(all);
    }
}
