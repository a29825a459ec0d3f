//! The road to the cluster, on which requests and answers get lost, late and refused; the time; and who watches
//! that nothing is sent that may not be.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use knothole::core::event::{Action, ActionState, Mode, Plan};
use knothole::core::record::Timestamp;

use crate::cluster::{Ask, Cluster, Reply};
use crate::dice::Dice;
use crate::disk::Disk;

/// How long a request may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NotSent,
    Lost,
}

/// When a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// What changed is not on disk.
    BeforeCommit,
    /// It is, and no task was handed out.
    AfterCommit,
    /// The workload is claimed, and nothing was sent.
    Claimed,
    /// The request is on its way.
    Sent,
    /// It took effect, and nobody was told.
    TookEffect,
    /// It is being found out whether it took effect.
    Settling,
    /// An answer is there, and the ledger does not know it.
    Answered,
}

impl Moment {
    pub(crate) const ALL: [Self; 7] = [
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::Claimed,
        Self::Sent,
        Self::TookEffect,
        Self::Settling,
        Self::Answered,
    ];
}

/// How bad the road is, each in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) slow: u64,
    pub(crate) refused: u64,
    pub(crate) broken: u64,
    pub(crate) held_up: u64,
    pub(crate) doubled: u64,
    pub(crate) forgotten: u64,
}

/// Something that happens at a time.
#[derive(Debug)]
pub(crate) enum Due {
    /// A request arrives; what the server says instead of doing it, or after it did.
    Arrives {
        call: u64,
        ask: Ask,
        instead: Option<Reply>,
        after: Option<u16>,
    },
    /// An answer arrives, or it is clear that none does.
    Returns {
        call: u64,
        answer: Result<Reply, Fault>,
    },
    /// Whoever waited goes on.
    Wakes { call: u64 },
    /// The rest of the world.
    World(crate::world::Happening),
}

/// A call that nobody has heard from.
#[derive(Clone, Copy, Debug)]
struct Call {
    daemon: usize,
    errand: u64,
    began: Timestamp,
}

/// All that daemons share.
pub(crate) struct Net {
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) cluster: Cluster,
    pub(crate) disks: Vec<Disk>,
    /// Which disk a daemon has, and how much its clock is ahead in milliseconds.
    pub(crate) hosts: Vec<(usize, u64)>,
    /// Whom the cluster does not hear.
    pub(crate) cut_off: Vec<bool>,
    pub(crate) is_stopped: bool,
    /// Plans that a person approved: the action, its hash.
    pub(crate) approved: BTreeSet<(Box<str>, Box<str>)>,
    /// Daemons that are at a moment at which they may be killed.
    pub(crate) moments: Vec<(usize, Moment)>,
    /// What must not be, and was.
    pub(crate) wrong: Vec<String>,
    queue: BTreeMap<(Timestamp, u64), Due>,
    calls: BTreeMap<u64, Call>,
    answers: BTreeMap<u64, Result<Reply, Fault>>,
    counter: u64,
}

impl Net {
    pub(crate) fn new(seed: u64, now: Timestamp) -> Self {
        Self {
            now,
            dice: Dice::new(seed),
            weather: Weather::default(),
            cluster: Cluster::default(),
            disks: Vec::new(),
            hosts: Vec::new(),
            cut_off: vec![false; 2],
            is_stopped: false,
            approved: BTreeSet::new(),
            moments: Vec::new(),
            wrong: Vec::new(),
            queue: BTreeMap::new(),
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            counter: 0,
        }
    }

    pub(crate) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    pub(crate) fn at(&mut self, after: Duration, due: Due) {
        let number = self.count();
        self.queue.insert((self.now.plus(after), number), due);
    }

    /// What happens next; it is then.
    pub(crate) fn next(&mut self) -> Option<Due> {
        let ((at, _), due) = self.queue.pop_first()?;
        self.now = self.now.max(at);
        Some(due)
    }

    /// The time by a daemon's clock.
    pub(crate) fn clock(&self, daemon: usize) -> Timestamp {
        self.now.plus(Duration::from_millis(self.hosts[daemon].1))
    }

    /// A request leaves; what becomes of it.
    fn begin(&mut self, daemon: usize, errand: u64, ask: Ask) -> u64 {
        let call = self.count();
        let began = self.now;
        self.calls.insert(
            call,
            Call {
                daemon,
                errand,
                began,
            },
        );
        if let Ask::Change(_, (action, _)) = &ask {
            self.watch(daemon, action);
            self.moments.push((daemon, Moment::Sent));
        }
        let weather = self.weather;
        if self.cut_off[daemon] {
            let (after, fault) = if self.dice.percent(50) {
                (Duration::from_millis(100), Fault::NotSent)
            } else {
                (TIMEOUT, Fault::Lost)
            };
            let answer = Err(fault);
            self.at(after, Due::Returns { call, answer });
            return call;
        }
        if self.dice.percent(weather.lost) {
            // Only the answer, or the request itself.
            let after = match self.dice.percent(30) {
                true => self.dice.millis(10, 5_000),
                false => TIMEOUT,
            };
            let answer = Err(Fault::Lost);
            self.at(after, Due::Returns { call, answer });
            if self.dice.percent(50) {
                return call;
            }
        }
        let arrives = if self.dice.percent(weather.slow) {
            // An API server goes on with what its client has given up for a minute.
            self.dice.millis(500, 70_000)
        } else {
            self.dice.millis(5, 200)
        };
        if arrives > TIMEOUT {
            let answer = Err(Fault::Lost);
            self.at(TIMEOUT, Due::Returns { call, answer });
        }
        let (instead, after) = self.refusal(&ask);
        self.at(
            arrives,
            Due::Arrives {
                call,
                ask,
                instead,
                after,
            },
        );
        call
    }

    /// What the server says instead of the truth.
    fn refusal(&mut self, ask: &Ask) -> (Option<Reply>, Option<u16>) {
        if self.dice.percent(self.weather.refused) {
            let mut reply = Reply::of(if self.dice.percent(60) { 429 } else { 409 });
            if matches!(ask, Ask::Facts(..) | Ask::Pod(_) | Ask::Workload(_)) {
                reply.status = 429;
            }
            if reply.status == 429 && self.dice.percent(50) {
                reply.retry_after = Some(Duration::from_secs(1 + self.dice.below(30)));
            }
            return (Some(reply), None);
        }
        if self.dice.percent(self.weather.broken) {
            let status = [500, 502, 503, 504][self.dice.index(4)];
            return match self.dice.percent(50) {
                true => (Some(Reply::of(status)), None),
                false => (None, Some(status)),
            };
        }
        (None, None)
    }

    /// A request arrives at the server.
    pub(crate) fn arrives(
        &mut self,
        call: u64,
        ask: &Ask,
        instead: Option<Reply>,
        after: Option<u16>,
    ) {
        let effects = self.cluster.effects.len();
        let mut reply = instead.unwrap_or_else(|| self.cluster.handle(ask, self.now));
        let known = self.calls.get(&call).copied();
        let moment = match ask {
            Ask::Change(..) if self.cluster.effects.len() > effects => Some(Moment::TookEffect),
            Ask::Claim(_, lease) if lease.holder.is_some() && reply.status == 200 => {
                Some(Moment::Claimed)
            }
            _ => None,
        };
        if let (Some(known), Some(moment)) = (known, moment) {
            self.moments.push((known.daemon, moment));
        }
        if let Some(status) = after {
            reply = Reply::of(status);
        }
        let Some(known) = known else { return };
        let back = self.dice.millis(5, 200);
        let left = TIMEOUT.saturating_sub(self.now.since(known.began));
        let answer = Ok(reply);
        if back < left {
            self.at(back, Due::Returns { call, answer });
        }
    }

    /// An answer is there: whose errand goes on. The first one counts.
    pub(crate) fn returns(&mut self, call: u64, answer: Result<Reply, Fault>) -> Option<u64> {
        let known = self.calls.remove(&call)?;
        self.answers.insert(call, answer);
        Some(known.errand)
    }

    /// Whoever slept goes on.
    pub(crate) fn wakes(&mut self, call: u64) -> Option<u64> {
        self.returns(call, Err(Fault::NotSent))
    }

    /// The process is gone, and what it waited for with it. What is on its way arrives.
    pub(crate) fn forget(&mut self, daemon: usize) {
        self.calls.retain(|_, call| call.daemon != daemon);
    }

    /// Nothing leaves that may not.
    fn watch(&mut self, daemon: usize, id: &str) {
        let mut wrong = Vec::new();
        if self.is_stopped {
            wrong.push("all actions are stopped".to_owned());
        }
        match self.disks[self.hosts[daemon].0].read(id) {
            None => wrong.push("it is not on disk".to_owned()),
            Some(action) => {
                let state = action.state;
                if state != ActionState::Sending && state != ActionState::Unsettled {
                    wrong.push(format!("on disk it is {}", state.name()));
                }
                if action.mode == Mode::Approve && !self.is_approved(&action) {
                    wrong.push("nobody approved this plan".to_owned());
                }
            }
        }
        let at = self.now.since(crate::world::START);
        let wrong = wrong.into_iter();
        self.wrong
            .extend(wrong.map(|what| format!("{id} was sent by {daemon} after {at:?}: {what}")));
    }

    fn is_approved(&self, action: &Action) -> bool {
        let hash = |plan: &Plan| plan.hash.clone();
        let plan = action.plan.as_ref().map(hash).unwrap_or_default();
        self.approved.contains(&(action.id.clone(), plan))
    }
}

/// One errand's way to the cluster.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) net: Rc<RefCell<Net>>,
    pub(crate) daemon: usize,
    pub(crate) errand: u64,
}

impl Wire {
    pub(crate) fn ask(&self, ask: Ask) -> Waiting {
        let call = self.net.borrow_mut().begin(self.daemon, self.errand, ask);
        Waiting {
            net: Rc::clone(&self.net),
            call,
        }
    }

    /// The process is held up for so long.
    pub(crate) async fn sleep(&self, time: Duration) {
        let waiting = {
            let mut net = self.net.borrow_mut();
            let call = net.count();
            let (daemon, errand, began) = (self.daemon, self.errand, net.now);
            let known = Call {
                daemon,
                errand,
                began,
            };
            net.calls.insert(call, known);
            net.at(time, Due::Wakes { call });
            Waiting {
                net: Rc::clone(&self.net),
                call,
            }
        };
        let _ = waiting.await;
    }
}

/// An answer that is to come.
pub(crate) struct Waiting {
    net: Rc<RefCell<Net>>,
    call: u64,
}

impl Future for Waiting {
    type Output = Result<Reply, Fault>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.net.borrow_mut().answers.remove(&self.call);
        answer.map_or(Poll::Pending, Poll::Ready)
    }
}
