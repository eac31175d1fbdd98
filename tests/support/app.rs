//! An app of HTTP/2 on the HTTP library's own server: over TCP, a unix socket, or TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

pub(crate) type AppAnswer = Response<BoxBody<Bytes, Infallible>>;

type Script = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, AppAnswer> + Send + Sync>;

/// What it has seen.
#[derive(Default)]
pub(crate) struct Log {
    heads: Mutex<Vec<Parts>>,
    connections: AtomicUsize,
}

pub(crate) struct App {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
}

#[derive(Clone)]
struct Server {
    script: Script,
    log: Arc<Log>,
    max_streams: u32,
    /// After this, a connection is taken leave of.
    life: Duration,
    tls: Option<Arc<ServerConfig>>,
}

/// 200 with this text.
pub(crate) fn text(text: &str) -> AppAnswer {
    Response::new(Full::new(Bytes::from(text.to_owned())).boxed())
}

impl App {
    /// Without TLS.
    pub(crate) fn start<F>(script: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = AppAnswer> + Send + 'static,
    {
        Self::on_tcp(Server::new(script))
    }

    /// That allows so many streams.
    pub(crate) fn with_streams<F>(
        max_streams: u32,
        script: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = AppAnswer> + Send + 'static,
    {
        Self::on_tcp(Server { max_streams, ..Server::new(script) })
    }

    /// That takes leave of each connection after so long, as one does that restarts.
    pub(crate) fn with_life<F>(life: Duration, script: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = AppAnswer> + Send + 'static,
    {
        Self::on_tcp(Server { life, ..Server::new(script) })
    }

    /// Over TLS; HTTP/2 where it was agreed upon, HTTP/1.1 elsewhere.
    pub(crate) fn over_tls(tls: Arc<ServerConfig>) -> Self {
        let server = Server::new(|request| async move { text(&format!("{:?}", request.version())) });
        Self::on_tcp(Server { tls: Some(tls), ..server })
    }

    /// On a unix socket, in one protocol.
    pub(crate) fn on_unix_socket(path: &Path, is_http2: bool) -> Arc<Log> {
        let server = Server::new(|_| async { text("ok") });
        let log = Arc::clone(&server.log);
        let listener = std::os::unix::net::UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("a listener");
        run(async move {
            let listener = UnixListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(server.clone().serve(stream, is_http2));
            }
        });
        log
    }

    fn on_tcp(server: Server) -> Self {
        let log = Arc::clone(&server.log);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("an address");
        run(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                let server = server.clone();
                tokio::spawn(async move {
                    let Some(tls) = server.tls.clone() else { return server.serve(stream, true).await };
                    let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    server.serve(stream, is_http2).await;
                });
            }
        });
        Self { address, log }
    }

    /// The heads of all requests.
    pub(crate) fn heads(&self) -> Vec<Parts> {
        self.log.heads()
    }

    pub(crate) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }
}

impl Log {
    pub(crate) fn heads(&self) -> Vec<Parts> {
        self.heads.lock().expect("no panic").clone()
    }
}

impl Server {
    fn new<F>(script: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = AppAnswer> + Send + 'static,
    {
        let script: Script = Arc::new(move |request| Box::pin(script(request)));
        Self { script, log: Arc::default(), max_streams: 1000, life: Duration::from_secs(3600), tls: None }
    }

    async fn serve<S>(self, stream: S, is_http2: bool)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.log.connections.fetch_add(1, Ordering::SeqCst);
        let (max_streams, life) = (self.max_streams, self.life);
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move {
                let (head, body) = request.into_parts();
                server.log.heads.lock().expect("no panic").push(head.clone());
                Ok::<_, Infallible>((server.script)(Request::from_parts(head, body)).await)
            }
        });
        if is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(max_streams);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            if tokio::time::timeout(life, &mut connection).await.is_err() {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        } else {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    }
}

/// On a thread of its own, which ends with the tests.
fn run(work: impl Future<Output = ()> + Send + 'static) {
    thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work);
    });
}
