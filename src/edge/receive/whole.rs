//! Work that is done as a whole or not at all, though who waits for it may go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// The work panicked: a bug of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Work that goes on in a task of its own when this is dropped before its end. A task from the start would
/// cost two changes of threads.
pub(super) struct Whole<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    elsewhere: TaskTracker,
}

impl<F: Future<Output: Send> + Send + 'static> Whole<F> {
    /// Does `work`, whose rest `elsewhere` keeps track of.
    pub(super) fn new(work: F, elsewhere: &TaskTracker) -> Self {
        Self {
            work: Some(Box::pin(work)),
            elsewhere: elsewhere.clone(),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Whole<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(Err(Panicked));
        };
        // It is not looked at again after a panic.
        let done = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
        let done = match done {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(done)) => Ok(done),
            Err(_) => Err(Panicked),
        };
        self.work = None;
        Poll::Ready(done)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Whole<F> {
    fn drop(&mut self) {
        // Without a runtime there is nobody left to answer to either.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            self.elsewhere.spawn_on(work, &runtime);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_for_it_any_more() {
        let (go, is_done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (gone, done) = (Arc::clone(&go), Arc::clone(&is_done));
        let elsewhere = TaskTracker::new();
        let work = async move {
            gone.notified().await;
            done.store(true, Ordering::SeqCst);
        };
        let mut work = Whole::new(work, &elsewhere);
        let begun = poll_fn(|context| Poll::Ready(Pin::new(&mut work).poll(context))).await;
        assert!(begun.is_pending());
        drop(work);
        assert!(!is_done.load(Ordering::SeqCst));
        go.notify_one();
        elsewhere.close();
        elsewhere.wait().await;
        assert!(is_done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_nothing_else() {
        let elsewhere = TaskTracker::new();
        let work = async { panic!("a bug") };
        assert_eq!(
            Whole::<_>::new(work, &elsewhere).await,
            Err::<(), _>(Panicked)
        );
        assert!(elsewhere.is_empty());
    }
}
