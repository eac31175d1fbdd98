//! Wakes whoever waits for news about one key, and nobody else.
//!
//! A change tells only that something is new; whoever hears of it looks for themselves. So news can be told twice or come
//! together without harm, and none is lost that was told after [`News::about`].

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Who waits for what. A clone is about the same keys.
pub struct News<K>(Arc<Mutex<HashMap<K, watch::Sender<()>>>>);

/// Hears of one key until it is dropped.
pub struct Listener<K: Eq + Hash> {
    news: News<K>,
    key: K,
    heard: watch::Receiver<()>,
}

impl<K: Eq + Hash + Clone> News<K> {
    /// Whatever is told of this key from now on.
    pub fn about(&self, key: &K) -> Listener<K> {
        let mut keys = self.lock();
        let heard = match keys.get(key) {
            Some(teller) => teller.subscribe(),
            None => keys.entry(key.clone()).or_insert_with(|| watch::Sender::new(())).subscribe(),
        };
        Listener { news: self.clone(), key: key.clone(), heard }
    }
}

impl<K: Eq + Hash> News<K> {
    /// Something about this key changed. Costs a look-up, and a wake for each who waits for it.
    pub fn tell(&self, key: &K) {
        if let Some(teller) = self.lock().get(key) {
            teller.send_replace(());
        }
    }

    /// Something changed that may be about any key.
    pub fn tell_all(&self) {
        for teller in self.lock().values() {
            teller.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, watch::Sender<()>>> {
        // The map is whole between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Listener<K> {
    /// Waits until there is something new since the last time, or since the beginning.
    pub async fn hears(&mut self) {
        // The sender stays in the map for as long as somebody listens.
        let _ = self.heard.changed().await;
    }
}

impl<K: Eq + Hash> Drop for Listener<K> {
    fn drop(&mut self) {
        let mut keys = self.news.lock();
        // Our own receiver is still counted here.
        if keys.get(&self.key).is_some_and(|teller| teller.receiver_count() <= 1) {
            keys.remove(&self.key);
        }
    }
}

impl<K> Clone for News<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for News<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn has_news(listener: &mut Listener<u8>) -> bool {
        listener.hears().now_or_never().is_some()
    }

    #[test]
    fn only_those_who_wait_for_a_key_hear_of_it_and_each_of_them_once() {
        let news = News::default();
        let (mut one, mut same, mut other) = (news.about(&1), news.about(&1), news.about(&2));
        assert!(!has_news(&mut one));
        news.tell(&1);
        news.tell(&1);
        assert!(has_news(&mut one) && has_news(&mut same) && !has_news(&mut other));
        assert!(!has_news(&mut one));
        news.tell_all();
        assert!(has_news(&mut one) && has_news(&mut other));
    }

    #[test]
    fn what_was_told_before_is_no_news_and_nothing_is_kept_for_nobody() {
        let news = News::default();
        news.tell(&1);
        let (mut first, second) = (news.about(&1), news.about(&1));
        assert!(!has_news(&mut first));
        drop(second);
        news.tell(&1);
        assert!(has_news(&mut first), "the other listener took nothing along");
        drop(first);
        assert!(news.lock().is_empty());
    }
}
