//! The resources that open sequences name, each once.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::core::record::Resource;

/// Resources with numbers, kept for as long as a sequence names them. The number 0 stands for the
/// empty resource, also of what comes when there are no more numbers.
#[derive(Debug)]
pub(super) struct Resources {
    entries: Vec<Entry>,
    free: Vec<u16>,
    numbers: FxHashMap<Arc<Resource>, u16>,
    /// The one asked for last: records come in batches of one resource.
    latest: (Arc<Resource>, u16),
}

#[derive(Debug, Default)]
struct Entry {
    resource: Arc<Resource>,
    named: u32,
}

impl Default for Resources {
    fn default() -> Self {
        let empty: Arc<Resource> = Arc::default();
        Self {
            entries: vec![Entry {
                resource: Arc::clone(&empty),
                named: 1,
            }],
            free: Vec::new(),
            numbers: [(Arc::clone(&empty), 0)].into_iter().collect(),
            latest: (empty, 0),
        }
    }
}

impl Resources {
    /// A sequence that named `from` names `to`; its number.
    pub(super) fn exchange(&mut self, from: u16, to: &Arc<Resource>) -> u16 {
        let number = self.number(to);
        if number == from {
            return number;
        }
        if let Some(entry) = self.entries.get_mut(usize::from(number)) {
            entry.named = entry.named.saturating_add(1);
        }
        self.release(from);
        number
    }

    /// A sequence that named `number` is no more; what it named.
    pub(super) fn release(&mut self, number: u16) -> Arc<Resource> {
        let Some(entry) = self.entries.get_mut(usize::from(number)) else {
            return Arc::default();
        };
        let resource = Arc::clone(&entry.resource);
        if number == 0 {
            return resource;
        }
        entry.named = entry.named.saturating_sub(1);
        if entry.named == 0 {
            *entry = Entry::default();
            self.numbers.remove(&resource);
            self.free.push(number);
            if self.latest.1 == number {
                self.latest = (Arc::default(), 0);
            }
        }
        resource
    }

    pub(super) fn get(&self, number: u16) -> Arc<Resource> {
        let entry = self.entries.get(usize::from(number));
        entry
            .map(|entry| Arc::clone(&entry.resource))
            .unwrap_or_default()
    }

    fn number(&mut self, resource: &Arc<Resource>) -> u16 {
        if Arc::ptr_eq(&self.latest.0, resource) {
            return self.latest.1;
        }
        let number = match self.numbers.get(resource) {
            Some(number) => *number,
            None => self.insert(resource).unwrap_or_default(),
        };
        self.latest = (Arc::clone(resource), number);
        number
    }

    fn insert(&mut self, resource: &Arc<Resource>) -> Option<u16> {
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                let number = u16::try_from(self.entries.len()).ok()?;
                self.entries.push(Entry::default());
                number
            }
        };
        self.entries.get_mut(usize::from(number))?.resource = Arc::clone(resource);
        self.numbers.insert(Arc::clone(resource), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(n: usize) -> Arc<Resource> {
        Arc::new(Resource::new(vec![(
            "k8s.pod.name".into(),
            n.to_string().into(),
        )]))
    }

    #[test]
    fn a_resource_is_kept_once_and_only_while_it_is_named() {
        let mut resources = Resources::default();
        let (a, again) = (
            resources.exchange(0, &pod(1)),
            resources.exchange(0, &pod(1)),
        );
        assert_eq!(a, again);
        let b = resources.exchange(a, &pod(2));
        assert_eq!((&resources.get(a), &resources.get(b)), (&pod(1), &pod(2)));
        assert_eq!(resources.release(again), pod(1));
        assert_eq!(resources.release(b), pod(2));
        for n in 0..1_000 {
            let number = resources.exchange(0, &pod(n));
            assert_eq!(resources.release(number), pod(n));
        }
        assert!(resources.entries.len() <= 3 && resources.numbers.len() == 1);
    }

    #[test]
    fn with_no_numbers_left_a_sequence_goes_without() {
        let mut resources = Resources::default();
        let numbers: Vec<u16> = (0..70_000)
            .map(|n| resources.exchange(0, &pod(n)))
            .collect();
        assert_eq!(numbers.last(), Some(&0));
        assert_eq!(resources.get(0), Arc::default());
        assert_eq!(resources.get(numbers[65_000]), pod(65_000));
    }
}
