//! How many bytes of requests may be in memory at once, and whose.
//!
//! Bytes are asked for before they are read or inflated, so that what a sender claims or packs never
//! decides how much memory there is. Who waits for room waits in line; who holds some already and
//! needs more gets it at once or not at all, so nobody waits for each other.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refusal;

/// Bytes that one permit stands for.
const PERMIT_BYTES: usize = 1 << 10;
/// How long a request waits for room before its sender is told to come again.
const WAIT: Duration = Duration::from_secs(1);
/// When a refused sender should come again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Share of the budget that one address or one tenant may hold while others are there too.
const SHARE: usize = 2;

/// On whose account bytes are held.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Account {
    Address(IpAddr),
    Tenant(Arc<str>),
}

/// The bytes of all requests in memory.
#[derive(Debug)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    permits: usize,
    held: Mutex<HashMap<Account, usize>>,
}

/// Bytes held by one request; given back when it is dropped.
#[derive(Debug)]
pub struct Hold {
    budget: Arc<Budget>,
    accounts: Vec<Account>,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
    permits: usize,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// All of it is taken.
    Full,
    /// The sender's address or tenant has its share.
    Share,
}

impl NoRoom {
    /// The name used as a metric label.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Full => "memory",
            Self::Share => "share",
        }
    }
}

impl From<NoRoom> for Refusal {
    fn from(_: NoRoom) -> Self {
        Self::Overloaded {
            retry_after: RETRY_AFTER,
        }
    }
}

impl Budget {
    /// A budget of `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Arc<Self> {
        let permits = (bytes_max / PERMIT_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(1 << 28));
        Arc::new(Self {
            free: Arc::new(Semaphore::new(permits)),
            permits,
            held: Mutex::default(),
        })
    }

    /// Waits a moment for room for `bytes`, on the account of `accounts`. A request larger than the
    /// whole budget goes through when it has the budget for itself.
    pub(super) async fn hold(
        self: &Arc<Self>,
        bytes: usize,
        accounts: Vec<Account>,
    ) -> Result<Hold, NoRoom> {
        let mut hold = Hold {
            budget: Arc::clone(self),
            accounts,
            permit: None,
            bytes: 0,
            permits: 0,
        };
        let wanted = self.permits_for(bytes);
        hold.charge(wanted)?;
        hold.bytes = bytes;
        let permits = u32::try_from(wanted).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free).acquire_many_owned(permits);
        match tokio::time::timeout(WAIT, free).await {
            Ok(Ok(permit)) => hold.permit = Some(permit),
            Ok(Err(_)) | Err(_) => return Err(NoRoom::Full),
        }
        Ok(hold)
    }

    fn permits_for(&self, bytes: usize) -> usize {
        bytes.div_ceil(PERMIT_BYTES).clamp(1, self.permits)
    }
}

impl Hold {
    /// Room for `bytes` in all from now on, if there is that much now.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let wanted = self.budget.permits_for(bytes);
        let more = wanted.saturating_sub(self.permits);
        if more > 0 {
            self.charge(more)?;
            let permits = u32::try_from(more).unwrap_or(u32::MAX);
            let free = Arc::clone(&self.budget.free);
            let got = free.try_acquire_many_owned(permits);
            let got = got.map_err(|_| {
                self.refund(more);
                NoRoom::Full
            })?;
            match &mut self.permit {
                Some(permit) => permit.merge(got),
                None => self.permit = Some(got),
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Gives back what is beyond `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let wanted = self.budget.permits_for(bytes);
        let less = self.permits.saturating_sub(wanted);
        if less > 0
            && let Some(permit) = &mut self.permit
        {
            drop(permit.split(less));
            self.refund(less);
        }
        self.bytes = self.bytes.min(bytes);
    }

    fn charge(&mut self, permits: usize) -> Result<(), NoRoom> {
        let share = self.budget.permits / SHARE;
        let mut held = self
            .budget
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for account in &self.accounts {
            let has = held.get(account).copied().unwrap_or(0);
            // One that has the daemon for itself may have all of it.
            let alone = held
                .keys()
                .filter(|other| same_kind(other, account))
                .count()
                <= usize::from(has > 0);
            if !alone && has > 0 && has + permits > share {
                return Err(NoRoom::Share);
            }
        }
        for account in &self.accounts {
            *held.entry(account.clone()).or_default() += permits;
        }
        self.permits += permits;
        Ok(())
    }

    fn refund(&mut self, permits: usize) {
        let mut held = self
            .budget
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for account in &self.accounts {
            if let Some(has) = held.get_mut(account) {
                *has = has.saturating_sub(permits);
                if *has == 0 {
                    held.remove(account);
                }
            }
        }
        self.permits = self.permits.saturating_sub(permits);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let permits = self.permits;
        self.refund(permits);
    }
}

fn same_kind(one: &Account, other: &Account) -> bool {
    matches!(
        (one, other),
        (Account::Address(_), Account::Address(_)) | (Account::Tenant(_), Account::Tenant(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn of(name: &str) -> Vec<Account> {
        vec![Account::Tenant(name.into())]
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_given_and_comes_back() {
        let budget = Budget::new(2 * MIB);
        let mut first = budget.hold(MIB, of("a")).await.unwrap();
        let mut second = budget.hold(MIB / 2, of("a")).await.unwrap();
        assert_eq!(second.grow_to(MIB + 1), Err(NoRoom::Full));
        first.grow_to(3 * MIB / 2).unwrap();
        assert_eq!(budget.hold(1, of("a")).await.unwrap_err(), NoRoom::Full);
        first.shrink_to(MIB);
        second.grow_to(MIB).unwrap();
        drop((first, second));
        budget.hold(2 * MIB, of("a")).await.unwrap();
        assert!(budget.held.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_sender_cannot_take_the_room_of_all() {
        let budget = Budget::new(8 * MIB);
        let _other = budget.hold(MIB, of("b")).await.unwrap();
        let _first = budget.hold(3 * MIB, of("a")).await.unwrap();
        assert_eq!(
            budget.hold(2 * MIB, of("a")).await.unwrap_err(),
            NoRoom::Share
        );
        budget.hold(2 * MIB, of("b")).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_larger_than_all_goes_when_it_is_alone() {
        let budget = Budget::new(MIB);
        let large = budget.hold(64 * MIB, of("a")).await.unwrap();
        assert_eq!(budget.hold(1, of("b")).await.unwrap_err(), NoRoom::Full);
        drop(large);
        budget.hold(1, of("b")).await.unwrap();
    }
}
