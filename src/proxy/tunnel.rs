//! A tunnel: a WebSocket (RFC 6455) between a client and the provider.
//!
//! It is opened as any request is forwarded: by a caller that may, within its limits,
//! with the credential that is meant for the provider. From then on bytes pass both ways
//! as they come. What the provider says is read along, because it tells there how many
//! tokens were spent.

mod handshake;
mod pump;

use std::any::Any;
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::account::Account;
use super::bill::{Bill, Led};
use super::forward::{Leg, unanswered};
use super::{Admitted, Asked, Proxy, ProxyError, Reply, ReplyBody, limits};
use crate::access::{Denied, Principal, foreign};
use crate::policy::CacheStatus;
use crate::upstream::{Call, CallBody, Opened, Wire, forwardable, returnable};
use crate::wire::Operation;

use super::Failed;
use pump::Tunnel;

/// The reason given for what is tunnelled.
const WEBSOCKET: &str = "websocket";

/// Where realtime sessions are opened: their model is the one in the address.
const REALTIME: &str = "/realtime";

/// A client that asks for a tunnel.
pub struct Knock {
    /// What it asks.
    pub asked: Asked,
    /// Its end of the connection, once it has been told that the tunnel is open.
    pub client: BoxFuture<'static, io::Result<Wire>>,
    /// What is held as long as the tunnel is open.
    pub place: Option<Arc<dyn Any + Send + Sync>>,
    /// A browser asks, for a page that is not this server's.
    pub is_foreign_page: bool,
}

impl std::fmt::Debug for Knock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Knock").finish_non_exhaustive()
    }
}

impl Proxy {
    /// Opens a tunnel to the provider.
    ///
    /// # Errors
    /// If the caller may not have one, or the provider gives no answer.
    pub async fn tunnel(self: &Arc<Self>, knock: Knock) -> Result<Reply, Failed> {
        let Knock {
            mut asked,
            client,
            place,
            is_foreign_page,
        } = knock;
        handshake::take_credential(&mut asked.headers);
        let shown = handshake::credentials(&asked.headers);
        let keys = self.keys();
        let judge = |principal: &Principal, asked: &Asked| may_tunnel(principal, asked);
        let mut admitted = self
            .admit_if(Operation::Passthrough, asked, &keys, judge)
            .await?;
        let meter = admitted.meter.clone();
        if is_foreign_page && admitted.is_lent {
            let error = admitted.account.denied(Denied::ForeignPage);
            return Err(limits::failed(meter.as_ref(), error));
        }
        if let Some(model) = handshake::model(&admitted.asked.path_and_query) {
            admitted.account.model(&model);
            let route = self.upstreams.route(&model, admitted.credential());
            if let Some(name) = route.model {
                let path = handshake::with_model(&admitted.asked.path_and_query, &name);
                admitted.asked.path_and_query = path;
            }
            admitted.go_to(route.upstream);
        }
        admitted.bring_credential();
        let ends = Ends {
            client,
            place,
            shown,
        };
        let result = self.open(admitted, ends).await;
        limits::told(meter.as_ref(), result)
    }

    async fn open(self: &Arc<Self>, admitted: Admitted, ends: Ends) -> Result<Reply, ProxyError> {
        let Admitted {
            asked,
            principal,
            is_lent: _,
            upstream,
            tags,
            spoken: _,
            directives: _,
            meter,
            mut account,
        } = admitted;
        if let Err(limited) = account.need_call().await {
            return Err(account.limited(limited));
        }
        let outcome = CacheStatus::Bypass { reason: WEBSOCKET };
        account.outcome(outcome);
        let mut bill = Bill::open(
            self,
            Led {
                request_id: asked.id.clone(),
                span: asked.span,
                operation: account.operation(),
                model: account.model_asked().map(str::to_owned),
                caller: principal.caller.clone(),
                upstream: Arc::clone(&upstream),
                tags,
                outcome: outcome.as_str(),
                meter,
            },
        );
        let headers = handshake::request(forwardable(&asked.headers, false));
        let call = Call {
            method: asked.method.clone(),
            path_and_query: asked.path_and_query.clone(),
            headers: bill.headers(headers),
            body: CallBody::Empty,
        };
        let (headers, provider) = match upstream.open(call).await {
            Ok(Opened::Tunnel(headers, wire)) => (headers, wire),
            Ok(Opened::Refused(answer)) => {
                self.note_standing(&principal, &upstream, answer.status);
                let leg = Leg {
                    method: asked.method,
                    outcome,
                    account,
                    bill,
                };
                return Ok(leg.pass(answer));
            }
            Err(error) => return Err(unanswered(&error, bill, account)),
        };
        let mut headers = handshake::response(returnable(&headers));
        outcome.write(&mut headers);
        bill.status(StatusCode::SWITCHING_PROTOCOLS);
        account.status(StatusCode::SWITCHING_PROTOCOLS.as_u16());
        let idle = upstream.idle_timeout();
        let tunnel = Tunnel::new(self, account, bill, (asked, ends.shown));
        let Ends { client, place, .. } = ends;
        self.tasks.spawn(async move {
            tunnel.run(client, provider, idle).await;
            drop(place);
        });
        Ok(Reply {
            status: StatusCode::SWITCHING_PROTOCOLS,
            headers,
            outcome,
            body: ReplyBody::Full(bytes::Bytes::new()),
        })
    }
}

/// The client's end, and what goes along with it.
struct Ends {
    client: BoxFuture<'static, io::Result<Wire>>,
    place: Option<Arc<dyn Any + Send + Sync>>,
    /// The credential it showed.
    shown: HeaderMap,
}

/// Whether a caller may open a tunnel, and does not choose a provider in its address. One
/// that is held to some models may only open realtime sessions, which have one model
/// until they end, and it stands in the address.
fn may_tunnel(principal: &Principal, asked: &Asked) -> Result<(), Denied> {
    let rights = &principal.rights;
    let is_named = rights
        .operations
        .as_ref()
        .is_none_or(|operations| operations.contains(Operation::Passthrough.as_str()));
    if !is_named {
        return Err(Denied::Operation);
    }
    if principal.is_ours
        && let Some(name) = foreign::parameter(&asked.path_and_query)
    {
        return Err(Denied::Foreign(name));
    }
    if rights.models.is_none() {
        return Ok(());
    }
    if asked.path().trim_end_matches('/') != REALTIME {
        return Err(Denied::Operation);
    }
    let model = handshake::model(&asked.path_and_query).ok_or(Denied::ModelUnread)?;
    if rights.allow_model(&model) {
        Ok(())
    } else {
        Err(Denied::Model)
    }
}

/// The two headers that ask for a WebSocket, and grant it.
fn upgraded(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

impl Account {
    /// The tunnel was cut for a reason of ours.
    fn cut(self, error: ProxyError) {
        self.failed(error.code());
    }
}
