//! Who is connected, and who gives way when there is no room.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::ConnectionLimits;

/// The connections of one listener.
pub(super) struct Connections {
    all_max: usize,
    per_address_max: usize,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    next: u64,
    by_number: HashMap<u64, (IpAddr, Arc<Activity>)>,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of a connection in the table, which it leaves when this is dropped.
pub(super) struct Place {
    activity: Arc<Activity>,
    table: Arc<Mutex<Table>>,
}

impl Place {
    /// What the requests of the connection note.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }
}

impl Deref for Place {
    type Target = Activity;

    fn deref(&self) -> &Activity {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.table).remove(self.activity.number);
    }
}

/// What a connection does.
pub(super) struct Activity {
    number: u64,
    opened: Instant,
    /// Requests that run.
    running: AtomicU32,
    has_asked: AtomicBool,
    /// When the last request ended, in milliseconds since it was opened.
    last_ms: AtomicU64,
    evicted: Notify,
}

impl Connections {
    pub(super) fn new(all_max: usize, per_address_max: usize) -> Self {
        Self {
            all_max,
            per_address_max,
            table: Arc::default(),
        }
    }

    /// A place for a connection from `address`. Where there is none left, an idle connection has to
    /// go; `None` where none is idle.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let mut table = locked(&self.table);
        let of_address = table.by_address.get(&address).copied().unwrap_or(0);
        let leaving = if of_address >= self.per_address_max {
            Some(table.idlest(Some(address))?)
        } else if table.by_number.len() >= self.all_max {
            Some(table.idlest(None)?)
        } else {
            None
        };
        if let Some(leaving) = leaving {
            table.remove(leaving.number);
            leaving.evicted.notify_one();
        }
        let number = table.next;
        table.next += 1;
        let activity = Arc::new(Activity {
            number,
            opened: Instant::now(),
            running: AtomicU32::new(0),
            has_asked: AtomicBool::new(false),
            last_ms: AtomicU64::new(0),
            evicted: Notify::new(),
        });
        *table.by_address.entry(address).or_default() += 1;
        table
            .by_number
            .insert(number, (address, Arc::clone(&activity)));
        drop(table);
        Some(Place {
            activity,
            table: Arc::clone(&self.table),
        })
    }
}

impl Table {
    /// The connection without a request for longest, those that never had one before all others.
    fn idlest(&self, of: Option<IpAddr>) -> Option<Arc<Activity>> {
        let all = self.by_number.values();
        let wanted = all.filter(|(address, _)| of.is_none_or(|of| *address == of));
        let idle = wanted
            .map(|(_, activity)| activity)
            .filter(|activity| activity.running.load(Ordering::Acquire) == 0);
        idle.min_by_key(|activity| (activity.has_asked(), activity.last(), activity.number))
            .cloned()
    }

    fn remove(&mut self, number: u64) {
        let Some((address, _)) = self.by_number.remove(&number) else {
            return;
        };
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Activity {
    /// When something is to be done about the connection, unless a request comes before.
    pub(super) fn due(&self, limits: &ConnectionLimits) -> Instant {
        let aged = self.opened + limits.age_max;
        if !self.has_asked() {
            return aged.min(self.opened + limits.head_timeout);
        }
        if self.running.load(Ordering::Acquire) > 0 {
            // It is looked at again, when the request may have ended.
            return aged.min(Instant::now() + limits.idle_timeout);
        }
        aged.min(self.last() + limits.idle_timeout)
    }

    /// Whether it ever made a request.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Acquire)
    }

    /// Resolves when the connection has to give way.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// A request runs as long as the result lives.
    pub(super) fn asks(self: &Arc<Self>) -> Asking {
        self.running.fetch_add(1, Ordering::AcqRel);
        self.has_asked.store(true, Ordering::Release);
        Asking(Arc::clone(self))
    }

    fn last(&self) -> Instant {
        let last = self.last_ms.load(Ordering::Acquire);
        self.opened + std::time::Duration::from_millis(last)
    }
}

/// A request that runs.
pub(super) struct Asking(Arc<Activity>);

impl Drop for Asking {
    fn drop(&mut self) {
        let passed = self.0.opened.elapsed().as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.0.last_ms.store(passed, Ordering::Release);
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A panic while the lock was held left nothing half done that matters here.
fn locked(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    #[tokio::test]
    async fn who_never_asked_gives_way_first_and_who_is_asking_never() {
        let connections = Connections::new(3, 3);
        let busy = connections.admit(HERE).unwrap();
        let _request = busy.activity().asks();
        let rested = connections.admit(HERE).unwrap();
        drop(rested.activity().asks());
        let silent = connections.admit(HERE).unwrap();
        let newcomer = connections.admit(THERE).unwrap();
        silent.evicted().await;
        let second = newcomer.activity().asks();
        let _late = connections.admit(THERE).unwrap();
        rested.evicted().await;
        let _third = _late.activity().asks();
        assert!(connections.admit(HERE).is_none(), "all are busy");
        drop(second);
        assert!(connections.admit(HERE).is_some());
    }

    #[tokio::test]
    async fn one_address_cannot_take_the_place_of_others() {
        let connections = Connections::new(8, 2);
        let other = connections.admit(THERE).unwrap();
        let kept: Vec<_> = (0..50).map(|_| connections.admit(HERE).unwrap()).collect();
        assert_eq!(locked(&connections.table).by_number.len(), 3);
        assert!(
            locked(&connections.table)
                .by_number
                .contains_key(&other.number)
        );
        drop(kept);
        assert_eq!(locked(&connections.table).by_number.len(), 1);
    }
}
