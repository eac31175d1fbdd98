//! A caller of HTTP/2 that keeps its connection for as long as it is told that it may.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::Load;

type Sender = SendRequest<Full<Bytes>>;

/// Asks again and again until the load is to stop, with GET and POST in turn.
pub(super) fn run(to: SocketAddr, load: &Load) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut kept = None;
        for method in ["GET", "POST"].iter().cycle() {
            if load.stop.load(Ordering::Relaxed) {
                return;
            }
            match tokio::time::timeout(Duration::from_secs(10), ask(to, method, kept.take())).await {
                Ok(Ok(sender)) => {
                    load.answered.fetch_add(1, Ordering::Relaxed);
                    kept = Some(sender);
                }
                Ok(Err(error)) => load.failed.lock().expect("no panic").push(format!("HTTP/2 {method}: {error}")),
                Err(_) => load.failed.lock().expect("no panic").push(format!("HTTP/2 {method}: no answer")),
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
}

/// One request; on another connection if this one takes no more, which a GOAWAY says.
async fn ask(to: SocketAddr, method: &str, kept: Option<Sender>) -> Result<Sender, String> {
    let uri = format!("http://{to}/public/x");
    let body = if method == "POST" { Bytes::from_static(b"{\"a\":1}") } else { Bytes::new() };
    let mut request = Request::builder().method(method).uri(uri).body(Full::new(body)).expect("a request");
    let mut sender = match kept.filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => connect(to).await?,
    };
    loop {
        match sender.try_send_request(request).await {
            Ok(answer) => {
                let status = answer.status();
                let body = answer.into_body().collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
                return if status == 200 && body == "ok" { Ok(sender) } else { Err(format!("{status}: {body:?}")) };
            }
            // Only what was never sent may go again.
            Err(mut failure) => match failure.take_message() {
                Some(unsent) => (request, sender) = (unsent, connect(to).await?),
                None => return Err(format!("{:?}", failure.into_error())),
            },
        }
    }
}

async fn connect(to: SocketAddr) -> Result<Sender, String> {
    let stream = tokio::net::TcpStream::connect(to).await.map_err(|error| error.to_string())?;
    let opened = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(|error| format!("{error:?}"))?;
    tokio::spawn(async move {
        // What is wrong with it is seen by its requests.
        let _ = connection.await;
    });
    Ok(sender)
}
