//! Many clients that ask at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tokio::task::JoinSet;

use super::app::{House, chat};
use super::chat::question;
use super::http::{Live, Request, Response};
use super::wait::eventually;

/// Clients waiting for their answers.
#[derive(Debug)]
pub(crate) struct Crowd {
    running: JoinSet<Response>,
    sent: Arc<AtomicUsize>,
    size: usize,
}

impl Crowd {
    /// Sends the same question so often at once.
    pub(crate) fn of(house: &House, question: &Value, size: usize) -> Self {
        Self::sending(house, vec![chat(question); size])
    }

    /// Sends each request at once.
    pub(crate) fn sending(house: &House, requests: Vec<Request>) -> Self {
        let client = house.client();
        let size = requests.len();
        let sent = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for request in requests {
            let sent = Arc::clone(&sent);
            running.spawn(async move {
                let stream = client.begin(&request).await.unwrap();
                sent.fetch_add(1, Ordering::SeqCst);
                let live = Live::read_head(stream, false).await.unwrap();
                live.rest().await.unwrap()
            });
        }
        Self {
            running,
            sent,
            size,
        }
    }

    /// Waits until the proxy has taken in every question.
    pub(crate) async fn arrived(&self, house: &House) {
        eventually("the crowd has asked", || async {
            (self.sent.load(Ordering::SeqCst) == self.size).then_some(())
        })
        .await;
        settled(house).await;
    }

    /// Every answer.
    pub(crate) async fn answers(self) -> Vec<Response> {
        self.running.join_all().await
    }
}

/// Waits until the proxy has taken in what was sent to it before.
pub(crate) async fn settled(house: &House) {
    let port = format!(":{:04X}", house.client().0.port());
    eventually("nothing waits to be read", || async {
        (unread_bytes(&port) == 0).then_some(())
    })
    .await;
    // What has been read is looked up before a question that comes after it.
    for number in 0..3 {
        let after = chat(&question(&format!("settled {number}")));
        house
            .send(&after.header("cache-control", "only-if-cached"))
            .await;
    }
}

/// How much the kernel holds for whoever listens on this port.
fn unread_bytes(port: &str) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let unread = |line: &str| -> Option<usize> {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (local, queues) = (fields.get(1)?, fields.get(4)?);
        let (_sending, receiving) = queues.split_once(':')?;
        local
            .ends_with(port)
            .then(|| usize::from_str_radix(receiving, 16).unwrap_or(0))
    };
    table.lines().filter_map(unread).sum()
}
