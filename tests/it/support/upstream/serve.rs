//! One connection to the provider.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::reply::{Framing, Step};
use super::{Recorded, Reply, State, control, usual};
use crate::support::http::find;

/// What a step means for the connection.
enum Next {
    Continue,
    Hangup,
}

/// Answers requests until one of the two has enough.
pub(super) async fn connection(mut stream: TcpStream, state: Arc<State>) {
    let mut pending = Vec::new();
    while let Ok(Some(request)) = read_request(&mut stream, &mut pending, &state).await {
        let reply = choose(&request, &state);
        let told = reply.told();
        match play(&mut stream, reply, &state).await {
            Ok(Next::Continue) => state.script.lock().unwrap().billed.add(told),
            Ok(Next::Hangup) | Err(_) => return,
        }
    }
}

fn choose(request: &Recorded, state: &State) -> Reply {
    let mut script = state.script.lock().unwrap();
    if let Some(told) = control::answer(request, state, &mut script) {
        return told;
    }
    let probe = request.method == "GET" && usual::is_models(request);
    let counter = if probe { &state.probes } else { &state.calls };
    let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
    if !probe {
        script.requests.push(request.clone());
        for item in usual::items_of(request) {
            *script.sent.entry(item.to_string()).or_default() += 1;
        }
    }
    let credential = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .or_else(|| request.header("x-api-key"));
    if credential.is_some_and(|credential| script.refused.contains(credential)) {
        return Reply::error(401, "invalid_api_key");
    }
    if probe {
        let models = script.models.clone();
        return models.unwrap_or_else(|| usual::model(request));
    }
    let style = script.style;
    let told = script
        .next
        .pop_front()
        .or_else(|| script.otherwise.clone())
        .unwrap_or_else(Reply::usual);
    // What is computed takes its time; others may come meanwhile.
    drop(script);
    told.resolved(|| usual::usual(request, number, style))
}

async fn play(stream: &mut TcpStream, reply: Reply, state: &State) -> io::Result<Next> {
    for step in &reply.before_head {
        if let Next::Hangup = perform(stream, step, Framing::Length, state).await? {
            return Ok(Next::Hangup);
        }
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        _ = write!(head, "{name}: {value}\r\n");
    }
    let declared = reply
        .headers
        .iter()
        .any(|(name, _)| name == "content-length");
    match reply.framing {
        Framing::Length if declared => {}
        Framing::Length => _ = write!(head, "content-length: {}\r\n", reply.body_bytes()),
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::UntilClose => head.push_str("connection: close\r\n"),
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    for step in &reply.steps {
        if let Next::Hangup = perform(stream, step, reply.framing, state).await? {
            return Ok(Next::Hangup);
        }
    }
    match reply.framing {
        Framing::Length => {}
        Framing::Chunked => stream.write_all(b"0\r\n\r\n").await?,
        Framing::UntilClose => return Ok(Next::Hangup),
    }
    Ok(Next::Continue)
}

async fn perform(
    stream: &mut TcpStream,
    step: &Step,
    framing: Framing,
    state: &State,
) -> io::Result<Next> {
    match step {
        Step::Send(part) if framing == Framing::Chunked => {
            let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
            chunk.extend_from_slice(part);
            chunk.extend_from_slice(b"\r\n");
            stream.write_all(&chunk).await?;
        }
        Step::Send(bytes) | Step::Raw(bytes) => stream.write_all(bytes).await?,
        Step::Wait(gate) => gate.passed().await,
        Step::Pause(pause) => tokio::time::sleep(*pause).await,
        Step::Hang => {
            // Nobody pipelines here: whatever ends this read, the proxy has left.
            _ = stream.read(&mut [0]).await;
            state.left.fetch_add(1, Ordering::SeqCst);
            return Ok(Next::Hangup);
        }
        Step::Reset => {
            stream.set_zero_linger()?;
            return Ok(Next::Hangup);
        }
        Step::Close => return Ok(Next::Hangup),
    }
    Ok(Next::Continue)
}

/// The next request; `None` once the proxy has closed the connection.
async fn read_request(
    stream: &mut TcpStream,
    pending: &mut Vec<u8>,
    state: &State,
) -> io::Result<Option<Recorded>> {
    let end = loop {
        if let Some(end) = find(pending, b"\r\n\r\n") {
            break end;
        }
        if !fill(stream, pending).await? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&pending[..end]).into_owned();
    pending.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut request = Recorded {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: Vec::new(),
    };
    if request.header("transfer-encoding").is_some() {
        while let Some(chunk) = read_chunk(stream, pending).await? {
            state.body_bytes.fetch_add(chunk.len(), Ordering::SeqCst);
            request.body.extend(chunk);
        }
    } else {
        let length = request
            .header("content-length")
            .and_then(|length| length.parse().ok());
        let length: usize = length.unwrap_or(0);
        while request.body.len() < length {
            if pending.is_empty() && !fill(stream, pending).await? {
                return Ok(None);
            }
            let there = pending.len().min(length - request.body.len());
            state.body_bytes.fetch_add(there, Ordering::SeqCst);
            request.body.extend(pending.drain(..there));
        }
    }
    Ok(Some(request))
}

/// The next chunk of a chunked body; `None` after the last.
async fn read_chunk(stream: &mut TcpStream, pending: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(line) = find(pending, b"\r\n") {
            let size = String::from_utf8_lossy(&pending[..line]).into_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            let end = line + 2 + size + 2;
            if end <= pending.len() {
                let chunk = pending[line + 2..end - 2].to_vec();
                pending.drain(..end);
                return Ok((0 < size).then_some(chunk));
            }
        }
        if !fill(stream, pending).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn fill(stream: &mut TcpStream, pending: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = vec![0; 16 * 1024];
    let count = stream.read(&mut buffer).await?;
    pending.extend_from_slice(&buffer[..count]);
    Ok(0 < count)
}
