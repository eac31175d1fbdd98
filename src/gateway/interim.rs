//! Interim answers of the app (RFC 9110 §15.2) on their way to the caller.
//!
//! The HTTP library reads them and cannot send them. So they wait here for the caller's socket, which sends them past the
//! library where that cannot be in the middle of anything; `accept/timed.rs` says where. What comes too late for that is
//! left out: an interim answer is a hint.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use http::{HeaderMap, Request, StatusCode, header};

/// The most bytes that may wait. More is no hint.
const MAX_WAITING: usize = 16 * 1024;

/// What waits for the socket of one connection.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    heads: Mutex<Heads>,
    any: AtomicBool,
    socket: AtomicWaker,
}

/// Whole heads, as bytes, and the exchange that they belong to: what an app says late must not reach the next one.
#[derive(Debug, Default)]
struct Heads {
    exchange: u64,
    bytes: Vec<u8>,
}

/// The way to the caller's socket during one exchange.
#[derive(Clone, Debug)]
pub(super) struct Interim {
    waiting: Arc<Waiting>,
    exchange: u64,
}

impl Waiting {
    /// A new exchange; what waited for the one before is forgotten.
    pub(super) fn begin(self: &Arc<Self>, exchange: u64) -> Interim {
        *self.lock() = Heads { exchange, bytes: Vec::new() };
        self.any.store(false, Ordering::Relaxed);
        Interim { waiting: Arc::clone(self), exchange }
    }

    /// Who is woken when something comes.
    pub(super) fn wakes(&self, cx: &Context<'_>) {
        self.socket.register(cx.waker());
    }

    pub(super) fn take(&self) -> Vec<u8> {
        if !self.any.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut self.lock().bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Heads> {
        // The heads are whole between any two statements that hold the lock.
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interim {
    /// The app's request, with an ear for interim answers to it.
    pub(super) fn listening<B>(&self, mut outgoing: Request<B>) -> Request<B> {
        let interim = self.clone();
        hyper::ext::on_informational(&mut outgoing, move |answer| interim.offer(answer.status(), answer.headers()));
        outgoing
    }

    /// Lets the socket send what waits, before the answer that it was a hint to.
    pub(super) async fn let_pass(&self) {
        if self.waiting.any.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
    }

    fn offer(&self, status: StatusCode, headers: &HeaderMap) {
        let head = head(status, headers);
        let mut heads = self.waiting.lock();
        if heads.exchange == self.exchange && heads.bytes.len() + head.len() <= MAX_WAITING {
            heads.bytes.extend_from_slice(&head);
            self.waiting.any.store(true, Ordering::Release);
            self.waiting.socket.wake();
        }
    }
}

/// Nothing of it but the links of early hints (RFC 8297), which browsers act on. 100 is for us, who sent the body; 101 is an
/// answer of its own.
fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut bytes = match status {
        StatusCode::CONTINUE | StatusCode::SWITCHING_PROTOCOLS => return Vec::new(),
        _ => format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default()).into_bytes(),
    };
    let links = headers.get_all(header::LINK).iter().filter(|_| status == StatusCode::EARLY_HINTS);
    for link in links {
        // A value that was parsed holds no line end.
        bytes.extend_from_slice(b"link: ");
        bytes.extend_from_slice(link.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn links() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(header::LINK, HeaderValue::from_static("</a.css>; rel=preload"));
        headers.append(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        headers
    }

    #[test]
    fn of_an_early_hint_only_links_pass() {
        assert_eq!(
            head(StatusCode::EARLY_HINTS, &links()),
            b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
        );
        assert_eq!(head(StatusCode::PROCESSING, &links()), b"HTTP/1.1 102 Processing\r\n\r\n");
        assert_eq!(head(StatusCode::CONTINUE, &links()), b"");
    }

    #[test]
    fn what_comes_late_reaches_no_other_exchange_and_too_much_is_left_out() {
        let waiting = Arc::<Waiting>::default();
        let first = waiting.begin(1);
        let second = waiting.begin(2);
        first.offer(StatusCode::PROCESSING, &HeaderMap::new());
        assert!(waiting.take().is_empty());
        for _ in 0..10_000 {
            second.offer(StatusCode::PROCESSING, &HeaderMap::new());
        }
        let taken = waiting.take();
        assert!(taken.len() <= MAX_WAITING && taken.ends_with(b"\r\n\r\n") && taken.starts_with(b"HTTP/1.1 102"));
        assert!(waiting.take().is_empty());
    }
}
