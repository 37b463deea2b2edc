//! What both fronts have in common: Lambda behind them, and an application served on the loopback addresses of one
//! port.

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Largest event that Lambda takes, in bytes; binary bodies are in it as base64.
pub(crate) const LARGEST_EVENT: usize = 6 * 1024 * 1024;

/// Serves on these listeners until the tasks are aborted; `name` is for the message if it cannot.
pub(crate) fn serve(
    app: &Router,
    listeners: Vec<TcpListener>,
    name: &'static str,
) -> Vec<JoinHandle<()>> {
    let serve = |listener| {
        let app = app.clone();
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the {name} stopped: {error}");
            }
        })
    };
    listeners.into_iter().map(serve).collect()
}
