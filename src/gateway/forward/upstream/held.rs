//! Room for bodies that are held in memory as a whole.

use std::sync::atomic::Ordering;

use super::Requests;

/// The room that one body takes, of everybody's and of its address's; given back when it is dropped.
#[derive(Debug)]
pub(in crate::gateway) struct Held {
    of_all: (Requests, usize),
    of_address: Option<(Requests, usize)>,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(of_all: Requests, most: usize, of_address: Option<Requests>, share: usize) -> Self {
        Self { of_all: (of_all, most), of_address: of_address.map(|requests| (requests, share)), bytes: 0 }
    }

    /// Takes so much more; false if there is no more.
    pub(in crate::gateway) fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        // All are counted, also where the first has no room: what is counted is given back as a whole.
        self.scopes().fold(true, |fits, (requests, most)| {
            let before = requests.0.held.fetch_add(bytes, Ordering::Relaxed);
            fits && before.saturating_add(bytes) <= *most
        })
    }

    fn scopes(&self) -> impl Iterator<Item = &(Requests, usize)> {
        [&self.of_all].into_iter().chain(&self.of_address)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (requests, _) in self.scopes() {
            requests.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_its_share_of_the_room_and_what_is_dropped_is_given_back() {
        let (all, here, there) = (Requests::default(), Requests::default(), Requests::default());
        let hold = |address: &Requests| Held::new(all.clone(), 10, Some(address.clone()), 6);
        let (mut one, mut two, mut three) = (hold(&here), hold(&here), hold(&there));
        assert!(one.grow(4) && one.grow(2));
        assert!(!two.grow(1), "its address has six");
        drop(two);
        assert!(three.grow(4) && !three.grow(1), "all have ten");
        drop((one, three));
        assert!(hold(&here).grow(6));
        assert_eq!(all.0.held.load(Ordering::Relaxed), 0);
    }
}
