//! How often each caller may ask.
//!
//! Enters: who asks. Leaves: nothing, if they may. Refuses: with the seconds to wait. The tables are bounded: who was not seen for
//! longest is forgotten, and has a full quota again.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use lru::LruCache;

use crate::config::{QuotasConfig, Rate};
use crate::error::ApiError;

/// Whose quota it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// An IPv4 address, or the first 64 bits of an IPv6 one: who has one such address has all of them.
    Address(IpAddr),
    /// A named caller.
    Caller(Arc<str>),
}

impl Who {
    /// Somebody at this address.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
            address => address,
        })
    }

    /// The caller of this name.
    pub fn caller(name: &str) -> Self {
        Self::Caller(name.into())
    }
}

/// One rate, kept for each key by itself.
pub struct Limiter<K> {
    rate: Quota,
    table: Mutex<LruCache<K, Arc<DefaultDirectRateLimiter>>>,
    clock: DefaultClock,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A table of at most so many keys; at least one.
    pub fn new(rate: Rate, keys_max: u32) -> Self {
        let keys_max = NonZeroUsize::new(keys_max as usize).unwrap_or(NonZeroUsize::MIN);
        Self {
            rate: Quota::per_minute(rate.per_minute).allow_burst(rate.burst),
            table: Mutex::new(LruCache::new(keys_max)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// The seconds after which there is room again, at least 1.
    pub fn take(&self, key: &K) -> Result<(), u64> {
        let bucket = {
            // A panic cannot leave the table half changed in a way that matters: it holds counters.
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Arc::new(RateLimiter::direct(self.rate));
            Arc::clone(table.get_or_insert_ref(key, fresh))
        };
        bucket.check().map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            wait.as_millis()
                .div_ceil(1_000)
                .max(1)
                .try_into()
                .unwrap_or(u64::MAX)
        })
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

/// The node's quotas.
pub struct Quotas {
    caller_requests: Limiter<Who>,
    caller_runs: Limiter<Who>,
    address_requests: Limiter<Who>,
}

impl Quotas {
    /// Full quotas for everybody.
    pub fn new(config: &QuotasConfig) -> Self {
        Self {
            caller_requests: Limiter::new(config.caller_requests, config.entries_max),
            caller_runs: Limiter::new(config.caller_runs, config.entries_max),
            address_requests: Limiter::new(config.address_requests, config.entries_max),
        }
    }

    /// Counts a request. [`Caller`](crate::Caller) does it.
    ///
    /// # Errors
    /// [`ApiError`] 429.
    pub fn request(&self, who: &Who) -> Result<(), ApiError> {
        let table = match who {
            Who::Address(_) => &self.address_requests,
            Who::Caller(_) => &self.caller_requests,
        };
        table.take(who).map_err(ApiError::quota)
    }

    /// Counts a run.
    ///
    /// # Errors
    /// [`ApiError`] 429.
    pub fn run(&self, who: &Who) -> Result<(), ApiError> {
        self.caller_runs.take(who).map_err(ApiError::quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter<Who> {
        Limiter::new(Rate::new(1, 2), 8)
    }

    #[test]
    fn each_key_has_its_own_burst() {
        let limiter = limiter();
        let (first, second) = (Who::caller("a"), Who::caller("b"));
        assert_eq!(
            [(); 3].map(|()| limiter.take(&first).is_ok()),
            [true, true, false]
        );
        assert!(limiter.take(&second).is_ok());
        let wait = limiter.take(&first).expect_err("nothing is left");
        assert!((1..=60).contains(&wait), "{wait}");
    }

    #[test]
    fn the_table_stays_bounded() {
        let limiter = limiter();
        for number in 0..1_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            assert!(limiter.take(&Who::address(address)).is_ok());
        }
        assert_eq!(limiter.keys(), 8);
    }

    #[test]
    fn neighbours_of_one_ipv6_network_share_a_quota() {
        let who = |text: &str| Who::address(text.parse().expect("an address"));
        assert_eq!(who("2001:db8::1"), who("2001:db8::ffff:0:0:2"));
        assert_ne!(who("2001:db8::1"), who("2001:db8:0:1::1"));
        assert_ne!(who("192.0.2.1"), who("192.0.2.2"));
        assert_eq!(who("::ffff:192.0.2.1"), who("192.0.2.1"));
    }
}
