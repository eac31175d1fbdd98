//! Sockets: accepting, bounding and draining connections.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use self::activity::{Activity, Answering};
use self::socket::Socket;
use self::timed::{TimedStream, Times};
use super::forward::Requests;
use super::limiter::network;
use super::{Limits, Worker};
use crate::clock::jittered;

mod activity;
mod frames;
mod http2;
mod socket;
mod timed;

/// How far a stop has gone. Each stage includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drain {
    /// Everything as usual.
    Serving,
    /// `readyz` says 503 so that nobody new is sent here, but whoever comes is served, once per connection: answers say that
    /// it closes, so that no caller sends a request on one that is about to go.
    Announced,
    /// No new connections; those that are open finish what they have, and one more request if it is on its way already.
    Finishing,
    /// Connections that wait for a request are closed.
    Closing,
}

/// How many connections are open, in all workers.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, Here>,
}

/// What one address has.
#[derive(Debug, Default)]
struct Here {
    connections: usize,
    requests: Requests,
}

/// One open connection; counted until it is dropped.
struct Slot {
    connections: Arc<Connections>,
    /// `None` for a trusted proxy, whose address all callers share.
    address: Option<IpAddr>,
    /// Those of all its connections.
    requests: Option<Requests>,
}

impl Connections {
    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // The counts are whole between any two statements that hold the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` if there are too many already.
    fn admit(self: &Arc<Self>, address: Option<IpAddr>, limits: &Limits) -> Option<Slot> {
        let address = address.map(network);
        let mut open = self.lock();
        let here = address.and_then(|address| open.by_address.get(&address)).map_or(0, |here| here.connections);
        if open.total >= limits.connections_total || here >= limits.connections_per_address {
            return None;
        }
        open.total += 1;
        let requests = address.map(|address| {
            let here = open.by_address.entry(address).or_default();
            here.connections += 1;
            here.requests.clone()
        });
        Some(Slot { connections: Arc::clone(self), address, requests })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.total = open.total.saturating_sub(1);
        let Some(address) = self.address else { return };
        let Some(here) = open.by_address.get_mut(&address) else { return };
        here.connections = here.connections.saturating_sub(1);
        if here.connections == 0 {
            open.by_address.remove(&address);
        }
    }
}

/// Serves a listener until the drain has reached [`Drain::Finishing`] and every connection is done. What the system has taken
/// on our behalf until then is served too: it would be reset with the listener.
///
/// Connections over the limit are closed at once: an answer would cost what the limit is there to save. A trusted
/// proxy's address is not counted by itself, because all callers share it.
pub async fn serve(
    listener: TcpListener,
    worker: Worker,
    connections: Arc<Connections>,
    mut drain: watch::Receiver<Drain>,
) {
    let mut running = tokio::task::JoinSet::new();
    let begin = |running: &mut tokio::task::JoinSet<()>, stream, peer: SocketAddr, drain| {
        let address = peer.ip().to_canonical();
        let gateway = worker.gateway();
        let shared = gateway.trusted_proxies.iter().any(|net| net.contains(&address));
        if let Some(slot) = connections.admit((!shared).then_some(address), &gateway.limits) {
            let worker = worker.for_address(slot.requests.clone());
            running.spawn(connection(stream, peer, slot, worker, drain));
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = reached(&mut drain, Drain::Finishing) => break,
            Some(_) = running.join_next(), if !running.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) => begin(&mut running, stream, peer, drain.clone()),
            Err(error) => rest_after(&error).await,
        }
    }
    while let Some(Ok((stream, peer))) = tokio::task::unconstrained(listener.accept()).now_or_never() {
        begin(&mut running, stream, peer, drain.clone());
    }
    drop(listener);
    while running.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    slot: Slot,
    worker: Worker,
    mut drain: watch::Receiver<Drain>,
) {
    // A socket that cannot do this is about to fail anyway.
    let _ = prepare(&stream);
    if let Err(error) = converse(stream, address, slot, worker, &mut drain).await {
        tracing::debug!(event = "connection", peer = %address.ip(), error = %error, "a connection ended");
    }
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    slot: Slot,
    worker: Worker,
    drain: &mut watch::Receiver<Drain>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let opened = Instant::now();
    // Not kept for as long as the connection is: it may outlive many.
    let (limits, tls) = worker.terms();
    let first = opened + limits.first_byte;
    let activity = Arc::new(Activity::new(limits.http2.resets));
    let beginning = async {
        let socket = Socket::open(stream, tls, first).await?;
        let (mut stream, closed) = TimedStream::new(socket, first, Times::of(&limits), Arc::clone(&activity), slot);
        let speaks_http2 = stream.speaks_http2().await?;
        Ok::<_, io::Error>((stream, closed, speaks_http2))
    };
    let (stream, closed, speaks_http2) = tokio::select! {
        begun = beginning => begun?,
        // It has not asked for anything yet.
        () = reached(drain, Drain::Closing) => return Ok(()),
    };
    // What began together does not end together.
    let age = jittered(limits.connection_age, 0.1, &address);
    let exchanges = Arc::clone(&activity);
    let service = service_fn(move |request: Request<Incoming>| {
        let (gateway, (exchange, interim)) = (worker.gateway(), exchanges.begin(&request));
        async move {
            // Boxed, for one allocation a request, so that its 7 KiB are there only while they are used: not in a connection
            // that is idle, nor in a stream whose caller takes its time with the answer.
            let mut answer = Box::pin(gateway.handle(request, address.ip(), interim)).await;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                exchange.becomes_tunnel();
            } else if exchange.is_last() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| exchange.answered_by(body)))
        }
    });
    if speaks_http2 {
        http2::serve(&http2::configured(&limits), stream, service, &activity, age, drain).await?;
    } else {
        let serving = configured(&limits).serve_connection(TokioIo::new(stream), service).with_upgrades();
        until_drained(serving, &activity, age, drain).await?;
    }
    // A tunnel goes on without the HTTP connection that it began as. The sender is dropped, never used.
    let _ = closed.await;
    Ok(())
}

/// What the system keeps of an answer before it is on its way. It is writable again when half of that is gone, which is how
/// we see that somebody reads: with megabytes of it, a caller that reads slowly would look like one that does not read.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 * 1024;

/// Small answers do not wait for a full segment. A caller that vanished without a word is noticed after two minutes, also where
/// nothing is being sent: behind an event stream or a tunnel that is silent.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)?;
    let probes = TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15));
    SockRef::from(stream).set_tcp_keepalive(&probes.with_retries(4))
}

/// Serves until the caller goes, or until what is running when it is old, or at the drain, has its answer. A connection that
/// waits for a request is closed last, because a request may be on its way on it.
async fn until_drained<S>(
    serving: http1::UpgradeableConnection<TokioIo<TimedStream>, S>,
    activity: &Activity,
    age: Duration,
    drain: &mut watch::Receiver<Drain>,
) -> hyper::Result<()>
where
    S: HttpService<Incoming, ResBody = Answering, Error = Infallible>,
    S::Future: Send + 'static,
{
    let mut serving = pin!(serving);
    tokio::select! {
        // In this order: whoever comes after the announcement must not get an answer without it.
        biased;
        () = reached(drain, Drain::Announced) => {}
        () = tokio::time::sleep(age) => {}
        result = &mut serving => return result,
    }
    activity.ends_with_the_next_answer();
    tokio::select! {
        result = &mut serving => result,
        () = reached(drain, Drain::Closing) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    }
}

/// Above our own limits, so that what is a little too much gets an answer with a code. Far beyond, the library's bare
/// status has to do; as much is kept of a body that the app does not take, of which there may be thousands. Its timer is later than those of [`TimedStream`] and so never fires, but with it the library reads
/// again after an answer, and only then can ours run.
fn configured(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.first_byte.max(limits.keep_alive) + limits.header_time)
        .max_headers(limits.header_count.saturating_mul(2).max(64))
        .max_buf_size(limits.header_size.saturating_add(limits.uri).saturating_add(32 * 1024));
    builder
}

/// Waits until the drain is at least at `stage`; for ever, if whoever leads it is gone.
pub(super) async fn reached(drain: &mut watch::Receiver<Drain>, stage: Drain) {
    if drain.wait_for(|now| *now >= stage).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A connection that broke before it was taken is nobody's fault. Anything else, such as having no more file
/// descriptors, does not go away by asking again at once.
async fn rest_after(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(event = "accept", error = %error, "cannot take connections now");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_has_one_share_of_the_connections() {
        let connections = Arc::<Connections>::default();
        let limits = Limits { connections_total: 5, connections_per_address: 2, ..Limits::default() };
        let admit = |text: &str| connections.admit(Some(text.parse().expect("an address")), &limits);
        let (one, two) = (admit("2001:db8::1"), admit("2001:db8::ffff:2"));
        assert!(one.is_some() && two.is_some());
        assert!(admit("2001:db8::3").is_none(), "a /64 is one subscriber's");
        let others = (admit("2001:db8:0:1::1"), admit("192.0.2.1"), admit("192.0.2.2"));
        assert!(others.0.is_some() && others.1.is_some() && others.2.is_some());
        drop(one);
        assert!(admit("2001:db8::4").is_some());
    }
}
