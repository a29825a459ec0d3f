//! Runs the requests of an HTTP/2 connection in the task of the connection.
//!
//! As tasks of their own, which is usual, each piece that comes in and each frame that goes out wakes
//! another thread: seven times for a request of 400 KB, a third of the processor time of receiving it.
//! What takes long is done elsewhere anyway. How much can be ready at once is bounded by the requests of
//! a connection and by what is decoded where it was read.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use futures_util::task::AtomicWaker;
use hyper::rt::Executor;
use tokio::time::Instant;

/// How often connection and requests take turns, and for how long new ones are begun, before other tasks of
/// the thread get theirs.
const ROUNDS_MAX: usize = 32;
const TURN_MAX: Duration = Duration::from_millis(1);

/// A request with its answer.
type Request = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a connection puts its new requests.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<Vec<Request>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Arrivals {
    fn execute(&self, request: F) {
        let mut arrived = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic ends that request alone.
        let request = AssertUnwindSafe(request).catch_unwind().map(drop);
        arrived.push(Box::pin(request));
    }
}

/// The requests of one connection.
pub(super) struct Together {
    arrivals: Arrivals,
    running: FuturesUnordered<Request>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl Together {
    /// Runs what `arrivals` is given.
    pub(super) fn new(arrivals: Arrivals) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            arrivals,
            running: FuturesUnordered::new(),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Polls `connection` and its requests, until it ends or all of them wait.
    pub(super) fn poll<C: Future>(
        &mut self,
        mut connection: Pin<&mut C>,
        context: &mut Context<'_>,
    ) -> Poll<C::Output> {
        self.bell.listen(context.waker());
        let mut inner = Context::from_waker(&self.waker);
        let started = Instant::now();
        for _ in 0..ROUNDS_MAX {
            self.bell.hush();
            if let Poll::Ready(end) = connection.as_mut().poll(&mut inner) {
                return Poll::Ready(end);
            }
            let mut arrived = self
                .arrivals
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            self.running.extend(arrived.drain(..));
            drop(arrived);
            while let Poll::Ready(Some(())) = self.running.poll_next_unpin(&mut inner) {
                if started.elapsed() > TURN_MAX {
                    self.waker.wake_by_ref();
                    break;
                }
            }
            if !self.bell.has_rung() || started.elapsed() > TURN_MAX {
                break;
            }
        }
        self.bell.rest();
        Poll::Pending
    }
}

/// Tells a task that something is to be done, and wakes it only if it does not look anyway: a task that is
/// woken while it runs goes to another thread.
#[derive(Default)]
struct Bell {
    has_rung: AtomicBool,
    is_heard: AtomicBool,
    task: AtomicWaker,
}

impl Bell {
    fn listen(&self, task: &Waker) {
        self.task.register(task);
        self.is_heard.store(true, Ordering::SeqCst);
    }

    fn hush(&self) {
        // Not a plain store: what a ringer did before it rang is to be seen by the look that follows.
        self.has_rung.swap(false, Ordering::SeqCst);
    }

    fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::SeqCst)
    }

    /// What rang since the last look is not lost.
    fn rest(&self) {
        self.is_heard.store(false, Ordering::SeqCst);
        if self.has_rung() {
            self.task.wake();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::SeqCst);
        if !self.is_heard.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::sync::mpsc;

    use super::*;

    /// A connection starts requests, each of them waits for what comes from another thread and then wakes
    /// the connection; one panics.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_waking_is_lost_between_a_connection_and_its_requests() {
        const REQUESTS: usize = 20_000;
        let arrivals = Arrivals::default();
        let mut together = Together::new(arrivals.clone());
        let (outside, mut asked) = mpsc::channel(1);
        let answering = tokio::spawn(async move {
            while let Some(answer) = asked.recv().await {
                let answer: tokio::sync::oneshot::Sender<()> = answer;
                answer.send(()).unwrap();
            }
        });
        let (tell, mut told) = mpsc::channel(1);
        let connection = async move {
            arrivals.execute(async { panic!("a bug") });
            for number in 0..REQUESTS {
                let (outside, tell) = (outside.clone(), tell.clone());
                arrivals.execute(async move {
                    let (answer, answered) = tokio::sync::oneshot::channel();
                    outside.send(answer).await.unwrap();
                    answered.await.unwrap();
                    tell.send(number).await.unwrap();
                });
                assert_eq!(told.recv().await, Some(number));
            }
        };
        let mut connection = pin!(connection);
        let talk = poll_fn(|context| together.poll(connection.as_mut(), context));
        tokio::time::timeout(Duration::from_secs(60), talk)
            .await
            .expect("a waking was lost");
        answering.await.unwrap();
    }
}
