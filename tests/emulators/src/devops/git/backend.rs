//! `git http-backend` over CGI: the request goes in, and the answer is streamed while Git writes it.

use std::io;
use std::path::Path;
use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::folders::ISOLATION;
use crate::reply::{Pieces, Reply};
use crate::request::Received;

const PIECE: usize = 32 * 1024;
/// The largest number of header lines that is accepted from the CGI program.
const MOST_HEADERS: usize = 50;

/// Requests `path` (with a slash at the start) from `program` in the bare repository `folder` on behalf of `user`.
///
/// # Errors
///
/// If the program does not start, or its answer is invalid in CGI.
pub(crate) async fn ask(
    program: &Path,
    folder: &Path,
    path: &str,
    user: &str,
    received: &Received,
) -> io::Result<Reply> {
    let mut command = command(program, folder, path, user, received);
    let mut child = command.spawn()?;
    if let Some(stdin) = child.stdin.take() {
        tokio::spawn(give(stdin, received.body.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(drain(stderr));
    }
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("Git has no output"))?;
    let mut stdout = BufReader::with_capacity(PIECE, stdout);
    let headers = headers(&mut stdout).await?;
    let header = |wanted: &str| {
        headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let status =
        header("status").and_then(|status| status.split(' ').next()?.parse().ok()).unwrap_or(200);
    let content_type = header("content-type").map(String::as_str).unwrap_or_default();
    Ok(Reply::pieces(status, content_type, output(stdout, child), None))
}

fn command(program: &Path, folder: &Path, path: &str, user: &str, received: &Received) -> Command {
    let mut command = Command::new(program);
    command
        .envs(ISOLATION.iter().copied())
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path)
        .env("REQUEST_METHOD", received.method.as_str())
        .env("QUERY_STRING", received.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", received.body.len().to_string())
        .env("REMOTE_USER", user)
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Git ends with its client's connection.
        .kill_on_drop(true);
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        match received.header(header) {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    command
}

/// Writes the request's body. Git may stop reading before its end.
async fn give(mut stdin: ChildStdin, body: Bytes) {
    if let Err(error) = stdin.write_all(&body).await {
        tracing::debug!(%error, "git did not read the whole request");
    }
}

/// Reads Git's errors; if they were left unread, Git would block as soon as the pipe is full.
async fn drain(stderr: ChildStderr) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!(line, "git");
    }
}

async fn headers(stdout: &mut BufReader<ChildStdout>) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    let mut line = String::new();
    while headers.len() < MOST_HEADERS {
        line.clear();
        if stdout.read_line(&mut line).await? == 0 {
            return Err(io::Error::other("Git ended before its answer began"));
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            return Ok(headers);
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Err(io::Error::other("Git's answer has too many headers"))
}

/// Streams the rest of the output. Dropping the stream ends the child.
fn output(stdout: BufReader<ChildStdout>, child: Child) -> Pieces {
    stream::try_unfold((stdout, child), |(mut stdout, mut child)| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        if stdout.read_buf(&mut piece).await? > 0 {
            return Ok(Some((piece.freeze(), (stdout, child))));
        }
        // Servers ignore the exit status, because the answer itself contains the error.
        let status = child.wait().await?;
        tracing::debug!(%status, "git ended");
        Ok(None)
    })
    .boxed()
}
