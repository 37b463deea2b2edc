//! One HTTP server under both emulators: reads a request, records it, applies faults, asks the emulator, answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::serve::{IncomingStream, Listener};
use http::Response;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::control;
use crate::faults::{Fault, FaultHandle, Faults};
use crate::reply::Reply;
use crate::request::Received;
use crate::traffic::Traffic;

/// Larger bodies are refused; above every limit that Azure DevOps itself has for one request.
const LARGEST_BODY: usize = 256 * 1024 * 1024;

/// The differences between the two emulators.
pub(crate) trait Emulator: Send + Sync + 'static {
    fn traffic(&self) -> &Arc<Traffic>;
    fn faults(&self) -> &Faults;
    fn now(&self) -> Timestamp;
    /// The route name of the request, for counts and faults.
    fn route(&self, request: &Received) -> String;
    /// Returns the real answer. `spoil` is a fault that changes only details of it.
    fn answer(&self, request: &Received, spoil: Option<&Fault>) -> Reply;
    /// As [`answer`](Self::answer), for answers that take time. The server calls this one.
    fn respond(
        &self,
        request: &Received,
        spoil: Option<&Fault>,
    ) -> impl Future<Output = Reply> + Send {
        async move { self.answer(request, spoil) }
    }
    /// Returns the error of a fault in the service's own shape.
    fn faulty_answer(&self, request: &Received, fault: &Fault) -> Reply;
    /// Answers the admin routes of this emulator alone; `path` is the path after `/_emulator/`.
    fn control(&self, request: &Received, path: &str) -> Option<Reply>;
    /// Restores the state at the start.
    fn restore(&self);
}

/// A running server; it stops when the last clone of its owner's handle is dropped.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Running {
    /// Serves `emulator` on `listener` in a task of the current runtime.
    pub fn start<E: Emulator>(listener: TcpListener, emulator: Arc<E>) -> Self {
        let stop = watch::Sender::new(false);
        let (finished, stopped) = watch::channel(false);
        let mut stopping = stop.subscribe();
        let service = Router::new()
            .fallback(serve::<E>)
            .with_state(emulator)
            .into_make_service_with_connect_info::<Connection>();
        tokio::spawn(async move {
            let graceful = async move {
                drop(stopping.wait_for(|stop| *stop).await);
            };
            if let Err(error) =
                axum::serve(Sockets(listener), service).with_graceful_shutdown(graceful).await
            {
                tracing::warn!(%error, "an emulator stopped serving");
            }
            finished.send_replace(true);
        });
        Self { stop, stopped }
    }

    /// Stops accepting. Returns after every connection has ended.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let mut stopped = self.stopped.clone();
        drop(stopped.wait_for(|stopped| *stopped).await);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn serve<E: Emulator>(
    State(emulator): State<Arc<E>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return Reply::empty(413).into_response();
    };
    let request = Received { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    if let Some(path) = control::path(&request) {
        return control::answer(emulator.as_ref(), &request, path).into_response();
    }
    let route = emulator.route(&request);
    let visit = emulator.traffic().arrived(&route, &request, emulator.now());
    let fault = emulator.faults().strike(&route, &request);
    let reply = answer(emulator.as_ref(), &request, fault.as_ref()).await;
    if fault.is_some_and(|fault| fault.fault().reset) {
        connection.reset();
    } else {
        visit.answered(reply.status);
    }
    reply.into_response()
}

async fn answer<E: Emulator>(
    emulator: &E,
    request: &Received,
    fault: Option<&FaultHandle>,
) -> Reply {
    let Some(handle) = fault else {
        return emulator.respond(request, None).await;
    };
    let fault = handle.fault();
    let early = if fault.after {
        let reply = emulator.respond(request, Some(fault)).await;
        let unseen = fault.reset || fault.replaces_answer();
        Some(if unseen { reply.exhausted().await } else { reply.completed().await })
    } else {
        None
    };
    handle.wait().await;
    let reply = if fault.replaces_answer() {
        emulator.faulty_answer(request, fault)
    } else {
        match early {
            Some(early) => early,
            None if fault.reset => Reply::empty(500),
            None => emulator.respond(request, Some(fault)).await,
        }
    };
    fault.decorate(reply)
}

/// The listener. Its sockets can be reset from within a handler.
struct Sockets(TcpListener);

impl Listener for Sockets {
    type Io = Socket;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Socket, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.0.accept().await {
                let _latency_only = stream.set_nodelay(true);
                return (Socket::new(stream), address);
            }
            // For example out of file descriptors: yield and retry.
            tokio::task::yield_now().await;
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// The handler's end of a connection.
#[derive(Clone, Default)]
struct Connection {
    broken: Arc<AtomicBool>,
}

impl Connection {
    /// Makes the next write or read end the connection with a TCP reset.
    fn reset(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Sockets>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Sockets>) -> Self {
        stream.io().connection.clone()
    }
}

struct Socket {
    stream: TcpStream,
    connection: Connection,
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        Self { stream, connection: Connection::default() }
    }

    fn check(&self) -> io::Result<()> {
        if self.connection.broken.load(Ordering::SeqCst) {
            // Without lingering, closing sends RST instead of FIN.
            let _still_closes = self.stream.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
