//! A provider that speaks WebSocket, and clients that do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use super::app::House;

/// One side of a WebSocket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// A provider of realtime sessions: it says again what it hears. `done` has it tell the
/// tokens of a response, `bye` has it close; the model `refused` it does not know.
#[derive(Debug)]
pub(crate) struct Sessions {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    ended: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Sessions {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heads, ended) = (Arc::default(), Arc::default());
        let task = tokio::spawn(listen(listener, Arc::clone(&heads), Arc::clone(&ended)));
        Self {
            address,
            heads,
            ended,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The addresses and headers it was asked with.
    pub(crate) fn heads(&self) -> Vec<(String, HeaderMap)> {
        self.heads.lock().unwrap().clone()
    }

    /// How many sessions have ended.
    pub(crate) fn ended(&self) -> usize {
        *self.ended.lock().unwrap()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    listener: TcpListener,
    heads: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    ended: Arc<Mutex<usize>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (heads, ended) = (Arc::clone(&heads), Arc::clone(&ended));
        tokio::spawn(async move {
            if let Ok(socket) = greet(stream, &heads).await {
                _ = converse(socket).await;
                *ended.lock().unwrap() += 1;
            }
        });
    }
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
async fn greet(
    stream: TcpStream,
    heads: &Mutex<Vec<(String, HeaderMap)>>,
) -> Result<Socket, Error> {
    let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let path = request.uri().to_string();
        let is_refused = path.contains("model=refused");
        heads
            .lock()
            .unwrap()
            .push((path, request.headers().clone()));
        if is_refused {
            let mut refusal = ErrorResponse::new(Some("{\"error\":\"no such model\"}".to_owned()));
            *refusal.status_mut() = StatusCode::NOT_FOUND;
            return Err(refusal);
        }
        if request.headers().contains_key("sec-websocket-protocol") {
            let chosen = HeaderValue::from_static("realtime");
            response
                .headers_mut()
                .insert("sec-websocket-protocol", chosen);
        }
        Ok(response)
    };
    accept_hdr_async(stream, check).await
}

async fn converse(mut socket: Socket) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        match &message {
            Message::Text(text) if text.as_str() == "done" => {
                let done = r#"{"type":"response.done","response":{"id":"r","usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10}}}"#;
                socket.send(Message::text(done)).await?;
            }
            Message::Text(text) if text.as_str() == "bye" => socket.close(None).await?,
            Message::Text(_) | Message::Binary(_) => socket.send(message).await?,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
    }
    Ok(())
}

impl House {
    /// Opens a session at `path` with these headers.
    pub(crate) async fn session(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, Error> {
        let mut request = format!("ws://localhost{path}").into_client_request()?;
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let stream = self.client().connect().await?;
        client_async(request, stream)
            .await
            .map(|(socket, _)| socket)
    }
}

/// The status with which a session was refused.
pub(crate) fn refused(result: Result<Socket, Error>) -> u16 {
    match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => 101,
    }
}

/// What the other side says next; `None` once it has ended.
pub(crate) async fn next(socket: &mut Socket) -> Option<Message> {
    socket.next().await?.ok()
}

/// Says something, and gives what is said next.
pub(crate) async fn echo(socket: &mut Socket, message: Message) -> Option<Message> {
    socket.send(message).await.ok()?;
    next(socket).await
}
