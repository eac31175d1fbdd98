//! A raw HTTP/1.1 client: what it sends is what stands here, byte for byte.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Nothing in the demo takes longer.
const LIMIT: Duration = Duration::from_secs(10);

/// An answer as it came.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A request that is being put together.
#[derive(Clone, Debug)]
pub(super) struct Request {
    method: String,
    target: String,
    host: Option<String>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Sends the body in one chunk with this trailer, instead of with its length.
    trailer: Option<String>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn code(&self) -> &str {
        self.header("x-vestibule-error")
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Request {
    pub(super) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            host: None,
            headers: Vec::new(),
            body: Vec::new(),
            trailer: None,
        }
    }

    pub(super) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(super) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }

    pub(super) fn body(mut self, kind: &str, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.header("content-type", kind)
    }

    pub(super) fn trailer(mut self, line: &str) -> Self {
        self.trailer = Some(line.into());
        self
    }

    fn bytes(&self, to: SocketAddr) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\n",
            self.method,
            self.target,
            self.host.clone().unwrap_or_else(|| to.to_string())
        );
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let mut bytes = match &self.trailer {
            Some(_) => format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", self.body.len()),
            None if self.body.is_empty() => format!("{head}\r\n"),
            None => format!("{head}content-length: {}\r\n\r\n", self.body.len()),
        }
        .into_bytes();
        bytes.extend_from_slice(&self.body);
        if let Some(trailer) = &self.trailer {
            bytes.extend_from_slice(format!("\r\n0\r\n{trailer}\r\n\r\n").as_bytes());
        }
        bytes
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub(super) async fn send(self, to: SocketAddr) -> anyhow::Result<Answer> {
        let asks_for_body = self.method != "HEAD";
        let request = if self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            self
        } else {
            self.header("connection", "close")
        };
        let exchange = async {
            let mut stream = TcpStream::connect(to).await?;
            stream.write_all(&request.bytes(to)).await?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await?;
            read(&bytes, asks_for_body).context("the answer is not HTTP")
        };
        tokio::time::timeout(LIMIT, exchange).await.context("no answer in time")?
    }

    /// Sends it and reads until `enough` is in the answer, or the answer is over.
    pub(super) async fn send_until(self, to: SocketAddr, enough: &[u8]) -> anyhow::Result<(TcpStream, Vec<u8>)> {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(&self.bytes(to)).await?;
        let bytes = read_until(&mut stream, enough).await?;
        Ok((stream, bytes))
    }
}

/// What came until `enough` was there, the other side closed, or the time was up: a check says what it makes of it.
pub(super) async fn read_until(stream: &mut TcpStream, enough: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !bytes.windows(enough.len()).any(|window| window == enough) {
        let count = match tokio::time::timeout_at(deadline, stream.read(&mut part)).await {
            Ok(read) => read?,
            Err(_) => break,
        };
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&part[..count]);
    }
    Ok(bytes)
}

fn read(bytes: &[u8], has_body: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let headers: Vec<_> = lines.filter_map(pair).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    let rest = &bytes[end + 4..];
    answer.body = match answer.header("transfer-encoding") {
        _ if !has_body => Vec::new(),
        "chunked" => unchunked(rest)?,
        _ => rest.to_vec(),
    };
    Some(answer)
}

/// `None` if the last chunk is missing: a broken transfer must not look like a short answer.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
        rest = rest.get(line + 4 + size..)?;
    }
}
