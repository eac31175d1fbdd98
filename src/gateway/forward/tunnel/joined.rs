//! Two sides of a WebSocket, joined until one of them ends it or the right to it is gone.

use std::io;
use std::pin::pin;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use super::frames::{Frames, close};
use crate::gateway::streams::End;

/// Bytes that are read at a time, in each direction.
const BUFFER: usize = 8 * 1024;

/// How long the app may take to complete a frame before the tunnel is cut without a word.
const FRAME_TIME: Duration = Duration::from_millis(400);

/// How long the caller may take to answer a Close frame.
const ECHO_TIME: Duration = Duration::from_secs(1);

/// One direction.
struct Direction<R, W> {
    from: ReadHalf<R>,
    to: WriteHalf<W>,
    /// What was written.
    frames: Frames,
    buffer: Box<[u8]>,
    /// What was read and not yet written.
    pending: std::ops::Range<usize>,
}

/// Passes bytes in both directions until the app has ended, one of them has failed, or `ends` says that it is over.
pub(super) async fn join<C, A>(caller: C, app: A, ends: impl Future<Output = End>) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite,
    A: AsyncRead + AsyncWrite,
{
    let ((from_caller, to_caller), (from_app, to_app)) = (split(caller), split(app));
    let mut up = Direction::new(from_caller, to_app);
    let mut down = Direction::new(from_app, to_caller);
    let end = tokio::select! {
        biased;
        end = ends => end,
        result = until_both_end(up.run(), down.run()) => return result,
    };
    // Whoever is slow or gone is cut, which is an end too.
    let told = timeout(FRAME_TIME, down.close(end)).await;
    let _ = timeout(FRAME_TIME, up.break_off(end)).await;
    if let Ok(Ok(())) = told {
        let _ = timeout(ECHO_TIME, up.echo()).await;
    }
    Ok(())
}

/// A caller may have said all and still listen. Where the app has left there is nobody to talk to, and a caller that stays
/// does not keep its place.
async fn until_both_end(
    up: impl Future<Output = io::Result<()>>,
    down: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let (mut up, mut down) = (pin!(up), pin!(down));
    tokio::select! {
        result = &mut up => {
            result?;
            down.await
        }
        result = &mut down => {
            result?;
            timeout(ECHO_TIME, up).await.unwrap_or(Ok(()))
        }
    }
}

impl<R: AsyncRead, W: AsyncWrite> Direction<R, W> {
    fn new(from: ReadHalf<R>, to: WriteHalf<W>) -> Self {
        Self { from, to, frames: Frames::default(), buffer: vec![0; BUFFER].into_boxed_slice(), pending: 0..0 }
    }

    /// Passes on what comes until there is no more. May be dropped at any time: no byte is lost or counted twice.
    async fn run(&mut self) -> io::Result<()> {
        loop {
            while !self.pending.is_empty() {
                self.write(usize::MAX).await?;
            }
            self.to.flush().await?;
            if !self.read().await? {
                return self.to.shutdown().await;
            }
        }
    }

    /// False at the end.
    async fn read(&mut self) -> io::Result<bool> {
        let count = self.from.read(&mut self.buffer).await?;
        self.pending = 0..count;
        Ok(count > 0)
    }

    async fn write(&mut self, most: usize) -> io::Result<()> {
        let next = &self.buffer[self.pending.clone()];
        let count = self.to.write(&next[..next.len().min(most)]).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.frames.passed(&next[..count]);
        self.pending.start += count;
        Ok(())
    }

    /// Completes the frame that has begun, and then says that it is over.
    async fn close(&mut self, end: End) -> io::Result<()> {
        while self.frames.left() > 0 {
            if self.pending.is_empty() && !self.read().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.write(self.frames.left()).await?;
        }
        self.say(end, None).await
    }

    /// Passes nothing more on. Between two frames the app can be told why; within one it sees the end.
    async fn break_off(&mut self, end: End) -> io::Result<()> {
        let mut mask = [0; 4];
        if self.frames.left() == 0 && SystemRandom::new().fill(&mut mask).is_ok() {
            self.say(end, Some(mask)).await?;
        }
        self.to.shutdown().await
    }

    async fn say(&mut self, end: End, mask: Option<[u8; 4]>) -> io::Result<()> {
        if !self.frames.is_closed() {
            self.to.write_all(&close(end.close_code(), end.as_str(), mask)).await?;
        }
        self.to.flush().await
    }

    /// Reads, and throws away, until the other side says that it has understood.
    async fn echo(&mut self) -> io::Result<()> {
        let mut seen = self.frames.clone();
        loop {
            seen.passed(&self.buffer[self.pending.clone()]);
            if seen.is_closed() || !self.read().await? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;

    struct Ends {
        caller: DuplexStream,
        app: DuplexStream,
        end: oneshot::Sender<End>,
        joined: JoinHandle<io::Result<()>>,
    }

    fn joined() -> Ends {
        let ((caller, outside), (app, inside)) = (duplex(1024), duplex(1024));
        let (end, ends) = oneshot::channel();
        let ends = async move { ends.await.expect("an end") };
        Ends { caller, app, end, joined: tokio::spawn(join(outside, inside, ends)) }
    }

    async fn read(from: &mut DuplexStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        from.read_exact(&mut bytes).await.expect("bytes");
        bytes
    }

    async fn rest(from: &mut DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).await.expect("an end");
        bytes
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_until_the_app_has_ended() {
        let Ends { mut caller, mut app, end: _end, joined } = joined();
        caller.write_all(b"up").await.expect("room");
        app.write_all(b"down").await.expect("room");
        assert_eq!((read(&mut app, 2).await, read(&mut caller, 4).await), (b"up".to_vec(), b"down".to_vec()));
        caller.shutdown().await.expect("open");
        assert_eq!(rest(&mut app).await, b"");
        app.write_all(b"more").await.expect("still open");
        drop(app);
        assert_eq!(rest(&mut caller).await, b"more");
        joined.await.expect("no panic").expect("no error");
    }

    #[tokio::test]
    async fn a_caller_that_stays_when_the_app_has_left_is_let_go() {
        let Ends { mut caller, app, end: _end, joined } = joined();
        drop(app);
        assert_eq!(rest(&mut caller).await, b"");
        timeout(ECHO_TIME * 5, joined).await.expect("in time").expect("no panic").expect("no error");
    }

    #[tokio::test]
    async fn a_close_stands_between_two_frames_and_nothing_of_the_caller_passes_any_more() {
        let Ends { mut caller, mut app, end, joined } = joined();
        // A fragment is under way when the right is lost; the rest of it comes, and more.
        app.write_all(b"\x01\x05he").await.expect("room");
        assert_eq!(read(&mut caller, 4).await, b"\x01\x05he");
        end.send(End::Forbidden).expect("somebody waits");
        tokio::task::yield_now().await;
        caller.write_all(b"\x81\x81\0\0\0\0x").await.expect("room");
        app.write_all(b"llo\x80\x01!").await.expect("room");
        let close = close(4403, "forbidden", None);
        assert_eq!(read(&mut caller, 3).await, b"llo");
        assert_eq!(read(&mut caller, close.len()).await, close);
        let told = rest(&mut app).await;
        assert_eq!((told.len(), &told[..2]), (4 + close.len(), &b"\x88\x8b"[..]), "a masked Close, and no more");
        caller.write_all(&super::close(4403, "", Some([9; 4]))).await.expect("room");
        joined.await.expect("no panic").expect("no error");
        assert_eq!(rest(&mut caller).await, b"");
    }

    #[tokio::test]
    async fn an_app_that_completes_no_frame_and_a_caller_that_says_nothing_are_cut() {
        let Ends { mut caller, mut app, end, joined } = joined();
        app.write_all(b"\x82\x7f\0\0\0\0\x01\0\0\0half").await.expect("room");
        assert_eq!(read(&mut caller, 14).await.len(), 14);
        let began = tokio::time::Instant::now();
        end.send(End::SessionOver).expect("somebody waits");
        joined.await.expect("no panic").expect("no error");
        assert!(began.elapsed() >= FRAME_TIME, "the app had its time");
        assert_eq!(rest(&mut caller).await, b"");
    }

    #[tokio::test]
    async fn who_has_said_goodbye_is_not_told_again() {
        let Ends { mut caller, mut app, end, joined } = joined();
        let goodbye = close(1000, "", None);
        app.write_all(&goodbye).await.expect("room");
        assert_eq!(read(&mut caller, goodbye.len()).await, goodbye);
        end.send(End::Stopping).expect("somebody waits");
        joined.await.expect("no panic").expect("no error");
        assert_eq!(rest(&mut caller).await, b"");
    }
}
