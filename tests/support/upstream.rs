//! An app that records what it gets, byte for byte, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) head: String,
    /// With chunk framing and trailers, if it came chunked.
    pub(crate) body: Vec<u8>,
    /// How many requests its connection had before.
    pub(crate) before: usize,
}

type Script = dyn Fn(&Seen, &mut TcpStream) -> bool + Send + Sync;

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    open: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// All values of a header, under any spelling that an app might take for it.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(own, _)| plain(own) == name).map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.values(name).first().copied().unwrap_or_default()
    }
}

impl Upstream {
    /// Answers everything with 200 and `ok`.
    pub(crate) fn start() -> Self {
        Self::scripted(|_, stream| {
            answer(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
        })
    }

    /// Answers each request with these bytes; the connection stays open.
    pub(crate) fn answering(bytes: &'static str) -> Self {
        Self::scripted(move |_, stream| answer(stream, bytes))
    }

    /// Runs a script for each request; false closes the connection.
    pub(crate) fn scripted(script: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        let open = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&open);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, script, count) = (Arc::clone(&log), Arc::clone(&script), Arc::clone(&count));
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(stream, &log, script.as_ref());
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open, seen }
    }

    /// Waits until nobody is connected.
    pub(crate) fn wait_until_idle(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < deadline, "the gateway does not let go");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many connections it has.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The last request; waits a moment, because an answer may overtake its record.
    pub(crate) fn last(&self) -> Seen {
        self.wait_for(1).pop().expect("the app was asked")
    }

    pub(crate) fn wait_for(&self, count: usize) -> Vec<Seen> {
        let deadline = Instant::now() + Duration::from_secs(3);
        while self.seen().len() < count && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        self.seen()
    }
}

pub(crate) fn answer(stream: &mut TcpStream, bytes: &str) -> bool {
    stream.write_all(bytes.as_bytes()).is_ok()
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, script: &Script) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    for before in 0.. {
        let Some(mut seen) = read(&mut reader) else { return };
        seen.before = before;
        log.lock().expect("no panic").push(seen.clone());
        if !script(&seen, &mut stream) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut seen = Seen::default();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        seen.head.push_str(&line);
    }
    if seen.value("transfer-encoding") == "chunked" {
        read_chunked(reader, &mut seen)?;
    } else {
        let length: u64 = seen.value("content-length").parse().unwrap_or(0);
        // Large bodies are counted by the tests that send them, not kept.
        if length <= 1 << 20 {
            reader.take(length).read_to_end(&mut seen.body).ok()?;
        } else {
            std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok()?;
        }
    }
    Some(seen)
}

fn read_chunked(reader: &mut BufReader<TcpStream>, seen: &mut Seen) -> Option<()> {
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        seen.body.extend_from_slice(line.as_bytes());
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        if size == 0 {
            break;
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        seen.body.extend_from_slice(&chunk);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        seen.body.extend_from_slice(line.as_bytes());
        if line == "\r\n" || line.is_empty() {
            return Some(());
        }
    }
}
