//! An HTTP/1.1 client that hides nothing: every byte as it came, and how the
//! answer ended.
//!
//! A library would be kind where the tests must not be: it would follow, retry,
//! decode, and call a cut answer by the same name as a refused one.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest silence that is waited out.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As HTTP says it must.
    Whole,
    /// The connection was closed or reset before that.
    Cut,
}

/// Where to send requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A whole answer, or what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

/// An answer that is still coming.
#[derive(Debug)]
pub(crate) struct Live {
    stream: TcpStream,
    /// Raw bytes not yet understood.
    pending: Vec<u8>,
    framing: Framing,
    /// What came, without its framing.
    response: Response,
    over: bool,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A `POST` of JSON, these exact bytes.
    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path)
            .header("content-type", "application/json")
            .body(body)
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds the credential.
    pub(crate) fn bearer(self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes on the wire.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            _ = write!(head, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" {
            _ = write!(head, "content-length: {}\r\n", self.body.len());
        }
        head.push_str("\r\n");
        let mut wire = head.into_bytes();
        wire.extend_from_slice(&self.body);
        wire
    }
}

impl Client {
    /// Sends the request on a connection of its own and reads all of the answer.
    pub(crate) async fn send(&self, request: &Request) -> Response {
        self.try_send(request).await.unwrap()
    }

    /// [`Client::send`], where there may be no answer at all.
    pub(crate) async fn try_send(&self, request: &Request) -> io::Result<Response> {
        self.try_open(request).await?.rest().await
    }

    /// Sends the request and reads the head of the answer.
    pub(crate) async fn open(&self, request: &Request) -> Live {
        self.try_open(request).await.unwrap()
    }

    /// [`Client::open`], where there may be no answer at all.
    pub(crate) async fn try_open(&self, request: &Request) -> io::Result<Live> {
        let stream = self.begin(request).await?;
        Live::read_head(stream, request.method == "HEAD").await
    }

    /// Sends the request and reads nothing.
    pub(crate) async fn begin(&self, request: &Request) -> io::Result<TcpStream> {
        let mut stream = self.connect().await?;
        stream.write_all(&request.to_wire()).await?;
        Ok(stream)
    }

    /// A bare connection.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.0).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Gets a page.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(&Request::new("GET", path)).await
    }
}

impl Response {
    /// The value of a header; `None` if it is not there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        Some(value)
    }

    /// What the cache says it did: `HIT`, `MISS`, …
    pub(crate) fn x_cache(&self) -> &str {
        self.header("x-cache").unwrap_or("(no x-cache)")
    }

    /// The `Cache-Status` list, which may be spread over several lines.
    pub(crate) fn cache_status(&self) -> String {
        let lines: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| name == "cache-status")
            .map(|(_, value)| value.as_str())
            .collect();
        lines.join(", ")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "not JSON ({error}): {}",
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    /// The `code` of the error envelope, all of whose members must be there.
    pub(crate) fn error_code(&self) -> String {
        let body = self.json();
        let error = &body["error"];
        assert!(error["message"].is_string(), "no error message: {body}");
        assert!(error["type"].is_string(), "no error type: {body}");
        let members = error.as_object().unwrap();
        assert!(members.contains_key("param"), "no error param: {body}");
        error["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The `data` of each event.
    pub(crate) fn events(&self) -> Vec<String> {
        events(&String::from_utf8_lossy(&self.body))
    }

    /// Whether the stream says that it is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.ending == Ending::Whole && self.events().last().is_some_and(|data| data == "[DONE]")
    }
}

impl Live {
    /// Reads the head of an answer.
    pub(crate) async fn read_head(stream: TcpStream, bodiless: bool) -> io::Result<Self> {
        let mut live = Self {
            stream,
            pending: Vec::new(),
            framing: Framing::UntilClose,
            response: Response {
                status: 0,
                headers: Vec::new(),
                body: Vec::new(),
                ending: Ending::Cut,
            },
            over: false,
        };
        let end = loop {
            if let Some(end) = find(&live.pending, b"\r\n\r\n") {
                break end;
            }
            if !live.fill().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&live.pending[..end]).into_owned();
        live.pending.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        live.response.status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        live.response.headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = live.response.header("content-length");
        let chunked = live.response.header("transfer-encoding") == Some("chunked");
        live.framing = match (length, chunked) {
            _ if bodiless || matches!(live.response.status, 100..=199 | 204 | 304) => {
                Framing::Length(0)
            }
            (_, true) => Framing::Chunked,
            (Some(length), false) => Framing::Length(length.parse().unwrap()),
            (None, false) => Framing::UntilClose,
        };
        Ok(live)
    }

    /// What came so far.
    pub(crate) fn so_far(&self) -> &Response {
        &self.response
    }

    /// Waits until what came satisfies `enough`, or the answer is over.
    pub(crate) async fn until(&mut self, enough: impl Fn(&Response) -> bool) -> &Response {
        while !enough(&self.response) && !self.over {
            self.advance().await.unwrap();
        }
        &self.response
    }

    /// Waits until `count` events came, or the answer is over.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<String> {
        self.until(|response| count <= response.events().len())
            .await
            .events()
    }

    /// Reads the answer to its end.
    pub(crate) async fn rest(mut self) -> io::Result<Response> {
        while !self.over {
            self.advance().await?;
        }
        Ok(self.response)
    }

    /// The rest, and the connection to ask on again.
    pub(crate) async fn rest_and_stream(mut self) -> (Response, TcpStream) {
        while !self.over {
            self.advance().await.unwrap();
        }
        (self.response, self.stream)
    }

    /// Takes in what is there, or waits for more.
    async fn advance(&mut self) -> io::Result<()> {
        let moved = match self.framing {
            Framing::Length(length) => {
                let wanted = length - self.response.body.len();
                let there = wanted.min(self.pending.len());
                self.response.body.extend(self.pending.drain(..there));
                self.over = there == wanted;
                0 < there || self.over
            }
            Framing::Chunked => self.take_chunk()?,
            Framing::UntilClose => {
                let there = self.pending.len();
                self.response.body.append(&mut self.pending);
                0 < there
            }
        };
        if self.over {
            self.response.ending = Ending::Whole;
        } else if !moved && !self.fill().await? {
            self.over = true;
            if matches!(self.framing, Framing::UntilClose) {
                self.response.ending = Ending::Whole;
            }
        }
        Ok(())
    }

    fn take_chunk(&mut self) -> io::Result<bool> {
        let Some(line) = find(&self.pending, b"\r\n") else {
            return Ok(false);
        };
        let size = std::str::from_utf8(&self.pending[..line])
            .ok()
            .and_then(|size| usize::from_str_radix(size.split(';').next()?.trim(), 16).ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        let end = line + 2 + size + 2;
        if self.pending.len() < end {
            return Ok(false);
        }
        self.response
            .body
            .extend_from_slice(&self.pending[line + 2..end - 2]);
        self.pending.drain(..end);
        self.over = size == 0;
        Ok(true)
    }

    /// Reads from the connection. `false` once it is closed or reset.
    async fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; 16 * 1024];
        let read = timeout(SILENCE_MAX, self.stream.read(&mut buffer))
            .await
            .map_err(|_elapsed| io::Error::new(io::ErrorKind::TimedOut, "silence"))?;
        match read {
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                Ok(0 < count)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The `data` of each complete event.
fn events(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let mut parts: Vec<_> = text.split("\n\n").collect();
    // Without its blank line the last one is no event (WHATWG HTML 9.2.6).
    parts.pop();
    let data = |event: &str| {
        let lines: Vec<_> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    };
    parts.into_iter().filter_map(data).collect()
}

/// Where `needle` begins.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
